//! The example does what it says, as a program of its own.

mod common;

use std::{fs, path::Path, process::Output};

use throughline_audit::Reader;
use throughline_testkit::{KernelAudit, RecordText, example};

use common::messages;

#[test]
fn a_good_file_is_kept_and_a_bad_one_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings");
    fs::write(&path, "a = 1\n").unwrap();

    let output = config_tool(&path, "a = 2\n");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2\n");
    assert!(said(&output).contains("pushed: 5, "), "{output:?}");

    let output = config_tool(&path, "nonsense\n");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2\n");
    assert!(said(&output).contains("pushed: 5, "), "{output:?}");

    // Started, and errored: the file is not there.
    let output = config_tool(&folder.path().join("nowhere"), "a = 1\n");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("pushed: 2, "), "{output:?}");
}

#[test]
fn the_kernel_has_each_phase() {
    let opened = KernelAudit::enable().and_then(|audit| {
        let reader =
            Reader::open().map_err(|error| format!("the audit log cannot be read: {error}"));
        reader.map(|reader| (audit, reader))
    });
    let (_audit, mut reader) = match opened {
        Ok(opened) => opened,
        Err(why) => return println!("skipped: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings");
    fs::write(&path, "a = 1\n").unwrap();
    assert_eq!(config_tool(&path, "nonsense").status.code(), Some(1));
    let messages = messages(&mut reader, path.to_str().unwrap(), 5);
    let phases: Vec<_> = messages
        .iter()
        .map(|text| RecordText::parse(text).text("phase").to_owned())
        .collect();
    let expected = ["started", "capture", "apply", "validate", "rolled_back"];
    assert_eq!(phases, expected, "{messages:#?}");
}

fn config_tool(path: &Path, text: &str) -> Output {
    example("config-tool").arg(path).arg(text).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
