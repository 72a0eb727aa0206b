//! What do fifty rules cost that do not match, and one that does?
#![allow(missing_docs, reason = "the macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_rules::{Rule, Url, first_match};

const URL: &str = "https://api.example.com/v1/threads/4711/messages?limit=20";

fn rules(c: &mut Criterion) {
    let mut group = c.benchmark_group("rules");
    let texts: Vec<String> = (0..50)
        .map(|number| format!("method=GET,HEAD domain=registry-{number}.example.com path=/v1/*"))
        .collect();
    let parsed: Result<Vec<Rule<'_>>, _> = texts.iter().map(|text| Rule::parse(text)).collect();
    let rules = parsed.expect("rules");
    let url = Url::parse(URL).expect("a URL");
    group.bench_function("50 without a match", |b| {
        b.iter(|| first_match(black_box(&rules), "GET", black_box(&url)).is_none());
    });
    group.bench_function("parse a URL", |b| {
        b.iter(|| Url::parse(black_box(URL)).is_ok());
    });
    let one = [Rule::parse("domain=*.example.com path=/v1/*").expect("a rule")];
    group.bench_function("one that matches", |b| {
        b.iter(|| first_match(black_box(&one), "GET", black_box(&url)).is_some());
    });
    group.bench_function("floor, comparing 50 hosts", |b| {
        b.iter(|| {
            texts
                .iter()
                .filter(|text| black_box(text.as_str()) == url.host())
                .count()
        });
    });
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
