use std::fmt;

use throughline_postcard::LineCounters;
use throughline_socket::Tally;

use super::{outbox::Undelivered, relay::Totals};

/// What a bridge has done.
pub(super) struct Summary {
    pub(super) totals: Totals,
    pub(super) line: LineCounters,
    /// Phase records that came (count).
    pub(super) phases: u64,
    pub(super) undelivered: Undelivered,
    /// What the collector of this process did, if there is one.
    pub(super) collector: Option<Tally>,
}

impl Summary {
    /// Whether all that was read is where it should be.
    pub(super) fn is_delivered(&self) -> bool {
        self.undelivered.frames == 0 && self.collector.as_ref().is_none_or(Tally::is_clean)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = &self.totals.events;
        write!(
            f,
            "forwarded {} events of {} sessions in {} frames, {} lost, {} of them on the line",
            events.received,
            self.totals.sessions,
            self.line.frames,
            events.lost,
            events.lost_on_the_line
        )?;
        let troubles = [
            (self.line.bad_frames, "bad frames"),
            (events.repeated, "events repeated"),
            (self.totals.restarted, "restarts"),
            (self.phases, "phases"),
        ];
        for (count, trouble) in troubles.iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {trouble}")?;
        }
        if self.undelivered.frames > 0 {
            write!(f, "; {} frames not delivered", self.undelivered.frames)?;
            if let Some(error) = &self.undelivered.last_error {
                write!(f, " ({error})")?;
            }
        }
        if let Some(error) = self
            .collector
            .as_ref()
            .and_then(|tally| tally.write_error.as_ref())
        {
            write!(f, "; {error}")?;
        }
        Ok(())
    }
}
