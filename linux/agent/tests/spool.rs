//! A collector that is away, an agent that is killed, and the run after that.

mod support;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use support::{has, lines, stderr, throughline};
use throughline_testkit::Upstream;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `throughline run` with a spool, towards a collector that may or may not be there.
    fn run(&self, script: &str) -> Command {
        let mut command = throughline();
        command
            .args(["run", "--allow", "domain=127.0.0.1"])
            .arg("--socket")
            .arg(self.path("audit.sock"))
            .arg("--spool")
            .arg(self.path("spool"))
            .args(["--", "sh", "-c", script]);
        command
    }

    fn spooled(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("spool")) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Runs a collector for as long as `meanwhile` takes; returns what it said.
    fn collecting(&self, meanwhile: impl FnOnce()) -> String {
        let collector = throughline()
            .arg("collect")
            .arg("--socket")
            .arg(self.path("audit.sock"))
            .arg("--out")
            .arg(self.path("trail"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until(|| self.path("audit.sock").exists());
        meanwhile();
        let pid = Pid::from_raw(collector.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        stderr(&collector.wait_with_output().unwrap())
    }
}

fn wait_until(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "it takes too long");
        thread::sleep(Duration::from_millis(10));
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.size())
}

#[test]
fn what_a_run_could_not_send_leaves_with_the_next_one_under_its_own_session() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let place = Place::new();
    let script = format!(
        "for n in 1 2 3; do curl -sf http://{}/$n; done",
        upstream.address()
    );
    let first = place.run(&script).output().unwrap();
    let said = stderr(&first);
    assert!(
        said.contains("written 3, lost 0") && said.contains("spooled for later"),
        "{said}"
    );
    let spooled = place.spooled();
    assert_eq!(spooled.len(), 1, "{spooled:?}");
    assert_eq!(fs::metadata(&spooled[0]).unwrap().mode() & 0o777, 0o600);

    let said = place.collecting(|| assert!(place.run("true").status().unwrap().success()));
    assert!(said.contains("received 3 events"), "{said}");
    let lines = lines(&place.path("trail"));
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(stderr(&first).contains(lines[0]["session"].as_str().unwrap()));
    assert_eq!(lines[3]["end"]["written"], 3);
    assert!(place.spooled().is_empty());
}

#[test]
fn a_killed_agent_leaves_what_it_spooled_and_a_torn_record_is_dropped_and_counted() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let place = Place::new();
    // One event, time for it to be spooled, another one, and time again.
    let script = format!(
        "await() {{ for n in $(seq 400); do [ -e {1}/$1 ] && return; sleep 0.05; done; }}
        curl -sf http://{0}/1; await second; curl -sf http://{0}/2; await end",
        upstream.address(),
        place.folder.path().display(),
    );
    let mut agent = place
        .run(&script)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| place.spooled().first().is_some_and(|file| size(file) > 16));
    let file = place.spooled().remove(0);
    let one = size(&file);
    fs::write(place.path("second"), "").unwrap();
    wait_until(|| size(&file) > one);
    agent.kill().unwrap();
    agent.wait().unwrap();
    fs::write(place.path("end"), "").unwrap();
    let torn = fs::OpenOptions::new().write(true).open(&file).unwrap();
    torn.set_len(size(&file) - 1).unwrap();

    let mut said = String::new();
    let collected = place.collecting(|| {
        let next = place.run("true").output().unwrap();
        said = stderr(&next);
    });
    assert!(collected.contains("received 1 events"), "{collected}");
    assert!(said.contains("1 torn"), "{said}");
    let lines = lines(&place.path("trail"));
    assert_eq!(lines[0]["seq"], 0);
    assert!(lines[0]["url"].as_str().unwrap().ends_with("/1"));
}

/// Each frame asked for a file of its own, made it, and could not write to it.
#[test]
fn a_disk_without_room_is_not_filled_with_empty_spool_files() {
    if !has("curl") {
        return;
    }
    let place = Place::new();
    let (runs, full) = (place.path("runs"), place.path("full"));
    let script = format!(
        ": > {}; for n in $(seq 400); do [ -e {} ] && break; sleep 0.05; done; curl -s http://denied.invalid/",
        runs.display(),
        full.display()
    );
    let run = place.run(&script);
    // A write beyond the file size limit, by which the disk is full, fails instead of killing.
    let agent = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(run.get_program())
        .args(run.get_args())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| runs.exists());
    let none = Rlimit {
        current: Some(0),
        maximum: None,
    };
    let pid = Pid::from_raw(agent.id().try_into().unwrap());
    prlimit(pid, Resource::Fsize, none).unwrap();
    fs::write(&full, "").unwrap();
    let said = stderr(&agent.wait_with_output().unwrap());
    assert!(said.contains("written 0, lost 1 (File too large"), "{said}");
    assert!(place.spooled().is_empty(), "{}", place.spooled().len());
}
