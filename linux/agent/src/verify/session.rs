use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use throughline_core::End;

use super::{
    audit::Record,
    faults::Faults,
    finding::{Finding, Kind, Place, What},
    losses::Losses,
    numbers::Numbers,
};
use crate::trail::{Body, Event};

/// What is known of one session, from all that saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    written: Numbers,
    /// Those of them that were denied, so that nothing upstream may carry them.
    denied: Numbers,
    upstream: Numbers,
    losses: Losses,
    latest: Option<(u32, Timestamp)>,
    end: Option<End>,
    kernel: Kernel,
    faults: Faults,
}

/// What the kernel's log has of a session.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Kernel {
    /// Whether it has its beginning.
    pub(crate) opened: bool,
    /// What its end says, if it has that.
    pub(crate) closed: Option<Counts>,
    /// Phases of transactions within the session (count).
    pub(crate) phases: u64,
}

/// Numbers given out, events written, events lost (counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) recorded: u64,
    pub(crate) written: u64,
    pub(crate) lost: u64,
}

impl Session {
    /// Takes in a line of a trail.
    pub(crate) fn line(&mut self, body: &Body<'_>, at: impl Fn(What) -> Place) {
        if self.end.is_some() && !matches!(body, Body::End(_)) {
            self.faults.note(Kind::AfterEnd, at(What::Line));
        }
        match body {
            Body::Event(event) => self.event(event, at),
            Body::Loss {
                first, last, count, ..
            } => self.losses.add(*first, *last, *count),
            Body::End(end) => {
                if self.end.is_some_and(|known| known != *end) {
                    self.faults.note(Kind::AfterEnd, at(What::Line));
                } else if self.end.is_some() {
                    self.faults.note(Kind::Duplicate, at(What::Line));
                }
                self.end.get_or_insert(*end);
            }
        }
    }

    /// Takes in a stamp that upstream saw.
    pub(crate) fn upstream(&mut self, number: u32, at: impl Fn(What) -> Place) {
        let kind = if self.denied.contains(number) {
            Kind::Denied
        } else if !self.written.contains(number) && !self.losses.covers(number) {
            Kind::Unrecorded
        } else if !self.upstream.insert(number) {
            Kind::Repeated
        } else {
            return;
        };
        self.faults.note(kind, at(What::Number(number)));
    }

    /// Takes in a record of the kernel's log.
    pub(crate) fn record(&mut self, record: &Record, at: impl Fn(What) -> Place) {
        match record {
            Record::Open => self.kernel.opened = true,
            Record::Close(counts) => {
                if self.kernel.closed.is_some_and(|known| known != *counts) {
                    self.faults.note(Kind::CloseDiffers, at(What::Line));
                }
                self.kernel.closed.get_or_insert(*counts);
            }
            Record::Phase { position } => {
                self.kernel.phases += 1;
                if u64::from(*position) > self.counts().recorded {
                    self.faults
                        .note(Kind::PhaseBeyond, at(What::Number(*position)));
                }
            }
        }
    }

    /// Everything that keeps the session from being whole.
    pub(crate) fn findings(&self, losses_allowed: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let counts = self.counts();
        let recorded = u32::try_from(counts.recorded).unwrap_or(u32::MAX);
        let balance = self.losses.balance(self.written.gaps(recorded));
        if balance.missing > 0 {
            findings.push(Finding {
                ranges: balance.at,
                ..Finding::counted(Kind::Missing, balance.missing)
            });
        }
        if balance.surplus > 0 {
            findings.push(Finding::counted(Kind::Surplus, balance.surplus));
        }
        if !losses_allowed && counts.lost > 0 {
            findings.push(Finding::counted(Kind::Lost, counts.lost));
        }
        findings.extend_from_slice(self.faults.findings());
        findings.extend(self.ending());
        findings.extend(self.closing());
        findings
    }

    /// What the trail shows.
    pub(crate) fn counts(&self) -> Counts {
        let seen = self.seen();
        let said = self.end.map_or(0, |end| end.recorded);
        Counts {
            recorded: seen.recorded.max(u64::from(said)),
            ..seen
        }
    }

    pub(crate) const fn written(&self) -> &Numbers {
        &self.written
    }

    pub(crate) const fn seen_upstream(&self) -> &Numbers {
        &self.upstream
    }

    pub(crate) const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub(crate) const fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// How much room it takes, in pieces of about a hundred bytes.
    pub(crate) fn weight(&self) -> usize {
        let sets = [&self.written, &self.denied, &self.upstream];
        let chunks: usize = sets.into_iter().map(Numbers::weight).sum();
        chunks + self.losses.weight() / LOSSES_A_PIECE
    }

    fn event(&mut self, event: &Event<'_>, at: impl Fn(What) -> Place) {
        let number = event.sequence;
        let place = || at(What::Number(number));
        if !event.allowed {
            self.denied.insert(number);
        }
        if !self.written.insert(number) {
            self.faults.note(Kind::Duplicate, place());
            return;
        }
        let (highest, time) = self.latest.unwrap_or((number, event.time));
        let is_behind = number < highest;
        if is_behind {
            self.faults.note(Kind::Disorder, place());
        } else {
            self.latest = Some((number, event.time));
        }
        let is_earlier = if is_behind {
            time < event.time
        } else {
            event.time < time
        };
        if is_earlier {
            self.faults.note(Kind::TimeBack, place());
        }
    }

    /// What the trail shows without its end.
    fn seen(&self) -> Counts {
        let highest = self.latest.map_or(0, |(number, _)| number + 1);
        Counts {
            recorded: u64::from(highest.max(self.losses.end())),
            written: u64::from(self.written.len()),
            lost: self.losses.total(),
        }
    }

    fn ending(&self) -> Option<Finding> {
        let Some(end) = self.end else {
            return Some(Finding::plain(Kind::NoEnd));
        };
        let said = Counts {
            recorded: u64::from(end.recorded),
            written: u64::from(end.written),
            lost: u64::from(end.lost),
        };
        differing(Kind::EndDiffers, said, self.seen())
    }

    fn closing(&self) -> Option<Finding> {
        match self.kernel.closed {
            Some(closed) => differing(Kind::CloseDiffers, closed, self.seen()),
            None if self.kernel.opened && self.end.is_some() => Some(Finding::plain(Kind::NoClose)),
            None => None,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (recorded, written, lost) = (self.recorded, self.written, self.lost);
        write!(f, "recorded {recorded}, written {written}, lost {lost}")
    }
}

fn differing(kind: Kind, said: Counts, seen: Counts) -> Option<Finding> {
    let detail = || format!("it says {said}; the trail shows {seen}");
    (said != seen).then(|| Finding::differing(kind, detail()))
}

const LOSSES_A_PIECE: usize = 8;
