//! `throughline verify`: each way in which a trail, or another witness, fails to be whole.

mod support;

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use support::{stderr, throughline};
use tempfile::TempDir;
use throughline_audit::{
    Entry, Identity, Numbering, RecordType, SessionClose, SessionOpen, Template,
};
use throughline_core::{Change, Outcome, Phase, PhaseRecord, Position, SessionId, TransactionId};
use uuid::Uuid;

const SESSION: Uuid = Uuid::from_u128(0x0c4e_0000_1111_4222_8333_abcd_efab_cdef);
const OTHER: Uuid = Uuid::from_u128(0x7d9c_0000_1111_4222_8333_abcd_efab_cdef);

/// The files of the witnesses, and the options that name them.
struct Case {
    folder: TempDir,
    options: Vec<String>,
}

impl Case {
    fn new(trail: &[String]) -> Self {
        let case = Self {
            folder: tempfile::tempdir().unwrap(),
            options: Vec::new(),
        };
        let path = case.write("trail.ndjson", trail);
        case.option(path.to_str().unwrap())
    }

    fn upstream(self, lines: &[String]) -> Self {
        let path = self.write("upstream.log", lines);
        self.option("--upstream").option(path.to_str().unwrap())
    }

    fn audit(self, lines: &[String]) -> Self {
        let path = self.write("audit.log", lines);
        self.option("--audit").option(path.to_str().unwrap())
    }

    fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    fn write(&self, name: &str, lines: &[String]) -> PathBuf {
        let path = self.folder.path().join(name);
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, lines).unwrap();
        path
    }

    fn verify(&self, options: &[&str]) -> Output {
        let mut command = throughline();
        command.arg("verify").args(&self.options).args(options);
        command.output().unwrap()
    }

    fn report(&self) -> Value {
        let output = self.verify(&["--json"]);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", stderr(&output)));
        let whole = report["whole"].as_bool().unwrap();
        assert_eq!(output.status.code(), Some(i32::from(!whole)));
        report
    }

    /// What a person is told, who is told the same.
    fn text(&self) -> String {
        String::from_utf8(self.verify(&[]).stdout).unwrap()
    }

    /// Asserts what is found, of the first session and then of none: kinds and counts.
    fn assert_finds(&self, expected: &[(&str, u64)]) {
        let report = self.report();
        let lists = [&report["sessions"][0]["findings"], &report["findings"]];
        let findings = lists.iter().flat_map(|list| list.as_array().unwrap());
        let found: Vec<_> = findings
            .map(|finding| {
                let kind = finding["kind"].as_str().unwrap();
                (kind, finding["count"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(found, expected, "{}", self.text());
    }
}

fn event(number: u32) -> String {
    event_at(number, number)
}

/// An event of every third number is denied.
fn event_at(number: u32, second: u32) -> String {
    let mut event = json!({
        "session": SESSION, "seq": number, "time": format!("2026-11-22T10:00:{second:02}Z"),
        "decision": "allow", "method": "GET", "url": format!("http://a/{number}"), "rule": "domain=a",
    });
    if number % 3 == 2 {
        event["decision"] = json!("deny");
        event.as_object_mut().unwrap().remove("rule");
    }
    event.to_string()
}

fn loss(first: u32, last: u32, count: u32) -> String {
    let loss = json!({"first": first, "last": last, "count": count, "cause": "store_full"});
    json!({"session": SESSION, "loss": loss}).to_string()
}

fn end(recorded: u32, written: u32, lost: u32) -> String {
    let end = json!({"recorded": recorded, "written": written, "lost": lost});
    json!({"session": SESSION, "end": end}).to_string()
}

/// The trail of ten events.
fn clean() -> Vec<String> {
    let mut lines: Vec<_> = (0..10).map(event).collect();
    lines.push(end(10, 10, 0));
    lines
}

fn request(session: Uuid, number: u32) -> String {
    json!({"status": 200, "session": session, "seq": number}).to_string()
}

fn record(entry: &Entry<'_>) -> String {
    let template = Template::new(RecordType::default(), &Identity::new("root", "/usr/bin/x"));
    let record = template.record(entry, Numbering::default());
    let body = record.body();
    format!(
        "type=USYS_CONFIG msg=audit(1795386199.182:294912): pid=4149 uid=0 msg='{body}'\u{1d}UID=\"root\""
    )
}

fn opened() -> String {
    record(&Entry::SessionOpen(SessionOpen {
        session: SessionId::from_uuid(SESSION),
        process: "agent",
    }))
}

fn closed(recorded: u64, written: u64, lost: u64) -> String {
    record(&Entry::SessionClose(SessionClose {
        session: SessionId::from_uuid(SESSION),
        recorded,
        written,
        lost,
    }))
}

fn committed_at(recorded: u32) -> String {
    let session = SessionId::from_uuid(SESSION);
    let change = Change {
        transaction: TransactionId::from_uuid(OTHER),
        name: "motd",
        position: Some(Position { session, recorded }),
    };
    let phase = PhaseRecord {
        change,
        step: 5,
        phase: Phase::Outcome(Outcome::Committed),
        success: true,
    };
    record(&Entry::Phase(phase, &[]))
}

#[test]
fn a_clean_trail_is_whole() {
    let case = Case::new(&clean());
    case.assert_finds(&[]);
    assert_eq!(
        case.report()["sessions"][0]["trail"]["runs"],
        json!([[0, 9]])
    );
    assert!(
        case.text().contains("1 of 1 sessions whole"),
        "{}",
        case.text()
    );
}

#[test]
fn a_removed_line_is_found() {
    let mut trail = clean();
    trail.remove(4);
    let case = Case::new(&trail);
    case.assert_finds(&[("missing", 1), ("end_differs", 1)]);
    assert!(
        case.text()
            .contains("1 neither written nor reported as lost: 4")
    );
    assert!(case.text().contains("NOT WHOLE"), "{}", case.text());

    // Whether or not the end is adjusted to it.
    let last = trail.len() - 1;
    trail[last] = end(10, 9, 1);
    Case::new(&trail).assert_finds(&[("missing", 1), ("end_differs", 1)]);
    trail[last] = end(10, 9, 0);
    Case::new(&trail).assert_finds(&[("missing", 1)]);
}

#[test]
fn a_last_event_that_is_removed_is_found() {
    let mut trail = clean();
    trail.remove(9);
    Case::new(&trail).assert_finds(&[("missing", 1), ("end_differs", 1)]);
}

#[test]
fn a_changed_number_is_found() {
    let mut trail = clean();
    trail[4] = event_at(70, 4);
    let found = [
        ("missing", 61),
        ("out_of_order", 5),
        ("time_back", 5),
        ("end_differs", 1),
    ];
    Case::new(&trail).assert_finds(&found);

    trail[4] = event_at(6, 4);
    let found = [
        ("missing", 1),
        ("out_of_order", 1),
        ("time_back", 1),
        ("duplicate", 1),
        ("end_differs", 1),
    ];
    Case::new(&trail).assert_finds(&found);
}

#[test]
fn a_duplicated_frame_is_found() {
    let mut trail = clean();
    let frame = trail[3..6].to_vec();
    trail.splice(6..6, frame);
    let case = Case::new(&trail);
    case.assert_finds(&[("duplicate", 3)]);
    assert!(
        case.text().contains("3 written twice: 3 ("),
        "{}",
        case.text()
    );
    assert!(case.text().contains("trail.ndjson:7)"), "{}", case.text());
}

#[test]
fn a_reordered_pair_is_found() {
    let mut trail = clean();
    trail.swap(4, 5);
    Case::new(&trail).assert_finds(&[("out_of_order", 1)]);
}

#[test]
fn a_session_without_an_end_is_found() {
    let mut trail = clean();
    trail.pop();
    let case = Case::new(&trail);
    case.assert_finds(&[("no_end", 1)]);
    assert!(
        case.text()
            .contains("no end: the session goes on, was killed")
    );
}

#[test]
fn a_forged_upstream_stamp_is_found() {
    let honest = [request(SESSION, 0), request(SESSION, 3)];
    Case::new(&clean()).upstream(&honest).assert_finds(&[]);

    for (forged, kind) in [
        (request(SESSION, 10), "upstream_unrecorded"),
        (request(SESSION, 5), "upstream_denied"),
        (request(SESSION, 3), "upstream_repeated"),
        (request(OTHER, 0), "upstream_unknown_session"),
        (json!({"session": SESSION}).to_string(), "upstream_no_stamp"),
        (
            json!({"session": "x", "seq": 1}).to_string(),
            "upstream_no_stamp",
        ),
    ] {
        let mut lines = honest.to_vec();
        lines.push(forged);
        let case = Case::new(&clean()).upstream(&lines);
        case.assert_finds(&[(kind, 1)]);
        assert!(case.text().contains("upstream.log:3"), "{}", case.text());
    }
}

#[test]
fn a_request_upstream_whose_event_is_lost_is_explained() {
    let mut trail: Vec<_> = (0..5).map(event).collect();
    trail.extend([loss(5, 9, 5), end(10, 5, 5)]);
    let case = Case::new(&trail).upstream(&[request(SESSION, 7)]);
    case.assert_finds(&[]);
    assert_eq!(
        case.report()["sessions"][0]["upstream"]["runs"],
        json!([[7, 7]])
    );
    let strict = case.option("--no-losses");
    strict.assert_finds(&[("lost", 5)]);
}

#[test]
fn a_combined_log_is_read_with_the_pair_at_its_end() {
    let line = |session: &str, number: &str| {
        format!(
            r#"127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /x HTTP/1.1" 200 5 "-" "curl" "{session}" "{number}""#
        )
    };
    let lines = [line(&SESSION.to_string(), "3"), line("-", "-")];
    let case = Case::new(&clean()).upstream(&lines);
    case.assert_finds(&[]);
    assert_eq!(
        case.report()["upstream"],
        json!({"stamped": 1, "unstamped": 1, "passed_over": 0})
    );
    let forged = [line(&SESSION.to_string(), "99")];
    let case = Case::new(&clean()).upstream(&forged);
    case.assert_finds(&[("upstream_unrecorded", 1)]);
}

#[test]
fn of_a_coarse_loss_as_many_are_missing_as_it_says() {
    let trail = |written: &[u32], count| {
        let mut trail: Vec<_> = written.iter().map(|number| event(*number)).collect();
        let len = u32::try_from(written.len()).unwrap();
        trail.extend([loss(3, 7, count), end(10, len, count)]);
        Case::new(&trail)
    };
    // Three of 3..=7 are lost, whichever.
    trail(&[0, 1, 2, 4, 6, 8, 9], 3).assert_finds(&[]);
    trail(&[0, 1, 2, 3, 7, 8, 9], 3).assert_finds(&[]);
    trail(&[0, 1, 2, 4, 8, 9], 3).assert_finds(&[("missing", 1)]);
    trail(&[0, 1, 2, 3, 4, 5, 8, 9], 3).assert_finds(&[("loss_of_written", 1)]);
}

#[test]
fn time_that_goes_back_is_found() {
    let mut trail = clean();
    trail[6] = event_at(6, 2);
    Case::new(&trail).assert_finds(&[("time_back", 1)]);
}

#[test]
fn lines_behind_the_end_are_found() {
    let mut trail = clean();
    trail.push(event(10));
    let found = [("after_end", 1), ("end_differs", 1)];
    Case::new(&trail).assert_finds(&found);
}

#[test]
fn the_kernels_log_agrees_or_what_differs_is_found() {
    let record = |lines: &[String]| Case::new(&clean()).audit(lines);
    let honest = [opened(), committed_at(10), closed(10, 10, 0)];
    let case = record(&honest);
    case.assert_finds(&[]);
    assert!(
        case.text().contains("open, 1 phases, close"),
        "{}",
        case.text()
    );

    record(&[closed(10, 10, 0)]).assert_finds(&[]);
    record(&[opened(), closed(12, 12, 0)]).assert_finds(&[("audit_close_differs", 1)]);
    record(&[opened()]).assert_finds(&[("audit_no_close", 1)]);
    record(&[committed_at(11)]).assert_finds(&[("audit_phase_beyond", 1)]);

    let mut cut = clean();
    cut.truncate(8);
    let case = Case::new(&cut).audit(&honest);
    let found = [
        ("audit_phase_beyond", 1),
        ("no_end", 1),
        ("audit_close_differs", 1),
    ];
    case.assert_finds(&found);
}

#[test]
fn a_session_of_the_kernels_log_without_a_trail_is_found_unless_it_was_not_asked_for() {
    let stranger = opened().replace(&SESSION.to_string(), &OTHER.to_string());
    let lines = [opened(), stranger, closed(10, 10, 0)];
    let case = Case::new(&clean())
        .audit(&lines)
        .upstream(&[request(OTHER, 1)]);
    case.assert_finds(&[("upstream_unknown_session", 1), ("audit_no_trail", 1)]);
    let case = case.option("--session").option(&SESSION.to_string());
    case.assert_finds(&[]);
}

#[test]
fn malformed_lines_are_counted_and_the_rest_is_judged() {
    let mut trail = clean();
    trail.insert(2, "{\"session\":\"0c4e".to_owned());
    trail.insert(5, "\u{1b}[31m".to_owned());
    let case = Case::new(&trail);
    case.assert_finds(&[("malformed", 2)]);
    let text = case.text();
    assert!(text.contains("trail.ndjson:3 it breaks off"), "{text}");
    assert!(
        text.contains("trail.ndjson:6 ") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
fn what_cannot_be_used_is_said_and_is_an_error_of_its_own() {
    let fails = |case: Case, why: &str| {
        let output = case.verify(&[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    };
    let junk = ["junk".to_owned()];
    fails(
        Case::new(&junk),
        "is not a trail: no line of it is understood",
    );
    fails(Case::new(&[]), "there is nothing in the trails");
    fails(
        Case::new(&clean()).upstream(&junk),
        "is not an upstream's log",
    );
    fails(
        Case::new(&clean()).audit(&junk),
        "is not the kernel's audit log: no line of it is understood",
    );
    // One that was packed when it was rotated, and the kernel's own log, which has the records in another form.
    let kernel = "audit: type=1111 audit(1.2:3): pid=1 msg='op=session-open session=\"x\"'";
    fails(
        Case::new(&clean()).audit(&["\u{1f}\u{8b}\u{8}".to_owned(), kernel.to_owned()]),
        "unpack it first",
    );
    fails(
        Case::new(&clean())
            .option("-")
            .option("--upstream")
            .option("-"),
        "the standard input is given more than once",
    );
    let case = Case::new(&clean());
    fails(
        case.option("/nonexistent/trail"),
        "cannot read /nonexistent/trail",
    );
    let case = Case::new(&clean()).option("--session");
    fails(case.option(&OTHER.to_string()), "there is no session");
}

#[test]
fn an_audit_log_without_a_record_of_ours_is_one_all_the_same() {
    let others = [
        "----".to_owned(),
        "type=SYSCALL msg=audit(1.2:3): arch=c000003e syscall=59".to_owned(),
    ];
    for lines in [&others[..], &[]] {
        Case::new(&clean()).audit(lines).assert_finds(&[]);
    }
}

#[test]
fn the_parts_of_a_rotated_trail_are_read_as_one() {
    let trail = clean();
    let case = Case::new(&trail[..6]);
    let rest = case.write("rest.ndjson", &trail[6..]);
    case.option(rest.to_str().unwrap()).assert_finds(&[]);
}

#[test]
fn a_long_trail_takes_no_more_memory_than_a_short_one() {
    let mut child = throughline()
        .args(["verify", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (pid, mut stdin) = (child.id(), child.stdin.take().unwrap());
    let peak_kib = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let figure = line.unwrap().split_whitespace().nth(1).unwrap();
        figure.parse::<u64>().unwrap()
    };
    // Every other number is missing, which is the worst that can be for the set of them.
    let mut feed = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            writeln!(stdin, "{}", event_at(number * 2, 0)).unwrap();
        }
        peak_kib()
    };
    let short = feed(0..10_000);
    let long = feed(10_000..100_000);
    assert!(long - short < 512, "from {short} KiB to {long} KiB");
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_trail_may_come_through_a_pipe() {
    let mut child = throughline()
        .args(["verify", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let text = clean().join("\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
