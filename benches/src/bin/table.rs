//! Fills the tables of results in the READMEs from what `cargo bench -p throughline-benches` has left:
//! `cargo run -p throughline-benches --bin table`.
//!
//! Each figure is criterion's median, and its ratio is to the first of its group, which is ours.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::Value;
use throughline_benches::machine;

const START: &str = "<!-- results: cargo run -p throughline-benches --bin table -->";
const END: &str = "<!-- end of results -->";

fn main() -> ExitCode {
    match fill() {
        Ok(files) => {
            println!("filled {}", files.join(" and "));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The cases of each group with their medians (nanoseconds).
type Results = BTreeMap<String, Vec<(String, f64)>>;

fn fill() -> Result<Vec<String>, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| here.join("../target"), PathBuf::from);
    let results = read(&target.join("criterion"))?;
    let machine = machine::describe();
    let whole = table(&results, &machine, |_| true);
    let short = table(&results, &machine, |group| SHORT.contains(&group));
    let mut filled = Vec::new();
    for (path, text) in [("README.md", whole), ("../README.md", short)] {
        let path = here.join(path);
        replace(&path, &text)?;
        filled.push(path.display().to_string());
    }
    Ok(filled)
}

/// What a reader of the root README wants to know.
const SHORT: [&str; 3] = [
    "record",
    "encode a batch of 10",
    "inject, raw head of 484 bytes",
];

fn read(folder: &Path) -> Result<Results, String> {
    let missing = || {
        format!(
            "there are no results in {}: cargo bench -p throughline-benches",
            folder.display()
        )
    };
    let mut results = Results::new();
    for group in fs::read_dir(folder).map_err(|_| missing())?.flatten() {
        for case in fs::read_dir(group.path()).into_iter().flatten().flatten() {
            let new = case.path().join("new");
            let Some((name, id)) = json(&new.join("benchmark.json")).and_then(|id| {
                let group = id["group_id"].as_str()?.to_owned();
                Some((group, id["function_id"].as_str()?.to_owned()))
            }) else {
                continue;
            };
            let median = json(&new.join("estimates.json"))
                .and_then(|estimates| estimates["median"]["point_estimate"].as_f64());
            if let Some(median) = median {
                results.entry(name).or_default().push((id, median));
            }
        }
    }
    for cases in results.values_mut() {
        cases.sort_by_key(|(name, _)| (rank(name), name.clone()));
    }
    if results.is_empty() {
        Err(missing())
    } else {
        Ok(results)
    }
}

/// Ours, then floors, then peers.
fn rank(name: &str) -> (usize, u64) {
    let kind = ["ours", "floor", "peer"]
        .iter()
        .position(|kind| name.starts_with(kind));
    (kind.unwrap_or(0), name.parse().unwrap_or(0))
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn table(results: &Results, machine: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut text = format!("On {machine}:\n\n| what | median | ratio |\n|---|---:|---:|\n");
    for (group, cases) in results.iter().filter(|(group, _)| wanted(group)) {
        let first = cases.first().map_or(f64::NAN, |(_, median)| *median);
        text += &format!("| **{group}** | | |\n");
        for (name, median) in cases {
            text += &format!("| {name} | {} | {:.2} |\n", time(*median), median / first);
        }
    }
    text
}

fn time(nanos: f64) -> String {
    match nanos {
        ..1e3 => format!("{nanos:.1} ns"),
        ..1e6 => format!("{:.2} us", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}

/// Puts the table between its markers; all else stays as it is.
fn replace(path: &Path, table: &str) -> Result<(), String> {
    let error = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|why| error(&why))?;
    let (before, rest) = text
        .split_once(START)
        .ok_or_else(|| error(&format!("there is no line {START}")))?;
    let (_, after) = rest
        .split_once(END)
        .ok_or_else(|| error(&format!("there is no line {END}")))?;
    fs::write(path, format!("{before}{START}\n\n{table}\n{END}{after}")).map_err(|why| error(&why))
}
