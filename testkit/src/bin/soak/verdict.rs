use std::{
    error::Error,
    fmt,
    fs::File,
    io::{BufRead, BufReader},
};

use serde_json::Value;

use crate::{options::Options, recorder::Report};

/// What the trail says, held against what the recorder says.
#[derive(Debug)]
pub(crate) struct Verdict {
    recorded: u64,
    written: u64,
    lost: u64,
    /// What the recorder itself counted as lost.
    said_lost: u64,
    duplicates: u64,
    /// Numbers that are neither written nor in a lost range.
    unaccounted: u64,
    torn_lines: u64,
    frames_resent: u64,
    spooled: u64,
    replayed: u64,
    torn: u64,
}

/// The trail of one session, as it is on disk.
struct Books {
    /// Whether each number was written.
    written: Vec<bool>,
    duplicates: u64,
    losses: Vec<(u32, u32, u32)>,
    torn_lines: u64,
}

impl Verdict {
    pub(crate) fn of(
        options: &Options,
        report: &Report,
        drained: &Report,
    ) -> Result<Self, Box<dyn Error>> {
        let mut books = Books::read(options, report)?;
        books.losses.extend(&report.unreported);
        let written = books.written.iter().filter(|written| **written).count() as u64;
        let lost = books
            .losses
            .iter()
            .map(|(_, _, count)| u64::from(*count))
            .sum();
        Ok(Self {
            recorded: report.recorded,
            written,
            lost,
            said_lost: report.lost,
            duplicates: books.duplicates,
            unaccounted: books.unaccounted(),
            torn_lines: books.torn_lines,
            frames_resent: report.frames_resent,
            spooled: report.spooled,
            replayed: report.replayed + drained.replayed,
            torn: report.torn + drained.torn,
        })
    }

    /// Whether every number is written or lost, and none is both.
    pub(crate) const fn balances(&self) -> bool {
        self.written + self.lost == self.recorded
            && self.lost == self.said_lost
            && self.unaccounted == 0
            && self.torn_lines == 0
            && self.spooled == self.replayed
    }
}

impl Books {
    fn read(options: &Options, report: &Report) -> Result<Self, Box<dyn Error>> {
        let mut books = Self {
            written: vec![false; usize::try_from(report.recorded)?],
            duplicates: 0,
            losses: Vec::new(),
            torn_lines: 0,
        };
        let mine = format!("{{\"session\":\"{}\",", report.session);
        for line in BufReader::new(File::open(options.trail())?).split(b'\n') {
            let line = line?;
            if line.starts_with(mine.as_bytes()) {
                books.enter(&line)?;
            }
        }
        // A report that was kept and whose answer was lost came again, to a collector that had been
        // restarted meanwhile.
        books.losses.sort_unstable();
        books.losses.dedup();
        Ok(books)
    }

    fn enter(&mut self, line: &[u8]) -> Result<(), Box<dyn Error>> {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            self.torn_lines += 1;
            return Ok(());
        };
        if let Some(number) = value["seq"].as_u64() {
            let written = self.written.get_mut(usize::try_from(number)?);
            let written = written.ok_or("a number was never given out")?;
            self.duplicates += u64::from(std::mem::replace(written, true));
        } else if let Some(loss) = value.get("loss") {
            let number = |name: &str| u32::try_from(loss[name].as_u64().unwrap_or_default());
            self.losses
                .push((number("first")?, number("last")?, number("count")?));
        }
        Ok(())
    }

    fn unaccounted(&self) -> u64 {
        let mut covered = self.written.clone();
        for (first, last, _) in &self.losses {
            for number in *first..=*last {
                if let Some(covered) = covered.get_mut(number as usize) {
                    *covered = true;
                }
            }
        }
        covered.iter().filter(|covered| !**covered).count() as u64
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "recorded {}, written {}, lost {}, unaccounted for {}; {} written twice ({} frames resent); \
             spooled {} frames, replayed {}, {} torn; {} torn lines",
            self.recorded,
            self.written,
            self.lost,
            self.unaccounted,
            self.duplicates,
            self.frames_resent,
            self.spooled,
            self.replayed,
            self.torn,
            self.torn_lines,
        )
    }
}
