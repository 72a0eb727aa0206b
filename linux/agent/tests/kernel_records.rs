//! The two records that a run leaves in the kernel's audit log, and that a kernel which is stuck holds no
//! command.

mod support;

use std::{
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use support::{
    audit::{field, kernel, messages, tail},
    has, lines, stderr, throughline,
};
use throughline_audit::{Notice, Options};
use throughline_core::{Change, Phase, PhaseEmitter, PhaseRecord, TransactionId};
use throughline_testkit::AuditDaemon;
use uuid::Uuid;

/// Three requests, of which none gets anywhere.
const REQUESTS: &str =
    "for number in 1 2 3; do curl -s http://denied.invalid/$number; done; exit 7";

/// A run of them; `name` is the program's.
fn run(name: &str, options: &[&str]) -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(name);
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    let mut command = throughline();
    command.arg("run").args(options);
    command.arg("--").arg(program).args(["-c", REQUESTS]);
    (command, folder)
}

/// A program's name that no other record has.
fn name(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

#[test]
fn a_run_is_opened_and_closed_with_the_counts_of_its_trail() {
    let Some((_audit, mut reader)) = kernel() else {
        return;
    };
    if !has("curl") {
        return;
    }
    let name = name("kept");
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let (mut command, _program) = run(&name, &["--trail", trail.to_str().unwrap()]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));

    let lines = lines(&trail);
    let session = lines[0]["session"].as_str().unwrap();
    assert_eq!(lines.last().unwrap()["end"]["recorded"], 3);
    let tail = tail();
    let expected = [
        format!(
            "op=session-open session=\"{session}\" process=\"{name}\" seq=\"0\" drop=\"0\" \
             {tail}success"
        ),
        format!(
            "op=session-close session=\"{session}\" recorded=\"3\" written=\"3\" lost=\"0\" \
             seq=\"1\" drop=\"0\" {tail}success"
        ),
    ];
    assert_eq!(messages(&mut reader, session, 2), expected);
}

#[test]
fn a_run_that_keeps_nothing_says_so() {
    let Some((_audit, mut reader)) = kernel() else {
        return;
    };
    if !has("curl") {
        return;
    }
    let name = name("nowhere");
    let (mut command, _program) = run(&name, &[]);
    assert_eq!(command.output().unwrap().status.code(), Some(7));
    let open = messages(&mut reader, &format!("process=\"{name}\""), 1);
    let session = field(&open[0], "session");
    let close = messages(&mut reader, session, 1);
    let counts = ["recorded", "written", "lost"].map(|count| field(&close[0], count));
    assert_eq!(counts, ["3", "0", "3"]);
    assert!(close[0].ends_with(" res=failed"), "{}", close[0]);
}

#[test]
fn the_stock_tools_show_a_run_and_verify_finds_that_it_agrees() {
    let daemon = match AuditDaemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return println!("skipped: {why}"),
    };
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let (mut command, _program) = run("agent", &["--trail", trail.to_str().unwrap()]);
    assert_eq!(command.output().unwrap().status.code(), Some(7));

    let exe = env!("CARGO_BIN_EXE_throughline");
    daemon.records(exe, 2);
    let success = |action: &str| (action.to_owned(), "success".to_owned());
    let expected = [success("session-open"), success("session-close")];
    assert_eq!(daemon.actions(exe, &[]), expected);
    let report = daemon.report(exe, &["-e"]);
    assert_eq!(report.matches(" USYS_CONFIG ").count(), 2);
    let shown = daemon.search(exe, &["-i"]);
    let counts = " recorded=\"3\" written=\"3\" lost=\"0\" ";
    assert!(shown.contains(counts), "{shown}");

    let verify = throughline()
        .arg("verify")
        .arg(&trail)
        .arg("--audit")
        .arg(daemon.log())
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&verify.stdout);
    assert!(verify.status.success(), "{table}");
    assert!(table.contains("open, close"), "{table}");
}

#[test]
fn the_stock_tools_show_a_change_with_its_steps_decoded() {
    let daemon = match AuditDaemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return println!("skipped: {why}"),
    };
    let apply = "echo \"it's\" | grep -q \"res=success\"";
    let output = throughline()
        .args(["txn", "--op", "a name", "--apply", apply])
        .args(["--rollback", "exit 0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let exe = env!("CARGO_BIN_EXE_throughline");
    daemon.records(exe, 4);
    let failed = |action: &str| (action.to_owned(), "failed".to_owned());
    let expected = [failed("txn-apply"), failed("txn-rollback")];
    assert_eq!(daemon.actions(exe, &["-sv", "no"]), expected);
    assert_eq!(daemon.actions(exe, &["-sv", "yes"]).len(), 2);
    let shown = daemon.search(exe, &["-i", "-sv", "no"]);
    assert!(shown.contains(&format!(" cmd={apply} ")), "{shown}");
    assert!(shown.contains(" name=a name "), "{shown}");
    assert!(shown.contains(" reason=\"apply-exit-1\" "), "{shown}");
}

#[test]
fn without_privilege_a_run_is_the_same_and_the_silence_is_told_once() {
    if !has("setpriv") {
        return;
    }
    // A kernel that another test has made to stand still would hold this one too.
    let _live = kernel();
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]);
    let output = command
        .arg(env!("CARGO_BIN_EXE_throughline"))
        .args(["run", "--", "sh", "-c", "exit 9"])
        .output()
        .unwrap();
    let said = stderr(&output);
    if said.contains("setpriv:") {
        return println!("skipped: {said}");
    }
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert_eq!(said.matches("kernel audit").count(), 1, "{said}");
    assert!(said.contains("audit records are off"), "{said}");
}

/// Prints what each process that sends records for the parent of this shell has open.
const OPEN_IN_SENDER: &str = "
sleep 0.3
for process in /proc/[0-9]*; do
    grep -qsz '^audit-sender$' $process/cmdline || continue
    grep -qs \"^PPid:.*[^0-9]$PPID\\$\" $process/status || continue
    for file in $process/fd/*; do readlink $file; done
done";

#[test]
fn the_process_that_sends_records_holds_nothing_of_the_commands() {
    // Where there is a log to read, another test may be reading it.
    let _live = kernel();
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let output = Command::new("sh")
        .args(["-c", "exec 9>\"$1\"; shift; exec \"$@\"", "sh"])
        .arg(&lock)
        .arg(env!("CARGO_BIN_EXE_throughline"))
        .args(["txn", "--op", "holding", "--apply", OPEN_IN_SENDER])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let open = String::from_utf8(output.stdout).unwrap();
    let sockets = open.matches("socket:").count();
    // The hand-off and the kernel's.
    assert!((1..=2).contains(&sockets), "{open}");
    assert_eq!(open.matches("/dev/null").count(), 2, "{open}");
    assert_eq!(open.lines().count(), 2 + sockets, "{open}");
}

/// Has the kernel's queue overflow behind a daemon that stands still, by a process of its own.
fn overflow() -> throughline_audit::AuditEmitter {
    let (heard, hearing) = mpsc::channel();
    let mut sender = Command::new(env!("CARGO_BIN_EXE_throughline"));
    sender.arg("audit-sender");
    let emitter = Options::new()
        .capacity(8192)
        .rest_after(Duration::from_millis(400), Duration::from_millis(1))
        .observer(move |notice| heard.send(notice).unwrap_or_default())
        .start_helper(sender)
        .unwrap();
    let change = Change {
        transaction: TransactionId::from_uuid(Uuid::nil()),
        name: "overflow",
        position: None,
    };
    for step in 0..4000 {
        emitter.emit(&PhaseRecord {
            change,
            step,
            phase: Phase::Apply,
            success: true,
        });
    }
    let resting = hearing.recv_timeout(Duration::from_secs(30));
    assert!(matches!(resting, Ok(Notice::Resting(_))), "{resting:?}");
    emitter
}

#[test]
fn a_kernel_that_is_stuck_holds_no_command() {
    let daemon = match AuditDaemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return println!("skipped: {why}"),
    };
    kill_process(daemon.pid(), Signal::STOP).unwrap();
    let emitter = overflow();
    let commands: [(&[&str], i32); 3] = [
        (&["run", "--", "true"], 0),
        (&["txn", "--op", "stuck", "--apply", "true"], 0),
        (&["doctor"], 1),
    ];
    let times = commands.map(|(arguments, code)| {
        let start = Instant::now();
        let output = throughline().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        start.elapsed()
    });
    kill_process(daemon.pid(), Signal::CONT).unwrap();
    drop(emitter);
    println!("run, txn and doctor took {times:?} behind a daemon that stands still");
    // One that waits for the kernel takes most of a minute.
    assert!(times.iter().all(|took| *took < Duration::from_secs(10)));
}
