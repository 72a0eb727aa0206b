//! A collector in this process, which writes a file or the standard output.

use std::{io, sync::mpsc, thread, time::Duration};

use throughline_socket::{Collector, Ndjson, SocketLink, Tally, TrailFile, Waker};

/// The thread of a collector that nobody else can write to.
pub(crate) struct OwnCollector {
    tally: mpsc::Receiver<io::Result<Tally>>,
}

impl OwnCollector {
    /// Starts one that writes to `out`, and ends once the link to it is gone.
    pub(crate) fn start(out: TrailFile) -> io::Result<(SocketLink, Self)> {
        let (link, inlet) = SocketLink::to_own_collector()?;
        let never = Waker::new()?;
        let (sender, tally) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || {
                let collector = Collector::new(Ndjson::new(out)).with_inlet(inlet);
                // Whoever wanted to know may have given up.
                let _ = sender.send(collector.run(&never));
            })?;
        Ok((link, Self { tally }))
    }

    /// What it did, once the link to it is gone.
    ///
    /// It is not waited for without an end: a pipe that nobody reads would hold the whole process.
    ///
    /// # Errors
    ///
    /// What it failed with, or that it did not end.
    pub(crate) fn finish(self) -> io::Result<Tally> {
        self.tally
            .recv_timeout(GRACE)
            .unwrap_or_else(|_| Err(io::Error::other("what was to be written is not read")))
    }
}

/// How long writing what came last may take.
const GRACE: Duration = Duration::from_secs(2);
