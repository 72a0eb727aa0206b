//! `throughline check`: the decision on every line of the rules' table, and how it is told.

mod support;

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde_json::Value;
use support::{stderr, throughline};

const TABLE: &str = include_str!("../../../testkit/vectors/rules.tsv");

fn check(args: &[&str]) -> Output {
    throughline().arg("check").args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// One process for each line and grammar, on as many threads as there are cores.
#[test]
fn every_line_of_the_table_is_decided_as_it_says() {
    let cases = cases();
    assert!(cases.len() > 300, "only {} cases were read", cases.len());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            assert_eq!(case.observe(), case.expected, "line {}", case.line);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}

struct Case {
    line: usize,
    compatible: bool,
    rule: Vec<u8>,
    method: &'static str,
    url: Vec<u8>,
    expected: &'static str,
}

impl Case {
    /// What the command says, in the words of the table.
    fn observe(&self) -> String {
        // A rule that is refused has no request.
        let refused = self.method == "-";
        let url = if refused { b"http://h/" } else { &self.url[..] };
        let mut rule = OsString::from("--allow=");
        rule.push(OsString::from_vec(self.rule.clone()));
        let mut command = throughline();
        command.args(["check", "--json"]).arg(rule);
        if self.compatible {
            command.arg("--compatible-rules");
        }
        let method = if refused { "GET" } else { self.method };
        command
            .arg("--")
            .arg(method)
            .arg(OsString::from_vec(url.to_vec()));
        told(&command.output().unwrap())
    }
}

/// The words of the table for an answer.
fn told(output: &Output) -> String {
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (words, code) = if answer["error"].is_object() {
        let error = &answer["error"];
        let what = if error["in"] == "rule" {
            "error"
        } else {
            "url"
        };
        (
            format!("{what} {}@{}", text(&error["kind"]), error["offset"]),
            2,
        )
    } else if answer["decision"] == "allow" {
        ("allow".to_owned(), 0)
    } else {
        (format!("deny {}", text(&answer["rules"][0]["part"])), 1)
    };
    assert_eq!(output.status.code(), Some(code), "{answer}");
    words
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, line) in TABLE.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [grammar, rule, method, url, expected, _note] = columns[..] else {
            panic!("line {}", index + 1)
        };
        let grammars: &[bool] = match grammar {
            "strict" => &[false],
            "compatible" => &[true],
            _ => &[false, true],
        };
        cases.extend(grammars.iter().map(|&compatible| Case {
            line: index + 1,
            compatible,
            rule: unescaped(rule),
            method,
            url: unescaped(url),
            expected,
        }));
    }
    cases
}

/// The bytes that a column stands for.
fn unescaped(column: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = column.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}

#[test]
fn the_rule_that_decides_is_named_and_why_each_other_one_does_not() {
    let output = check(&[
        "--allow=method=POST domain=h",
        "--allow=path=/a/*",
        "--allow=domain=*",
        "--inject=domain=other",
        "GET",
        "http://eve:secret@h/a/b",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let expected = "\
allowed: GET http://eve:***@h/a/b
  by rule 2
rules:
  1  method=POST domain=h  (flag)
     method=POST does not match method GET
  2  path=/a/*  (flag)
     matches
  3  domain=*  (flag)
     matches too, and comes later
stamped: no
targets:
  1  domain=other  (flag)
     domain=other does not match host h
";
    assert_eq!(stdout(&output), expected);
}

#[test]
fn a_denied_request_carries_no_stamp_even_to_a_target() {
    let output = check(&["--json", "--inject=domain=h", "GET", "http://h/"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["decision"], &answer["target"]),
        (&"deny".into(), &Value::Null)
    );
    assert_eq!(answer["targets"][0]["verdict"], "decides");
}

#[test]
fn a_tunnel_is_told_as_run_opens_it() {
    let note = |args: &[&str]| {
        let output = check(&[&["--json", "--allow=domain=h path=/a"], args].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["notes"].to_string()
    };
    assert!(note(&["CONNECT", "h:443"]).contains("opens this tunnel"));
    assert!(note(&["CONNECT", "other:443"]).contains("does not open this tunnel"));
    assert_eq!(note(&["--no-intercept=h", "CONNECT", "h:443"]), "[]");
    assert_eq!(note(&["GET", "http://h/a"]), "[]");
    assert!(note(&["GET", "ftp://h/a"]).contains("run refuses"));
}

#[test]
fn a_request_that_run_refuses_whatever_the_rules_is_told_so() {
    for (method, url, is_refused) in [
        ("GET", "http://a/", false),
        ("PURGE", "http://a/", false),
        ("get", "https://a/", false),
        ("CONNECT", "a:443", false),
        ("GET", "ftp://a/", true),
        ("G ET", "http://a/", true),
        ("", "http://a/", true),
        ("g\u{e9}t", "http://a/", true),
        ("GET", "a:80", true),
        ("CONNECT", "http://a/", true),
    ] {
        let output = check(&["--allow", "method=*", method, url]);
        assert_eq!(output.status.code(), Some(0), "{method} {url}");
        let told = stdout(&output).contains("; run refuses this one");
        assert_eq!(told, is_refused, "{method} {url}: {}", stdout(&output));
    }
}

#[test]
fn what_cannot_be_understood_is_shown_with_its_place() {
    let output = check(&["--allow", "domain=a_b", "GET", "http://h/"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("domain=a_b\n        ^"),
        "{}",
        stderr(&output)
    );
    let output = check(&["GET", "h"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("bad URL: column 2: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn nothing_of_the_url_is_acted_on_by_a_terminal() {
    let output = check(&["--allow=domain=h", "GET\u{1b}[31m", "http://h/\u{9b}x"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        !stdout(&output).contains(['\u{1b}', '\u{9b}']),
        "{}",
        stdout(&output)
    );
}
