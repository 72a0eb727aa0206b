//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::{
    env, fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use throughline_audit::{Reader, RecordType};
use throughline_core::{Change, SessionId, TransactionId};
use uuid::Uuid;

/// Long enough for anything that is going to happen.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Long enough to be sure that nothing more comes.
pub(crate) const SHORT: Duration = Duration::from_millis(100);

/// The program's own test that is run by another process of it, and does nothing otherwise.
const ROLE: &str = "THROUGHLINE_TEST_ROLE";

/// Whether this process was started to run `role`.
pub(crate) fn is_role(role: &str) -> bool {
    env::var(ROLE).is_ok_and(|own| own == role)
}

/// The command that runs this program's test `role`, in which [`is_role`] is true.
pub(crate) fn role(role: &str) -> Command {
    as_role(Command::new(env::current_exe().unwrap()), role)
}

/// The same, deaf to a hang-up, and so are its children: one that stands still while its parent
/// dies is sent one.
pub(crate) fn deaf_role(role: &str) -> Option<Command> {
    let mut command = Command::new("nohup");
    command.arg(env::current_exe().unwrap());
    has_tool("nohup").then(|| as_role(command, role))
}

/// The same without any privilege; `None` if there is no `setpriv`.
pub(crate) fn unprivileged_role(role: &str) -> Option<Command> {
    if !has_tool("setpriv") {
        return None;
    }
    // The program may lie where only its owner gets.
    let copy = env::temp_dir().join(format!("throughline-test-{}", std::process::id()));
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(copy)
        .current_dir("/");
    Some(as_role(command, role))
}

fn as_role(mut command: Command, role: &str) -> Command {
    command
        .args(["--exact", role, "--nocapture", "--test-threads=1"])
        .env(ROLE, role);
    command
}

/// Whether a program is installed.
pub(crate) fn has_tool(name: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin".into(), "/sbin".into()];
    let mut paths = env::split_paths(&paths).chain(sbin);
    paths.any(|path| path.join(name).exists())
}

/// A random identifier.
pub(crate) fn random_uuid() -> Uuid {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    Uuid::parse_str(text.trim()).unwrap()
}

/// A change with an identifier of its own.
pub(crate) fn change(name: &str) -> Change<'_> {
    Change {
        transaction: TransactionId::from_uuid(random_uuid()),
        name,
        position: None,
    }
}

/// A session with an identifier of its own.
pub(crate) fn session() -> SessionId {
    SessionId::from_uuid(random_uuid())
}

/// The next `count` messages of `record_type` that hold `token`, and the process IDs in front.
pub(crate) fn read(
    reader: &mut Reader,
    record_type: RecordType,
    token: &str,
    count: usize,
) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let start = Instant::now();
    while found.len() < count && start.elapsed() < LONG {
        let Some(record) = reader.next_of(record_type, SHORT).unwrap() else {
            continue;
        };
        let message = String::from_utf8(record.message().unwrap().to_vec()).unwrap();
        if message.contains(token) {
            let text = std::str::from_utf8(record.text()).unwrap();
            let pid = text
                .strip_prefix("pid=")
                .unwrap()
                .split_once(' ')
                .unwrap()
                .0;
            found.push((pid.parse().unwrap(), message));
        }
    }
    found
}

/// The same, messages alone.
pub(crate) fn messages(reader: &mut Reader, token: &str, count: usize) -> Vec<String> {
    let found = read(reader, RecordType::default(), token, count);
    found.into_iter().map(|(_, message)| message).collect()
}

/// Asserts that nothing that holds `token` comes.
pub(crate) fn assert_silent(reader: &mut Reader, token: &str) {
    while let Some(record) = reader.next_of(RecordType::default(), SHORT).unwrap() {
        let message = String::from_utf8_lossy(record.text());
        assert!(!message.contains(token), "{message}");
    }
}

/// Waits until `is_so`, or fails.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "{what}: it never came to it");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a command with its output kept for [`ended`].
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// The output of a command that has to succeed.
pub(crate) fn ended(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}

/// A value of up to 100 bytes in which nothing is unlikely.
pub(crate) fn hostile(number: u32) -> Vec<u8> {
    const PHRASES: [&[u8]; 10] = [
        b"it's res=success",
        b"a res=failed",
        b"uid=1000 auid=1000",
        b"\x1dUID=\"evil\" AUID=\"evil\"",
        b"\ntype=USER msg=audit(1.2:3): uid=1000",
        b"\\\", acct=\"x",
        b"\0",
        b"\x1b[31m\x7f",
        b"\xff\xfe\x80\x9b",
        b"plain",
    ];
    // Knuth's multiplicative hash: the same values in each run.
    let mut state = number;
    let mut next = || {
        state = state.wrapping_mul(2_654_435_761).wrapping_add(12_345);
        state >> 16
    };
    let mut value = PHRASES[next() as usize % PHRASES.len()].to_vec();
    let length = next() as usize % 40;
    value.extend((0..length).map(|_| next().to_le_bytes()[0]));
    value
}
