//! What a caller notices of an audit daemon that stands still: nothing.
//!
//! Starts an audit daemon of its own, stops it with `SIGSTOP`, and has another process emit 20,000
//! records from eight threads. Prints how long each emit took and how long that process took to
//! end. Run it as root, on a machine whose audit log may be disturbed:
//!
//! ```text
//! cargo run --release -p throughline-audit --example frozen-auditd
//! ```

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use throughline_audit::{Options, helper};
use throughline_core::{Phase, PhaseEmitter, PhaseRecord};
use throughline_testkit::AuditDaemon;

use common::change;

#[path = "../tests/common/mod.rs"]
mod common;

const THREADS: u32 = 8;
const EACH: u32 = 2_500;
const DRAIN: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("helper") => return helper::run(),
        Some("emit") => emit(),
        _ => match AuditDaemon::start() {
            Ok(daemon) => freeze(&daemon),
            Err(why) => println!("skipped: {why}"),
        },
    }
    ExitCode::SUCCESS
}

/// Runs the emitting process while the daemon stands still.
fn freeze(daemon: &AuditDaemon) {
    kill_process(daemon.pid(), Signal::STOP).unwrap();
    let start = Instant::now();
    let status = this_program("emit").status().unwrap();
    let took = start.elapsed();
    kill_process(daemon.pid(), Signal::CONT).unwrap();
    println!("the process ended after {took:?}, start and drain included");
    assert!(status.success());
}

fn emit() {
    // Room for all of them, so that each takes the way of one that is not dropped.
    let options = Options::new()
        .capacity(32_768)
        .observer(|notice| println!("notice: {notice}"));
    let emitter = options.start_helper(this_program("helper")).unwrap();
    let mut times = thread::scope(|scope| {
        let emitting = || emit_each(&emitter);
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(emitting)).collect();
        let times = threads.into_iter().flat_map(|times| times.join().unwrap());
        times.collect::<Vec<_>>()
    });
    times.sort_unstable();
    let share = |permille: usize| times[(times.len() - 1) * permille / 1000];
    println!(
        "{} emits: p50 {:?}, p99 {:?}, p99.9 {:?}, worst {:?}",
        times.len(),
        share(500),
        share(990),
        share(999),
        share(1000)
    );
    let start = Instant::now();
    let counters = emitter.close(DRAIN);
    println!(
        "closing took {:?} of {DRAIN:?}: {counters:#?}",
        start.elapsed()
    );
    assert_eq!(counters.pushed, u64::from(THREADS * EACH));
    assert_eq!(counters.pending, 0);
    assert!(counters.is_balanced());
}

fn emit_each(emitter: &impl PhaseEmitter) -> Vec<Duration> {
    let change = change("frozen");
    (0..EACH)
        .map(|step| {
            let record = PhaseRecord {
                change,
                step,
                phase: Phase::Apply,
                success: true,
            };
            let start = Instant::now();
            emitter.emit(&record);
            start.elapsed()
        })
        .collect()
}

fn this_program(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(role);
    command
}
