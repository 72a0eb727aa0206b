use std::collections::VecDeque;

use throughline_core::{Encoder, Event, Loss, Origin, ProcessName, Report, SessionId};
use throughline_postcard::{Events, Message, Packet};
use throughline_protobuf::AgentSocket;

use super::account::{Account, Counts};

/// Turns what comes over a line into frames of the agent socket, and keeps account of what does not.
pub(crate) struct Relay {
    /// The sessions that have not ended, the latest last.
    sessions: VecDeque<Session>,
    /// The last sessions that have ended, the latest last: a device whose line broke while it wrote the end writes it
    /// again, and that is no new session.
    ended: VecDeque<SessionId>,
    /// Whether a session was heard of, so that another one must have begun since.
    has_heard: bool,
    encoder: AgentSocket,
    /// Where a frame is made.
    block: Box<[u8]>,
    totals: Totals,
}

struct Session {
    id: SessionId,
    process: ProcessName,
    account: Account,
}

/// What a relay has done (counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Sessions that were heard of.
    pub(crate) sessions: u64,
    /// Sessions that ended without saying so: their device was restarted.
    pub(crate) restarted: u64,
    /// What became of the events of the sessions that are over.
    pub(crate) events: Counts,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self {
            sessions: VecDeque::new(),
            ended: VecDeque::new(),
            has_heard: false,
            encoder: AgentSocket::default(),
            block: vec![0; AgentSocket::FRAME_MAX].into(),
            totals: Totals::default(),
        }
    }

    /// Takes a packet and gives the frames that it makes to `send`. A phase is not the relay's.
    pub(crate) fn take(&mut self, packet: Packet<'_>, send: &mut impl FnMut(&[u8])) {
        let id = packet.session;
        if self.ended.contains(&id) {
            return;
        }
        match packet.message {
            Message::Begin { process, written } => {
                self.restart(id, send);
                let is_whole = written == 0 || self.has_heard;
                let at = self.session(id, is_whole, send);
                self.name(at, process);
            }
            Message::Events(events) => {
                let at = self.session(id, self.has_heard, send);
                self.name(at, events.process());
                self.events(at, events, send);
            }
            Message::Report(report) => {
                let at = self.session(id, self.has_heard, send);
                self.report(at, &report, send);
            }
            _ => {}
        }
    }

    /// Nothing more is read: what is known to be lost is said.
    pub(crate) fn finish(mut self, send: &mut impl FnMut(&[u8])) -> Totals {
        while !self.sessions.is_empty() {
            self.forget(0, send);
        }
        self.totals
    }

    /// The line is `id`'s: whatever other session it was before is over.
    fn restart(&mut self, id: SessionId, send: &mut impl FnMut(&[u8])) {
        while let Some(at) = self.sessions.iter().position(|session| session.id != id) {
            tracing::warn!(
                "the device was restarted: session {} has no end",
                self.sessions.get(at).map_or(id, |session| session.id)
            );
            self.totals.restarted += 1;
            self.forget(at, send);
        }
    }

    /// The place of a session, which is new if it is not known. `is_whole` says whether all of its
    /// events were to come over this line, if so.
    fn session(&mut self, id: SessionId, is_whole: bool, send: &mut impl FnMut(&[u8])) -> usize {
        if let Some(at) = self.sessions.iter().position(|session| session.id == id) {
            return at;
        }
        if self.sessions.len() >= SESSIONS_MAX {
            self.totals.restarted += 1;
            self.forget(0, send);
        }
        tracing::info!("session {id}");
        self.has_heard = true;
        self.totals.sessions += 1;
        self.sessions.push_back(Session {
            id,
            process: ProcessName::NONE,
            account: if is_whole {
                Account::from_the_start()
            } else {
                Account::from_now_on()
            },
        });
        self.sessions.len() - 1
    }

    fn name(&mut self, at: usize, process: &str) {
        if let Some(session) = self.sessions.get_mut(at)
            && session.process.as_str() != process
        {
            session.process = ProcessName::of_command(process);
        }
    }

    fn events(&mut self, at: usize, mut events: Events<'_>, send: &mut impl FnMut(&[u8])) {
        let (encoder, block) = (self.encoder, &mut self.block);
        let Some(session) = self.sessions.get_mut(at) else {
            return;
        };
        let losses = session.account.begin_batch(events.first());
        send_losses(encoder, session, &losses, send);

        let mut batch = Batch::new(encoder, block);
        let Session {
            id,
            process,
            account,
        } = session;
        let origin = Origin {
            session: *id,
            process,
        };
        events.for_each(|event| {
            if account.take(event.sequence) {
                batch.add(event, origin, send);
            }
        });
        batch.send(origin, send);
    }

    fn report(&mut self, at: usize, report: &Report, send: &mut impl FnMut(&[u8])) {
        let encoder = self.encoder;
        let Some(session) = self.sessions.get_mut(at) else {
            return;
        };
        for loss in &report.losses {
            let losses = session.account.report(loss);
            send_losses(encoder, session, &losses, send);
        }
        let Some(end) = &report.end else {
            return;
        };
        let (losses, end) = session.account.end(end);
        send_losses(encoder, session, &losses, send);
        let mut last = empty(session.id);
        last.end = Some(end);
        send_report(encoder, session, &last, send);
        if self.ended.len() >= SESSIONS_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(last.session);
        self.close(at);
    }

    /// Says what is known to be lost of a session that is not heard of any more.
    fn forget(&mut self, at: usize, send: &mut impl FnMut(&[u8])) {
        if let Some(session) = self.sessions.get_mut(at) {
            let losses = session.account.abandon();
            send_losses(self.encoder, session, &losses, send);
        }
        self.close(at);
    }

    fn close(&mut self, at: usize) {
        if let Some(session) = self.sessions.remove(at) {
            self.totals.events.add(session.account.counts());
        }
    }
}

/// Events on their way into one frame.
struct Batch<'b> {
    encoder: AgentSocket,
    block: &'b mut [u8],
    end: usize,
    count: u32,
}

impl<'b> Batch<'b> {
    const fn new(encoder: AgentSocket, block: &'b mut [u8]) -> Self {
        Self {
            encoder,
            block,
            end: AgentSocket::HEAD,
            count: 0,
        }
    }

    /// Adds an event; sends what is there first if it does not fit behind that.
    fn add(&mut self, event: &Event<'_>, origin: Origin<'_>, send: &mut impl FnMut(&[u8])) {
        if self.count >= AgentSocket::EVENTS_MAX || !self.put(event) {
            self.send(origin, send);
            // An event from a line is much shorter than a frame, so now it fits.
            self.put(event);
        }
    }

    fn put(&mut self, event: &Event<'_>) -> bool {
        let limit = self.block.len().saturating_sub(AgentSocket::TAIL);
        let room = self.block.get_mut(self.end..limit).unwrap_or_default();
        let Ok(len) = self.encoder.encode(event, room) else {
            return false;
        };
        self.end += len;
        self.count += 1;
        true
    }

    fn send(&mut self, origin: Origin<'_>, send: &mut impl FnMut(&[u8])) {
        let events = AgentSocket::HEAD..self.end;
        if self.count > 0
            && let Some(frame) = self.encoder.seal(origin, self.block, events)
        {
            send(self.block.get(frame).unwrap_or_default());
        }
        self.end = AgentSocket::HEAD;
        self.count = 0;
    }
}

fn send_losses(
    encoder: AgentSocket,
    session: &Session,
    losses: &[Loss],
    send: &mut impl FnMut(&[u8]),
) {
    for some in losses.chunks(Report::LOSSES_MAX) {
        let mut report = empty(session.id);
        report.losses.extend(some.iter().copied());
        send_report(encoder, session, &report, send);
    }
}

fn send_report(
    encoder: AgentSocket,
    session: &Session,
    report: &Report,
    send: &mut impl FnMut(&[u8]),
) {
    let origin = Origin {
        session: session.id,
        process: &session.process,
    };
    let mut out = [0; Report::FRAME_MAX];
    if let Some(len) = encoder.report(origin, report, &mut out) {
        send(out.get(..len).unwrap_or_default());
    }
}

fn empty(session: SessionId) -> Report {
    Report {
        session,
        losses: Default::default(),
        end: None,
    }
}

/// Sessions that are known at once (count): as many as a device's trail remembers.
const SESSIONS_MAX: usize = 4;
