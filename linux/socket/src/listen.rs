use std::{
    fmt,
    fs::{self, Permissions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A listening socket at a path, which is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// The device and the inode of its file.
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Who may connect unless the operator says otherwise: the owner and the group.
    pub const DEFAULT_MODE: u32 = 0o660;

    /// Listens at `path` with file mode `mode`.
    ///
    /// The socket is made under another name and moved into place, so that nobody can connect
    /// before the mode is set. A socket that nobody listens at any more is replaced; anything else
    /// is left alone.
    ///
    /// # Errors
    ///
    /// [`ListenError`] if there is something at `path` already, or nothing can be made there.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, ListenError> {
        let fail = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                let reason = "the path is too long for a socket; choose a shorter one";
                ListenError::because(path, error.kind(), reason)
            }
            io::ErrorKind::NotFound => {
                let reason = "its folder is not there; make that first";
                ListenError::because(path, error.kind(), reason)
            }
            _ => ListenError::new(path, error),
        };
        let staged = Staged::new(path);
        let socket = UnixListener::bind(&staged.path).map_err(fail)?;
        fs::set_permissions(&staged.path, Permissions::from_mode(mode)).map_err(fail)?;
        socket.set_nonblocking(true).map_err(fail)?;
        let file = file_at(&staged.path);
        if staged.publish(path).is_err() {
            make_way(path)?;
            staged.publish(path).map_err(fail)?;
        }
        Ok(Self {
            socket,
            path: path.to_owned(),
            file,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn socket(&self) -> &UnixListener {
        &self.socket
    }

    /// Takes the next connection, if one waits.
    pub(crate) fn accept(&self) -> io::Result<Option<OwnedFd>> {
        match self.socket.accept() {
            Ok((stream, _)) => Ok(Some(stream.into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody may have put another in its place, for a collector that goes on.
        if file_at(&self.path) == self.file {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Why a collector cannot listen at a path.
#[derive(Debug)]
pub struct ListenError {
    path: PathBuf,
    error: io::Error,
}

impl ListenError {
    fn new(path: &Path, error: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            error,
        }
    }

    fn because(path: &Path, kind: io::ErrorKind, reason: &str) -> Self {
        Self::new(path, io::Error::new(kind, reason))
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot listen at {}: {}",
            self.path.display(),
            self.error
        )
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A socket that is not at its place yet.
struct Staged {
    path: PathBuf,
}

impl Staged {
    fn new(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        Self { path: name.into() }
    }

    /// Moves it to `path` unless something is there.
    fn publish(&self, path: &Path) -> io::Result<()> {
        renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE)?;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already if it was moved.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket that nobody listens at.
fn make_way(path: &Path) -> Result<(), ListenError> {
    let refuse = |reason| ListenError::because(path, io::ErrorKind::AlreadyExists, reason);
    let metadata = fs::symlink_metadata(path).map_err(|error| ListenError::new(path, error))?;
    if !metadata.file_type().is_socket() {
        return Err(refuse(
            "there is something there that is not a socket; remove it or choose another path",
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(refuse(
            "another collector listens there; stop it or choose another path",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| ListenError::new(path, error))
        }
        Err(error) => Err(ListenError::new(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_socket_is_never_replaced_and_a_dead_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.sock");

        let live = Listener::bind(&path, Listener::DEFAULT_MODE).unwrap();
        let refused = Listener::bind(&path, Listener::DEFAULT_MODE).unwrap_err();
        assert!(
            refused.to_string().contains("another collector listens"),
            "{refused}"
        );
        drop(live);
        assert!(!path.exists());

        drop(UnixListener::bind(&path).unwrap());
        let replaced = Listener::bind(&path, 0o600).unwrap();
        let mode = fs::metadata(replaced.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_socket_that_took_its_place_is_left_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.sock");
        let first = Listener::bind(&path, Listener::DEFAULT_MODE).unwrap();
        fs::remove_file(&path).unwrap();
        let second = Listener::bind(&path, Listener::DEFAULT_MODE).unwrap();
        drop(first);
        UnixStream::connect(second.path()).unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Listener::bind(folder.path(), 0o660).unwrap_err();
        assert!(refused.to_string().contains("not a socket"), "{refused}");
        let refused = Listener::bind(&folder.path().join("no/where"), 0o660).unwrap_err();
        assert!(refused.to_string().contains("make that first"), "{refused}");
        assert!(folder.path().is_dir());
    }
}
