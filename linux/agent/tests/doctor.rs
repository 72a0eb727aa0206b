//! `throughline doctor`: what it finds on this host, and what it says of a host that is worse.

mod support;

use std::{
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{audit::kernel, has, stderr, throughline};

/// What it says of `subject`, as verdict, detail and remedy.
fn finding(output: &Output, subject: &str) -> (String, String, Option<String>) {
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|found| found["subject"] == subject);
    let found = found.unwrap_or_else(|| panic!("no {subject} in {report:#}"));
    let text = |name: &str| found[name].as_str().map(str::to_owned);
    (
        text("verdict").unwrap(),
        text("detail").unwrap(),
        text("remedy"),
    )
}

fn doctor(arguments: &[&str]) -> Output {
    throughline()
        .args(["doctor", "--json"])
        .args(arguments)
        .output()
        .unwrap()
}

fn verdict(output: &Output, subject: &str) -> String {
    finding(output, subject).0
}

#[test]
fn the_kernel_is_told_as_it_is() {
    let Some((mut audit, _)) = kernel() else {
        return;
    };
    let output = doctor(&[]);
    for subject in ["kernel", "namespace", "permission", "enabled", "backlog"] {
        assert_eq!(verdict(&output, subject), "good", "{subject}");
    }
    let (_, detail, _) = finding(&output, "backlog");
    assert!(detail.contains(" of "), "{detail}");
    // No daemon is registered.
    let (verdict_of_daemon, _, remedy) = finding(&output, "daemon");
    assert_eq!(verdict_of_daemon, "doubtful");
    assert!(remedy.unwrap().contains("auditd"));
    assert_eq!(output.status.code(), Some(1));

    audit.set_enabled(false).unwrap();
    let (verdict, _, remedy) = finding(&doctor(&[]), "enabled");
    assert_eq!(verdict, "doubtful");
    assert!(remedy.unwrap().contains("auditctl -e 1"));
}

#[test]
fn a_process_without_privilege_is_told_what_it_lacks() {
    if !has("setpriv") {
        return;
    }
    let output = Command::new("setpriv")
        .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"])
        .arg(env!("CARGO_BIN_EXE_throughline"))
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    if stderr(&output).contains("setpriv:") {
        return println!("skipped: {}", stderr(&output));
    }
    let (verdict, _, remedy) = finding(&output, "permission");
    assert_eq!(verdict, "bad");
    assert!(remedy.unwrap().contains("setcap"));
    assert_eq!(finding(&output, "enabled").0, "unknown");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_user_namespace_is_told_of() {
    let made = Command::new("unshare").args(["--user", "true"]).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return println!("skipped: no user namespace can be made");
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user"])
        .arg(env!("CARGO_BIN_EXE_throughline"))
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    let (verdict, _, remedy) = finding(&output, "namespace");
    assert_eq!(verdict, "bad");
    assert!(remedy.unwrap().contains("host's user namespace"));
}

#[test]
fn a_collector_that_answers_is_told_from_one_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.sock");
    let socket = path.to_str().unwrap();

    let (verdict, _, remedy) = finding(&doctor(&["--socket", socket]), "socket");
    assert_eq!(verdict, "bad");
    assert!(remedy.unwrap().contains("throughline collect --socket"));

    // Nobody reads what is sent here.
    let silent = UnixListener::bind(&path).unwrap();
    let (verdict, detail, _) = finding(&doctor(&["--socket", socket]), "socket");
    assert_eq!(verdict, "unknown");
    assert!(detail.contains("does not answer"), "{detail}");
    drop(silent);
    let (verdict, detail, _) = finding(&doctor(&["--socket", socket]), "socket");
    assert_eq!(verdict, "bad", "{detail}");

    let out = folder.path().join("out.ndjson");
    let mut collector = throughline()
        .args(["collect", "--quiet", "--socket", socket, "--out"])
        .arg(&out)
        .spawn()
        .unwrap();
    until_connected(&path);
    let (verdict, detail, _) = finding(&doctor(&["--socket", socket]), "socket");
    assert_eq!(verdict, "good", "{detail}");
    let stranger = doctor(&["--socket", socket, "--collector-uid", "4294967294"]);
    let (verdict, detail, _) = finding(&stranger, "socket");
    assert_eq!(verdict, "bad", "{detail}");
    kill_process(Pid::from_child(&collector), Signal::TERM).unwrap();
    assert!(collector.wait().unwrap().success());
    // Nothing was sent that is an event.
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "");
}

fn until_connected(path: &Path) {
    let start = Instant::now();
    while std::os::unix::net::UnixStream::connect(path).is_err() {
        assert!(start.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn places_that_cannot_be_written_are_told_of() {
    let output = throughline()
        .args(["doctor", "--json", "--trail", "/no/such/folder/trail"])
        .env("TMPDIR", "/no/such/folder")
        .output()
        .unwrap();
    assert_eq!(verdict(&output, "trail"), "bad");
    let (verdict_of_files, _, remedy) = finding(&output, "certificates");
    assert_eq!(verdict_of_files, "bad");
    assert!(remedy.unwrap().contains("TMPDIR"));
    assert_eq!(verdict(&output, "listening"), "good");
}

#[test]
fn it_leaves_nothing_behind_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let output = throughline()
        .args(["doctor", "--trail"])
        .arg(&trail)
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("trail.ndjson can be written"), "{told}");
    assert!(told.contains("kernel audit\n"), "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn options_that_cannot_be_used_are_a_usage_error() {
    let output = doctor(&["--spool", "/tmp/spool"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
