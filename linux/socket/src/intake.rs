use std::{fmt, io};

use throughline_core::SessionId;
use throughline_protobuf::{Log, Logs, Message, Status, Tag};

use crate::{
    Sink, Tally,
    seen::{News, Seen},
};

/// What is behind all connections: the sink, what was seen before, and the counts.
#[derive(Debug)]
pub(crate) struct Intake<S> {
    sink: S,
    seen: Seen,
    pub(crate) tally: Tally,
    is_failing: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is kept, was kept before, or will never be worth keeping.
    Kept {
        /// Whether it asks for answers.
        acknowledge: bool,
    },
    /// The sink could not keep it.
    NotKept,
}

const KEPT: Taken = Taken::Kept { acknowledge: false };

impl<S: Sink> Intake<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self {
            sink,
            seen: Seen::default(),
            tally: Tally::default(),
            is_failing: false,
        }
    }

    /// Whether nobody reads any more what the sink writes.
    pub(crate) fn is_cut_off(&self) -> bool {
        let error = self.tally.write_error.as_ref();
        self.is_failing && error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Takes the payload of one frame.
    pub(crate) fn take(&mut self, tag: Tag, payload: &[u8]) -> Taken {
        self.tally.frames += 1;
        match Message::decode(tag, payload) {
            Ok(Message::Logs(logs)) => self.take_logs(&logs),
            Ok(Message::Status(status)) => self.take_status(&status, payload),
            Ok(_) => {
                self.tally.unknown_messages += 1;
                KEPT
            }
            Err(error) => {
                self.refuse(&error);
                KEPT
            }
        }
    }

    fn take_logs(&mut self, logs: &Logs<'_>) -> Taken {
        let Some(session) = session(logs.session_id) else {
            self.refuse(&"a batch names a session that is not a UUID");
            return KEPT;
        };
        let mut news = News::default();
        for log in logs {
            self.take_log(session, &log, &mut news);
        }
        if news.is_empty() {
            return KEPT;
        }
        if !self.commit() {
            return Taken::NotKept;
        }
        self.tally.events += news.count();
        self.seen.insert(session, &news);
        KEPT
    }

    fn take_log(&mut self, session: SessionId, log: &Log<'_>, news: &mut News) {
        let Ok(number) = u32::try_from(log.sequence_number) else {
            self.refuse(&"an event has a negative sequence number");
            return;
        };
        if self.seen.has(session, number) || news.has(number) {
            self.tally.duplicates += 1;
            return;
        }
        news.push(number);
        self.sink.event(session, log);
    }

    fn take_status(&mut self, status: &Status<'_>, payload: &[u8]) -> Taken {
        let kept = Taken::Kept {
            acknowledge: status.acknowledge,
        };
        let Some(session) = session(status.session_id) else {
            // A sender of the public protocol says how many, and not which.
            for count in [status.dropped_channel_full, status.dropped_batch_full] {
                self.tally.dropped_unnamed += u64::try_from(count).unwrap_or_default();
            }
            return kept;
        };
        if self.seen.is_last_status(session, payload) {
            self.tally.duplicate_statuses += 1;
            return kept;
        }
        for loss in status.losses() {
            self.sink.loss(session, &loss);
        }
        if let Some(end) = &status.end {
            self.sink.end(session, end);
        }
        if !self.commit() {
            return Taken::NotKept;
        }
        self.note_status(session, status);
        self.seen.set_last_status(session, payload);
        kept
    }

    fn note_status(&mut self, session: SessionId, status: &Status<'_>) {
        for loss in status.losses() {
            self.tally.lost += u64::from(loss.count);
        }
        let Some(end) = &status.end else {
            return;
        };
        self.tally.ends += 1;
        let missing = self.seen.missing(session, end.written);
        if missing > 0 {
            tracing::warn!("session {session} has ended, and {missing} of its events did not come");
            self.tally.missing += missing;
        }
    }

    /// Has the sink keep what it was given; says so when that begins to fail, and when it works again.
    fn commit(&mut self) -> bool {
        match self.sink.commit() {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::warn!("events are written again");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!("events cannot be written: {error}");
                }
                self.tally.unwritten += 1;
                self.tally.write_error.get_or_insert(error);
                false
            }
        }
    }

    fn refuse(&mut self, reason: &impl fmt::Display) {
        tracing::warn!("skipped: {reason}");
        self.tally.malformed += 1;
    }
}

fn session(text: &str) -> Option<SessionId> {
    Some(SessionId::from_uuid(text.parse().ok()?))
}
