use std::{mem, task::Poll};

use throughline_core::{Failure, Transport};

/// A link whose faults the test sets, and that keeps what went through.
#[derive(Debug)]
pub struct FaultyLink {
    /// What the receiver does.
    pub mood: Mood,
    /// How many bytes are taken at once at most (bytes).
    pub piece: usize,
    /// How many more bytes the receiver takes before it freezes (bytes).
    pub credit: usize,
    is_open: bool,
    current: Vec<u8>,
    finished: Vec<Vec<u8>>,
}

/// What the receiver of a [`FaultyLink`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It listens and reads.
    Listening,
    /// It lets connecting take for ever.
    Silent,
    /// It cannot be reached.
    Absent(Failure),
}

impl FaultyLink {
    /// A link to a receiver that listens and takes everything.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            mood: Mood::Listening,
            piece: usize::MAX,
            credit: usize::MAX,
            is_open: false,
            current: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// The receiver closes the connection.
    pub fn hang_up(&mut self) {
        if mem::take(&mut self.is_open) {
            self.finished.push(mem::take(&mut self.current));
        }
    }

    /// What each connection carried, the present one last.
    pub fn connections(&self) -> impl Iterator<Item = &[u8]> {
        let current = self.is_open.then_some(&self.current);
        self.finished.iter().chain(current).map(Vec::as_slice)
    }
}

impl Default for FaultyLink {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for FaultyLink {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        match self.mood {
            Mood::Listening => {
                assert!(!self.is_open, "opened twice");
                self.is_open = true;
                Poll::Ready(Ok(()))
            }
            Mood::Silent => Poll::Pending,
            Mood::Absent(failure) => Poll::Ready(Err(failure)),
        }
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        if !self.is_open {
            return Poll::Ready(Err(Failure::Transient));
        }
        let len = frame.len().min(self.piece).min(self.credit);
        if len == 0 && !frame.is_empty() {
            return Poll::Pending;
        }
        self.credit -= len;
        self.current.extend_from_slice(&frame[..len]);
        Poll::Ready(Ok(len))
    }

    fn close(&mut self) {
        self.hang_up();
    }
}
