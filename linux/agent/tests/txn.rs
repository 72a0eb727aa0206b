//! `throughline txn`, read back from the live kernel.

mod support;

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{
    audit::{field, hex, kernel, messages, tail},
    stderr, throughline,
};

/// A name that no other record has.
fn name(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

fn command(name: &str, steps: &[&str]) -> Command {
    let mut command = throughline();
    command.args(["txn", "--op", name]).args(steps);
    command
}

fn txn(name: &str, steps: &[&str]) -> Output {
    command(name, steps).output().unwrap()
}

/// A record of the change: operation, phase, further fields, result.
type Phase<'a> = (&'a str, &'a str, String, &'a str);

/// The records, with what differs from run to run taken from the records themselves.
fn expected(name: &str, transaction: &str, phases: &[Phase<'_>]) -> Vec<String> {
    let tail = tail();
    let record = |(step, (op, phase, extras, res)): (usize, &Phase<'_>)| {
        format!(
            "op={op} txn=\"{transaction}\" name=\"{name}\" step=\"{step}\" phase=\"{phase}\" \
             seq=\"{step}\" drop=\"0\"{extras} {tail}{res}"
        )
    };
    phases.iter().enumerate().map(record).collect()
}

/// A field whose value has to be escaped.
fn escaped(name: &str, value: &str) -> String {
    format!(" {name}={}", hex(value))
}

fn reason(word: &str) -> String {
    format!(" reason=\"{word}\"")
}

fn cmd(script: &str) -> String {
    format!(" cmd=\"{script}\"")
}

/// Runs a change, and asserts on its exit code and each word of its records.
fn assert_told(test: &str, steps: &[&str], code: i32, phases: &[Phase<'_>]) {
    let Some((_audit, mut reader)) = kernel() else {
        return;
    };
    let name = name(test);
    let output = txn(&name, steps);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    assert_records(&mut reader, &name, phases);
}

fn assert_records(reader: &mut throughline_audit::Reader, name: &str, phases: &[Phase<'_>]) {
    let records = messages(reader, &format!("name=\"{name}\""), phases.len());
    let transaction = records.first().map_or("", |record| field(record, "txn"));
    assert_eq!(records, expected(name, transaction, phases));
}

fn plain() -> String {
    String::new()
}

#[test]
fn a_change_that_holds_is_committed() {
    assert_told(
        "holds",
        &[
            "--capture",
            ":",
            "--apply",
            "true",
            "--validate",
            "test 1 = 1",
        ],
        0,
        &[
            ("txn-start", "started", plain(), "success"),
            ("txn-capture", "capture", cmd(":"), "success"),
            ("txn-apply", "apply", cmd("true"), "success"),
            (
                "txn-validate",
                "validate",
                escaped("cmd", "test 1 = 1"),
                "success",
            ),
            ("txn-commit", "committed", plain(), "success"),
        ],
    );
}

#[test]
fn a_capture_that_fails_ends_it_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let apply = format!("touch {}", made.display());
    let reason = reason("capture-exit-3");
    assert_told(
        "uncaptured",
        &["--capture", "exit 3", "--apply", &apply],
        5,
        &[
            ("txn-start", "started", plain(), "success"),
            (
                "txn-error",
                "errored",
                reason + &escaped("cmd", "exit 3"),
                "failed",
            ),
        ],
    );
    assert!(!made.exists());
}

#[test]
fn a_change_that_cannot_be_made_is_rolled_back_and_not_validated() {
    let reason = || reason("apply-exit-1");
    assert_told(
        "unapplied",
        &["--apply", "false", "--validate", "true", "--rollback", ":"],
        1,
        &[
            ("txn-start", "started", plain(), "success"),
            ("txn-capture", "capture", plain(), "success"),
            ("txn-apply", "apply", reason() + &cmd("false"), "failed"),
            (
                "txn-rollback",
                "rolled_back",
                reason() + &cmd(":"),
                "failed",
            ),
        ],
    );
}

#[test]
fn a_change_that_does_not_hold_is_rolled_back() {
    let reason = || reason("validate-exit-1");
    assert_told(
        "invalid",
        &["--apply", ":", "--validate", "false", "--rollback", "true"],
        1,
        &[
            ("txn-start", "started", plain(), "success"),
            ("txn-capture", "capture", plain(), "success"),
            ("txn-apply", "apply", cmd(":"), "success"),
            (
                "txn-validate",
                "validate",
                reason() + &cmd("false"),
                "failed",
            ),
            (
                "txn-rollback",
                "rolled_back",
                reason() + &cmd("true"),
                "failed",
            ),
        ],
    );
}

#[test]
fn a_rollback_that_fails_is_told_with_what_led_to_it() {
    let both = reason("apply-exit-1:rollback-exit-4");
    assert_told(
        "stuck",
        &["--apply", "false", "--rollback", "exit 4"],
        4,
        &[
            ("txn-start", "started", plain(), "success"),
            ("txn-capture", "capture", plain(), "success"),
            (
                "txn-apply",
                "apply",
                reason("apply-exit-1") + &cmd("false"),
                "failed",
            ),
            (
                "txn-rollback-fail",
                "rollback_failed",
                both + &escaped("cmd", "exit 4"),
                "failed",
            ),
        ],
    );
}

#[test]
fn without_a_rollback_a_change_stays_partially_applied() {
    assert_told(
        "partial",
        &["--apply", "false"],
        3,
        &[
            ("txn-start", "started", plain(), "success"),
            ("txn-capture", "capture", plain(), "success"),
            (
                "txn-apply",
                "apply",
                reason("apply-exit-1") + &cmd("false"),
                "failed",
            ),
            (
                "txn-partial",
                "partially_applied",
                reason("apply-exit-1"),
                "failed",
            ),
        ],
    );
}

#[test]
fn the_outcome_is_recorded_once_the_result_is_on_the_disk() {
    let Some((_audit, mut reader)) = kernel() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.json");
    let name = name("kept");
    let mut child = command(&name, &["--apply", "true", "--result"])
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let records = messages(&mut reader, &format!("name=\"{name}\""), 5);
    // The command may still run.
    let result: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let last = records.last().unwrap();
    assert!(last.starts_with("op=txn-commit "), "{last}");
    assert_eq!(field(last, "file"), file.display().to_string());
    assert_eq!(result["outcome"], "committed");
    assert_eq!(result["transaction"], field(last, "txn"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_result_that_cannot_be_kept_makes_a_commit_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let file = gone.join("result.json").display().to_string();
    fs::create_dir(&gone).unwrap();
    let apply = format!("rm -r {}", gone.display());
    assert_told(
        "demoted",
        &["--apply", &apply, "--result", &file],
        5,
        &[
            ("txn-start", "started", plain(), "success"),
            ("txn-capture", "capture", plain(), "success"),
            ("txn-apply", "apply", escaped("cmd", &apply), "success"),
            ("txn-validate", "validate", plain(), "success"),
            (
                "txn-error",
                "errored",
                format!("{} file=\"{file}\"", reason("result-NotFound")),
                "failed",
            ),
        ],
    );
}

#[test]
fn a_result_that_can_never_be_kept_is_told_before_anything_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let apply = format!("touch {}", made.display());
    for file in ["/no/such/folder/result", "/dev/null", "/"] {
        let output = txn(&name("refused"), &["--apply", &apply, "--result", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        let said = stderr(&output);
        assert!(
            said.contains(&format!("cannot be written to {file}")) && said.contains("; ch"),
            "{said}"
        );
    }
    assert!(!made.exists());
}

/// A variable that is not set, in a script, would leave out the check.
#[test]
fn a_step_that_is_given_and_empty_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let apply = format!("touch {}", made.display());
    for step in ["--capture", "--validate", "--rollback"] {
        let output = txn(&name("empty"), &["--apply", &apply, step, ""]);
        assert_eq!(output.status.code(), Some(2), "{step}");
        assert!(stderr(&output).contains(step), "{}", stderr(&output));
    }
    assert!(!made.exists());
}

#[test]
fn a_dry_run_runs_and_records_nothing() {
    let live = kernel();
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let apply = format!("touch {}", made.display());
    let name = name("dry");
    let output = txn(&name, &["--apply", &apply, "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains(&apply) && told.contains("there is no rollback"),
        "{told}"
    );
    let output = txn(&name, &["--apply", &apply, "--dry-run", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["steps"][1]["script"], apply);
    let output = txn(&name, &["--apply", "true", "--rollback", "if", "--dry-run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--rollback is no shell command"));
    assert!(!made.exists());
    if let Some((_audit, mut reader)) = live {
        assert!(messages(&mut reader, &name, 1).is_empty());
    }
}

#[test]
fn a_machine_is_told_in_one_object_whatever_the_steps_write() {
    let output = txn(
        &name("json"),
        &[
            "--json",
            "--apply",
            "echo noise; exit 1",
            "--rollback",
            "echo more",
        ],
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["outcome"], "rolled_back");
    assert_eq!(told["success"], false);
    assert_eq!(told["reason"], "apply: exit status: 1");
    let steps: Vec<_> = told["steps"].as_array().unwrap().iter().collect();
    let of = |step: &Value| (step["step"].clone(), step["done"].clone());
    assert_eq!(of(steps[1]), ("apply".into(), false.into()));
    assert_eq!(of(steps[2]), ("rollback".into(), true.into()));
    assert_eq!(told["audit"]["records"], 4);
    assert!(stderr(&output).contains("noise"));
}

/// A transaction that is in the middle of a step.
struct Under {
    child: Child,
    folder: tempfile::TempDir,
}

impl Under {
    /// Starts one, of which a step makes the file `begun` and goes on for a minute.
    fn way(name: &str, steps: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let steps = steps(folder.path());
        let steps: Vec<_> = steps.iter().map(String::as_str).collect();
        let child = command(name, &steps)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let under = Self { child, folder };
        let start = Instant::now();
        while !under.has("begun") {
            assert!(start.elapsed() < Duration::from_secs(30));
            thread::sleep(Duration::from_millis(5));
        }
        under
    }

    fn has(&self, file: &str) -> bool {
        self.folder.path().join(file).exists()
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code, and what was said.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

fn script(folder: &Path, script: &str) -> String {
    format!("cd {}; {script}", folder.display())
}

/// A change whose making, with a child of its own, goes on for a minute.
fn endless(folder: &Path) -> Vec<String> {
    let apply = "(sleep 60; touch late) & touch begun; wait; touch late";
    vec![
        "--apply".to_owned(),
        script(folder, apply),
        "--rollback".to_owned(),
        script(folder, "touch undone"),
    ]
}

#[test]
fn a_signal_ends_what_is_being_applied_and_rolls_it_back() {
    for (signal, word) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let Some((_audit, mut reader)) = kernel() else {
            return;
        };
        let name = name(word);
        let mut under = Under::way(&name, endless);
        under.send(signal);
        let (code, said) = under.end();
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&format!("{word} during apply: rolling back")),
            "{said}"
        );
        assert!(under.has("undone") && !under.has("late"));
        let folder = under.folder.path();
        let [_, apply, _, rollback] = endless(folder).try_into().unwrap();
        let reason = reason(&format!("apply-{word}"));
        assert_records(
            &mut reader,
            &name,
            &[
                ("txn-start", "started", plain(), "success"),
                ("txn-capture", "capture", plain(), "success"),
                (
                    "txn-apply",
                    "apply",
                    reason.clone() + &escaped("cmd", &apply),
                    "failed",
                ),
                (
                    "txn-rollback",
                    "rolled_back",
                    reason + &escaped("cmd", &rollback),
                    "failed",
                ),
            ],
        );
    }
}

#[test]
fn a_signal_while_it_is_checked_rolls_back_too() {
    let mut under = Under::way(&name("checked"), |folder| {
        let validate = script(folder, "touch begun; sleep 60");
        let rollback = script(folder, "touch undone");
        [
            "--apply",
            "true",
            "--validate",
            &validate,
            "--rollback",
            &rollback,
        ]
        .map(str::to_owned)
        .into()
    });
    under.send(Signal::TERM);
    let (code, said) = under.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(under.has("undone"));
}

#[test]
fn a_signal_before_anything_is_changed_changes_nothing() {
    let mut under = Under::way(&name("early"), |folder| {
        let capture = script(folder, "touch begun; sleep 60");
        let apply = script(folder, "touch applied");
        ["--capture", &capture, "--apply", &apply]
            .map(str::to_owned)
            .into()
    });
    under.send(Signal::INT);
    let (code, said) = under.end();
    assert_eq!(code, Some(5), "{said}");
    assert!(!under.has("applied"));
}

#[test]
fn a_rollback_is_waited_for_whatever_comes() {
    let mut under = Under::way(&name("patient"), |folder| {
        let rollback = script(folder, "touch begun; sleep 1; touch undone");
        ["--apply", "false", "--rollback", &rollback]
            .map(str::to_owned)
            .into()
    });
    under.send(Signal::INT);
    thread::sleep(Duration::from_millis(100));
    under.send(Signal::TERM);
    let (code, said) = under.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(under.has("undone"));
    assert!(said.contains("SIGINT: waiting for the rollback"), "{said}");
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let apply = format!("touch {}; sleep 1", begun.display());
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_throughline"))
        .args(["txn", "--op", "ignored", "--apply", &apply])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !begun.exists() {
        assert!(start.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_privilege_the_change_is_made_and_the_silence_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let script = format!("echo done > {}", made.display());
    let binary = folder.path().join("throughline");
    fs::copy(env!("CARGO_BIN_EXE_throughline"), &binary).unwrap();
    if !support::has("setpriv") {
        return;
    }
    // Without the right to write audit records, whoever runs the test.
    let output = Command::new("setpriv")
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
