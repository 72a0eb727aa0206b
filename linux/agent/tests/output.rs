//! What the command does when nobody reads its standard output, or when that is full.

mod support;

use std::{
    fs::OpenOptions,
    io,
    path::Path,
    process::{Output, Stdio},
};

use support::{stderr, throughline};

/// A trail that is whole, and one that is not.
const EVENT: &str = r#"{"session":"0c4e0000-1111-4222-8333-abcdefabcdef","seq":0,"time":"2026-01-02T03:04:05Z","decision":"deny","method":"GET","url":"http://a/"}"#;
const END: &str = r#"{"session":"0c4e0000-1111-4222-8333-abcdefabcdef","end":{"recorded":1,"written":1,"lost":0}}"#;

/// What writes to the standard output, and the code that it ends with for other reasons than that.
const COMMANDS: [&[&str]; 10] = [
    &["check", "GET", "http://a/"],
    &["check", "--allow", "domain=a", "GET", "http://a/"],
    &["check", "--json", "--allow", "", "GET", "http://a/"],
    &["config"],
    &["doctor"],
    &["verify", "whole"],
    &["verify", "torn"],
    &["tail", "whole"],
    &["completions", "bash"],
    &["man"],
];

fn output(command: &[&str], folder: &Path, stdout: impl Into<Stdio>) -> Output {
    throughline()
        .args(command)
        .current_dir(folder)
        .stdout(stdout)
        .output()
        .unwrap()
}

fn lay_out() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("whole"), format!("{EVENT}\n{END}\n")).unwrap();
    std::fs::write(folder.path().join("torn"), format!("{EVENT}\n")).unwrap();
    folder
}

#[test]
fn whoever_has_read_enough_changes_neither_the_code_nor_what_is_said() {
    let folder = lay_out();
    for command in COMMANDS {
        let heard = output(command, folder.path(), Stdio::piped());
        assert!(!heard.stdout.is_empty(), "{command:?}");
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let unheard = output(command, folder.path(), writer);
        assert_eq!(unheard.status.code(), heard.status.code(), "{command:?}");
        assert_eq!(stderr(&unheard), stderr(&heard), "{command:?}");
    }
}

/// Neither may be taken for the answer: `check` says with a 1 that a request is denied.
#[test]
fn a_standard_output_that_takes_nothing_is_told_by_its_name_and_by_a_code_of_its_own() {
    let folder = lay_out();
    for command in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = output(command, folder.path(), full);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let said = stderr(&output);
        let told = "cannot write to the standard output: No space left";
        assert!(said.contains(told), "{command:?}: {said}");
        assert!(!said.contains("panicked"), "{command:?}: {said}");
    }
}

/// The command that is run may be at the same pipe, and leave it full or without a wait for room.
#[test]
fn a_standard_error_that_takes_nothing_changes_nothing() {
    let folder = lay_out();
    let commands: [&[&str]; 10] = [
        &["verify", "nowhere"],
        &["tail", "nowhere"],
        &["check", "GET", "nowhere"],
        &["check", "--allow", "", "GET", "http://a/"],
        &["config", "--config", "nowhere"],
        &["man", "--out", "nowhere"],
        &["collect", "--socket", "whole"],
        &["bridge", "--device", "whole"],
        &[
            "txn",
            "--op",
            "output",
            "--apply",
            "exit 1",
            "--rollback",
            "true",
        ],
        &["run", "--", "sh", "-c", "exit 7"],
    ];
    for command in commands {
        let heard = output(command, folder.path(), Stdio::null());
        assert!(!heard.stderr.is_empty(), "{command:?}");
        let unheard = throughline()
            .args(command)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(OpenOptions::new().write(true).open("/dev/full").unwrap())
            .status()
            .unwrap();
        assert_eq!(unheard.code(), heard.status.code(), "{command:?}");
    }
}
