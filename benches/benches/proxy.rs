//! What does a request through the agent's proxy cost, beside a minimal one and none?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{env, process::Command, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_benches::{
    load::{Load, upstream},
    proxies::{Proxy, agent},
};

fn proxy(c: &mut Criterion) {
    if let Err(why) = measure(c) {
        println!("skipped: {why}");
    }
}

fn measure(c: &mut Criterion) -> Result<(), Box<dyn std::error::Error>> {
    let agent = agent()?;
    // The lender and the peer are modes of the `targets` program, which cargo builds for a bench.
    let lender = env!("CARGO_BIN_EXE_targets");
    let upstream = upstream()?;
    let allow = format!("domain={}", upstream.ip());
    let folder = tempfile::tempdir()?;
    let mut ours = Command::new(agent);
    ours.args(["run", "--quiet", "--allow", &allow, "--inject", &allow])
        .arg("--trail")
        .arg(folder.path().join("trail.ndjson"))
        .args(["--", lender, "--lend-proxy"]);
    let mut peer = Command::new(lender);
    peer.arg("--serve-peer");
    let mut group = c.benchmark_group("proxy, one request at a time");
    let mut direct = Load::open(upstream, upstream, 1)?;
    group.bench_function("floor, no proxy", |b| b.iter(|| direct.one()));
    let mut ours = Proxy::start(ours, upstream, 1)?;
    group.bench_function("ours", |b| b.iter(|| ours.load().one()));
    let mut peer = Proxy::start(peer, upstream, 1)?;
    group.bench_function("peer minimal hyper proxy", |b| b.iter(|| peer.load().one()));
    group.finish();
    Ok(())
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2));
    targets = proxy
}
criterion_main!(benches);
