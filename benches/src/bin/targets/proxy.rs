//! The agent's proxy beside a minimal one, each a process of its own, under the same load in turn.

use std::{env, fs, io, process::Command, time::Duration};

use throughline_benches::{
    load::upstream,
    proxies::{Proxy, Slice, agent},
    rounds::median,
};

use crate::report::Row;

const CONNECTIONS: usize = 16;
const SLICE: Duration = Duration::from_millis(400);
const ROUNDS: usize = 15;

pub(crate) fn rows() -> Vec<Row> {
    match measure() {
        Ok(rows) => rows,
        Err(why) => vec![Row::skipped("proxy, 16 connections", why)],
    }
}

fn measure() -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let agent = agent()?;
    let upstream = upstream()?;
    let folder = tempfile::tempdir()?;
    let allow = format!("domain={}", upstream.ip());
    let trail = folder.path().join("trail.ndjson");
    let mut whole = Command::new(&agent);
    whole.args(["run", "--quiet", "--allow", &allow, "--inject", &allow]);
    whole.arg("--trail").arg(&trail);
    let mut bare = Command::new(&agent);
    bare.args(["run", "--quiet", "--allow", &allow]);
    let this = env::current_exe()?;
    for command in [&mut whole, &mut bare] {
        command.arg("--").arg(&this).arg("--lend-proxy");
    }
    let mut peer = Command::new(&this);
    peer.arg("--serve-peer");
    let mut proxies = Vec::new();
    for command in [whole, bare, peer] {
        proxies.push(Proxy::start(command, upstream, CONNECTIONS)?);
    }
    let mut rounds: Vec<Vec<Slice>> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(
            proxies
                .iter_mut()
                .map(|proxy| proxy.slice(SLICE))
                .collect::<io::Result<_>>()?,
        );
    }
    drop(proxies);
    Ok(judge(&rounds, fs::metadata(&trail)?.len()))
}

fn judge(rounds: &[Vec<Slice>], trail_len: u64) -> Vec<Row> {
    let rate = |case: usize| median(rounds.iter().map(|round| round[case].rate));
    let ratio = median(rounds.iter().map(|round| round[0].rate / round[2].rate));
    let cpu = |case: usize| {
        let (cpu, requests) = rounds.iter().fold((0.0, 0.0), |(cpu, requests), round| {
            (cpu + round[case].cpu, requests + round[case].requests)
        });
        cpu * 1e6 / requests
    };
    let kilo = |rate: f64| format!("{:.1} k/s", rate / 1e3);
    let throughput = Row::new("proxy, 16 connections: requests")
        .ours(kilo(rate(0)))
        .peer("minimal hyper proxy", kilo(rate(2)))
        .ratio(ratio)
        .at_least(ratio, 0.9, " x peer")
        .note(format!(
            "with trail ({trail_len} bytes), rules and inject; the peer has none of them"
        ));
    let (whole, bare, peer) = (cpu(0), cpu(1), cpu(2));
    let mut differences: Vec<f64> = rounds
        .iter()
        .map(|round| round[0].each() - round[1].each())
        .collect();
    differences.sort_by(f64::total_cmp);
    let quarter = differences.len() / 4;
    let (low, high) = (
        differences[quarter],
        differences[differences.len() - 1 - quarter],
    );
    let extra = median(differences);
    let added = Row::new("  CPU a request")
        .ours(format!("{whole:.1} us"))
        .floor("without trail and inject", format!("{bare:.1} us"))
        .peer("minimal hyper proxy", format!("{peer:.1} us"))
        .ratio(whole / peer)
        .note(format!(
            "trail and inject add {extra:.1} us, quartiles {low:.1} to {high:.1}; the trail's collector is in it"
        ))
        .at_most(extra, 3.0, " us more");
    vec![throughput, added]
}
