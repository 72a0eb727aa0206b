//! `throughline txn`, read back from the live kernel.

mod support;

use std::{
    process::Output,
    time::{Duration, Instant},
};

use support::{stderr, throughline};
use throughline_audit::{Reader, RecordType};
use throughline_testkit::KernelAudit;

/// A name that no other record has.
fn name(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

fn txn(name: &str, steps: &[&str]) -> Output {
    throughline()
        .args(["txn", "--op", name])
        .args(steps)
        .output()
        .unwrap()
}

/// The texts of `count` records that carry `name`, or of as many as come.
fn records(reader: &mut Reader, name: &str, count: usize) -> Vec<String> {
    let token = format!("name=\"{name}\"");
    let end = Instant::now() + Duration::from_secs(5);
    let mut found = Vec::new();
    while found.len() < count && Instant::now() < end {
        let wait = Duration::from_millis(200);
        if let Some(record) = reader.next_of(RecordType::SystemConfig, wait).unwrap() {
            let text = String::from_utf8_lossy(record.message().unwrap_or_default()).into_owned();
            if text.contains(&token) {
                found.push(text);
            }
        }
    }
    found
}

/// The value of a quoted field.
fn field<'a>(record: &'a str, name: &str) -> &'a str {
    let start = record
        .split_once(&format!(" {name}=\""))
        .unwrap_or_default()
        .1;
    start.split('"').next().unwrap_or_default()
}

/// The records, with what differs from run to run taken from the records themselves.
fn expected(name: &str, transaction: &str, phases: &[(&str, &str, &str)]) -> Vec<String> {
    let exe = env!("CARGO_BIN_EXE_throughline");
    let record = |(step, (op, phase, res)): (usize, &(&str, &str, &str))| {
        format!(
            "op={op} txn=\"{transaction}\" name=\"{name}\" step=\"{step}\" phase=\"{phase}\" \
             seq=\"{step}\" drop=\"0\" acct=\"root\" exe=\"{exe}\" hostname=? addr=? terminal=? res={res}"
        )
    };
    phases.iter().enumerate().map(record).collect()
}

fn kernel() -> Option<(KernelAudit, Reader)> {
    let audit = match KernelAudit::enable() {
        Ok(audit) => audit,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    match Reader::open() {
        Ok(reader) => Some((audit, reader)),
        Err(why) => {
            println!("skipped: the kernel's audit log cannot be read: {why}");
            None
        }
    }
}

#[test]
fn the_kernel_has_each_phase_of_a_change_that_holds() {
    let Some((_audit, mut reader)) = kernel() else {
        return;
    };
    let name = name("holds");
    let output = txn(&name, &["--apply", "true", "--validate", "true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let records = records(&mut reader, &name, 5);
    let phases = [
        ("txn-start", "started", "success"),
        ("txn-capture", "capture", "success"),
        ("txn-apply", "apply", "success"),
        ("txn-validate", "validate", "success"),
        ("txn-commit", "committed", "success"),
    ];
    let transaction = records.first().map_or("", |record| field(record, "txn"));
    assert_eq!(records, expected(&name, transaction, &phases));
}

#[test]
fn the_kernel_has_no_validation_of_a_change_that_could_not_be_made() {
    let Some((_audit, mut reader)) = kernel() else {
        return;
    };
    let name = name("fails");
    let output = txn(&name, &["--apply", "false", "--rollback", "true"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));

    let records = records(&mut reader, &name, 4);
    let phases = [
        ("txn-start", "started", "success"),
        ("txn-capture", "capture", "success"),
        ("txn-apply", "apply", "failed"),
        ("txn-rollback", "rolled_back", "failed"),
    ];
    let transaction = records.first().map_or("", |record| field(record, "txn"));
    assert_eq!(records, expected(&name, transaction, &phases));
}

#[test]
fn without_privilege_the_change_is_made_and_the_silence_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let script = format!("echo done > {}", made.display());
    let binary = folder.path().join("throughline");
    std::fs::copy(env!("CARGO_BIN_EXE_throughline"), &binary).unwrap();
    if !support::has("setpriv") {
        return;
    }
    // Without the right to write audit records, whoever runs the test.
    let output = std::process::Command::new("setpriv")
        .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"])
        .arg(&binary)
        .args([
            "txn",
            "--op",
            "unprivileged",
            "--apply",
            &script,
            "--validate",
            "true",
        ])
        .output()
        .unwrap();
    let said = stderr(&output);
    if said.contains("setpriv:") {
        println!("skipped: {said}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(made.exists());
    assert_eq!(said.matches("audit records are off").count(), 1, "{said}");
}
