use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use throughline_core::Instant;

use crate::{
    Inlet, Listener, Sink, Tally, Waker,
    connection::{Connection, Over},
    host::now,
    inlet::Gone,
    intake::Intake,
};

/// The receiving end of the agent socket: any number of senders, one sink, one thread.
///
/// Memory is one frame's buffer a connection, the sink's own, and some megabytes at most for which events
/// have come. A malformed message is counted and skipped, framing that cannot be trusted ends that one
/// connection, and neither ends the collector.
#[derive(Debug)]
pub struct Collector<S> {
    intake: Intake<S>,
    listener: Option<Listener>,
    inlet: Option<Inlet>,
    connections: Vec<Connection>,
    connections_max: usize,
    /// When connections are taken again, after the machine could not give one.
    accept_at: Option<Instant>,
}

impl<S: Sink> Collector<S> {
    /// The connections that are held at once unless the operator says otherwise (count).
    pub const CONNECTIONS_MAX: usize = 256;

    /// A collector that writes to `sink`.
    pub fn new(sink: S) -> Self {
        Self {
            intake: Intake::new(sink),
            listener: None,
            inlet: None,
            connections: Vec::new(),
            connections_max: Self::CONNECTIONS_MAX,
            accept_at: None,
        }
    }

    /// The same collector, taking connections from `listener`.
    #[must_use]
    pub fn with_listener(self, listener: Listener) -> Self {
        Self {
            listener: Some(listener),
            ..self
        }
    }

    /// The same collector, taking the connections of a link in the same process from `inlet`.
    #[must_use]
    pub fn with_inlet(self, inlet: Inlet) -> Self {
        Self {
            inlet: Some(inlet),
            ..self
        }
    }

    /// The same collector, holding at most `max` connections at once; more wait.
    #[must_use]
    pub fn with_connections_max(self, max: usize) -> Self {
        Self {
            connections_max: max,
            ..self
        }
    }

    /// The same collector with one more connection, such as one end of a socket pair.
    #[must_use]
    pub fn with_connection(mut self, socket: OwnedFd) -> Self {
        self.admit(socket);
        self
    }

    /// Receives until `stop` is woken, until nobody can send any more, or until nobody reads what the
    /// sink writes ([`io::ErrorKind::BrokenPipe`]).
    ///
    /// A wake that came before counts if `stop` was armed then. What has arrived by then is read to its
    /// end, as long as that goes on without waiting.
    ///
    /// # Errors
    ///
    /// If waiting fails, or the listener's socket does. That there is no file descriptor or no memory for
    /// one more connection is told, and those that wait are taken once there is.
    pub fn run(mut self, stop: &Waker) -> io::Result<Tally> {
        stop.stay_armed();
        while self.can_receive() {
            if self.wait(stop)? {
                self.drain();
                break;
            }
        }
        Ok(self.intake.tally)
    }

    fn can_receive(&self) -> bool {
        let may_come = self.listener.is_some() || self.inlet.is_some();
        (may_come || !self.connections.is_empty()) && !self.intake.is_cut_off()
    }

    /// Takes what waits in the inlet; once its link is gone, nothing will any more.
    fn admit_own(&mut self) {
        if let Some(inlet) = &self.inlet {
            inlet.news().arm();
        }
        while let Some(inlet) = &self.inlet {
            match inlet.take() {
                Ok(Some(socket)) => self.admit(socket),
                Ok(None) => return,
                Err(Gone) => self.inlet = None,
            }
        }
    }

    /// Waits for one thing or more to happen and deals with it. Returns whether it was the stop.
    fn wait(&mut self, stop: &Waker) -> io::Result<bool> {
        let pause = self.accept_at.map(|at| at.since(now()));
        let pause = pause.filter(|pause| !pause.is_zero());
        let accepting = self.connections.len() < self.connections_max && pause.is_none();
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        let inlet = self.inlet.as_ref();
        fds.extend(inlet.map(|inlet| PollFd::new(inlet.news(), PollFlags::IN)));
        fds.extend(
            self.connections
                .iter()
                .map(|connection| PollFd::new(connection, PollFlags::IN)),
        );
        if let Some(listener) = self.listener.as_ref().filter(|_| accepting) {
            fds.push(PollFd::new(listener.socket(), PollFlags::IN));
        }
        let timeout = pause.and_then(|pause| Timespec::try_from(pause).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);

        let stopped = ready.first() == Some(&true);
        let mut ready = ready.into_iter().skip(1);
        let has_news = self.inlet.is_some() && ready.next() == Some(true);
        self.read_ready(&mut ready);
        if has_news {
            self.admit_own();
        }
        if ready.next() == Some(true) {
            self.accept()?;
        }
        Ok(stopped)
    }

    /// Reads once from each connection that is ready, and drops those that are over.
    fn read_ready(&mut self, ready: &mut impl Iterator<Item = bool>) {
        let intake = &mut self.intake;
        self.connections.retain_mut(|connection| {
            if ready.next() != Some(true) {
                return true;
            }
            match connection.read(intake) {
                Ok(()) => true,
                Err(over) => {
                    note_over(&mut intake.tally, &over);
                    false
                }
            }
        });
    }

    /// Reads what has arrived before the stop, from those who wait to be taken too: they may have written, and
    /// gone, and will never know.
    fn drain(&mut self) {
        self.drain_connections();
        for _ in 0..WAITING_MAX {
            let waiting = self.listener.as_ref().map(Listener::accept);
            let Some(Ok(Some(socket))) = waiting else {
                return;
            };
            // One after the other, within the memory and the descriptors that there are.
            self.connections.clear();
            self.admit(socket);
            self.drain_connections();
        }
    }

    /// Reads what has arrived, a bounded number of times.
    fn drain_connections(&mut self) {
        for _ in 0..DRAIN_READS {
            let frames = self.intake.tally.frames;
            let all = self.connections.len();
            self.read_ready(&mut std::iter::repeat(true));
            if self.intake.tally.frames == frames && self.connections.len() == all {
                return;
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let Some(listener) = &self.listener else {
            return Ok(());
        };
        match listener.accept() {
            Ok(socket) => {
                if self.accept_at.take().is_some() {
                    tracing::warn!("connections are taken again");
                }
                if let Some(socket) = socket {
                    self.admit(socket);
                }
                Ok(())
            }
            Err(error) if is_shortage(&error) => {
                if self.accept_at.is_none() {
                    let held = self.connections.len();
                    tracing::error!("no more than {held} connections can be taken: {error}");
                }
                self.accept_at = Some(now().after(SHORTAGE));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn admit(&mut self, socket: OwnedFd) {
        self.intake.tally.connections += 1;
        self.connections.push(Connection::new(socket));
    }
}

/// Whether the machine lacks what a connection takes (accept(2)): others have it, and may give it back.
fn is_shortage(error: &io::Error) -> bool {
    let error = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        error,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

fn note_over(tally: &mut Tally, over: &Over) {
    match over {
        // What could not be kept was said when that began.
        Over::Ended | Over::NotKept => {}
        Over::Torn => {
            tracing::warn!("a sender went away in the middle of a frame");
            tally.torn_connections += 1;
        }
        Over::Failed(error) => {
            tracing::warn!("a connection failed: {error}");
            tally.torn_connections += 1;
        }
        Over::Refused(error) => {
            tracing::warn!("closed a connection: {error}");
            tally.refused_connections += 1;
        }
    }
}

/// How often each connection is read after the stop (count): as much as a socket's buffer holds.
const DRAIN_READS: usize = 64;

/// How many are taken after the stop (count): as many as can wait (`somaxconn`, listen(2)).
const WAITING_MAX: usize = 4096;

/// How long to wait before connections are taken again, when one could not be.
const SHORTAGE: Duration = Duration::from_millis(250);
