//! `throughline bridge`: a device's trail, from its serial line to the collector.

mod account;
mod line;
mod outbox;
mod relay;
mod summary;

use std::{error::Error, io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use throughline_core::{PhaseEmitter, PhaseRecord};
use throughline_postcard::{Decoder, Fed, Message};
use throughline_socket::{SocketLink, TrailFile, Waker};

use self::{
    line::{Line, Read},
    outbox::Outbox,
    relay::Relay,
    summary::Summary,
};
use crate::{
    advice::Advised, cli::BridgeArgs, exit, kernel::Emitter, log, own_collector::OwnCollector,
    signals,
};

/// Forwards a device's trail until told to end.
pub(crate) fn bridge(args: &BridgeArgs) -> ExitCode {
    log::start(args.log);
    match forward(args) {
        Ok(summary) => {
            tracing::info!("{summary}");
            ExitCode::from(u8::from(!summary.is_delivered()))
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn forward(args: &BridgeArgs) -> Result<Summary, Box<dyn Error>> {
    // Before anybody can see that it runs, so that from then on it ends as it should.
    let stop = Arc::new(Waker::new()?);
    stop.arm();
    signals::wake_at_end(Arc::clone(&stop))?;
    let line = match (&args.device, &args.listen) {
        (Some(path), _) => Line::port(path, args.baud)
            .map_err(|error| format!("cannot read from {}: {}", path.display(), Advised(&error)))?,
        (None, Some(path)) => Line::listen(path)
            .map_err(|error| format!("cannot listen at {}: {}", path.display(), Advised(&error)))?,
        (None, None) => return Err("give --device or --listen".into()),
    };
    let destination = Destination::open(args)?;
    let mut bridge = Bridge {
        line,
        decoder: Box::default(),
        relay: Relay::new(),
        outbox: Outbox::start(destination.link)?,
        phases: Phases {
            audit: args.audit.then(Emitter::start),
            count: 0,
        },
    };
    tracing::info!("waiting for {}", bridge.line);
    bridge.run(&stop)?;
    let summary = bridge.finish(args.drain);
    let Some(collector) = destination.collector else {
        return Ok(summary);
    };
    Ok(Summary {
        collector: Some(collector.finish()?),
        ..summary
    })
}

/// Where frames go: a collector's socket, or a collector in this process that writes a file.
struct Destination {
    link: SocketLink,
    collector: Option<OwnCollector>,
}

impl Destination {
    fn open(args: &BridgeArgs) -> Result<Self, Box<dyn Error>> {
        let (socket, out) = (args.socket.as_deref(), args.out.as_deref());
        match (socket, out) {
            (Some(path), _) => {
                let link = SocketLink::to_path(path);
                let cannot =
                    |error| format!("cannot write to {}: {}", path.display(), Advised(&error));
                Ok(Self {
                    link: link.map_err(cannot)?,
                    collector: None,
                })
            }
            (None, Some(path)) if path != Path::new("-") => {
                let cannot =
                    |error| format!("cannot write to {}: {}", path.display(), Advised(&error));
                Ok(Self::collector(TrailFile::open(path).map_err(cannot)?)?)
            }
            (None, _) => Ok(Self::collector(TrailFile::stdout()?)?),
        }
    }

    fn collector(out: TrailFile) -> io::Result<Self> {
        let (link, collector) = OwnCollector::start(out)?;
        Ok(Self {
            link,
            collector: Some(collector),
        })
    }
}

struct Bridge {
    line: Line,
    decoder: Box<Decoder>,
    relay: Relay,
    outbox: Outbox,
    phases: Phases,
}

impl Bridge {
    /// Reads until `stop`, which is armed, is woken.
    fn run(&mut self, stop: &Waker) -> io::Result<()> {
        let mut buffer = vec![0; READ_MAX];
        while !self.wait(stop)? {
            if self.outbox.has_room() {
                self.read(&mut buffer);
            }
        }
        // What has arrived by now is read to its end, as long as that goes on without waiting.
        for _ in 0..DRAIN_READS {
            if !self.read(&mut buffer) {
                break;
            }
        }
        Ok(())
    }

    /// Waits for bytes; returns whether it is the end that has come. A line is not read as long as
    /// what it brings has no room: one with flow control waits, and what another loses is seen.
    fn wait(&self, stop: &Waker) -> io::Result<bool> {
        let (line, mut timeout) = self.line.interest();
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        if self.outbox.has_room() {
            fds.extend(line.map(|line| PollFd::from_borrowed_fd(line, PollFlags::IN)));
        } else {
            timeout = Some(FULL_WAIT);
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let stopped = fds.first().is_some_and(|stop| !stop.revents().is_empty());
        Ok(stopped)
    }

    /// Reads once; returns whether there may be more to read.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        match self.line.read(buffer) {
            Read::Bytes(len) => {
                self.feed(buffer.get(..len).unwrap_or_default());
                true
            }
            Read::Gone => {
                self.decoder.interrupted();
                true
            }
            Read::Nothing => false,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let Self {
            decoder,
            relay,
            outbox,
            phases,
            ..
        } = self;
        let mut rest = bytes;
        loop {
            match decoder.feed(rest) {
                Fed::Consumed => return,
                Fed::Bad(bad, behind) => {
                    tracing::debug!("{bad}");
                    rest = behind;
                }
                Fed::Packet(packet, behind) => {
                    if let Message::Phase(record) = &packet.message {
                        phases.emit(record);
                    }
                    relay.take(packet, &mut |frame| outbox.push(frame));
                    rest = behind;
                }
            }
        }
    }

    fn finish(self, drain: Duration) -> Summary {
        let outbox = &self.outbox;
        let totals = self.relay.finish(&mut |frame| outbox.push(frame));
        let undelivered = self.outbox.finish(drain);
        if let Some(audit) = self.phases.audit {
            audit.close(AUDIT);
        }
        Summary {
            totals,
            line: self.decoder.counters(),
            phases: self.phases.count,
            undelivered,
            collector: None,
        }
    }
}

/// The phases of the device's changes: told, and written to this host's audit log if that is wanted.
struct Phases {
    audit: Option<Emitter>,
    count: u64,
}

impl Phases {
    fn emit(&mut self, record: &PhaseRecord<'_>) {
        self.count += 1;
        let change = &record.change;
        tracing::info!(
            transaction = %change.transaction,
            position = change.position.map(|position| position.recorded),
            "{} {}",
            log::Clean(change.name),
            record.phase
        );
        if let Some(audit) = &self.audit {
            audit.emit(record);
        }
    }
}

/// How much is read at once, at most (bytes).
const READ_MAX: usize = 4096;

/// How often a line is read after the end has come (count): as much as a port's buffer holds.
const DRAIN_READS: usize = 64;

/// How long to wait for room.
const FULL_WAIT: Duration = Duration::from_millis(20);

/// How long to wait for the kernel at the end.
const AUDIT: Duration = Duration::from_secs(2);
