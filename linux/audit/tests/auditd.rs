//! The stock audit daemon and its tools read the records as they were meant.

mod common;

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use throughline_audit::{
    AuditSocket, Entry, Extra, Field, Identity, Numbering, Options, RecordType, SessionClose,
    SessionOpen, Template, helper,
};
use throughline_core::{Phase, PhaseEmitter, PhaseRecord, Transaction};
use throughline_testkit::{AuditDaemon, RecordText};

use common::{LONG, change, ended, hostile, is_role, role, session, spawn, until};

const HELPER: &str = "the_helper";

/// A program's path that no other test sends records by.
fn executable(test: &str) -> String {
    format!("/usr/bin/throughline-{test}-{}", std::process::id())
}

fn live(test: impl FnOnce(&AuditDaemon)) {
    match AuditDaemon::start() {
        Ok(daemon) => test(&daemon),
        Err(why) => println!("skipped: {why}"),
    }
}

#[test]
fn the_stock_tools_show_each_outcome_with_its_actions_and_results() {
    live(|daemon| {
        let exe = &executable("outcomes");
        let options = Options::new().identity(Identity::new("root", exe.as_str()));
        let emitter = options.start_thread().unwrap();
        let applied = || {
            Transaction::start(&emitter, change("a name"))
                .captured()
                .applied()
        };
        applied().validated().committed();
        applied().validated().staged();
        applied().validate_failed().rolled_back();
        applied().abandoned().rollback_failed();
        Transaction::start(&emitter, change("a name"))
            .captured()
            .apply_failed()
            .partially_applied();
        drop(Transaction::start(&emitter, change("a name")));
        Transaction::recover(&emitter, change("a name"), 3).recovered();
        let session = session();
        emitter.session_open(&SessionOpen {
            session,
            process: "curl",
        });
        emitter.session_close(&SessionClose {
            session,
            recorded: 3,
            written: 2,
            lost: 1,
        });
        let expected = [
            "start+ capture+ apply+ validate+ commit+",
            "start+ capture+ apply+ validate+ stage+",
            "start+ capture+ apply+ validate- rollback-",
            "start+ capture+ apply+ rollback-fail-",
            "start+ capture+ apply- partial-",
            "start+ error-",
            "recover+",
        ]
        .join(" ");
        let mut expected: Vec<_> = expected
            .split(' ')
            .map(|word| {
                let (step, sign) = word.split_at(word.len() - 1);
                let result = if sign == "+" { "success" } else { "failed" };
                (format!("txn-{step}"), result.to_owned())
            })
            .collect();
        expected.push(("session-open".to_owned(), "success".to_owned()));
        expected.push(("session-close".to_owned(), "failed".to_owned()));
        assert_eq!(emitter.close(LONG).accepted, expected.len() as u64);
        daemon.records(exe, expected.len());

        assert_eq!(daemon.actions(exe, &[]), expected);
        let failed = expected.iter().filter(|(_, result)| result == "failed");
        let failed: Vec<_> = failed.cloned().collect();
        assert_eq!(daemon.actions(exe, &["-sv", "no"]), failed);
        assert_eq!(daemon.actions(exe, &["-ui", "0"]), expected);

        let report = daemon.report(exe, &["-e"]);
        assert_eq!(report.matches(" USYS_CONFIG ").count(), expected.len());
        let decoded = daemon.search(exe, &["-i"]);
        assert_eq!(decoded.matches(" name=a name ").count(), expected.len() - 2);
        assert_eq!(
            decoded.matches(&format!(" exe={exe} ")).count(),
            expected.len()
        );
    });
}

#[test]
fn ten_thousand_hostile_values_give_one_whole_record_each() {
    const COUNT: u32 = 10_000;

    live(|daemon| {
        let exe = &executable("hostile");
        let identity = Identity::new("root", exe.as_str());
        let template = Template::new(RecordType::default(), &identity);
        let mut socket = AuditSocket::open().unwrap();
        for number in 0..COUNT {
            let value = long_or_short(number);
            let extras = [Extra {
                field: Field::Command,
                value: &value,
            }];
            let record = PhaseRecord {
                change: change("hostile"),
                step: number,
                phase: Phase::Apply,
                success: number.is_multiple_of(2),
            };
            let entry = Entry::Phase(record, &extras);
            let mut record = template.record(&entry, Numbering::default());
            assert_eq!(socket.send(&mut record), Ok(()));
        }
        let records = daemon.records(exe, COUNT as usize);
        assert_eq!(records.len(), COUNT as usize);
        let mut truncated = 0;
        for (line, number) in records.iter().zip(0_u32..) {
            let (head, rest) = line.split_once(" msg='").unwrap();
            let (body, enriched) = rest.split_once('\'').unwrap();
            assert!(head.contains(" uid=0 "), "{head}");
            assert_eq!(enriched, "\u{1d}UID=\"root\" AUID=\"unset\"");
            let parsed = RecordText::parse(body);
            assert_eq!(parsed.text("step"), number.to_string());
            assert_eq!(parsed.text("exe"), exe);
            let result = if number.is_multiple_of(2) {
                "success"
            } else {
                "failed"
            };
            assert_eq!(parsed.text("res"), result);
            let value = long_or_short(number);
            let told = parsed.get("cmd").unwrap();
            assert!(told == value || parsed.is_truncated() && value.starts_with(told));
            truncated += u32::from(parsed.is_truncated());
        }
        assert!((1..COUNT / 2).contains(&truncated), "{truncated}");
        // What the tools make of them is as right as the text.
        let failed = daemon.actions(exe, &["-sv", "no", "-ui", "0"]);
        assert_eq!(failed.len(), COUNT as usize / 2);
        assert!(
            failed
                .iter()
                .all(|(action, result)| action == "txn-apply" && result == "failed")
        );
        assert_eq!(
            daemon.actions(exe, &["-sv", "yes"]).len(),
            COUNT as usize / 2
        );
        let report = daemon.report(exe, &["-e"]);
        assert_eq!(report.matches(" USYS_CONFIG ").count(), COUNT as usize);
    });
}

/// A hostile value: of up to 100 bytes, of up to 700, or of 10 KB.
fn long_or_short(number: u32) -> Vec<u8> {
    let value = hostile(number);
    match number % 64 {
        0 => value.repeat(10_240_usize.div_ceil(value.len())),
        other if other.is_multiple_of(4) => value.repeat(7),
        _ => value,
    }
}

#[test]
fn a_daemon_that_stands_still_holds_neither_the_caller_nor_its_process() {
    live(|daemon| {
        kill_process(daemon.pid(), Signal::STOP).unwrap();
        let start = Instant::now();
        let output = ended(spawn(&mut role("the_emitter_of_many")));
        let took = start.elapsed();
        kill_process(daemon.pid(), Signal::CONT).unwrap();
        assert!(output.contains("the emitter is done"), "{output}");
        // A sender's thread would have held the process for most of a minute.
        assert!(took < LONG, "{took:?}");
        until("every helper ends", || helpers().is_empty());
    });
}

/// The processes that run this very program as helpers.
fn helpers() -> Vec<PathBuf> {
    let own = std::env::current_exe().unwrap();
    let processes = fs::read_dir("/proc").unwrap();
    let paths = processes.map(|process| process.unwrap().path());
    paths
        .filter(|path| fs::read_link(path.join("exe")).is_ok_and(|exe| exe == own))
        .filter(|path| {
            let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
            arguments
                .split(|&byte| byte == 0)
                .any(|word| word == HELPER.as_bytes())
        })
        .collect()
}

/// Run by the test above, in a process of its own.
#[test]
fn the_emitter_of_many() {
    if !is_role("the_emitter_of_many") {
        return;
    }
    let emitter = Options::new().start_helper(role(HELPER)).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let change = change("many");
                for step in 0..2500 {
                    emitter.emit(&PhaseRecord {
                        change,
                        step,
                        phase: Phase::Apply,
                        success: true,
                    });
                }
            });
        }
    });
    let counters = emitter.close(Duration::from_millis(500));
    assert_eq!(counters.pushed, 20_000);
    assert_eq!(counters.pending, 0);
    assert!(counters.is_balanced());
    assert!(counters.dropped.total() + counters.unknown > 0);
    println!("the emitter is done");
}

/// Run by the test above, in a process of its own.
#[test]
fn the_helper() {
    if is_role(HELPER) {
        let _ = helper::run();
    }
}
