use std::{
    fmt, fs,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, read},
    termios::{OptionalActions, isatty, tcgetattr, tcsetattr},
};

/// Where a device's bytes come from: a serial port, or whoever connects to a socket.
///
/// It comes and goes: a port that is unplugged is looked for again, and a socket takes the next
/// connection once the one before is over.
#[derive(Debug)]
pub(crate) struct Line {
    place: Place,
    connection: Option<OwnedFd>,
    retry_at: Instant,
}

#[derive(Debug)]
enum Place {
    Port { path: PathBuf, baud: u32 },
    Socket(Socket),
}

/// A listening socket, which is removed when it is dropped.
#[derive(Debug)]
struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// What reading a line came to.
#[derive(Debug)]
pub(crate) enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The line is gone: what comes next is another connection.
    Gone,
}

impl Line {
    /// The serial port at `path`, at `baud` symbols a second if it has a speed.
    ///
    /// It need not be there yet; but a file or a folder that is there will never be one.
    pub(crate) fn port(path: &Path, baud: u32) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|found| found.is_file() || found.is_dir()) {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "there is something there that is not a serial port; give one such as /dev/ttyUSB0",
            ));
        }
        let path = path.to_owned();
        Ok(Self::new(Place::Port { path, baud }))
    }

    /// Whoever connects to a socket at `path`. A socket that nobody listens at any more is replaced.
    pub(crate) fn listen(path: &Path) -> io::Result<Self> {
        make_way(path)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let path = path.to_owned();
        Ok(Self::new(Place::Socket(Socket { listener, path })))
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            connection: None,
            retry_at: Instant::now(),
        }
    }

    /// What to wait for, and how long at most.
    pub(crate) fn interest(&self) -> (Option<BorrowedFd<'_>>, Option<Duration>) {
        let wait = self.retry_at.saturating_duration_since(Instant::now());
        match (&self.connection, &self.place) {
            (Some(connection), _) => (Some(connection.as_fd()), None),
            (None, Place::Socket(socket)) if wait.is_zero() => {
                (Some(socket.listener.as_fd()), None)
            }
            (None, _) => (None, Some(wait)),
        }
    }

    /// Reads what is there, and opens the line first if it is not open.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Read {
        if self.connection.is_none() {
            self.connect();
        }
        let Some(connection) = &self.connection else {
            return Read::Nothing;
        };
        match read(connection, buffer) {
            Ok(len @ 1..) => Read::Bytes(len),
            Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
            Ok(_) => self.close("it was closed"),
            // What a port says that was unplugged: EIO, ENXIO or ENODEV.
            Err(error) => self.close(&io::Error::from(error).to_string()),
        }
    }

    fn close(&mut self, why: &str) -> Read {
        tracing::warn!("{self} is gone: {why}");
        self.connection = None;
        if let Place::Port { .. } = self.place {
            self.retry_at = Instant::now() + RETRY;
        }
        Read::Gone
    }

    fn connect(&mut self) {
        if Instant::now() < self.retry_at {
            return;
        }
        let connected = match &self.place {
            Place::Socket(socket) => socket.accept(),
            Place::Port { path, baud } => open_port(path, *baud),
        };
        match connected {
            Ok(connection) => {
                tracing::info!("reading from {self}");
                self.connection = Some(connection);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::debug!("cannot read from {self}: {error}");
                self.retry_at = Instant::now() + RETRY;
            }
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Place::Port { path, .. } | Place::Socket(Socket { path, .. })) = &self.place;
        path.display().fmt(f)
    }
}

impl Socket {
    fn accept(&self) -> io::Result<OwnedFd> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok(stream.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens a port and has the kernel leave its bytes alone.
fn open_port(path: &Path, baud: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let port = open(path, flags, Mode::empty())?;
    if isatty(&port) {
        let mut settings = tcgetattr(&port)?;
        settings.make_raw();
        settings.set_speed(baud)?;
        tcsetattr(&port, OptionalActions::Now, &settings)?;
    }
    Ok(port)
}

/// Removes a socket that nobody listens at.
fn make_way(path: &Path) -> io::Result<()> {
    let is_socket = |metadata: fs::Metadata| metadata.file_type().is_socket();
    if !fs::symlink_metadata(path).is_ok_and(is_socket) {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// How long to wait before a port is looked for again, or a connection that could not be taken.
const RETRY: Duration = Duration::from_millis(200);
