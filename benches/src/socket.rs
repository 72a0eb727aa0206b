//! A link to a collector of the public protocol, and the raw socket beside it.

use std::{
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    time::Duration,
};

use rustix::net::{SendFlags, send};
use tempfile::TempDir;
use throughline_core::{Flusher, Platform, Settings, turn};
use throughline_socket::SocketLink;

use crate::trails::BenchTrail;

/// A flusher with a link that is open, at whose other end somebody reads and answers nothing, as the
/// public receiver does.
pub struct OpenLink {
    flusher: Flusher<Box<[u8]>>,
    link: SocketLink,
    peer: UnixStream,
    _folder: TempDir,
}

impl OpenLink {
    /// Opens a link, which takes as long as a receiver has to answer.
    ///
    /// # Panics
    ///
    /// If no socket is to be had.
    #[must_use]
    pub fn new<P: Platform>(trail: &BenchTrail<P>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        let settings = Settings {
            max_age: Duration::ZERO,
            ..Settings::DEFAULT
        };
        let mut link = SocketLink::to_path(&path).expect("a link");
        let mut flusher = Flusher::new(settings, 7);
        let lane = trail.lane(0);
        while flusher.counters().opened == 0 {
            let _ = turn(&mut flusher, &lane, &mut link, trail.platform().monotonic());
        }
        let (peer, _) = listener.accept().expect("the link");
        peer.set_nonblocking(true).expect("a socket");
        let mut open = Self {
            flusher,
            link,
            peer,
            _folder: folder,
        };
        open.read();
        open
    }

    /// Writes out what there is, as a driver does.
    #[inline]
    pub fn turn<P: Platform>(&mut self, trail: &BenchTrail<P>) {
        let now = trail.platform().monotonic();
        let _ = turn(&mut self.flusher, &trail.lane(0), &mut self.link, now);
    }

    /// Takes what was written at the other end.
    pub fn read(&mut self) -> usize {
        read_all(&mut self.peer)
    }

    /// Frames written so far (count).
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.flusher.counters().frames
    }
}

/// The floor: a socket pair, and nothing around it.
#[derive(Debug)]
pub struct RawPair {
    ours: OwnedFd,
    peer: UnixStream,
}

impl RawPair {
    /// A connected pair.
    ///
    /// # Panics
    ///
    /// If no socket is to be had.
    #[must_use]
    pub fn new() -> Self {
        let (ours, peer) = UnixStream::pair().expect("a pair");
        peer.set_nonblocking(true).expect("a socket");
        Self {
            ours: ours.into(),
            peer,
        }
    }

    /// One system call.
    ///
    /// # Panics
    ///
    /// If not all of it was taken.
    #[inline]
    pub fn send(&self, bytes: &[u8]) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        assert_eq!(send(self.ours.as_fd(), bytes, flags), Ok(bytes.len()));
    }

    /// Takes what was written at the other end.
    pub fn read(&mut self) -> usize {
        read_all(&mut self.peer)
    }
}

impl Default for RawPair {
    fn default() -> Self {
        Self::new()
    }
}

fn read_all(peer: &mut UnixStream) -> usize {
    let mut buffer = [0; 65_536];
    let mut total = 0;
    while let Ok(len @ 1..) = peer.read(&mut buffer) {
        total += len;
    }
    total
}
