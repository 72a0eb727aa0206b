//! The table of targets.

use std::fmt;

/// One row: what was measured, beside what, and whether that is good enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    work: String,
    ours: String,
    floor: String,
    peer: String,
    ratio: String,
    target: String,
    verdict: Option<Verdict>,
    notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    Skipped,
    /// Told for comparison; there is no target.
    Told,
}

impl Row {
    pub(crate) fn new(work: impl Into<String>) -> Self {
        Self {
            work: work.into(),
            ..Self::default()
        }
    }

    pub(crate) fn skipped(work: impl Into<String>, why: impl fmt::Display) -> Self {
        let mut row = Self::new(work).note(format!("skipped: {why}"));
        row.verdict = Some(Verdict::Skipped);
        row
    }

    pub(crate) fn ours(mut self, what: impl Into<String>) -> Self {
        self.ours = what.into();
        self
    }

    pub(crate) fn floor(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.floor = format!("{value} {name}");
        self
    }

    pub(crate) fn peer(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.peer = format!("{value} {name}");
        self
    }

    /// The ratio that is judged, without a target.
    pub(crate) fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = format!("{ratio:.2}");
        self
    }

    /// What is measured has to be `limit` at most.
    pub(crate) fn at_most(mut self, value: f64, limit: f64, unit: &str) -> Self {
        self.target = format!("<= {limit}{unit}");
        self.judge(value <= limit)
    }

    /// What is measured has to be `limit` at least.
    pub(crate) fn at_least(mut self, value: f64, limit: f64, unit: &str) -> Self {
        self.target = format!(">= {limit}{unit}");
        self.judge(value >= limit)
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict.unwrap_or(Verdict::Told)
    }

    fn judge(mut self, good: bool) -> Self {
        self.verdict = Some(if good { Verdict::Met } else { Verdict::Missed });
        self
    }

    fn cells(&self) -> [&str; 7] {
        let verdict = match self.verdict() {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Skipped => "skipped",
            Verdict::Told => "",
        };
        [
            &self.work,
            &self.ours,
            &self.floor,
            &self.peer,
            &self.ratio,
            &self.target,
            verdict,
        ]
    }
}

/// Nanoseconds as people write them.
pub(crate) fn time(nanos: f64) -> String {
    match nanos {
        ..100.0 => format!("{nanos:.1} ns"),
        ..10_000.0 => format!("{nanos:.0} ns"),
        ..10_000_000.0 => format!("{:.1} us", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

pub(crate) fn print(rows: &[Row]) {
    const HEAD: [&str; 7] = ["row", "ours", "floor", "peer", "ratio", "target", ""];

    let lines: Vec<_> = std::iter::once(HEAD)
        .chain(rows.iter().map(Row::cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|cells| cells[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    for (index, cells) in lines.iter().enumerate() {
        let padded: Vec<_> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("{}", padded.join("  ").trim_end());
        let row = index.checked_sub(1).and_then(|index| rows.get(index));
        for note in row.into_iter().flat_map(|row| &row.notes) {
            println!("    {note}");
        }
    }
}
