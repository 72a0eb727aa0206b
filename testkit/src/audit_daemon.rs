use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use throughline_audit::{
    AuditSocket, Entry, Identity, Numbering, RecordType, SessionOpen, Template,
};
use throughline_core::SessionId;
use uuid::Uuid;

use crate::KernelAudit;

/// The stock audit daemon with a configuration and a log of its own, apart from the machine's, until
/// it is dropped.
#[derive(Debug)]
pub struct AuditDaemon {
    child: Child,
    directory: TempDir,
    _audit: KernelAudit,
}

impl AuditDaemon {
    /// Starts it in the foreground, with auditing on.
    ///
    /// # Errors
    ///
    /// In words, why a test that needs it is to be skipped.
    pub fn start() -> Result<Self, String> {
        for tool in ["auditd", "ausearch", "aureport"] {
            if !has_tool(tool) {
                return Err(format!("{tool} is not installed"));
            }
        }
        let audit = KernelAudit::enable()?;
        if registered() != 0 {
            return Err("an audit daemon runs already".to_owned());
        }
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = directory.path();
        fs::DirBuilder::new()
            .mode(0o750)
            .create(path.join("plugins.d"))
            .unwrap();
        let configuration = format!(
            "local_events = yes\nwrite_logs = yes\nlog_file = {}\nlog_group = root\n\
             log_format = ENRICHED\nflush = INCREMENTAL_ASYNC\nfreq = 50\nmax_log_file = 64\n\
             num_logs = 0\npriority_boost = 0\nmax_log_file_action = IGNORE\nspace_left = 2\n\
             space_left_action = IGNORE\nadmin_space_left = 1\nadmin_space_left_action = IGNORE\n\
             disk_full_action = IGNORE\ndisk_error_action = IGNORE\nplugin_dir = {}\n",
            path.join("audit.log").display(),
            path.join("plugins.d").display()
        );
        let file = path.join("auditd.conf");
        fs::write(&file, configuration).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let child = Command::new("auditd")
            .args(["-n", "-s", "nochange", "-c"])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("auditd cannot be started: {error}"))?;
        let daemon = Self {
            child,
            directory,
            _audit: audit,
        };
        until("auditd registers", || registered() == daemon.child.id());
        Ok(daemon)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("audit.log")
    }

    /// Every record of the log of our type by `executable`, after `count` have come. Other
    /// programs may send some meanwhile.
    pub fn records(&self, executable: &str, count: usize) -> Vec<String> {
        let executable = format!(" exe=\"{executable}\" ");
        let mut records = Vec::new();
        until("the records are in the log", || {
            let bytes = fs::read(self.log()).unwrap_or_default();
            let lines = bytes.split(|&byte| byte == b'\n');
            records = lines
                .filter(|line| line.starts_with(b"type=USYS_CONFIG "))
                .map(|line| String::from_utf8(line.to_vec()).unwrap())
                .filter(|line| line.contains(&executable))
                .collect();
            records.len() >= count
        });
        records
    }

    /// What `ausearch` finds of our type by `executable`.
    #[must_use]
    pub fn search(&self, executable: &str, arguments: &[&str]) -> String {
        let ours = ["-m", "USYS_CONFIG", "-x", executable];
        ask("ausearch", &[&ours, arguments].concat(), &self.log())
    }

    /// What `aureport` says of that.
    #[must_use]
    pub fn report(&self, executable: &str, arguments: &[&str]) -> String {
        let found = self.directory.path().join("found.log");
        fs::write(&found, self.search(executable, &["--raw"])).unwrap();
        ask("aureport", arguments, &found)
    }

    /// The columns ACTION and RESULT of that.
    #[must_use]
    pub fn actions(&self, executable: &str, arguments: &[&str]) -> Vec<(String, String)> {
        let arguments = [&["--format", "csv"], arguments].concat();
        let table = self.search(executable, &arguments);
        let mut lines = table
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        let column = |name| header.iter().position(|title| *title == name).unwrap();
        let (action, result) = (column("ACTION"), column("RESULT"));
        lines
            .map(|line| (line[action].to_owned(), line[result].to_owned()))
            .collect()
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl AuditDaemon {
    /// Waits until all that was sent before is in the log: what the kernel still holds when a
    /// daemon ends, it gives to the next.
    fn drain(&self) {
        const MARK: &str = "/nonexistent/mark";

        let template = Template::new(RecordType::User, &Identity::new("", MARK));
        let mark = Entry::SessionOpen(SessionOpen {
            session: SessionId::from_uuid(Uuid::nil()),
            process: "mark",
        });
        let mut record = template.record(&mark, Numbering::default());
        if AuditSocket::open().is_ok_and(|mut socket| socket.send(&mut record).is_ok()) {
            let start = Instant::now();
            while start.elapsed() < LONG {
                let log = fs::read(self.log()).unwrap_or_default();
                if log.windows(MARK.len()).any(|part| part == MARK.as_bytes()) {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

impl Drop for AuditDaemon {
    fn drop(&mut self) {
        let _ = kill_process(self.pid(), Signal::CONT);
        self.drain();
        let _ = kill_process(self.pid(), Signal::TERM);
        let start = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if start.elapsed() > LONG {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn ask(tool: &str, arguments: &[&str], log: &Path) -> String {
    let mut command = Command::new(tool);
    command
        .args(arguments)
        .arg("-if")
        .arg(log)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}

/// The daemon that the kernel knows (process ID, 0 for none).
fn registered() -> u32 {
    let mut socket = AuditSocket::open().unwrap();
    socket.status(LONG).unwrap().daemon
}

/// Whether a program is installed.
fn has_tool(name: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(name).exists())
}

/// Waits until `is_so`, or fails.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "{what}: it never came to it");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Long enough for anything that is going to happen.
const LONG: Duration = Duration::from_secs(30);
