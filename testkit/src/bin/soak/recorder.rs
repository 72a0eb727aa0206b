use std::{
    error::Error,
    fs,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use throughline_core::{HttpRequest, MatchedRule, ProcessName, Settings, Trail};
use throughline_protobuf::{AgentSocket, Header};
use throughline_socket::{FlushThread, Host, HostMutex, SocketLink, Spool, SpooledLink};

use crate::options::Options;

type Recorder = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, BLOCKS>;

/// What a recorder says of itself at its end.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) session: String,
    pub(crate) recorded: u64,
    pub(crate) lost: u64,
    /// Losses that no collector was told of.
    pub(crate) unreported: Vec<(u32, u32, u32)>,
    pub(crate) frames_resent: u64,
    pub(crate) spooled: u64,
    pub(crate) replayed: u64,
    pub(crate) torn: u64,
    pub(crate) peak_kib: u64,
}

/// Records the events of four threads, and prints a [`Report`].
pub(crate) fn record(options: &Options) -> Result<(), Box<dyn Error>> {
    let trail = Recorder::new(Host::new(1)?, AgentSocket::default())
        .with_process(ProcessName::of_command("soak"));
    for _ in 0..BLOCKS {
        let block = vec![0; Header::LEN + Header::PAYLOAD_MAX];
        trail
            .lane(0)
            .lend(block.into())
            .map_err(|_| "a block is refused")?;
    }
    let trail = Arc::new(trail);
    let spool = Spool::open(&options.spool(), SPOOL)?;
    let link = SpooledLink::new(
        SocketLink::to_path(options.socket())?.answered(),
        Some(spool),
    );
    let settings = Settings {
        max_age: Duration::from_millis(100),
        write_timeout: Duration::from_secs(2),
        backoff_cap: Duration::from_millis(500),
        ..Settings::DEFAULT
    };
    let flush = FlushThread::spawn(Arc::clone(&trail), 0, link, settings)?;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let trail = &trail;
            scope.spawn(move || record_share(trail, options, thread));
        }
    });
    if options.events == 0 {
        // Time for the spool to leave.
        thread::sleep(Duration::from_secs(3));
    }
    let ended = flush
        .finish(Duration::from_secs(10))
        .ok_or("the flusher does not end")?;
    let lane = trail.lane(0);
    let spool = ended.spool.ok_or("there is a spool")?;
    let position = trail.position();
    println!("session {}", position.session);
    println!("recorded {}", position.recorded);
    println!("lost {}", lane.totals().lost);
    println!("frames_resent {}", ended.counters.frames_resent);
    println!("spooled {}", spool.spooled);
    println!("replayed {}", spool.replayed);
    println!("torn {}", spool.torn);
    println!("peak_kib {}", peak_kib("self")?);
    lane.each_loss(|_, loss| println!("loss {} {} {}", loss.first, loss.last, loss.count));
    Ok(())
}

/// One thread's events, every tenth of them denied, at its share of the rate.
fn record_share(trail: &Recorder, options: &Options, thread: u64) {
    let share = options.events / THREADS + u64::from(thread < options.events % THREADS);
    let rule = MatchedRule::new("domain=soak.example");
    let begun = Instant::now();
    for number in 0..share {
        let url = format!("http://soak.example/{thread}/{number}");
        match rule {
            Some(rule) if number % 10 != 0 => {
                trail.record(&HttpRequest::allowed("GET", url.as_str(), rule))
            }
            _ => trail.record(&HttpRequest::denied("GET", url.as_str(), "no rule")),
        };
        if number % 100 == 0 {
            let due = Duration::from_secs_f64((number * THREADS) as f64 / options.rate as f64);
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
}

impl Report {
    pub(crate) fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let field = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            let found = lines.find_map(|(found, value)| (found == name).then_some(value));
            found.ok_or(format!("the recorder does not say {name}"))
        };
        let number = |name: &str| -> Result<u64, Box<dyn Error>> { Ok(field(name)?.parse()?) };
        let mut unreported = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("loss ")) {
            let numbers: Result<Vec<u32>, _> = line.split(' ').map(str::parse).collect();
            let [first, last, count] = numbers?[..] else {
                return Err("a loss has three numbers".into());
            };
            unreported.push((first, last, count));
        }
        Ok(Self {
            session: field("session")?.to_owned(),
            recorded: number("recorded")?,
            lost: number("lost")?,
            unreported,
            frames_resent: number("frames_resent")?,
            spooled: number("spooled")?,
            replayed: number("replayed")?,
            torn: number("torn")?,
            peak_kib: number("peak_kib")?,
        })
    }
}

/// The most memory that a process has held (KiB), see `VmHWM` in proc_pid_status(5).
pub(crate) fn peak_kib(process: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("the kernel does not tell")?.trim().parse()?)
}

const THREADS: u64 = 4;

/// The default memory of the agent: 2 MiB.
const BLOCKS: usize = 64;

/// The default size of a spool.
const SPOOL: u64 = Spool::BYTES_MAX;
