//! What does a request cost from its URL to the socket, the proxy's I/O left out?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_benches::{events::act, heads::HEAD, socket::OpenLink, trails};
use throughline_core::{HttpRequest, MatchedRule};
use throughline_headers::{HeadInjector, Names};
use throughline_rules::{Rule, Url, first_match};

/// Rules, record, stamp on the head; a frame to the socket for every ten.
fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("whole path");
    let trail = trails::on_host();
    let mut link = OpenLink::new(&trail);
    let injector = HeadInjector::new(&Names::DEFAULT, trail.session());
    let texts = [
        "domain=git.example.org",
        "domain=*.example.net",
        "domain=*.example.com",
    ];
    let rules = texts.map(|text| Rule::parse(text).expect("a rule"));
    let mut out = [0; 1024];
    group.bench_function("a request, ten a frame", |b| {
        b.iter_custom(|n| {
            let mut took = Duration::ZERO;
            for first in (0..n).step_by(10) {
                let start = Instant::now();
                for number in first..n.min(first + 10) {
                    let act = black_box(act(number as usize));
                    let url = Url::parse(act.url).expect("a URL");
                    let (_, rule) = first_match(&rules, act.method, &url).expect("a match");
                    let rule = MatchedRule::new(rule.as_str()).expect("a rule");
                    let stamp = trail.record(&HttpRequest::allowed(act.method, act.url, rule));
                    let _ = black_box(injector.rewrite(HEAD, &mut out, Some(stamp)));
                }
                link.turn(&trail);
                took += start.elapsed();
                link.read();
            }
            took
        });
    });
    group.finish();
}

criterion_group!(benches, whole);
criterion_main!(benches);
