//! `throughline tail`: what it shows, and when it ends.

mod support;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use support::{has, throughline};

const SESSION: &str = "0c4e0000-1111-4222-8333-abcdefabcdef";

fn event(number: u32, decision: &str) -> String {
    let event = json!({
        "session": SESSION, "seq": number, "time": "2026-11-22T10:00:00.5Z",
        "decision": decision, "method": "GET", "url": format!("http://a/{number}"),
    });
    format!("{event}\n")
}

fn append(path: &Path, text: &str) {
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn shown(path: &Path, options: &[&str]) -> String {
    let output = throughline()
        .arg("tail")
        .args(options)
        .arg(path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// `tail -f`, and the lines that it has shown.
struct Following {
    child: Child,
    out: BufReader<ChildStdout>,
    said: BufReader<ChildStderr>,
}

impl Following {
    fn start(path: &Path) -> Self {
        Self::start_with(path, &[])
    }

    fn start_with(path: &Path, options: &[&str]) -> Self {
        let mut child = throughline()
            .args(["tail", "-f"])
            .args(options)
            .arg(path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, out, said }
    }

    /// Waits until it has said something of the file.
    fn said(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn code(mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().unwrap();
        panic!("it does not end");
    }
}

#[test]
fn the_last_lines_that_pass_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    for number in 0..40 {
        append(
            &trail,
            &event(number, if number % 2 == 0 { "allow" } else { "deny" }),
        );
    }
    assert_eq!(shown(&trail, &[]).lines().count(), 10);
    assert_eq!(shown(&trail, &["-n", "all"]).lines().count(), 40);
    assert_eq!(
        shown(&trail, &["-n", "all", "--denied"]).lines().count(),
        20
    );
    assert_eq!(
        shown(&trail, &["-n", "2", "--denied"]),
        "2026-11-22T10:00:00.500Z 0c4e0000/37 deny  GET http://a/37\n\
         2026-11-22T10:00:00.500Z 0c4e0000/39 deny  GET http://a/39\n"
    );
    assert_eq!(shown(&trail, &["-n", "1", "--json"]), event(39, "deny"));
}

#[test]
fn losses_ends_and_what_is_no_line_are_shown_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let loss = json!({"session": SESSION, "loss": {"first": 3, "last": 5, "count": 2, "cause": "x\u{1b}"}});
    let end = json!({"session": SESSION, "end": {"recorded": 9, "written": 7, "lost": 2}});
    append(
        &trail,
        &format!("{loss}\n{end}\n\u{1b}[31mjunk\nunfinished"),
    );
    let text = shown(&trail, &["-n", "all"]);
    assert!(
        text.contains("0c4e0000 lost 2 of 3-5: x\\u{1b}\n"),
        "{text}"
    );
    assert!(
        text.contains("0c4e0000 end recorded 9, written 7, lost 2\n"),
        "{text}"
    );
    assert!(
        text.contains("\\u{1b}[31mjunk\n") && !text.contains('\u{1b}'),
        "{text}"
    );
    assert!(text.contains("unfinished"), "{text}");
}

#[test]
fn it_follows_through_rotation_and_cuts_until_it_is_told_to_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.ndjson");
        append(&trail, &event(0, "allow"));
        let mut following = Following::start(&trail);
        assert!(following.line().contains("/0 allow"));

        let next = event(1, "deny");
        let (front, back) = next.split_at(30);
        append(&trail, front);
        append(&trail, back);
        assert!(following.line().contains("/1 deny"));

        fs::rename(&trail, folder.path().join("trail.1")).unwrap();
        append(&trail, &event(2, "allow"));
        assert!(following.said().contains("was replaced"));
        assert!(following.line().contains("/2 allow"));

        File::create(&trail).unwrap();
        // A file that was cut and is as long as before already cannot be told from one that grew.
        assert!(following.said().contains("was cut"));
        append(&trail, &event(3, "a"));
        append(&trail, &event(4, "allow"));
        assert!(following.line().starts_with("? its decision"));
        assert!(following.line().contains("/4 allow"));

        following.signal(signal);
        assert_eq!(following.code(), Some(0));
    }
}

#[test]
fn it_ends_when_nobody_reads_any_more_even_if_nothing_comes() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    append(&trail, &event(0, "allow"));
    let mut following = Following::start(&trail);
    following.line();
    let (unread, _) = std::io::pipe().unwrap();
    following.out = BufReader::new(ChildStdout::from(std::os::fd::OwnedFd::from(unread)));
    assert_eq!(following.code(), Some(0));
}

#[test]
fn it_ends_when_told_though_its_reader_stands_still() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    for number in 0..5000 {
        append(&trail, &event(number, "allow"));
    }
    let mut following = Following::start_with(&trail, &["-n", "all"]);
    following.line();
    following.signal(Signal::TERM);
    assert_eq!(following.code(), Some(0));
}

#[test]
fn there_are_colours_on_a_terminal_only() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    append(&trail, &event(0, "deny"));
    assert!(!shown(&trail, &[]).contains('\u{1b}'));
    if !has("script") {
        return;
    }
    let on_terminal = |no_colour: &str| {
        let command = format!(
            "{} tail {}",
            env!("CARGO_BIN_EXE_throughline"),
            trail.display()
        );
        let output = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("NO_COLOR", no_colour)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(
        on_terminal("").contains("\u{1b}[31mdeny"),
        "{:?}",
        on_terminal("")
    );
    assert!(!on_terminal("1").contains('\u{1b}'));
}

#[test]
fn a_trail_that_is_not_there_is_said() {
    let output = throughline()
        .args(["tail", "/nonexistent/trail"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(support::stderr(&output).contains("cannot show /nonexistent/trail"));
}

#[test]
fn a_pipe_is_told_to_be_no_file() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let output = throughline()
        .args(["tail", "/dev/stdin"])
        .stdin(reader)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = support::stderr(&output);
    assert!(said.contains("; give the path of a file"), "{said}");
}
