//! `throughline run`, with real curl behind it and a real server before it.

mod support;

use std::{
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use support::{event, has, lines, stderr, throughline};
use tempfile::TempDir;
use throughline_testkit::Upstream;

const SESSION: &str = "X-Coder-Agent-Firewall-Session-Id";
const SEQUENCE: &str = "X-Coder-Agent-Firewall-Sequence-Number";

struct Run {
    _folder: TempDir,
    trail: PathBuf,
    output: Output,
}

/// Runs a shell script behind rules that allow the loopback address and stamp its gateway paths.
fn run(script: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let output = throughline()
        .args(["run", "--allow", "domain=127.0.0.1"])
        .args(["--inject", "domain=127.0.0.1 path=/api/v2/aibridge/*"])
        .arg("--trail")
        .arg(&trail)
        .args(["--", "sh", "-c", script])
        .output()
        .unwrap();
    Run {
        _folder: folder,
        trail,
        output,
    }
}

#[test]
fn both_headers_reach_the_target_and_nothing_else() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let base = format!("http://{}", upstream.address());
    let run = run(&format!(
        "curl -sf {base}/plain && curl -sf {base}/api/v2/aibridge/chat"
    ));
    assert!(run.output.status.success(), "{}", stderr(&run.output));

    let heads = upstream.heads();
    let [plain, chat] = heads.as_slice() else {
        panic!("two requests: {heads:?}")
    };
    assert_eq!(plain.target(), "/plain");
    assert!(plain.values(SESSION).is_empty() && plain.values(SEQUENCE).is_empty());

    let lines = lines(&run.trail);
    let event = event(&lines, "/api/v2/aibridge/chat");
    assert_eq!(chat.values(SESSION), [event["session"].as_str().unwrap()]);
    assert_eq!(chat.values(SEQUENCE), [event["seq"].to_string()]);
    assert_eq!(event["decision"], "allow");
    assert_eq!(event["rule"], "domain=127.0.0.1");
    assert_eq!(lines.last().unwrap()["end"]["recorded"], 2);
}

#[test]
fn a_denied_host_is_answered_403_and_recorded() {
    if !has("curl") {
        return;
    }
    let run = run("curl -s -o /dev/null -w '%{http_code}' http://denied.invalid/secret");
    assert_eq!(String::from_utf8_lossy(&run.output.stdout), "403");
    let lines = lines(&run.trail);
    let event = event(&lines, "/secret");
    assert_eq!(
        (&event["decision"], &event["seq"]),
        (&"deny".into(), &0.into())
    );
    assert!(event.get("rule").is_none());
    assert!(stderr(&run.output).contains("denied GET http://denied.invalid/secret"));
}

#[test]
fn the_command_line_that_a_refusal_names_lets_the_request_out() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let url = format!("http://{}/it's/secret?a=b&c=$d", upstream.address());
    let denied = throughline()
        .args(["run", "--quiet", "--allow", "domain=other.invalid path=/*"])
        .args(["--", "curl", "-s", &url])
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&denied.stdout);
    let line = answer.lines().find_map(|line| {
        let (_, line) = line.split_once("to allow it: ")?;
        Some(line.to_owned())
    });
    let line = line.unwrap_or_else(|| panic!("no command line: {answer}"));
    assert!(
        line.contains(" run --allow 'method=GET domain=127.0.0.1 path=/it%27s/secret' --quiet"),
        "{line}"
    );
    assert!(upstream.heads().is_empty());

    let allowed = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(allowed.status.success(), "{}", stderr(&allowed));
    let heads = upstream.heads();
    assert_eq!(heads.len(), 1);
    assert_eq!(heads[0].target(), "/it's/secret?a=b&c=$d");
}

#[test]
fn forged_headers_never_reach_the_server() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let forged = format!(
        "-H '{SESSION}: 11111111-1111-4111-8111-111111111111' -H 'x_coder_agent_firewall_sequence_number: 9'"
    );
    let run = run(&format!(
        "curl -sf {forged} http://{0}/plain && curl -sf {forged} http://{0}/api/v2/aibridge/x",
        upstream.address()
    ));
    assert!(run.output.status.success(), "{}", stderr(&run.output));
    let heads = upstream.heads();
    assert!(heads[0].values(SESSION).is_empty() && heads[0].values(SEQUENCE).is_empty());
    let lines = lines(&run.trail);
    let event = event(&lines, "/api/v2/aibridge/x");
    assert_eq!(
        heads[1].values(SESSION),
        [event["session"].as_str().unwrap()]
    );
    assert_eq!(heads[1].values(SEQUENCE), ["1"]);
    for head in heads {
        assert!(
            head.values("x_coder_agent_firewall_sequence_number")
                .is_empty()
        );
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    assert_eq!(run("exit 7").output.status.code(), Some(7));
    assert_eq!(run("kill -TERM $$").output.status.code(), Some(128 + 15));
}

/// Each sends itself to sleep once its request was answered; the terminal's SIGINT goes to both.
#[test]
fn what_was_recorded_is_written_though_the_run_is_asked_to_end() {
    if !has("curl") {
        return;
    }
    for (signal, group, code) in [
        (Signal::TERM, false, 128 + 15),
        (Signal::INT, true, 128 + 2),
        (Signal::QUIT, true, 128 + 3),
        // What a terminal that goes sends to both, and what somebody sends to one.
        (Signal::HUP, true, 128 + 1),
        (Signal::HUP, false, 128 + 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (trail, ready) = (folder.path().join("trail"), folder.path().join("ready"));
        let agent = throughline()
            .args(["run", "--trail"])
            .arg(&trail)
            .args(["--", "sh", "-c"])
            .arg("curl -s http://denied.invalid/ -o \"$0\"; exec sleep 30")
            .arg(&ready)
            .process_group(0)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while !ready.exists() {
            assert!(Instant::now() < end, "the request is answered");
            thread::sleep(Duration::from_millis(5));
        }
        let pid = Pid::from_raw(agent.id().try_into().unwrap()).unwrap();
        match group {
            true => kill_process_group(pid, signal),
            false => kill_process(pid, signal),
        }
        .unwrap();
        let output = agent.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let lines = lines(&trail);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[1]["end"]["written"], 1);
    }
}

#[test]
fn a_hangup_that_was_ignored_from_the_start_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    // What a shell ignores, those that it starts do too.
    let agent = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_throughline"))
        .args(["run", "--", "sh", "-c"])
        .arg("echo >\"$0\"; sleep 1; exit 7")
        .arg(&ready)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while !ready.exists() {
        assert!(Instant::now() < end, "the command runs");
        thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_raw(agent.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let output = agent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn a_command_that_does_not_exist_is_127() {
    let output = throughline()
        .args(["run", "--", "no-such-command"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert!(stderr(&output).contains("no-such-command: command not found"));
}

#[test]
fn no_command_at_all_is_a_usage_error() {
    for args in [
        &["run"][..],
        &["run", "--"],
        &["run", "--allow", "domain=a"],
    ] {
        let output = throughline().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("<CMD>"), "{}", stderr(&output));
    }
}

#[test]
fn bad_input_is_told_and_nothing_is_run() {
    let mistakes: [(&[&str], &str); 4] = [
        (&["--allow", "domain=a_b"], "column 9"),
        (&["--inject", "path=a b"], "bad rule for --inject"),
        (&["--socket", "/"], "not a socket"),
        (
            &["--trail", "/no/such/folder/trail"],
            "cannot write the trail",
        ),
    ];
    for (args, told) in mistakes {
        let output = throughline()
            .arg("run")
            .args(args)
            .args(["--", "echo", "ran"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(told),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn certificates_that_cannot_be_written_are_told_with_the_folder() {
    for command in [&["run", "--", "echo", "ran"][..], &["demo"]] {
        let output = throughline()
            .args(command)
            .env("TMPDIR", "/no/such/folder")
            .output()
            .unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        let said = stderr(&output);
        assert!(
            said.contains("/no/such/folder") && said.contains("; point TMPDIR at"),
            "{said}"
        );
    }
}

/// Others at the same standard error may have it so that a write does not wait for room, as Node.js has it.
#[test]
fn a_command_that_leaves_no_room_on_the_standard_error_is_recorded_all_the_same() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let (_reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let output = throughline()
        .args(["run", "--trail"])
        .arg(&trail)
        .args(["--", "sh", "-c"])
        .arg(
            "cat /dev/zero >&2 2>/dev/null
             curl -s -o /dev/null -w '%{http_code}' http://denied.invalid/ && exit 7",
        )
        .stderr(writer)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"403");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(lines(&trail).len(), 2, "the event and the end");
}

#[test]
fn sinks_fail_alone() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let output = throughline()
        .args(["run", "--allow", "domain=127.0.0.1", "--drain", "0.2"])
        .arg("--socket")
        .arg(folder.path().join("nobody-listens"))
        .arg("--trail")
        .arg(&trail)
        .args([
            "--",
            "curl",
            "-sf",
            &format!("http://{}/x", upstream.address()),
        ])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(lines(&trail).len(), 2, "the event and the end");
    let said = stderr(&output);
    assert!(said.contains("written 0, lost 1 (No such file"), "{said}");
}

#[test]
fn quiet_says_nothing_and_warn_says_what_was_denied() {
    if !has("curl") {
        return;
    }
    let said = |option: &[&str]| {
        let output = throughline()
            .arg("run")
            .args(option)
            .args(["--", "curl", "-s", "http://denied.invalid/"])
            .output()
            .unwrap();
        stderr(&output)
    };
    assert_eq!(said(&["--quiet"]), "");
    let warned = said(&["--log-level", "warn"]);
    assert_eq!(warned.lines().count(), 1, "{warned}");
    assert!(warned.contains("denied GET http://denied.invalid/"));
}
