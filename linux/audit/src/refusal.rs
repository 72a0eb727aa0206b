use std::{error, fmt, io};

use rustix::io::Errno;

/// Why the kernel did not take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `EPERM`: the process may not write to the audit log.
    ///
    /// Give it `CAP_AUDIT_WRITE` in the initial user namespace.
    NotPermitted,
    /// `ECONNREFUSED`: nobody listens, as in a container with a user namespace of its own.
    ///
    /// Run the process in the host's user namespace.
    ConnectionRefused,
    /// Any other error number (see errno(3)), among them that of a kernel built without audit.
    Other(i32),
}

impl Refusal {
    /// The error number (see errno(3)).
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            Self::NotPermitted => Errno::PERM.raw_os_error(),
            Self::ConnectionRefused => Errno::CONNREFUSED.raw_os_error(),
            Self::Other(errno) => errno,
        }
    }

    pub(crate) const fn from_errno(errno: i32) -> Self {
        if errno == Errno::PERM.raw_os_error() {
            Self::NotPermitted
        } else if errno == Errno::CONNREFUSED.raw_os_error() {
            Self::ConnectionRefused
        } else {
            Self::Other(errno)
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::from_errno(errno.raw_os_error())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => f.write_str(
                "the kernel refuses audit records of this process (EPERM): give it CAP_AUDIT_WRITE",
            ),
            Self::ConnectionRefused => f.write_str(
                "the kernel refuses audit records from this namespace (ECONNREFUSED): \
                 run in the host's user namespace",
            ),
            Self::Other(errno) => {
                let error = io::Error::from_raw_os_error(*errno);
                write!(f, "the kernel refused an audit record: {error}")
            }
        }
    }
}

impl error::Error for Refusal {}
