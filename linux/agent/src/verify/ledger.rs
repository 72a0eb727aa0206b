use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    rc::Rc,
};

use throughline_core::{SessionId, Stamp};

use super::{
    audit::AuditLine,
    faults::Faults,
    finding::{Finding, Kind, Place, What},
    session::Session,
    upstream::Request,
};
use crate::trail::Line;

/// Everything that the witnesses said, by session, in room that does not grow with their files.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    index: HashMap<SessionId, usize>,
    /// In the order in which the trails have them.
    sessions: Vec<(SessionId, Session)>,
    /// The sessions that were asked for; all of them if there is none.
    only: Vec<SessionId>,
    weight: usize,
    faults: Faults,
    requests: Requests,
    phases_apart: u64,
}

/// What there was in the upstream's log (counts).
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Requests {
    /// Requests with a stamp of a session that was looked at.
    pub(crate) stamped: u64,
    /// Requests without a stamp.
    pub(crate) unstamped: u64,
    /// Requests with a stamp of a session that was not asked for.
    pub(crate) passed_over: u64,
}

/// A line of one of the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) file: &'a Rc<str>,
    /// From 1.
    pub(crate) line: u64,
}

/// The files hold more than is kept of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooScattered;

impl Ledger {
    /// The most that is kept, in pieces of about a hundred bytes.
    const WEIGHT_MAX: usize = 2 << 20;

    /// A ledger of the sessions `only`, or of all if there is none.
    pub(crate) fn of(only: Vec<SessionId>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Takes in a line of a trail.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub(crate) fn trail_line(&mut self, line: &Line<'_>, at: At<'_>) -> Result<(), TooScattered> {
        if !self.is_asked_for(line.session) {
            return Ok(());
        }
        let place = match self.index.entry(line.session) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.sessions.push((line.session, Session::default()));
                self.weight += SESSION_WEIGHT;
                *entry.insert(self.sessions.len() - 1)
            }
        };
        self.change(place, |session| {
            session.line(&line.body, |what| at.place(what));
        })
    }

    /// Takes in a request of the upstream's log.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub(crate) fn request(&mut self, request: Request, at: At<'_>) -> Result<(), TooScattered> {
        match request {
            Request::Unstamped => {
                self.requests.unstamped += 1;
                Ok(())
            }
            Request::Stamped(stamp) => self.stamp(stamp, at),
            Request::Forged(why) => {
                let what = What::Reason(why.to_string());
                self.faults.note(Kind::NoStamp, at.place(what));
                Ok(())
            }
        }
    }

    /// Takes in a record of the kernel's log.
    pub(crate) fn record(&mut self, line: &AuditLine, at: At<'_>) {
        let Some(session) = line.session else {
            self.phases_apart += 1;
            return;
        };
        if !self.is_asked_for(session) {
            return;
        }
        match self.index.get(&session) {
            Some(place) => {
                if let Some((_, known)) = self.sessions.get_mut(*place) {
                    known.record(&line.record, |what| at.place(what));
                }
            }
            None => {
                let place = at.place(What::Session(session));
                self.faults.note(Kind::NoTrail, place);
            }
        }
    }

    /// Takes note of a line that is none of its file's format.
    pub(crate) fn malformed(&mut self, why: String, at: At<'_>) {
        let place = at.place(What::Reason(why));
        self.faults.note(Kind::Malformed, place);
    }

    /// The sessions, in the order in which the trails have them.
    pub(crate) fn sessions(&self) -> &[(SessionId, Session)] {
        &self.sessions
    }

    /// What was found that belongs to no session.
    pub(crate) fn findings(&self) -> &[Finding] {
        self.faults.findings()
    }

    pub(crate) const fn requests(&self) -> Requests {
        self.requests
    }

    /// Phases in the kernel's log that belong to no session (count).
    pub(crate) const fn phases_apart(&self) -> u64 {
        self.phases_apart
    }

    fn is_asked_for(&self, session: SessionId) -> bool {
        self.only.is_empty() || self.only.contains(&session)
    }

    fn stamp(&mut self, stamp: Stamp, at: At<'_>) -> Result<(), TooScattered> {
        if !self.is_asked_for(stamp.session()) {
            self.requests.passed_over += 1;
            return Ok(());
        }
        self.requests.stamped += 1;
        let Some(place) = self.index.get(&stamp.session()).copied() else {
            let place = at.place(What::Session(stamp.session()));
            self.faults.note(Kind::UnknownSession, place);
            return Ok(());
        };
        let number = stamp.sequence().value();
        self.change(place, |session| {
            session.upstream(number, |what| at.place(what));
        })
    }

    /// Changes a session and keeps count of the room.
    fn change(
        &mut self,
        place: usize,
        change: impl FnOnce(&mut Session),
    ) -> Result<(), TooScattered> {
        if let Some((_, session)) = self.sessions.get_mut(place) {
            let before = session.weight();
            change(session);
            self.weight = (self.weight + session.weight()).saturating_sub(before);
        }
        if self.weight > Self::WEIGHT_MAX {
            return Err(TooScattered);
        }
        Ok(())
    }
}

impl At<'_> {
    fn place(&self, what: What) -> Place {
        Place {
            file: Rc::clone(self.file),
            line: self.line,
            what,
        }
    }
}

impl fmt::Display for TooScattered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many sessions and gaps to keep: look at fewer sessions, with --session")
    }
}

impl std::error::Error for TooScattered {}

/// What a session takes that has no gap, in pieces of about a hundred bytes.
const SESSION_WEIGHT: usize = 4;
