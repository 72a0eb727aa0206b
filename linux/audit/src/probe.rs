use std::{
    fs, io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::{io::Errno, thread::CapabilitySet};

use crate::{AuditSocket, Status};

/// What works here, found out without emitting a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// Whether the kernel has an audit system.
    pub kernel: bool,
    /// Whether this is the initial user namespace; `None` if that cannot be seen.
    pub initial_user_namespace: Option<bool>,
    /// Whether this thread has `CAP_AUDIT_WRITE`.
    pub may_write: bool,
    /// Whether this thread has `CAP_AUDIT_READ`, which a [`Reader`](crate::Reader) needs.
    pub may_read: bool,
    /// The state of the audit system, or why it is not known.
    pub status: Result<Status, Unknown>,
}

/// Why the state of the audit system is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// The question needs `CAP_AUDIT_CONTROL` in the initial user and PID namespaces.
    NotPermitted,
    /// There was no answer in time: the audit queue is full and its daemon stands still.
    NoAnswer,
    /// The kernel has no audit system, or answered with this error number (see errno(3)).
    Failed(i32),
}

impl Probe {
    /// Looks. It takes no longer than `timeout`, but see below.
    ///
    /// The kernel can hold the question about its state, as it can hold a record. It is asked from
    /// a thread of its own, which then stays behind, and keeps the process from ending until the
    /// kernel lets go of it.
    #[must_use]
    pub fn run(timeout: Duration) -> Self {
        let capabilities = rustix::thread::capabilities(None);
        let effective = capabilities.map_or(CapabilitySet::empty(), |sets| sets.effective);
        let socket = AuditSocket::open();
        Self {
            kernel: socket.is_ok(),
            initial_user_namespace: is_initial_user_namespace(),
            may_write: effective.contains(CapabilitySet::AUDIT_WRITE),
            may_read: effective.contains(CapabilitySet::AUDIT_READ),
            status: socket
                .map_err(|error| Unknown::from(&error))
                .and_then(|socket| status(socket, timeout)),
        }
    }

    /// Whether the kernel would accept a record of this thread's now.
    #[must_use]
    pub fn accepts_records(&self) -> bool {
        self.kernel && self.may_write && self.initial_user_namespace != Some(false)
    }
}

impl From<&io::Error> for Unknown {
    fn from(error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or_default();
        match Errno::from_raw_os_error(errno.max(1)) {
            Errno::PERM | Errno::CONNREFUSED => Self::NotPermitted,
            Errno::TIMEDOUT => Self::NoAnswer,
            _ => Self::Failed(errno),
        }
    }
}

fn status(mut socket: AuditSocket, timeout: Duration) -> Result<Status, Unknown> {
    let (answer, answers) = mpsc::channel();
    let asking = thread::Builder::new().spawn(move || {
        // The other end is gone if this took too long.
        let _ = answer.send(socket.status(timeout));
    });
    if let Err(error) = asking {
        return Err(Unknown::from(&error));
    }
    match answers.recv_timeout(timeout) {
        Ok(status) => status.map_err(|error| Unknown::from(&error)),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(Unknown::NoAnswer),
    }
}

/// The initial user namespace has a fixed inode number (`PROC_USER_INIT_INO` of `proc_ns.h`).
fn is_initial_user_namespace() -> Option<bool> {
    const INITIAL: &str = "user:[4026531837]";

    let link = fs::read_link("/proc/self/ns/user").ok()?;
    Some(link.to_str() == Some(INITIAL))
}
