//! What a caller notices of an audit daemon that stands still: nothing.
//!
//! Starts an audit daemon of its own, stops it with `SIGSTOP`, and has another process emit 20,000
//! records from eight threads. Prints how long each emit took, what became of the records and how
//! long that process took to end: with a queue that has room for all of them, so that each emit takes
//! its longest way, and with one of the usual size. Run it as root, on a machine whose audit log may be
//! disturbed:
//!
//! ```text
//! cargo run --release -p throughline-audit --example frozen-auditd
//! ```
//!
//! With `-- thread` a thread of that process sends the records, and not a helper; then the emits are
//! as quick, and the process takes up to a minute to end.

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use throughline_audit::{AuditEmitter, Counters, Options, helper};
use throughline_core::{Phase, PhaseEmitter, PhaseRecord};
use throughline_testkit::AuditDaemon;

use common::change;

#[path = "../tests/common/mod.rs"]
mod common;

const THREADS: u32 = 8;
const EACH: u32 = 2_500;
const ROOM: &str = "32768";
const USUAL: &str = "1024";
const DRAIN: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["helper"] => return helper::run(),
        ["emit", sender, capacity] => emit(&start(sender, capacity.parse().unwrap())),
        [] => freeze("helper", &[ROOM, USUAL]),
        ["thread"] => freeze("thread", &[ROOM]),
        _ => {
            eprintln!("give no argument, or thread");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Runs the emitting process while the daemon stands still.
fn freeze(sender: &str, capacities: &[&str]) {
    let daemon = match AuditDaemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return println!("skipped: {why}"),
    };
    kill_process(daemon.pid(), Signal::STOP).unwrap();
    for capacity in capacities {
        println!("sent by a {sender}, from a queue of {capacity}");
        let start = Instant::now();
        let status = this_program(&["emit", sender, capacity]).status().unwrap();
        let took = start.elapsed();
        assert!(status.success());
        println!("  the process ended after {took:?}, start and drain included");
    }
    kill_process(daemon.pid(), Signal::CONT).unwrap();
}

fn start(sender: &str, capacity: usize) -> AuditEmitter {
    let options = Options::new()
        .capacity(capacity)
        .observer(|notice| println!("  notice: {notice}"));
    match sender {
        "thread" => options.start_thread(),
        _ => options.start_helper(this_program(&["helper"])),
    }
    .unwrap()
}

fn emit(emitter: &AuditEmitter) {
    let mut times = thread::scope(|scope| {
        let emitting = || emit_each(&emitter);
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(emitting)).collect();
        let times = threads.into_iter().flat_map(|times| times.join().unwrap());
        times.collect::<Vec<_>>()
    });
    times.sort_unstable();
    let share = |permille: usize| times[(times.len() - 1) * permille / 1000];
    println!(
        "  {} emits: p50 {:?}, p99 {:?}, p99.9 {:?}, worst {:?}",
        times.len(),
        share(500),
        share(990),
        share(999),
        share(1000)
    );
    let start = Instant::now();
    let counters = emitter.close(DRAIN);
    println!("  closing took {:?} of {DRAIN:?}", start.elapsed());
    tell(&counters);
    assert_eq!(counters.pushed, u64::from(THREADS * EACH));
    assert_eq!(counters.pending, 0);
    assert!(counters.is_balanced());
}

fn tell(counters: &Counters) {
    let dropped = counters.dropped;
    println!(
        "  accepted {}, refused {}, unknown {}, dropped {}: queue full {}, hand-off full {}, \
         resting {}, off {}, deadline {}; longest send {:?}",
        counters.accepted,
        counters.refused.total(),
        counters.unknown,
        dropped.total(),
        dropped.queue_full,
        dropped.hand_off_full,
        dropped.resting,
        dropped.off,
        dropped.deadline,
        counters.max_send
    );
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

fn this_program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments);
    command
}
