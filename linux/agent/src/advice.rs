//! What to do next, said behind what went wrong; and values of the command line that say so themselves.

use std::{fmt, io, io::ErrorKind, str::FromStr};

use uuid::Uuid;

/// What the system says of a path that a person gave, and what that person can do.
pub(crate) struct Advised<'a>(pub(crate) &'a io::Error);

impl fmt::Display for Advised<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match advice(self.0.kind()) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

const fn advice(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => "check the path; its folder has to be there",
        ErrorKind::PermissionDenied => "choose a path that this user has the right to",
        ErrorKind::IsADirectory => "give the path of a file in it",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "choose another path",
        ErrorKind::NotSeekable => "give the path of a file",
        ErrorKind::InvalidData => "check which file it is",
        ErrorKind::InvalidFilename => "choose a shorter path",
        ErrorKind::AddrInUse => "stop what uses it, or choose another path",
        ErrorKind::ReadOnlyFilesystem => "choose a path on another file system",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or choose another path",
        _ => return None,
    })
}

/// A number of things.
pub(crate) fn count<T: FromStr>(text: &str) -> Result<T, String> {
    let count = text.parse();
    count.map_err(|_| format!("'{text}' is not a count; give a whole number, such as 100"))
}

/// The number of a user.
pub(crate) fn user(text: &str) -> Result<u32, String> {
    let user = text.parse();
    user.map_err(|_| format!("'{text}' is not the number of a user; give what id -u NAME prints"))
}

/// The name of a session.
pub(crate) fn session(text: &str) -> Result<Uuid, String> {
    let session = text.parse();
    session.map_err(|_| {
        format!("'{text}' is not a UUID; copy one from the trail, as \"session\" has it there")
    })
}
