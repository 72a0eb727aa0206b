use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
};

use rustix::io::Errno;

use crate::Waker;

/// What a collector takes the connections of a link in its own process from.
///
/// It has no name that anybody else could connect to. Unlike a single connection it outlives a frame that
/// could not be kept: the link makes another one then, as it would to a collector elsewhere.
#[derive(Debug)]
pub struct Inlet {
    sockets: Receiver<OwnedFd>,
    news: Arc<Waker>,
}

/// The link's end of an [`Inlet`].
#[derive(Debug)]
pub(crate) struct Outlet {
    /// `None` only while it is dropped.
    sockets: Option<Sender<OwnedFd>>,
    news: Arc<Waker>,
}

/// The two ends.
pub(crate) fn inlet() -> io::Result<(Outlet, Inlet)> {
    let (sender, receiver) = mpsc::channel();
    let news = Arc::new(Waker::new()?);
    // Whatever comes before the collector waits is seen when it does.
    news.arm();
    let outlet = Outlet {
        sockets: Some(sender),
        news: Arc::clone(&news),
    };
    let inlet = Inlet {
        sockets: receiver,
        news,
    };
    Ok((outlet, inlet))
}

impl Inlet {
    /// What is readable once there is something to take.
    pub(crate) fn news(&self) -> &Waker {
        &self.news
    }

    /// The next connection, if one waits.
    ///
    /// # Errors
    ///
    /// If the link is gone, and no connection will come any more.
    pub(crate) fn take(&self) -> Result<Option<OwnedFd>, Gone> {
        match self.sockets.try_recv() {
            Ok(socket) => Ok(Some(socket)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Gone),
        }
    }
}

/// The link's end is gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Outlet {
    /// Makes a connection; `CONNREFUSED` if the collector has ended.
    pub(crate) fn connect(&self) -> Result<OwnedFd, Errno> {
        let (ours, theirs) = UnixStream::pair()
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOBUFS))?;
        let sent = self
            .sockets
            .as_ref()
            .map(|sockets| sockets.send(theirs.into()));
        match sent {
            Some(Ok(())) => {
                self.news.wake();
                Ok(ours.into())
            }
            Some(Err(_)) | None => Err(Errno::CONNREFUSED),
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.sockets = None;
        self.news.wake();
    }
}
