use std::{
    error::Error,
    fmt, fs,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::{options::Options, recorder::peak_kib};

/// A collector's bad days: each act ends one and begins another.
#[derive(Debug)]
pub(crate) struct Chaos {
    options: Options,
    collector: Option<Child>,
    random: u64,
    peak_kib: u64,
    kills: u32,
    stops: u32,
    fillings: u32,
    absences: u32,
}

impl Chaos {
    pub(crate) fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let mut chaos = Self {
            options: options.clone(),
            collector: None,
            random: options.seed,
            peak_kib: 0,
            kills: 0,
            stops: 0,
            fillings: 0,
            absences: 0,
        };
        chaos.restart()?;
        Ok(chaos)
    }

    /// One bad day, and a good one after it.
    pub(crate) fn act(&mut self) -> Result<(), Box<dyn Error>> {
        match self.below(4) {
            0 => {
                self.kill()?;
                self.restart()?;
            }
            1 => {
                self.kill()?;
                self.pause(1500);
                self.restart()?;
                self.absences += 1;
            }
            2 => {
                self.signal(Signal::STOP)?;
                self.pause(1500);
                self.signal(Signal::CONT)?;
                self.stops += 1;
            }
            _ => {
                self.fill_disk()?;
                self.pause(800);
                self.limit_file(None)?;
                self.fillings += 1;
            }
        }
        self.pause(600);
        Ok(())
    }

    /// Whatever the last day was, this is a good one.
    pub(crate) fn calm(&mut self) -> Result<(), Box<dyn Error>> {
        self.kill()?;
        self.restart()
    }

    /// Ends the collector and returns the most memory that any of them held (KiB).
    pub(crate) fn finish(&mut self) -> Result<u64, Box<dyn Error>> {
        self.kill()?;
        Ok(self.peak_kib)
    }

    fn restart(&mut self) -> Result<(), Box<dyn Error>> {
        self.collector = Some(self.options.spawn("collect", Stdio::null())?);
        Ok(())
    }

    /// Kills the collector, and nobody else, at whatever it is doing.
    fn kill(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(mut collector) = self.collector.take() else {
            return Ok(());
        };
        let peak = peak_kib(&collector.id().to_string()).unwrap_or_default();
        self.peak_kib = self.peak_kib.max(peak);
        collector.kill()?;
        collector.wait()?;
        self.kills += 1;
        Ok(())
    }

    /// No file of the collector's may grow any more, as if the disk were full.
    fn fill_disk(&self) -> Result<(), Box<dyn Error>> {
        let size = fs::metadata(self.options.trail()).map_or(0, |metadata| metadata.len());
        // Room for half of a frame's lines, so that a write is cut in the middle.
        self.limit_file(Some(size + 20_000))
    }

    fn limit_file(&self, size: Option<u64>) -> Result<(), Box<dyn Error>> {
        let limit = Rlimit {
            current: size,
            maximum: None,
        };
        prlimit(self.pid(), Resource::Fsize, limit)?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), Box<dyn Error>> {
        if let Some(pid) = self.pid() {
            kill_process(pid, signal)?;
        }
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        let id = self.collector.as_ref()?.id();
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    fn pause(&mut self, millis_max: u64) {
        let millis = self.below(millis_max);
        thread::sleep(Duration::from_millis(millis));
    }

    /// A number below `bound`, from a xorshift generator: the same seed gives the same days.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.max(1);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the collector was killed {} times, stopped {} times, away {} times, its disk was full {} times",
            self.kills, self.stops, self.absences, self.fillings
        )
    }
}
