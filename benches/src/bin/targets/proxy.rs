//! The agent's proxy beside a minimal one, each a process of its own, under the same load in turn.

use std::{
    env, fs, io,
    process::Command,
    time::{Duration, Instant},
};

use throughline_benches::{
    load::{Load, upstream},
    proxies::{Proxy, Slice, agent},
    rounds::median,
};

use crate::report::Row;

const CONNECTIONS: usize = 16;
const SLICE: Duration = Duration::from_millis(150);
const ROUNDS: usize = 36;
/// Requests that are made one at a time in a round (count).
const ALONE: u32 = 100;

/// The agent with a trail and headers, without, and the minimal proxy.
const WHOLE: usize = 0;
const BARE: usize = 1;
const PEER: usize = 2;

/// What each proxy did in its turn, and what is done without one.
struct Round {
    slices: Vec<Slice>,
    /// How long a request takes if there is no other (microseconds).
    alone: Vec<f64>,
    /// Requests a second without a proxy.
    direct: f64,
    direct_alone: f64,
}

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
    let mut direct = Load::open(upstream, upstream, CONNECTIONS)?;
    let rounds: Vec<Round> = (0..ROUNDS)
        .map(|_| Round::of(&mut proxies, &mut direct))
        .collect::<io::Result<_>>()?;
    drop(proxies);
    let mut rows = judge(&rounds, fs::metadata(&trail)?.len());
    rows.push(added(&rounds));
    Ok(rows)
}

impl Round {
    fn of(proxies: &mut [Proxy], direct: &mut Load) -> io::Result<Self> {
        let slices = proxies.iter_mut().map(|proxy| proxy.slice(SLICE));
        let slices = slices.collect::<io::Result<_>>()?;
        let done = direct.run(SLICE)?;
        let alone_each = proxies.iter_mut().map(|proxy| alone(proxy.load()));
        Ok(Self {
            slices,
            alone: alone_each.collect::<io::Result<_>>()?,
            #[expect(clippy::cast_precision_loss, reason = "thousands")]
            direct: done.requests as f64 / done.took.as_secs_f64(),
            direct_alone: alone(direct)?,
        })
    }
}

/// How long a request takes on one connection, one after the other (microseconds).
fn alone(load: &mut Load) -> io::Result<f64> {
    let start = Instant::now();
    for _ in 0..ALONE {
        load.one()?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(ALONE))
}

/// What a proxy adds to the time of a request that is alone.
fn added(rounds: &[Round]) -> Row {
    let over = |case: usize| {
        let added = rounds.iter();
        median(added.map(|round| round.alone[case] - round.direct_alone))
    };
    let direct = median(rounds.iter().map(|round| round.direct_alone));
    Row::new("  added to a request alone")
        .ours(format!("{:.1} us", over(WHOLE)))
        .floor("a request without a proxy", format!("{direct:.1} us"))
        .peer("minimal hyper proxy", format!("{:.1} us", over(PEER)))
        .ratio(over(WHOLE) / over(PEER))
}

fn judge(rounds: &[Round], trail_len: u64) -> Vec<Row> {
    let rate = |case: usize| median(rounds.iter().map(|round| round.slices[case].rate));
    let direct = median(rounds.iter().map(|round| round.direct));
    let ratio = |round: &Round| round.slices[WHOLE].rate / round.slices[PEER].rate;
    let ratio = median(rounds.iter().map(ratio));
    let cpu = |case: usize| {
        let (cpu, requests) = rounds.iter().fold((0.0, 0.0), |(cpu, requests), round| {
            let slice = &round.slices[case];
            (cpu + slice.cpu, requests + slice.requests)
        });
        cpu * 1e6 / requests
    };
    let kilo = |rate: f64| format!("{:.1} k/s", rate / 1e3);
    let throughput = Row::new("proxy, 16 connections: requests")
        .ours(kilo(rate(WHOLE)))
        .floor("without a proxy", kilo(direct))
        .peer("minimal hyper proxy", kilo(rate(PEER)))
        .ratio(ratio)
        .at_least(ratio, 0.9, " x peer")
        .note(format!(
            "with trail ({trail_len} bytes), rules and inject; the peer has none of them"
        ));
    let (whole, bare, peer) = (cpu(WHOLE), cpu(BARE), cpu(PEER));
    let mut differences: Vec<f64> = rounds
        .iter()
        .map(|round| round.slices[WHOLE].each() - round.slices[BARE].each())
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
