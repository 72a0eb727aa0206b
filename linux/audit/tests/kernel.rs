//! What the kernel hands out is what was emitted, and what it refuses is counted and said once.

mod common;

use std::{process::Command, sync::mpsc};

use throughline_audit::{
    AuditEmitter, AuditSocket, Entry, Extra, Field, Identity, Notice, Numbering, Options, Probe,
    Reader, RecordType, Refusal, SessionClose, SessionOpen, Template, Verdict,
};
use throughline_core::{Outcome, Phase, PhaseEmitter, PhaseRecord, Position, Transaction};
use throughline_testkit::{KernelAudit, RecordText};

use common::{
    LONG, SHORT, assert_silent, change, ended, has_tool, hostile, is_role, messages, read, role,
    session, spawn, unprivileged_role,
};

const IDENTITY: (&str, &str) = ("root", "/usr/bin/throughline");

const TAIL: &str = "acct=\"root\" exe=\"/usr/bin/throughline\" hostname=? addr=? terminal=?";

fn identity() -> Identity {
    Identity::new(IDENTITY.0, IDENTITY.1)
}

fn emitter() -> AuditEmitter {
    Options::new().identity(identity()).start_thread().unwrap()
}

/// An emitter, and what its observer hears.
fn heard(options: Options) -> (AuditEmitter, mpsc::Receiver<Notice>) {
    let (heard, hearing) = mpsc::channel();
    let options = options.observer(move |notice| heard.send(notice).unwrap());
    (options.start_thread().unwrap(), hearing)
}

/// Runs `test` with auditing on, or says why not.
fn live(test: impl FnOnce(&mut KernelAudit, &mut Reader)) {
    let opened = KernelAudit::enable().and_then(|audit| match Reader::open() {
        Ok(reader) => Ok((audit, reader)),
        Err(error) => Err(format!("the audit log cannot be read: {error}")),
    });
    match opened {
        Ok((mut audit, mut reader)) => test(&mut audit, &mut reader),
        Err(why) => println!("skipped: {why}"),
    }
}

#[test]
fn each_phase_is_handed_out_word_for_word() {
    live(|_, reader| {
        let position = Position {
            session: session(),
            recorded: 17,
        };
        let mut change = change("motd");
        change.position = Some(position);
        let (txn, session) = (change.transaction, position.session);
        let emitter = emitter();
        let steps = [
            Phase::Started,
            Phase::Capture,
            Phase::Apply,
            Phase::Validate,
        ];
        let outcomes = Outcome::ALL.into_iter().map(Phase::Outcome);
        let operations = [
            "start",
            "capture",
            "apply",
            "validate",
            "commit",
            "rollback",
            "partial",
            "rollback-fail",
            "recover",
            "stage",
            "error",
        ];
        let mut expected = Vec::new();
        for ((phase, operation), step) in steps.into_iter().chain(outcomes).zip(operations).zip(0..)
        {
            let success = match phase {
                Phase::Outcome(outcome) => outcome.is_success(),
                _ => true,
            };
            emitter.emit(&PhaseRecord {
                change,
                step,
                phase,
                success,
            });
            let result = if success { "success" } else { "failed" };
            expected.push(format!(
                "op=txn-{operation} txn=\"{txn}\" session=\"{session}\" at=\"17\" name=\"motd\" \
                 step=\"{step}\" phase=\"{phase}\" seq=\"{step}\" drop=\"0\" {TAIL} res={result}"
            ));
        }
        let counters = emitter.close(LONG);
        assert_eq!((counters.pushed, counters.accepted), (11, 11));
        assert_eq!(messages(reader, &txn.to_string(), 11), expected);
    });
}

#[test]
fn a_session_is_handed_out_word_for_word() {
    live(|_, reader| {
        let session = session();
        let emitter = emitter();
        emitter.session_open(&SessionOpen {
            session,
            process: "curl",
        });
        emitter.session_close(&SessionClose {
            session,
            recorded: 9,
            written: 7,
            lost: 2,
        });
        assert!(emitter.flush(LONG).is_complete());
        let expected = [
            format!(
                "op=session-open session=\"{session}\" process=\"curl\" seq=\"0\" drop=\"0\" {TAIL} \
                 res=success"
            ),
            format!(
                "op=session-close session=\"{session}\" recorded=\"9\" written=\"7\" lost=\"2\" \
                 seq=\"1\" drop=\"0\" {TAIL} res=failed"
            ),
        ];
        assert_eq!(messages(reader, &session.to_string(), 2), expected);
    });
}

#[test]
fn a_record_is_filed_under_the_type_that_was_asked_for() {
    live(|_, reader| {
        for record_type in [RecordType::User, RecordType::TrustedApp] {
            let change = change("filed");
            let options = Options::new().record_type(record_type);
            let emitter = options.start_thread().unwrap();
            drop(Transaction::start(&emitter, change));
            assert!(emitter.flush(LONG).is_complete());
            let found = read(reader, record_type, &change.transaction.to_string(), 2);
            assert_eq!(found.len(), 2);
        }
    });
}

#[test]
fn a_thousand_hostile_values_come_through_the_kernel() {
    live(|_, reader| {
        let mut socket = AuditSocket::open().unwrap();
        let template = Template::new(RecordType::default(), &identity());
        for number in 0..1000_u32 {
            let change = change("hostile");
            let value = hostile(number);
            let extras = [Extra {
                field: Field::Reason,
                value: &value,
            }];
            let record = PhaseRecord {
                change,
                step: number,
                phase: Phase::Apply,
                success: false,
            };
            let mut record = template.record(&Entry::Phase(record, &extras), Numbering::default());
            assert_eq!(socket.send(&mut record), Ok(()));
            let found = messages(reader, &change.transaction.to_string(), 1);
            let parsed = RecordText::parse(&found[0]);
            assert_eq!(parsed.text("res"), "failed");
            assert_eq!(parsed.get("reason"), Some(&value[..]));
        }
    });
}

#[test]
fn a_kernel_that_is_off_accepts_and_discards() {
    live(|audit, reader| {
        audit.set_enabled(false).unwrap();
        let change = change("discarded");
        let (emitter, hearing) = heard(Options::new());
        drop(Transaction::start(&emitter, change));
        drop(Transaction::start(&emitter, change));
        let counters = emitter.close(LONG);
        assert_eq!((counters.pushed, counters.accepted), (4, 4));
        drop(emitter);
        assert_eq!(hearing.iter().collect::<Vec<_>>(), [Notice::Discarded]);
        assert_silent(reader, &change.transaction.to_string());
        let probe = Probe::run(LONG);
        assert!(probe.accepts_records());
        let findings = probe.findings();
        let enabled = findings.iter().find(|found| found.subject == "enabled");
        assert_eq!(enabled.unwrap().verdict, Verdict::Doubtful);
    });
}

#[test]
fn what_a_rate_limit_takes_is_accepted_and_shows_as_gaps_in_the_numbers() {
    const LIMIT: u32 = 10;
    const COUNT: u32 = 200;

    live(|_, reader| {
        let _limit = match RateLimit::set(LIMIT) {
            Ok(limit) => limit,
            Err(why) => return println!("skipped: {why}"),
        };
        let change = change("limited");
        let (emitter, hearing) = heard(Options::new().identity(identity()));
        for step in 0..COUNT {
            emitter.emit(&PhaseRecord {
                change,
                step,
                phase: Phase::Apply,
                success: true,
            });
        }
        let counters = emitter.close(LONG);
        let count = u64::from(COUNT);
        assert_eq!((counters.pushed, counters.accepted), (count, count));
        drop(emitter);
        assert_eq!(hearing.iter().collect::<Vec<_>>(), [Notice::Limited(LIMIT)]);

        let mut numbers = Vec::new();
        while let Some(record) = reader.next_of(RecordType::default(), SHORT).unwrap() {
            let message = String::from_utf8_lossy(record.message().unwrap()).into_owned();
            if message.contains(&change.transaction.to_string()) {
                let parsed = RecordText::parse(&message);
                assert_eq!(parsed.text("drop"), "0");
                numbers.push(parsed.text("seq").parse::<u32>().unwrap());
            }
        }
        // A second's worth, or two if it ended meanwhile.
        assert!(
            (1..=3 * LIMIT as usize).contains(&numbers.len()),
            "{numbers:?}"
        );
        assert!(numbers.is_sorted_by(|a, b| a < b));
        let findings = Probe::run(LONG).findings();
        let limit = findings.iter().find(|found| found.subject == "rate limit");
        assert_eq!(limit.unwrap().verdict, Verdict::Doubtful);
    });
}

/// A limit of the kernel's on records a second, until it is dropped.
struct RateLimit {
    before: u32,
}

impl RateLimit {
    fn set(limit: u32) -> Result<Self, String> {
        if !has_tool("auditctl") {
            return Err("auditctl is not installed".to_owned());
        }
        let status = AuditSocket::open().and_then(|mut socket| socket.status(LONG));
        let before = status.map_err(|error| error.to_string())?.rate_limit;
        let guard = Self { before };
        set_rate_limit(limit)?;
        Ok(guard)
    }
}

impl Drop for RateLimit {
    fn drop(&mut self) {
        if let Err(error) = set_rate_limit(self.before) {
            eprintln!("the kernel's rate limit is left as it is: {error}");
        }
    }
}

fn set_rate_limit(limit: u32) -> Result<(), String> {
    let output = Command::new("auditctl")
        .args(["-r", &limit.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

#[test]
fn a_probe_sees_that_all_is_well_and_emits_nothing() {
    live(|_, reader| {
        let probe = Probe::run(LONG);
        assert!(probe.accepts_records());
        assert!(probe.may_read);
        assert_eq!(probe.initial_user_namespace, Some(true));
        assert!(probe.status.is_ok());
        let own = format!("pid={} ", std::process::id());
        assert_silent(reader, &own);
    });
}

#[test]
fn without_privilege_it_is_said_once_and_asked_once() {
    let Some(mut command) = unprivileged_role("the_unprivileged_emitter") else {
        return println!("skipped: setpriv is not installed");
    };
    if !rustix::process::getuid().is_root() {
        return println!("skipped: only root can give up all privileges for sure");
    }
    let program = command.get_args().nth(5).unwrap().to_owned();
    let output = ended(spawn(&mut command));
    std::fs::remove_file(program).unwrap();
    assert!(
        output.contains("the unprivileged emitter is done"),
        "{output}"
    );
}

/// Run by the test above, as another user.
#[test]
fn the_unprivileged_emitter() {
    if !is_role("the_unprivileged_emitter") {
        return;
    }
    let (emitter, hearing) = heard(Options::new().retry_after(LONG));
    for _ in 0..50 {
        drop(Transaction::start(&emitter, change("refused")));
    }
    let counters = emitter.close(LONG);
    assert_eq!(counters.pushed, 100);
    assert_eq!(counters.refused.not_permitted, 1);
    assert_eq!(counters.dropped.off, 99);
    assert_eq!(counters.pending, 0);
    drop(emitter);
    let notices: Vec<_> = hearing.iter().collect();
    assert_eq!(notices, [Notice::Off(Refusal::NotPermitted)]);

    let probe = Probe::run(LONG);
    assert!(!probe.accepts_records());
    let findings = probe.findings();
    let verdict = |subject| {
        let finding = findings.iter().find(|found| found.subject == subject);
        finding.unwrap().verdict
    };
    assert_eq!(verdict("permission"), Verdict::Bad);
    assert_eq!(verdict("enabled"), Verdict::Unknown);
    assert!(Reader::open().is_err());
    println!("the unprivileged emitter is done");
}

#[test]
fn in_a_user_namespace_it_is_refused_and_the_probe_knows_why() {
    if !has_tool("unshare") {
        return println!("skipped: unshare is not installed");
    }
    let inner = role("the_emitter_in_a_namespace");
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user"])
        .arg(inner.get_program());
    command.args(inner.get_args());
    command.envs(
        inner
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let made = Command::new("unshare").args(["--user", "true"]).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return println!("skipped: no user namespace can be made");
    }
    let output = ended(spawn(&mut command));
    assert!(
        output.contains("the emitter in a namespace is done"),
        "{output}"
    );
}

/// Run by the test above, in a user namespace of its own.
#[test]
fn the_emitter_in_a_namespace() {
    if !is_role("the_emitter_in_a_namespace") {
        return;
    }
    let (emitter, hearing) = heard(Options::new());
    drop(Transaction::start(&emitter, change("refused")));
    let counters = emitter.close(LONG);
    assert_eq!(counters.refused.connection_refused, 1);
    assert_eq!(counters.dropped.off, 1);
    drop(emitter);
    let notices: Vec<_> = hearing.iter().collect();
    assert_eq!(notices, [Notice::Off(Refusal::ConnectionRefused)]);

    let probe = Probe::run(LONG);
    assert_eq!(probe.initial_user_namespace, Some(false));
    assert!(!probe.accepts_records());
    println!("the emitter in a namespace is done");
}
