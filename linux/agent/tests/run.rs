//! `throughline run`, with real curl behind it and a real server before it.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pipe::fcntl_setpipe_size,
    process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group, prlimit},
};
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

/// A terminal that was closed, or a `| head` that has seen enough.
#[test]
fn a_standard_error_that_nobody_reads_is_no_harm_to_the_command() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.ndjson");
    let (unread, stderr) = std::io::pipe().unwrap();
    drop(unread);
    let output = throughline()
        .args(["run", "--trail"])
        .arg(&trail)
        .args(["--", "sh", "-c"])
        .arg("curl -s -o /dev/null -w '%{http_code}' http://denied.invalid/; exit 7")
        .stderr(stderr)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "403");
    assert_eq!(lines(&trail).len(), 2, "the event and the end");
}

/// A pager that waits for a key.
#[test]
fn a_standard_error_that_is_not_read_for_a_while_does_not_hold_the_command() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let script = "cd \"$0\"; curl -s -o /dev/null http://denied.invalid/[1-300]; : > asked
        for n in $(seq 400); do [ -e again ] && break; sleep 0.05; done
        curl -s -o /dev/null http://denied.invalid/last; exit 7";
    let mut agent = throughline()
        .args(["run", "--trail"])
        .arg(path("trail"))
        .args(["--", "sh", "-c", script])
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Less than the lines of 300 requests.
    fcntl_setpipe_size(agent.stderr.as_ref().unwrap(), 4096).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while !path("asked").exists() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    let is_held = !path("asked").exists();
    let mut lines_read = BufReader::new(agent.stderr.take().unwrap()).lines();
    let first = lines_read.next().unwrap().unwrap();
    let rest = thread::spawn(move || lines_read.map_while(Result::ok).collect::<Vec<_>>());
    thread::sleep(Duration::from_millis(100));
    std::fs::write(path("again"), "").unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(7));
    let rest = rest.join().unwrap();
    assert!(!is_held, "after {first}");
    assert!(rest.iter().any(|line| line.contains("lines are not shown")));
    assert!(rest.iter().any(|line| line.contains("denied.invalid/last")));
    assert_eq!(lines(&path("trail")).len(), 302, "the events and the end");
}

/// A trail on a pipe, such as the standard output of a script, whose reader has stopped.
#[test]
fn a_trail_that_nobody_reads_does_not_hold_the_run() {
    if !has("curl") || !has("mkfifo") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // More than a pipe holds.
    let urls = format!("http://denied.invalid/[1-100]/{}", "x".repeat(2000));
    let mut agent = throughline()
        .args(["run", "--quiet", "--drain", "0.2", "--trail"])
        .arg(&pipe)
        .args([
            "--",
            "sh",
            "-c",
            "curl -s -o /dev/null \"$0\"; exit 7",
            &urls,
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = (0..2000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        agent.try_wait().unwrap().is_some()
    });
    let _ = agent.kill();
    let output = agent.wait_with_output().unwrap();
    assert!(ended);
    assert_eq!(output.status.code(), Some(7));
    let said = stderr(&output);
    assert!(
        said.contains("what was to be written is not read"),
        "{said}"
    );
}

/// Each sink used to have the time that `--drain` gives for itself, one after the other.
#[test]
fn two_sinks_that_are_stuck_are_given_the_time_of_one() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let before = Instant::now();
    let output = throughline()
        .args(["run", "--drain", "2", "--trail", "/dev/full", "--socket"])
        .arg(folder.path().join("nobody-listens"))
        .args(["--", "curl", "-s", "http://denied.invalid/"])
        .output()
        .unwrap();
    let took = before.elapsed();
    let said = stderr(&output);
    assert_eq!(said.matches("written 0, lost 1").count(), 2, "{said}");
    assert!(took < Duration::from_millis(3500), "{took:?}");
}

/// One frame that could not be written used to be the end of the trail.
#[test]
fn a_trail_goes_on_once_there_is_room_on_its_disk_again() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let script = "cd \"$0\"
        await() { : > \"$1\"; for n in $(seq 400); do [ -e \"$2\" ] && return; sleep 0.05; done; }
        await runs full; curl -s http://denied.invalid/1; await asked room; curl -s http://denied.invalid/2";
    // A write beyond the file size limit, by which the disk is full, fails instead of killing.
    let agent = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(throughline().get_program())
        .args(["run", "--trail"])
        .arg(path("trail"))
        .args(["--", "sh", "-c", script])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let wait_for = |name: &str| {
        let end = Instant::now() + Duration::from_secs(20);
        while !path(name).exists() {
            assert!(Instant::now() < end, "{name}");
            thread::sleep(Duration::from_millis(5));
        }
    };
    let limit = |current| {
        let pid = Pid::from_raw(agent.id().try_into().unwrap());
        let limit = Rlimit {
            current,
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, limit).unwrap();
    };
    wait_for("runs");
    limit(Some(0));
    std::fs::write(path("full"), "").unwrap();
    wait_for("asked");
    // Longer than an event waits for others.
    thread::sleep(Duration::from_millis(1500));
    limit(None);
    std::fs::write(path("room"), "").unwrap();
    let said = stderr(&agent.wait_with_output().unwrap());
    assert!(
        said.contains("events cannot be written: File too large")
            && said.contains("written 2, lost 0\n"),
        "{said}"
    );
    assert_eq!(lines(&path("trail")).len(), 3, "two events and the end");
}

/// A terminal that is closed sends it to all that run in it.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let output = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(throughline().get_program())
        .args([
            "run",
            "--",
            "sh",
            "-c",
            "kill -HUP $PPID; kill -HUP $$; sleep 0.1; exit 7",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn clients_are_not_limited_by_the_files_that_the_command_may_open() {
    const CLIENTS: usize = 100;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let upstream = listener.local_addr().unwrap();
    // Nobody is answered before all are there.
    let served = thread::spawn(move || {
        let asked: Vec<_> = listener.incoming().take(CLIENTS).flatten().collect();
        for mut stream in &asked {
            stream.read_exact(&mut [0]).unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            stream.write_all(answer).unwrap();
        }
        asked
    });
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let mut child = Command::new("sh")
        .args(["-c", r#"ulimit -Sn 64; exec "$0" "$@""#])
        .arg(throughline().get_program())
        .args(["run", "--quiet", "--allow", "domain=127.0.0.1", "--", "sh"])
        .arg("-c")
        .arg(r#"echo "$http_proxy $(ulimit -Sn)" > "$0.part"; mv "$0.part" "$0"; cat"#)
        .arg(&told)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let text = (0..2000).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        std::fs::read_to_string(&told).ok()
    });
    let text = text.expect("the command runs");
    let (proxy, limit) = text.trim().split_once(' ').unwrap();
    assert_eq!(limit, "64", "the command's own limit is as it was");
    let request = format!("GET http://{upstream}/ HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let proxy = proxy.strip_prefix("http://").unwrap();
            let mut stream = TcpStream::connect(proxy).unwrap();
            let limit = Some(Duration::from_secs(20));
            stream.set_read_timeout(limit).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    for client in &mut clients {
        let mut answer = [0; 400];
        let length = client.read(&mut answer).unwrap();
        let answer = answer[..length].escape_ascii().to_string();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    drop(served.join());
}
