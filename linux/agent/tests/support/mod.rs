//! What the tests of the command share.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod audit;

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// The command under test.
pub(crate) fn throughline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    // What is configured where the tests run is none of theirs.
    let ours = ["CODER_AGENT_", "BOUNDARY_", "THROUGHLINE_"];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ours.iter().any(|start| text.starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command
}

/// What a command said on its standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The lines of a trail.
pub(crate) fn lines(trail: &Path) -> Vec<Value> {
    let text = fs::read_to_string(trail).expect("a trail");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// The events of a trail, by the path of their URL.
pub(crate) fn event<'a>(lines: &'a [Value], path: &str) -> &'a Value {
    let has_path = |line: &&Value| line["url"].as_str().is_some_and(|url| url.ends_with(path));
    lines
        .iter()
        .find(has_path)
        .unwrap_or_else(|| panic!("no event for {path} in {lines:#?}"))
}

/// Whether a tool is installed; says so if a test has to be skipped for want of it.
pub(crate) fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}
