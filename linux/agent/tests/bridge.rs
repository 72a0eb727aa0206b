//! `throughline bridge` between a device that the test plays and a collector.

mod support;

use std::{
    fs,
    io::Write,
    os::{
        fd::OwnedFd,
        unix::{fs::symlink, net::UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use serde_json::{Value, json};
use support::{lines, stderr, throughline};
use throughline_core::{
    Change, Clock, Flusher, HttpRequest, MatchedRule, Next, Origin, Phase, PhaseRecord,
    ProcessName, Settings, Trail, TransactionId, turn,
};
use throughline_postcard::LinkFormat;
use throughline_socket::HostMutex;
use throughline_testkit::{FaultyLink, Virtual};

/// What a device sends that records `count` events and ends: its greeting, batches, and the end.
fn frames(seed: u64, count: u32) -> Vec<Vec<u8>> {
    let trail: Trail<HostMutex, _, _, Box<[u8]>, 64> = Trail::new(Virtual::new(seed), LinkFormat);
    for _ in 0..64 {
        assert!(trail.lane(0).lend(vec![0; 1024].into()).is_ok());
    }
    let rule = MatchedRule::new("domain=a.example").unwrap();
    for number in 0..count {
        let url = format!("https://a.example/{number}");
        trail.record(&HttpRequest::allowed("GET", url.as_str(), rule));
    }
    let process = ProcessName::NONE;
    let origin = Origin {
        session: trail.session(),
        process: &process,
    };
    let mut greeting = [0; LinkFormat::BEGIN_MAX];
    let len = LinkFormat.begin(origin, 0, &mut greeting).unwrap();
    let mut bytes = greeting[..len].to_vec();

    let mut flusher = Flusher::new(Settings::DEFAULT, 1);
    let mut link = FaultyLink::new();
    let now = trail.platform().monotonic();
    flusher.finish(now, now.after(Duration::from_secs(1)));
    while turn(&mut flusher, &trail.lane(0), &mut link, now) == Next::Turn {}
    let _ = turn(&mut flusher, &trail.lane(0), &mut link, now);
    assert!(flusher.is_drained());
    bytes.extend(link.connections().flatten());
    let frames = bytes.split_inclusive(|byte| *byte == 0);
    frames.map(<[u8]>::to_vec).collect()
}

/// A bridge that the test ends.
struct Bridge(Option<Child>);

impl Bridge {
    fn start(line: [&str; 2], to: [&str; 2]) -> Self {
        let child = throughline()
            .arg("bridge")
            .args(line)
            .args(to)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(Some(child))
    }

    /// Ends it as an operator does; returns its exit code and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let child = self.0.take().unwrap();
        end(child)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn end(child: Child) -> (Option<i32>, String) {
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), stderr(&output))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

fn connect(path: &str) -> UnixStream {
    let mut connected = None;
    until("the bridge listens", || {
        connected = UnixStream::connect(path).ok();
        connected.is_some()
    });
    connected.unwrap()
}

fn numbers(lines: &[Value]) -> Vec<u64> {
    lines
        .iter()
        .filter_map(|line| line["seq"].as_u64())
        .collect()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines
        .iter()
        .map(|line| &line[kind])
        .filter(|value| !value.is_null())
        .collect()
}

#[test]
fn a_whole_trail_arrives_under_the_devices_session() {
    let folder = Folder::new();
    let (line, out) = (folder.path("line.sock"), folder.path("out.ndjson"));
    let bridge = Bridge::start(["--listen", &line], ["--out", &out]);
    let mut device = connect(&line);
    for frame in frames(1, 300) {
        // In pieces, as a serial port gives them.
        for piece in frame.chunks(7) {
            device.write_all(piece).unwrap();
        }
    }
    drop(device);
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
    let lines = lines(Path::new(&out));
    assert_eq!(numbers(&lines), (0..300).collect::<Vec<_>>());
    let trail: Trail<HostMutex, _, _, Box<[u8]>, 1> = Trail::new(Virtual::new(1), LinkFormat);
    let session = trail.session().to_string();
    assert!(lines.iter().all(|line| line["session"] == session.as_str()));
    assert_eq!(lines[5]["url"], "https://a.example/5");
    assert!(
        lines[5]["time"].as_str().unwrap().starts_with("2026-"),
        "{:?}",
        lines[5]
    );
    let end = json!({"recorded": 300, "written": 300, "lost": 0});
    assert_eq!(of_kind(&lines, "end"), [&end]);
    assert!(!Path::new(&line).exists(), "the socket is removed");
}

#[test]
fn a_bridge_that_has_no_file_descriptor_for_its_line_waits_for_one() {
    let folder = Folder::new();
    let (line, out) = (folder.path("line.sock"), folder.path("out.ndjson"));
    let bridge = Bridge::start(["--listen", &line], ["--out", &out]);
    until("the bridge listens", || Path::new(&line).exists());
    let pid = bridge.0.as_ref().unwrap().id();
    let time = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        stat.split(' ')
            .next()?
            .parse()
            .ok()
            .map(Duration::from_nanos)
    };
    if time().is_none() {
        eprintln!("skipped: the kernel does not say what a thread has used (schedstat)");
        return;
    }
    // The last that it opens before it waits.
    thread::sleep(Duration::from_millis(200));
    let limit = |current| {
        let limit = Rlimit {
            current: Some(current),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        let pid = Pid::from_raw(pid.try_into().unwrap());
        prlimit(pid, Resource::Nofile, limit).unwrap()
    };
    let before = limit(3).current.unwrap();
    let mut device = connect(&line);
    device.write_all(&frames(3, 20).concat()).unwrap();
    thread::sleep(Duration::from_millis(100));
    let used = time().unwrap();
    thread::sleep(Duration::from_millis(500));
    let used = time().unwrap() - used;
    assert!(used < Duration::from_millis(50), "{used:?}");
    limit(before);
    drop(device);
    until("the trail is written", || {
        fs::read_to_string(&out).is_ok_and(|text| text.lines().count() == 21)
    });
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_end_that_is_written_again_is_no_new_session() {
    let folder = Folder::new();
    let (line, out) = (folder.path("line.sock"), folder.path("out.ndjson"));
    let bridge = Bridge::start(["--listen", &line], ["--out", &out]);
    let frames = frames(9, 50);
    let mut device = connect(&line);
    device.write_all(&frames.concat()).unwrap();
    drop(device);
    // The device did not see that the last frame had arrived: it greets, and writes it again.
    let mut device = connect(&line);
    let greeting = &frames[..2];
    device.write_all(&greeting.concat()).unwrap();
    device.write_all(frames.last().unwrap()).unwrap();
    drop(device);
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("50 events of 1 sessions"), "{said}");
    let lines = lines(Path::new(&out));
    assert_eq!(numbers(&lines), (0..50).collect::<Vec<_>>());
    let end = json!({"recorded": 50, "written": 50, "lost": 0});
    assert_eq!(of_kind(&lines, "end"), [&end]);
    assert!(of_kind(&lines, "loss").is_empty(), "{lines:?}");
}

#[test]
fn what_the_line_damages_is_reported_as_lost() {
    let folder = Folder::new();
    let (line, out) = (folder.path("line.sock"), folder.path("out.ndjson"));
    let bridge = Bridge::start(["--listen", &line], ["--out", &out]);
    let mut device = connect(&line);
    let mut frames = frames(2, 300);
    let count = frames.len();
    assert!(count > 12, "{count} frames");
    // The greeting is the second frame: a delimiter is in front of it.
    frames[3][9] ^= 0x10;
    frames[5].truncate(20);
    frames[7].clear();
    device.write_all(b"boot: v1.2\r\n").unwrap();
    for frame in &frames {
        device.write_all(frame).unwrap();
    }
    drop(device);
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
    let lines = lines(Path::new(&out));
    let written = numbers(&lines);
    assert!(written.is_sorted() && written.len() < 300);
    let mut all = written.clone();
    let losses = of_kind(&lines, "loss");
    for loss in &losses {
        assert_eq!(loss["cause"], "link");
        all.extend(loss["first"].as_u64().unwrap()..=loss["last"].as_u64().unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<_>>(), "{losses:?}");
    let end = json!({"recorded": 300, "written": written.len(), "lost": 300 - written.len()});
    assert_eq!(of_kind(&lines, "end"), [&end]);
}

#[test]
fn a_device_that_was_restarted_has_a_new_session_and_the_old_one_no_end() {
    let folder = Folder::new();
    let (line, out) = (folder.path("line.sock"), folder.path("out.ndjson"));
    let bridge = Bridge::start(["--listen", &line], ["--out", &out]);
    let mut device = connect(&line);
    let before = frames(3, 100);
    // It dies in the middle of a frame, and one before it never made it.
    for (at, frame) in before.iter().enumerate().take(6) {
        let len = if at == 5 { 10 } else { frame.len() };
        if at != 3 {
            device.write_all(&frame[..len]).unwrap();
        }
    }
    for frame in frames(4, 50) {
        device.write_all(&frame).unwrap();
    }
    drop(device);
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the device was restarted"), "{said}");
    let lines = lines(Path::new(&out));
    let ends: Vec<_> = lines.iter().filter(|line| !line["end"].is_null()).collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(
        ends[0]["end"],
        json!({"recorded": 50, "written": 50, "lost": 0})
    );
    assert_ne!(ends[0]["session"], lines[0]["session"]);
    let losses = of_kind(&lines, "loss");
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!(losses[0]["cause"], "link");
}

#[test]
fn a_collector_that_comes_late_and_goes_away_in_between_gets_everything() {
    let folder = Folder::new();
    let (line, socket) = (folder.path("line.sock"), folder.path("audit.sock"));
    let out = folder.path("out.ndjson");
    let collector = || {
        throughline()
            .args(["collect", "--socket", &socket, "--out", &out])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let bridge = Bridge::start(["--listen", &line], ["--socket", &socket]);
    let mut device = connect(&line);
    let frames = frames(5, 300);
    let (early, late) = frames.split_at(frames.len() / 2);
    for frame in early {
        device.write_all(frame).unwrap();
    }
    thread::sleep(Duration::from_millis(100));

    let first = collector();
    until("the first half arrives", || {
        fs::read_to_string(&out).is_ok_and(|text| text.lines().count() > 100)
    });
    assert_eq!(end(first).0, Some(0));
    for frame in late {
        device.write_all(frame).unwrap();
    }
    thread::sleep(Duration::from_millis(100));
    let second = collector();
    until("the end arrives", || {
        fs::read_to_string(&out).is_ok_and(|text| text.contains("\"end\""))
    });
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(end(second).0, Some(0));

    let lines = lines(Path::new(&out));
    assert_eq!(numbers(&lines), (0..300).collect::<Vec<_>>());
}

#[test]
fn what_no_collector_has_taken_at_the_end_is_told() {
    let folder = Folder::new();
    let (line, socket) = (folder.path("line.sock"), folder.path("audit.sock"));
    let child = throughline()
        .args([
            "bridge", "--listen", &line, "--socket", &socket, "--drain", "0.2",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let bridge = Bridge(Some(child));
    let mut device = connect(&line);
    device.write_all(&frames(6, 10).concat()).unwrap();
    drop(device);
    let (code, said) = bridge.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("frames not delivered (No such file"),
        "{said}"
    );
}

#[test]
fn a_port_that_is_unplugged_is_found_again() {
    let folder = Folder::new();
    let (port, out) = (
        PathBuf::from(folder.path("ttyUSB0")),
        folder.path("out.ndjson"),
    );
    let bridge = Bridge::start(["--device", port.to_str().unwrap()], ["--out", &out]);
    let frames = frames(7, 300);
    let (early, late) = frames.split_at(frames.len() / 2);
    let events = || fs::read_to_string(&out).map_or(0, |text| text.lines().count());

    let Some(plugged) = plug(&port) else {
        println!("skipped: there are no pseudo-terminals here");
        return;
    };
    write_slowly(&plugged, early);
    until("the first half arrives", || events() > 100);
    // Unplugged in the middle of a frame, which is written again from its start.
    rustix::io::write(&plugged, &late[0][..10]).unwrap();
    thread::sleep(Duration::from_millis(50));
    drop(plugged);
    fs::remove_file(&port).unwrap();
    thread::sleep(Duration::from_millis(300));

    let plugged = plug(&port).unwrap();
    write_slowly(&plugged, late);
    until("the end arrives", || {
        fs::read_to_string(&out).is_ok_and(|text| text.contains("\"end\""))
    });
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is gone"), "{said}");
    assert_eq!(
        numbers(&lines(Path::new(&out))),
        (0..300).collect::<Vec<_>>()
    );
}

/// Makes a pseudo-terminal and puts it at `port`; returns the device's side once it is read.
fn plug(port: &Path) -> Option<OwnedFd> {
    let device = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).ok()?;
    grantpt(&device).ok()?;
    unlockpt(&device).ok()?;
    let name = ptsname(&device, Vec::new()).ok()?;
    symlink(name.to_str().ok()?, port).unwrap();
    // What is written before the bridge has opened it would go through a terminal that is not raw.
    until("the bridge opens the port", || {
        let settings = rustix::termios::tcgetattr(&device).unwrap();
        !settings
            .local_modes
            .contains(rustix::termios::LocalModes::ICANON)
    });
    Some(device)
}

fn write_slowly(port: &OwnedFd, frames: &[Vec<u8>]) {
    for frame in frames {
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            let len = rustix::io::write(port, rest).unwrap();
            rest = &rest[len..];
        }
    }
}

#[test]
fn phases_are_told() {
    let folder = Folder::new();
    let (line, out) = (folder.path("line.sock"), folder.path("out.ndjson"));
    let bridge = Bridge::start(["--listen", &line], ["--out", &out]);
    let mut device = connect(&line);
    let platform = Virtual::new(8);
    let record = PhaseRecord {
        change: Change {
            transaction: TransactionId::draw(&platform),
            name: "calibrate\u{1b}[31m",
            position: None,
        },
        step: 0,
        phase: Phase::Validate,
        success: true,
    };
    let mut frame = [0; LinkFormat::PHASE_MAX];
    let session = throughline_core::SessionId::draw(&platform);
    let len = LinkFormat.phase(session, &record, &mut frame).unwrap();
    device.write_all(&frame[..len]).unwrap();
    drop(device);
    let (code, said) = bridge.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("calibrate\\u{1b}[31m validate") && said.contains("1 phases"),
        "{said}"
    );
}

#[test]
fn the_command_line_wants_one_line() {
    for args in [
        &["bridge"][..],
        &["bridge", "--device", "/a", "--listen", "/b"],
    ] {
        let output = throughline().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
    }
    let folder = Folder::new();
    let file = folder.path("file");
    fs::write(&file, "").unwrap();
    let output = throughline()
        .args(["bridge", "--listen", &file])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("cannot listen at"),
        "{}",
        stderr(&output)
    );
    assert!(
        fs::metadata(&file).unwrap().is_file(),
        "what is no socket is left alone"
    );
}
