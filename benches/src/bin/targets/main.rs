//! Measures every row of the targets table beside its floor and its peers, and ends with 1 if one is
//! missed: `cargo run --release -p throughline-benches --bin targets [ROW..]`.

use std::{env, process::ExitCode, time::Instant};

mod emit;
mod encode;
mod headers;
mod paced;
mod proxy;
mod record;
mod report;
mod rules;
mod send;
mod wake;

use report::{Row, Verdict};
use throughline_benches::proxies;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--lend-proxy") => proxies::lend(),
        Some("--serve-peer") => proxies::serve_peer(),
        _ => measure(&arguments),
    }
}

fn measure(wanted: &[String]) -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("this build is not optimised, its figures mean nothing: cargo run --release ...");
        return ExitCode::from(2);
    }
    println!("{}\n", throughline_benches::machine::describe());
    let start = Instant::now();
    let mut rows = Vec::new();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            eprintln!("measuring: {name}");
            rows.extend(part());
        }
    }
    if rows.is_empty() {
        let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
        eprintln!("no such row; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    report::print(&rows);
    let count = |verdict| rows.iter().filter(|row| row.verdict() == verdict).count();
    println!(
        "\n{} met, {} missed, {} skipped, in {} s",
        count(Verdict::Met),
        count(Verdict::Missed),
        count(Verdict::Skipped),
        start.elapsed().as_secs()
    );
    ExitCode::from(u8::from(count(Verdict::Missed) > 0))
}

type Part = fn() -> Vec<Row>;

const PARTS: [(&str, Part); 10] = [
    ("record", record::rows),
    ("encode", encode::rows),
    ("send", send::rows),
    ("frame", send::frame_rows),
    ("wake", wake::rows),
    ("paced", paced::rows),
    ("headers", headers::rows),
    ("rules", rules::rows),
    ("emit", emit::rows),
    ("proxy", proxy::rows),
];
