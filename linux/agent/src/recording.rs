use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use throughline_audit::SessionClose;
use throughline_core::{HttpRequest, Position, ProcessName, SessionId, Settings, Stamp, Trail};
use throughline_protobuf::{AgentSocket, Header};
use throughline_socket::{
    Ended, FlushThread, Host, HostMutex, SocketLink, Spool, SpoolCounts, SpooledLink, Tally,
    TrailFile,
};

use crate::{advice::Advised, log, own_collector::OwnCollector, proxy::Recorder};

type AgentTrail = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, BLOCKS, LANES>;

/// Where the events of a run go, besides the standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destinations {
    /// A file, written by a collector in this process.
    pub(crate) trail: Option<PathBuf>,
    /// A collector's socket.
    pub(crate) socket: Option<PathBuf>,
    /// Whose collector that has to be, if only one will do.
    pub(crate) collector: Option<u32>,
    /// Where frames wait for that collector while it is away.
    pub(crate) spool: Option<PathBuf>,
}

/// The trail of a run and the sinks behind it, each of which fails alone.
pub(crate) struct Recording {
    trail: Arc<AgentTrail>,
    sinks: Vec<Sink>,
}

struct Sink {
    name: String,
    lane: usize,
    flush: FlushThread,
    collector: Option<OwnCollector>,
}

impl Recording {
    /// Opens a session and starts what writes it.
    pub(crate) fn start(process: &str, to: &Destinations) -> Result<Self, StartError> {
        let host = Host::new(LANES).map_err(StartError::system("make wakers"))?;
        let trail =
            Trail::new(host, AgentSocket::default()).with_process(ProcessName::of_command(process));
        let mut recording = Self {
            trail: Arc::new(trail),
            sinks: Vec::new(),
        };
        if let Some(path) = &to.trail {
            recording.add_trail_file(path)?;
        }
        if let Some(path) = &to.socket {
            let link = SocketLink::to_path(path)
                .map_err(|error| StartError::Socket(path.clone(), error))?;
            let link = match to.collector {
                Some(uid) => link.owned_by(uid),
                None => link,
            };
            let link = SpooledLink::new(link, to.spool.as_deref().map(open_spool).transpose()?);
            recording.add_sink(format!("socket {}", path.display()), link, None)?;
        }
        Ok(recording)
    }

    /// What records requests in every sink.
    pub(crate) fn recorder(&self) -> TrailRecorder {
        TrailRecorder(Arc::clone(&self.trail))
    }

    pub(crate) fn session(&self) -> SessionId {
        self.trail.session()
    }

    pub(crate) fn process(&self) -> &ProcessName {
        self.trail.process()
    }

    pub(crate) fn position(&self) -> Position {
        self.trail.position()
    }

    /// Writes out what there is, for `drain` at most, and says what became of it.
    pub(crate) fn finish(self, drain: Duration) -> Summary {
        let position = self.position();
        let trail = self.trail;
        for sink in &self.sinks {
            // One that is stuck does not make the others late.
            sink.flush.begin_to_finish(drain);
        }
        let sinks = self.sinks.into_iter();
        Summary {
            session: position.session,
            recorded: position.recorded,
            sinks: sinks.map(|sink| sink.finish(&trail, drain)).collect(),
        }
    }

    fn add_trail_file(&mut self, path: &Path) -> Result<(), StartError> {
        let file =
            TrailFile::open(path).map_err(|error| StartError::Trail(path.to_owned(), error))?;
        let (link, collector) =
            OwnCollector::start(file).map_err(StartError::system("start a collector"))?;
        self.add_sink(format!("trail {}", path.display()), link, Some(collector))
    }

    fn add_sink(
        &mut self,
        name: String,
        link: impl Into<SpooledLink>,
        collector: Option<OwnCollector>,
    ) -> Result<(), StartError> {
        let lane = self.sinks.len();
        for _ in 0..BLOCKS {
            // A lane that is full says so by giving the block back; it has what it needs then.
            let _ = self.trail.lane(lane).lend(vec![0; BLOCK].into());
        }
        let trail = Arc::clone(&self.trail);
        let flush = FlushThread::spawn(trail, lane, link, Settings::DEFAULT)
            .map_err(StartError::system("start a thread"))?;
        self.sinks.push(Sink {
            name,
            lane,
            flush,
            collector,
        });
        Ok(())
    }
}

/// The way for requests into a recording, and to the person who watches.
pub(crate) struct TrailRecorder(Arc<AgentTrail>);

impl Recorder for TrailRecorder {
    fn record(&self, request: &HttpRequest<'_>) -> Stamp {
        let stamp = self.0.record(request);
        log::request(stamp, request);
        stamp
    }
}

impl Sink {
    fn finish(self, trail: &AgentTrail, drain: Duration) -> SinkSummary {
        let ended = self.flush.finish(drain);
        let tally = self.collector.map(OwnCollector::finish);
        let totals = trail.lane(self.lane).totals();
        SinkSummary {
            name: self.name,
            written: totals.written,
            lost: totals.lost,
            torn: ended
                .as_ref()
                .and_then(|ended| ended.spool)
                .map_or(0, |spool| spool.torn),
            spooled: ended
                .as_ref()
                .and_then(|ended| ended.spool)
                .map_or(0, waiting),
            trouble: trouble(ended.as_ref(), tally, totals.lost),
        }
    }
}

/// What became of a run's events.
pub(crate) struct Summary {
    pub(crate) session: SessionId,
    pub(crate) recorded: u32,
    pub(crate) sinks: Vec<SinkSummary>,
}

pub(crate) struct SinkSummary {
    pub(crate) name: String,
    pub(crate) written: u64,
    pub(crate) lost: u64,
    /// Records that were torn in the spool, each with what lay behind it in its file (count).
    pub(crate) torn: u64,
    /// Frames that wait in the spool, this run's and those of earlier ones (count).
    pub(crate) spooled: u64,
    /// Why something is lost, if it is known.
    trouble: Option<String>,
}

impl Summary {
    /// The counts of the place that has the most of the events: how long the trail must be.
    ///
    /// Where the events went nowhere, all of them are lost.
    pub(crate) fn close(&self) -> SessionClose {
        let recorded = u64::from(self.recorded);
        let best = self.sinks.iter().max_by_key(|sink| sink.written);
        SessionClose {
            session: self.session,
            recorded,
            written: best.map_or(0, |sink| sink.written),
            lost: best.map_or(recorded, |sink| sink.lost),
        }
    }

    /// Whether nothing was lost anywhere.
    pub(crate) fn is_whole(&self) -> bool {
        self.sinks
            .iter()
            .all(|sink| sink.lost == 0 && sink.trouble.is_none())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}: recorded {}", self.session, self.recorded)?;
        for sink in &self.sinks {
            write!(
                f,
                "; {}: written {}, lost {}",
                sink.name, sink.written, sink.lost
            )?;
            if sink.torn > 0 {
                write!(f, ", {} torn in the spool", sink.torn)?;
            }
            if sink.spooled > 0 {
                write!(f, ", {} frames spooled for later", sink.spooled)?;
            }
            if let Some(trouble) = &sink.trouble {
                write!(f, " ({trouble})")?;
            }
        }
        if self.sinks.is_empty() {
            f.write_str(", kept nowhere: give --trail or --socket")?;
        }
        Ok(())
    }
}

/// Why a recording cannot be started.
#[derive(Debug)]
pub(crate) enum StartError {
    Trail(PathBuf, io::Error),
    Socket(PathBuf, io::Error),
    Spool(PathBuf, io::Error),
    System(&'static str, io::Error),
}

impl StartError {
    const fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(doing, error)
    }
}

impl std::error::Error for StartError {}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trail(path, error) => {
                write!(
                    f,
                    "cannot write the trail to {}: {}",
                    path.display(),
                    Advised(error)
                )
            }
            Self::Socket(path, error) => {
                write!(
                    f,
                    "cannot write to a socket at {}: {}",
                    path.display(),
                    Advised(error)
                )
            }
            Self::Spool(path, error) => {
                write!(f, "cannot spool in {}: {}", path.display(), Advised(error))
            }
            Self::System(doing, error) => write!(f, "cannot {doing}: {error}"),
        }
    }
}

const fn waiting(counts: SpoolCounts) -> u64 {
    counts.spooled.saturating_sub(counts.replayed)
}

fn open_spool(folder: &Path) -> Result<Spool, StartError> {
    Spool::open(folder, Spool::BYTES_MAX)
        .map_err(|error| StartError::Spool(folder.to_owned(), error))
}

fn trouble(ended: Option<&Ended>, tally: Option<io::Result<Tally>>, lost: u64) -> Option<String> {
    match tally {
        Some(Err(error)) => return Some(error.to_string()),
        // What could not be written at first was sent again.
        Some(Ok(tally)) if tally.write_error.is_some() && lost == 0 => {}
        Some(Ok(tally)) if !tally.is_clean() => {
            let error = tally.write_error.as_ref().map(ToString::to_string);
            return Some(error.unwrap_or_else(|| tally.to_string()));
        }
        Some(Ok(_)) | None => {}
    }
    match ended {
        None => Some("its thread did not end in time".to_owned()),
        Some(ended) if lost > 0 => ended.last_error.as_ref().map(ToString::to_string),
        Some(_) => None,
    }
}

/// A block holds one frame of the greatest size.
const BLOCK: usize = Header::LEN + Header::PAYLOAD_MAX;

/// Blocks a lane: 2 MiB, which the kernel backs with memory as they are used.
const BLOCKS: usize = 64;

/// The file and the socket.
const LANES: usize = 2;
