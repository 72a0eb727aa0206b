//! Whether an event costs the same however many there were, and memory stays what it was:
//! `cargo run --release -p throughline-benches --bin scaling [EVENTS]`, up to 10^8 unless said otherwise.
//!
//! Ends with 1 if the cost or the memory has grown.

use std::{env, fs, hint::black_box, process::ExitCode};

use throughline_benches::{
    events::act,
    machine,
    rounds::{cost, median},
    trails::{self, BenchTrail},
};

fn main() -> ExitCode {
    let most: u64 = match env::args().nth(1).map(|text| text.parse()) {
        None => 100_000_000,
        Some(Ok(most @ 10_000..)) => most,
        Some(_) => {
            eprintln!("give a number of events from 10000 on");
            return ExitCode::from(2);
        }
    };
    println!("{}\n", machine::describe());
    println!(
        "{:>12}  {:>12}  {:>14}",
        "events", "ns an event", "resident (KiB)"
    );
    let trail = trails::on_host();
    // What was lent is there before the first event, so that it is not counted as growth.
    run(&trail, 100_000);
    let mut rows = Vec::new();
    let mut events = 1000;
    while events <= most {
        let row = (run(&trail, events), resident());
        println!("{events:>12}  {:>12.1}  {:>14}", row.0, row.1);
        rows.push(row);
        events *= 10;
    }
    let costs = || rows.iter().map(|row| row.0);
    let spread = costs().fold(0.0, f64::max) / costs().fold(f64::INFINITY, f64::min);
    let growth = rows.last().map_or(0, |row| row.1) - rows.first().map_or(0, |row| row.1);
    println!("\nmost over least: {spread:.2} of 1.25; memory grew by {growth} KiB of 256");
    ExitCode::from(u8::from(spread > 1.25 || growth > 256))
}

/// Records so many events with a flusher that takes a frame's worth at a time; the median cost of a
/// thousand of them (nanoseconds an event), so that what else runs here does not count.
fn run(trail: &BenchTrail, events: u64) -> f64 {
    const CHUNK: u32 = 1000;

    let chunks = events / u64::from(CHUNK);
    // At most so many are kept: the measuring may not be what grows.
    let every = chunks.div_ceil(10_000).max(1);
    let mut costs = Vec::with_capacity(10_000);
    for chunk in 0..chunks {
        let cost = cost(CHUNK, || {
            for number in 0..CHUNK as usize {
                black_box(trail.record(&black_box(act(number)).request()));
            }
            trails::drain(trail);
        });
        if chunk % every == 0 {
            costs.push(cost);
        }
    }
    median(costs)
}

/// What the process has in memory (KiB).
fn resident() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
