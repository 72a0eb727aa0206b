//! The helper process sends what it was handed, with one capability, and outlives its emitter for
//! as long as that takes.

mod common;

use std::{
    fs,
    io::ErrorKind,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use throughline_audit::{AuditEmitter, Notice, Options, Reader, RecordType, helper};
use throughline_core::{Transaction, TransactionId};
use throughline_testkit::KernelAudit;

use common::{LONG, change, deaf_role, is_role, read, role, spawn, until};

const ROLE: &str = "the_helper";

/// Run by the tests below, in a process of its own.
#[test]
fn the_helper() {
    if is_role(ROLE) {
        println!("the helper's code: {:?}", helper::run());
    }
}

fn start(options: Options) -> AuditEmitter {
    options.start_helper(role(ROLE)).unwrap()
}

/// Runs `test` with auditing on, or says why not.
fn live(test: impl FnOnce(&mut Reader)) {
    let opened = KernelAudit::enable().and_then(|audit| match Reader::open() {
        Ok(reader) => Ok((audit, reader)),
        Err(error) => Err(format!("the audit log cannot be read: {error}")),
    });
    match opened {
        Ok((_audit, mut reader)) => test(&mut reader),
        Err(why) => println!("skipped: {why}"),
    }
}

/// Emits two records and returns what they are known by.
fn emit(emitter: &AuditEmitter) -> TransactionId {
    let change = change("helped");
    drop(Transaction::start(emitter, change));
    change.transaction
}

/// The process that sent the two records of `transaction`.
fn sender(reader: &mut Reader, transaction: TransactionId) -> Pid {
    let records = read(reader, RecordType::default(), &transaction.to_string(), 2);
    assert_eq!(records.len(), 2);
    Pid::from_raw(i32::try_from(records[1].0).unwrap()).unwrap()
}

fn is_gone(pid: Pid) -> bool {
    !PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Stops a process, and waits until each of its threads stands still.
fn stop(pid: Pid) {
    kill_process(pid, Signal::STOP).unwrap();
    until("the process stands still", || {
        let mut threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        threads.all(|thread| {
            let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            status.contains("State:\tT")
        })
    });
}

#[test]
fn records_go_through_the_helper_and_its_counts_come_back() {
    live(|reader| {
        // However busy the machine is, no send counts as slow.
        let emitter = start(Options::new().rest_after(LONG, Duration::ZERO));
        let transaction = emit(&emitter);
        assert!(emitter.flush(LONG).is_complete());
        let helper = sender(reader, transaction);
        assert_ne!(helper, rustix::process::getpid());
        for _ in 0..400 {
            emit(&emitter);
        }
        let counters = emitter.close(LONG);
        assert_eq!((counters.pushed, counters.accepted), (802, 802));
        assert!(!counters.max_send.is_zero());
        assert!(is_gone(helper), "the helper is still there, or a zombie");
    });
}

#[test]
fn the_helper_has_one_capability_and_a_group_of_its_own() {
    live(|reader| {
        let emitter = start(Options::new());
        let transaction = emit(&emitter);
        let helper = sender(reader, transaction);
        assert_eq!(rustix::process::getpgid(Some(helper)), Ok(helper));
        // In a test program it is one thread's; in a program that starts with it, the process's.
        let threads = fs::read_dir(format!("/proc/{helper}/task")).unwrap();
        let statuses: Vec<_> = threads
            .map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap())
            .collect();
        let reduced = statuses
            .iter()
            .find(|status| status.contains("NoNewPrivs:\t1"))
            .unwrap();
        let audit_write = format!("{:016x}", 1_u64 << 29);
        let none = "0".repeat(16);
        let sets = [
            ("CapInh", &none),
            ("CapPrm", &audit_write),
            ("CapEff", &audit_write),
            ("CapBnd", &audit_write),
            ("CapAmb", &none),
        ];
        for (set, expected) in sets {
            let line = format!("{set}:\t{expected}");
            assert!(reduced.contains(&line), "{line} is not in {reduced}");
        }
    });
}

#[test]
fn that_auditing_is_off_is_told_though_the_helper_may_no_longer_ask() {
    let mut audit = match KernelAudit::enable() {
        Ok(audit) => audit,
        Err(why) => return println!("skipped: {why}"),
    };
    audit.set_enabled(false).unwrap();
    let (heard, hearing) = mpsc::channel();
    let emitter = start(Options::new().observer(move |notice| heard.send(notice).unwrap()));
    emit(&emitter);
    emit(&emitter);
    let counters = emitter.close(LONG);
    assert_eq!((counters.pushed, counters.accepted), (4, 4));
    drop(emitter);
    assert_eq!(hearing.iter().collect::<Vec<_>>(), [Notice::Discarded]);
}

#[test]
fn a_helper_that_dies_is_told_of_and_replaced() {
    live(|reader| {
        let (heard, hearing) = mpsc::channel();
        let options = Options::new()
            .retry_after(Duration::from_millis(200))
            .observer(move |notice| heard.send(notice).unwrap());
        let emitter = start(options);
        let transaction = emit(&emitter);
        let helper = sender(reader, transaction);
        assert!(emitter.flush(LONG).is_complete());
        kill_process(helper, Signal::KILL).unwrap();
        assert_eq!(hearing.recv_timeout(LONG), Ok(Notice::HelperGone));
        emit(&emitter);
        assert!(emitter.flush(LONG).is_complete());
        assert_eq!(emitter.counters().dropped.off, 2);
        thread::sleep(Duration::from_millis(250));
        let transaction = emit(&emitter);
        assert_ne!(sender(reader, transaction), helper);
        assert_eq!(hearing.recv_timeout(LONG), Ok(Notice::Back));
        let counters = emitter.close(LONG);
        assert_eq!((counters.pushed, counters.accepted), (6, 4));
        assert!(counters.is_balanced());
    });
}

#[test]
fn a_helper_that_stands_still_holds_nobody() {
    live(|reader| {
        let options = Options::new()
            .capacity(4096)
            .hand_off_wait(Duration::from_millis(50));
        let emitter = start(options);
        let transaction = emit(&emitter);
        let helper = sender(reader, transaction);
        assert!(emitter.flush(LONG).is_complete());
        stop(helper);
        for _ in 0..1000 {
            emit(&emitter);
        }
        until("hand-offs fail", || {
            emitter.counters().dropped.hand_off_full > 0
        });
        let start = Instant::now();
        let counters = emitter.close(Duration::from_millis(200));
        assert!(start.elapsed() < LONG);
        kill_process(helper, Signal::CONT).unwrap();
        assert_eq!((counters.pushed, counters.accepted), (2002, 2));
        assert!(counters.unknown > 0);
        assert_eq!(counters.pending, 0);
        assert!(counters.is_balanced());
    });
}

#[test]
fn what_was_handed_over_is_sent_though_the_emitters_process_is_killed() {
    live(|reader| {
        let path = std::env::temp_dir().join(format!("throughline-killed-{}", std::process::id()));
        let Some(mut command) = deaf_role("the_process_that_is_killed") else {
            return println!("skipped: nohup is not installed");
        };
        let mut child = spawn(command.env(PATH, &path));
        let mut text = String::new();
        until("the process emits", || {
            text = fs::read_to_string(&path).unwrap_or_default();
            text.ends_with('\n')
        });
        fs::remove_file(&path).unwrap();
        // The helper stands still while its emitter dies.
        let helper = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        kill_process(helper, Signal::CONT).unwrap();
        let token = format!("name=\"killed-{}\"", child.id());
        let records = read(reader, RecordType::default(), &token, 22);
        assert_eq!(records.len(), 22);
        until("the helper ends", || is_gone(helper));
    });
}

const PATH: &str = "THROUGHLINE_TEST_PATH";

/// Run by the test above: stops its helper, hands over twenty records and waits to be killed.
#[test]
fn the_process_that_is_killed() {
    if !is_role("the_process_that_is_killed") {
        return;
    }
    let name = format!("killed-{}", std::process::id());
    let mut reader = Reader::open().unwrap();
    let emitter = start(Options::new());
    let change = change(&name);
    drop(Transaction::start(&emitter, change));
    let helper = sender(&mut reader, change.transaction);
    assert!(emitter.flush(LONG).is_complete());
    stop(helper);
    for _ in 0..10 {
        drop(Transaction::start(&emitter, common::change(&name)));
    }
    // The forwarding thread takes them out within a tick, and has room for all of them.
    thread::sleep(Duration::from_millis(200));
    let path = std::env::var_os(PATH).unwrap();
    fs::write(path, format!("{helper}\n")).unwrap();
    thread::sleep(LONG);
}

#[test]
fn a_program_that_cannot_be_started_is_an_error() {
    let started = Options::new().start_helper(Command::new("/nonexistent/helper"));
    assert_eq!(started.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_helper_that_nobody_started_refuses() {
    let output = role(ROLE).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("the helper's code: ExitCode(unix_exit_status(2))"),
        "{text}"
    );
}
