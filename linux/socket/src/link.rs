use std::{
    fmt, fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    path::{Path, PathBuf},
    task::Poll,
    time::Duration,
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect,
        recv, send, socket_with, sockopt::socket_peercred,
    },
    process::Uid,
};
use throughline_core::{Failure, Instant, Transport};
use throughline_protobuf::{ACKNOWLEDGE, ACKNOWLEDGEMENT};

use crate::{
    Inlet,
    host::now,
    inlet::{Outlet, inlet},
};

/// The link to a collector: a Unix stream socket that is never waited for.
///
/// When it is opened it asks the collector to answer each frame once it is kept. A collector of the
/// public protocol never answers; then, after [`PATIENCE`](Self::PATIENCE), a finished write is all
/// there is to know. A collector that has answered once has to answer from then on, whenever it is
/// connected to again, so that one which hangs is not taken for one that does not answer.
#[derive(Debug)]
pub struct SocketLink {
    target: Target,
    socket: Option<OwnedFd>,
    answers: Answers,
    has_answered: bool,
    /// How much of the next answer was read (bytes).
    answer_read: usize,
    /// Whether the last write found no room.
    is_blocked: bool,
    /// Whose collector it has to be, if that was said.
    owner: Option<Uid>,
    last_error: Option<Trouble>,
}

/// What a link was closed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    System(Errno),
    /// Somebody else listens at the path.
    Stranger {
        owner: Uid,
        found: Uid,
    },
}

#[derive(Debug)]
enum Target {
    Path(PathBuf),
    /// A socket that was connected beforehand; once it is closed there is no other.
    Given(Option<OwnedFd>),
    /// A collector in this process.
    Own(Outlet),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// It was asked, and may answer until then.
    Asked(Instant),
    Yes,
    No,
}

impl SocketLink {
    /// How long a collector may take to show that it answers.
    pub const PATIENCE: Duration = Duration::from_millis(250);

    /// A link to whoever listens at `path`, now or later.
    ///
    /// # Errors
    ///
    /// If there is something at `path` that nobody can ever listen at, or the path is too long for
    /// a socket (unix(7): 107 bytes). That nothing is there yet is no error.
    pub fn to_path(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        SocketAddrUnix::new(&path)?;
        match fs::metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is something there that is not a socket; check the path",
            )),
            _ => Ok(Self::to(Target::Path(path))),
        }
    }

    /// A link over a socket that is connected already, such as one that was inherited, to a collector of this
    /// crate. Once it breaks there is no other; within a process, use [`to_own_collector`](Self::to_own_collector).
    #[must_use]
    pub const fn to_peer(socket: OwnedFd) -> Self {
        Self::to(Target::Given(Some(socket))).answered()
    }

    /// A link to a collector of this crate in the same process, and what that takes its connections from.
    ///
    /// # Errors
    ///
    /// If the process or the system has no file descriptor left.
    pub fn to_own_collector() -> io::Result<(Self, Inlet)> {
        let (outlet, inlet) = inlet()?;
        Ok((Self::to(Target::Own(outlet)).answered(), inlet))
    }

    /// The same link to a collector that is known to answer: one that does not is not written to, where
    /// it would else be taken for one of the public protocol.
    #[must_use]
    pub const fn answered(mut self) -> Self {
        self.has_answered = true;
        self
    }

    /// The same link, to a collector of the user `uid` and no other.
    ///
    /// Whoever may write to the socket's folder could put a socket of his own there, and events would go
    /// to him. So each connection is asked who listened (`SO_PEERCRED`, unix(7)), and nothing is written
    /// to a stranger; that he listens there is a failure like that of a socket that nobody may write to.
    #[must_use]
    pub fn owned_by(mut self, uid: u32) -> Self {
        self.owner = Some(Uid::from_raw(uid));
        self
    }

    /// The error that the link was closed with last, if any.
    #[must_use]
    pub fn last_error(&self) -> Option<io::Error> {
        self.last_error.map(Into::into)
    }

    /// What to wait for before the link can go on, if it is open: an answer, and room if the last write
    /// found none. That the collector has gone is always told (poll(2)).
    pub(crate) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.answers != Answers::No);
        flags.set(PollFlags::OUT, self.is_blocked);
        Some((self.socket.as_ref()?.as_fd(), flags))
    }

    /// Whether the collector is still there, looked at while no answer is awaited.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it has gone, or says something that it was not asked; the link is closed then.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let trouble = match recv(socket, &mut [0; 1], RecvFlags::DONTWAIT | RecvFlags::PEEK) {
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => error,
            // One of the public protocol is not listened to, whatever it says before it goes.
            Ok((0, _)) => Errno::PIPE,
            Ok(_) if self.answers == Answers::No => Errno::PIPE,
            Ok(_) => Errno::PROTO,
        };
        Err(self.fail(trouble))
    }

    /// When it has to be called again at the latest.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match (&self.socket, self.answers, self.has_answered) {
            (Some(_), Answers::Asked(until), false) => Some(until),
            _ => None,
        }
    }

    const fn to(target: Target) -> Self {
        Self {
            target,
            socket: None,
            answers: Answers::No,
            has_answered: false,
            answer_read: 0,
            is_blocked: false,
            owner: None,
            last_error: None,
        }
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        let socket = match &mut self.target {
            Target::Path(path) => connect_to(path),
            Target::Given(socket) => socket.take().ok_or(Errno::PIPE),
            Target::Own(outlet) => outlet.connect(),
        }?;
        if let Some(owner) = self.owner {
            let found = socket_peercred(&socket)?.uid;
            if found != owner {
                return Err(Trouble::Stranger { owner, found });
            }
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // A new socket has room for a few bytes.
        let asked = send(&socket, &ACKNOWLEDGE, flags)?;
        if asked != ACKNOWLEDGE.len() {
            return Err(Errno::NOBUFS.into());
        }
        self.socket = Some(socket);
        self.answers = Answers::Asked(now().after(Self::PATIENCE));
        self.answer_read = 0;
        self.is_blocked = false;
        Ok(())
    }

    /// Reads one answer, if it is there.
    fn answer(&mut self) -> Poll<Result<(), Errno>> {
        let Some(socket) = &self.socket else {
            return Poll::Ready(Err(Errno::PIPE));
        };
        while self.answer_read < ACKNOWLEDGEMENT.len() {
            let mut bytes = ACKNOWLEDGEMENT;
            let room = bytes.get_mut(self.answer_read..).unwrap_or_default();
            let (len, _) = match recv(socket, room, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Poll::Ready(Err(Errno::PIPE)),
                Ok(read) => read,
                Err(Errno::AGAIN | Errno::INTR) => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            };
            if bytes != ACKNOWLEDGEMENT {
                return Poll::Ready(Err(Errno::PROTO));
            }
            self.answer_read += len;
        }
        self.answer_read = 0;
        Poll::Ready(Ok(()))
    }

    fn fail(&mut self, trouble: impl Into<Trouble>) -> Failure {
        let trouble = trouble.into();
        self.socket = None;
        self.last_error = Some(trouble);
        match (&self.target, trouble) {
            // It has ended, and nobody starts it again.
            (Target::Own(_), Trouble::System(Errno::CONNREFUSED)) => Failure::Permanent,
            (Target::Path(_) | Target::Own(_), Trouble::System(error)) => kind(error),
            (_, Trouble::Stranger { .. }) | (Target::Given(_), _) => Failure::Permanent,
        }
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::System(error) => error.into(),
            Trouble::Stranger { .. } => {
                Self::new(io::ErrorKind::PermissionDenied, trouble.to_string())
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(f),
            Self::Stranger { owner, found } => write!(
                f,
                "the collector there is user {}'s and not user {}'s",
                found.as_raw(),
                owner.as_raw()
            ),
        }
    }
}

impl Transport for SocketLink {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        if self.socket.is_none()
            && let Err(error) = self.begin()
        {
            return Poll::Ready(Err(self.fail(error)));
        }
        let Answers::Asked(until) = self.answers else {
            return Poll::Ready(Ok(()));
        };
        match self.answer() {
            Poll::Ready(Ok(())) => {
                self.answers = Answers::Yes;
                self.has_answered = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Pending if !self.has_answered && now() >= until => {
                self.answers = Answers::No;
                Poll::Ready(Ok(()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        let Some(socket) = &self.socket else {
            return Poll::Ready(Err(Failure::Transient));
        };
        let sent = match send(socket, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(len) => Poll::Ready(Ok(len)),
            Err(Errno::AGAIN | Errno::INTR) => Poll::Pending,
            Err(error) => Poll::Ready(Err(self.fail(error))),
        };
        self.is_blocked = sent.is_pending();
        sent
    }

    fn confirm(&mut self) -> Poll<Result<(), Failure>> {
        if self.answers == Answers::No {
            return Poll::Ready(Ok(()));
        }
        self.answer().map_err(|error| self.fail(error))
    }

    fn close(&mut self) {
        self.socket = None;
    }
}

fn connect_to(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // unix(7): a non-blocking connect is done at once, or fails with EAGAIN if the queue is full.
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Whether trying again soon may help (connect(2), unix(7), send(2)).
const fn kind(error: Errno) -> Failure {
    match error {
        Errno::ACCESS
        | Errno::PERM
        | Errno::NOTSOCK
        | Errno::NOTDIR
        | Errno::NAMETOOLONG
        | Errno::LOOP
        | Errno::INVAL
        | Errno::PROTO
        | Errno::PROTOTYPE
        | Errno::AFNOSUPPORT => Failure::Permanent,
        _ => Failure::Transient,
    }
}
