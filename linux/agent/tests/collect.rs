//! `throughline collect` in one process, `throughline run` in another.

mod support;

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{OFlags, fcntl_setfl},
    pipe::fcntl_setpipe_size,
    process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit},
};
use support::{has, lines, stderr, throughline};
use tempfile::TempDir;
use throughline_testkit::Upstream;

/// A folder of the test's own, a socket in it, and a trail.
fn place() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("audit.sock");
    let out = folder.path().join("out.ndjson");
    (folder, socket, out)
}

fn collector(socket: &Path, out: &Path) -> Child {
    let child = throughline()
        .arg("collect")
        .arg("--socket")
        .arg(socket)
        .arg("--out")
        .arg(out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(socket);
    child
}

fn wait_for(socket: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !socket.exists() {
        assert!(Instant::now() < deadline, "the collector listens");
        thread::sleep(Duration::from_millis(5));
    }
}

fn end(child: Child) -> (Option<i32>, String) {
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), stderr(&output))
}

/// SIGHUP is what comes when the terminal goes that it was started at.
#[test]
fn it_ends_well_whichever_signal_tells_it_to() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (_folder, socket, out) = place();
        let child = collector(&socket, &out);
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal:?}");
        assert!(stderr(&output).contains("received 0 events"), "{signal:?}");
        assert!(!socket.exists(), "{signal:?}");
    }
}

#[test]
fn every_event_arrives_in_order_and_the_session_ends() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let (_folder, socket, out) = place();
    let collector = collector(&socket, &out);

    let script = format!(
        "for n in 1 2 3 4 5 6 7 8 9 10; do curl -sf http://{}/$n; done; curl -s http://denied.invalid/; true",
        upstream.address()
    );
    let run = throughline()
        .args(["run", "--allow", "domain=127.0.0.1", "--socket"])
        .arg(&socket)
        .args(["--", "sh", "-c", &script])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    let (code, said) = end(collector);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("received 11 events"), "{said}");
    assert!(!socket.exists(), "the socket is removed");

    let lines = lines(&out);
    let numbers: Vec<_> = lines
        .iter()
        .filter_map(|line| line["seq"].as_u64())
        .collect();
    assert_eq!(numbers, (0..11).collect::<Vec<_>>());
    let end = &lines.last().unwrap()["end"];
    assert_eq!(
        *end,
        serde_json::json!({"recorded": 11, "written": 11, "lost": 0})
    );
}

#[test]
fn a_trail_that_logrotate_moves_away_is_whole_in_its_parts() {
    if !has("curl") || !has("logrotate") {
        return;
    }
    let (folder, socket, out) = place();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/throughline.logrotate");
    let rules = fs::read_to_string(sample).unwrap();
    let rules = rules
        .replace("/var/log/throughline/trail.ndjson", out.to_str().unwrap())
        .replace("    su throughline throughline\n", "");
    let config = folder.path().join("logrotate.conf");
    fs::write(&config, rules).unwrap();
    // It reads no rules that others may write.
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();

    let collector = collector(&socket, &out);
    let written = |count| {
        format!(
            "until [ $(cat {} | wc -l) -ge {count} ]; do sleep .02; done",
            out.display()
        )
    };
    let ask = "curl -s http://denied.invalid/";
    let rotate = format!(
        "logrotate --force --state {} {}",
        folder.path().join("state").display(),
        config.display()
    );
    let script = [
        ask,
        ask,
        &*written(2),
        &*rotate,
        ask,
        &*written(1),
        &*rotate,
        ask,
    ]
    .join("; ");
    let run = throughline()
        .args(["run", "--socket"])
        .arg(&socket)
        .args(["--", "timeout", "60", "sh", "-c", &script])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    let (code, said) = end(collector);
    assert_eq!(code, Some(0), "{said}");

    let part = |number: u32| PathBuf::from(format!("{}.{number}", out.display()));
    let gunzip = Command::new("gunzip").arg(part(2)).status().unwrap();
    assert!(gunzip.success(), "the older part is compressed");
    assert_eq!(lines(&part(2)).len(), 2);
    assert_eq!(lines(&part(1)).len(), 1);
    let verify = throughline()
        .arg("verify")
        .args([part(2), part(1), out])
        .output()
        .unwrap();
    assert_eq!(verify.status.code(), Some(0), "{verify:?}");
}

#[test]
fn a_second_collector_does_not_take_the_socket() {
    let (_folder, socket, out) = place();
    let first = collector(&socket, &out);
    let second = throughline()
        .arg("collect")
        .arg("--socket")
        .arg(&socket)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(stderr(&second).contains("another collector listens there"));
    assert_eq!(end(first).0, Some(0));
}

/// Records one denied request, and returns what the recorder said.
fn record_one(socket: &Path) -> String {
    let output = throughline()
        .args(["run", "--drain", "1", "--socket"])
        .arg(socket)
        .args(["--", "curl", "-s", "http://denied.invalid/"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "the command is none the worse"
    );
    stderr(&output)
}

#[test]
fn a_full_disk_is_loud_on_both_sides() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("audit.sock");
    let collector = collector(&socket, Path::new("/dev/full"));
    let said = record_one(&socket);
    assert!(said.contains("written 0, lost 1"), "{said}");
    let (code, said) = end(collector);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("cannot write to /dev/full: No space left on device"),
        "{said}"
    );
}

#[test]
fn a_collector_ends_once_nobody_reads_its_output() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("audit.sock");
    let mut collector = throughline()
        .args(["collect", "--out", "-", "--socket"])
        .arg(&socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&socket);
    drop(collector.stdout.take());
    let said = record_one(&socket);
    assert!(said.contains("written 0, lost 1"), "{said}");
    let output = collector.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("Broken pipe"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_collector_of_somebody_else_gets_nothing() {
    if !has("curl") {
        return;
    }
    let (_folder, socket, out) = place();
    let collector = collector(&socket, &out);
    let run = |uid: u32| {
        let output = throughline()
            .args(["run", "--drain", "1", "--collector-uid", &uid.to_string()])
            .arg("--socket")
            .arg(&socket)
            .args(["--", "curl", "-s", "http://denied.invalid/"])
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "the command is none the worse"
        );
        stderr(&output)
    };
    let uid = rustix::process::getuid().as_raw();
    let said = run(uid + 1);
    let stranger = format!(
        "the collector there is user {uid}'s and not user {}'s",
        uid + 1
    );
    assert!(
        said.contains("written 0, lost 1") && said.contains(&stranger),
        "{said}"
    );
    let said = run(uid);
    assert!(said.contains("written 1, lost 0"), "{said}");
    let (_, said) = end(collector);
    assert!(said.contains("received 1 events"), "{said}");
}

#[test]
fn the_frames_on_the_socket_decode_with_protoc() {
    if !has("curl") || !has("protoc") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("audit.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    });
    let run = throughline()
        .args(["run", "--allow", "domain=127.0.0.1", "--socket"])
        .arg(&socket)
        .args([
            "--",
            "curl",
            "-sf",
            &format!("http://{}/x", upstream.address()),
        ])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", stderr(&run));

    let decoded: Vec<_> = payloads(&reader.join().unwrap())
        .iter()
        .map(|payload| decode(folder.path(), payload))
        .collect();
    let [ask, logs, status] = decoded.as_slice() else {
        panic!("the request for answers, a batch and the end: {decoded:#?}")
    };
    assert_eq!(ask, "status {\n  acknowledge: true\n}\n");
    let url = format!("url: \"http://{}/x\"", upstream.address());
    assert!(
        logs.contains(&url) && logs.contains("confined_process_name: \"curl\""),
        "{logs}"
    );
    assert!(
        logs.contains("matched_rule: \"domain=127.0.0.1\""),
        "{logs}"
    );
    assert!(
        status.contains("recorded: 1") && status.contains("written: 1"),
        "{status}"
    );
    for text in [logs, status] {
        assert!(!text.lines().any(is_unknown_field), "{text}");
    }
}

fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<4>() {
        assert_eq!(header[0], 2);
        let len = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        payloads.push(rest[..len].to_vec());
        bytes = &rest[len..];
    }
    payloads
}

fn decode(folder: &Path, payload: &[u8]) -> String {
    let file = folder.join("payload");
    fs::write(&file, payload).unwrap();
    let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/../../adapters/protobuf");
    let output = Command::new("protoc")
        .arg("--decode=throughline.agent_socket.BoundaryMessage")
        .arg(format!("--proto_path={protos}"))
        .arg("--proto_path=/usr/include")
        .arg("agent_socket.proto")
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// protoc shows a field that the .proto file does not have by its number.
fn is_unknown_field(line: &str) -> bool {
    line.trim_start()
        .starts_with(|character: char| character.is_ascii_digit())
}

/// What a sender does wrong is told; that nobody can be told is no reason to end.
#[test]
fn a_collector_whose_standard_error_nobody_reads_goes_on() {
    if !has("curl") {
        return;
    }
    let (_folder, socket, out) = place();
    let (mut unread, stderr) = std::io::pipe().unwrap();
    let collector = throughline()
        .arg("collect")
        .arg("--socket")
        .arg(&socket)
        .arg("--out")
        .arg(&out)
        .stderr(stderr)
        .spawn()
        .unwrap();
    wait_for(&socket);
    // It has said that it listens.
    unread.read_exact(&mut [0]).unwrap();
    drop(unread);
    UnixStream::connect(&socket)
        .unwrap()
        .write_all(&[0xff; 4])
        .unwrap();
    let said = record_one(&socket);
    assert!(said.contains("written 1, lost 0"), "{said}");
    assert_eq!(end(collector).0, Some(1), "a connection was refused");
}

#[test]
fn a_collector_that_has_no_file_descriptor_left_goes_on_with_those_it_has() {
    if !has("curl") {
        return;
    }
    let (_folder, socket, out) = place();
    let collector = Command::new("sh")
        .args(["-c", "ulimit -n 48; exec \"$@\"", "sh"])
        .arg(throughline().get_program())
        .args(["collect", "--max-connections", "1000", "--socket"])
        .arg(&socket)
        .arg("--out")
        .arg(&out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&socket);
    let many: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    thread::sleep(Duration::from_millis(300));
    drop(many);
    let said = record_one(&socket);
    assert!(said.contains("written 1, lost 0"), "{said}");
    let (code, said) = end(collector);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("Too many open files") && said.contains("taken again"),
        "{said}"
    );
    assert_eq!(lines(&out).len(), 2, "the event and the end");
}

/// It is held up between the moment from which it listens to signals and that in which it begins.
#[test]
fn a_collector_that_is_asked_to_end_before_it_has_begun_ends() {
    let (_folder, socket, out) = place();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let size = fcntl_setpipe_size(&writer, 4096).unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    while (&writer).write(&[0; 4096]).is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).unwrap();
    let mut collector = throughline()
        .arg("collect")
        .arg("--socket")
        .arg(&socket)
        .arg("--out")
        .arg(&out)
        .stderr(writer)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !catches(&collector, Signal::TERM) {
        assert!(Instant::now() < deadline, "it listens to signals");
        thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_raw(collector.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    // For the thread that takes the signal, which nobody can see.
    thread::sleep(Duration::from_millis(300));
    reader.read_exact(&mut vec![0; size]).unwrap();
    let ended = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        collector.try_wait().unwrap().is_some()
    });
    let _ = collector.kill();
    collector.wait().unwrap();
    assert!(ended);
}

/// Whether a process has a handler for a signal (proc(5), `SigCgt`).
fn catches(child: &Child, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default() & (1 << (signal.as_raw() - 1)) != 0
}

/// The standard output may be a file, too: `throughline collect > FILE`.
#[test]
fn a_frame_that_the_standard_output_had_no_room_for_is_there_once_when_it_has() {
    if !has("curl") {
        return;
    }
    let (_folder, socket, out) = place();
    let collector = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(throughline().get_program())
        .args(["collect", "--socket"])
        .arg(&socket)
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&socket);
    let limit = |current| {
        let pid = Pid::from_raw(collector.id().try_into().unwrap());
        let limit = Rlimit {
            current,
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, limit).unwrap();
    };
    // Room for a part of a line.
    limit(Some(100));
    let said = record_one(&socket);
    assert!(said.contains("written 0, lost 1"), "{said}");
    assert_eq!(
        fs::read(&out).unwrap(),
        b"",
        "what was written is taken back"
    );
    limit(None);
    let said = record_one(&socket);
    assert!(said.contains("written 1, lost 0"), "{said}");
    let (code, said) = end(collector);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(lines(&out).len(), 2, "the event and the end");
}

#[test]
fn a_collector_whose_terminal_is_closed_ends_as_it_should() {
    let (_folder, socket, out) = place();
    let collector = collector(&socket, &out);
    let pid = Pid::from_raw(collector.id().try_into().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !catches(&collector, Signal::TERM) {
        assert!(Instant::now() < deadline, "it listens to signals");
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(pid, Signal::HUP).unwrap();
    let output = collector.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!socket.exists(), "the socket is removed");
}

#[test]
fn what_the_collector_before_had_is_not_missing() {
    if !has("curl") {
        return;
    }
    let (folder, socket, out) = place();
    let again = folder.path().join("again");
    let first = collector(&socket, &out);
    let script = format!(
        "curl -s http://denied.invalid/1
        for n in $(seq 400); do [ -e {} ] && break; sleep 0.05; done
        curl -s http://denied.invalid/2",
        again.display()
    );
    let run = throughline()
        .args(["run", "--quiet", "--socket"])
        .arg(&socket)
        .args(["--", "sh", "-c", &script])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while fs::metadata(&out).map_or(0, |found| found.len()) == 0 {
        assert!(Instant::now() < deadline, "the first event is written");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(end(first).0, Some(0));
    let second = collector(&socket, &out);
    fs::write(&again, "").unwrap();
    assert!(run.wait_with_output().unwrap().status.success());
    let (code, said) = end(second);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("received 1 events"), "{said}");
    assert!(
        !said.contains("missing") && !said.contains("did not come"),
        "{said}"
    );
    assert_eq!(lines(&out).len(), 3, "two events and the end");
}

/// As behind a pipe whose reader has stopped: what is under way would never be over.
#[test]
fn a_collector_that_is_held_by_its_output_ends_when_it_is_asked_twice() {
    if !has("curl") || !has("mkfifo") {
        return;
    }
    let (_folder, socket, out) = place();
    let made = Command::new("mkfifo").arg(&out).status().unwrap();
    assert!(made.success());
    let mut collector = collector(&socket, &out);
    // More than a pipe holds.
    let urls = format!("http://denied.invalid/[1-100]/{}", "x".repeat(2000));
    let run = throughline()
        .args(["run", "--quiet", "--drain", "0.2", "--socket"])
        .arg(&socket)
        .args(["--", "curl", "-s", "-o", "/dev/null", &urls])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(run.success());
    let pid = Pid::from_raw(collector.id().try_into().unwrap()).unwrap();
    for signal in [Signal::HUP, Signal::TERM] {
        kill_process(pid, signal).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(600));
    assert!(collector.try_wait().unwrap().is_none(), "it writes");
    kill_process(pid, Signal::TERM).unwrap();
    let ended = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        collector.try_wait().unwrap().is_some()
    });
    let _ = collector.kill();
    let output = collector.wait_with_output().unwrap();
    assert!(ended);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("asked twice"), "{said}");
}
