use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use throughline_core::{Decision, HttpRequest, Loss, Stamp};

use crate::agent_socket::{BoundaryLog, BoundaryMessage, BoundaryStatus, End, Msg};

/// The naive model of a trail: what was issued, what was read, and whether the two add up.
///
/// It knows nothing of blocks, batches or timers. It reads frames with prost and keeps sets.
#[derive(Debug, Default)]
pub struct Auditor {
    issued: BTreeMap<String, Vec<Issued>>,
    sessions: BTreeMap<String, Heard>,
    latest: Option<(i64, i32)>,
    frames: usize,
}

#[derive(Clone, Debug)]
struct Issued {
    method: String,
    url: String,
    rule: String,
}

#[derive(Debug, Default)]
struct Heard {
    written: BTreeSet<u32>,
    losses: Vec<(u32, u32, u32)>,
    end: Option<End>,
}

impl Auditor {
    /// The greatest payload that the public receiver takes (bytes, inclusive).
    pub const PAYLOAD_MAX: usize = 32_768;

    /// The most events that the public receiver's upstream takes in a request (count, inclusive).
    pub const LOGS_MAX: usize = 1000;

    /// Takes note of an act and the stamp it was given.
    pub fn issue(&mut self, stamp: Stamp, request: &HttpRequest<'_>) {
        let session = stamp.session().to_text();
        let issued = entry(&mut self.issued, session.as_str());
        assert_eq!(
            issued.len(),
            index(stamp.sequence().value()),
            "numbers are dense"
        );
        let rule = match request.decision() {
            Decision::Allowed(rule) => rule.text().to_string(),
            Decision::Denied(_) => String::new(),
        };
        issued.push(Issued {
            method: request.method().to_string(),
            url: request.url().to_string(),
            rule,
        });
    }

    /// Reads what a connection carried; a frame that was cut at its end counts for nothing.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while let Some((header, rest)) = bytes.split_first_chunk::<4>() {
            assert_eq!(header[0], 2, "the tag of an envelope");
            let len = index(u32::from_be_bytes([0, header[1], header[2], header[3]]));
            assert!(len <= Self::PAYLOAD_MAX, "a frame of {len} bytes");
            let Some(payload) = rest.get(..len) else {
                return;
            };
            self.frames += 1;
            self.message(BoundaryMessage::decode(payload).expect("a frame decodes"));
            bytes = &rest[len..];
        }
    }

    /// Takes note of a loss that was not reported over the wire.
    pub fn lose(&mut self, session: &str, loss: &Loss) {
        self.heard(session)
            .losses
            .push((loss.first.value(), loss.last.value(), loss.count));
    }

    /// Whether every number is written or lost and none is both; panics with the reason if not.
    pub fn settle(&self) {
        for (session, issued) in &self.issued {
            let nothing = Heard::default();
            let heard = self.sessions.get(session).unwrap_or(&nothing);
            let lost: u32 = heard.losses.iter().map(|(_, _, count)| count).sum();
            let total = heard.written.len() + index(lost);
            assert_eq!(
                total,
                issued.len(),
                "written and lost in {session}: {heard:?}"
            );
            for number in (0..).take(issued.len()) {
                let covered =
                    |(first, last, _): &(u32, u32, u32)| (*first..=*last).contains(&number);
                assert!(
                    heard.written.contains(&number) || heard.losses.iter().any(covered),
                    "{number} of {session} is neither written nor lost: {heard:?}"
                );
            }
        }
        for session in self.sessions.keys() {
            assert!(
                self.issued.contains_key(session),
                "{session} was never issued"
            );
        }
    }

    /// Whether each session ended with counts that are true.
    pub fn settle_ends(&self) {
        for (session, issued) in &self.issued {
            let end = self
                .sessions
                .get(session)
                .and_then(|heard| heard.end.as_ref());
            let end = end.unwrap_or_else(|| panic!("{session} has no end"));
            let heard = &self.sessions[session];
            assert_eq!(index(end.recorded), issued.len());
            assert_eq!(index(end.written), heard.written.len());
            assert_eq!(end.recorded, end.written + end.lost);
        }
    }

    /// Events that were read (count).
    #[must_use]
    pub fn written(&self) -> usize {
        self.sessions
            .values()
            .map(|heard| heard.written.len())
            .sum()
    }

    /// Events that were reported as lost (count).
    #[must_use]
    pub fn lost(&self) -> u64 {
        let losses = self.sessions.values().flat_map(|heard| &heard.losses);
        losses.map(|(_, _, count)| u64::from(*count)).sum()
    }

    /// Whole frames that were read (count).
    #[must_use]
    pub const fn frames(&self) -> usize {
        self.frames
    }

    fn message(&mut self, message: BoundaryMessage) {
        match message.msg.expect("a message carries something") {
            Msg::Logs(request) => {
                assert!(
                    request.logs.len() <= Self::LOGS_MAX,
                    "{} logs",
                    request.logs.len()
                );
                assert!(!request.logs.is_empty(), "a batch holds an event");
                for log in &request.logs {
                    self.log(&request.session_id, log);
                }
            }
            Msg::Status(status) => self.status(&status),
        }
    }

    fn log(&mut self, session: &str, log: &BoundaryLog) {
        let number = u32::try_from(log.sequence_number).expect("a number is never negative");
        let time = log.time.as_ref().map(|time| (time.seconds, time.nanos));
        assert!(time >= self.latest, "time runs back at {number}");
        self.latest = time;

        let issued = self
            .issued
            .get(session)
            .and_then(|issued| issued.get(index(number)));
        let issued = issued.unwrap_or_else(|| panic!("{number} of {session} was never issued"));
        let request = log.http_request.as_ref();
        let request = request.unwrap_or_else(|| panic!("{number} of {session} is no request"));
        assert_eq!(log.allowed, !issued.rule.is_empty());
        assert_same(&request.method, &issued.method);
        assert_same(&request.url, &issued.url);
        assert_same(&request.matched_rule, &issued.rule);

        let heard = self.heard(session);
        let last = heard.written.last().copied();
        assert!(
            last < Some(number),
            "{number} comes after {last:?} in {session}"
        );
        heard.written.insert(number);
    }

    fn status(&mut self, status: &BoundaryStatus) {
        let mut dropped = 0;
        for loss in &status.losses {
            let first = u32::try_from(loss.first).expect("a number is never negative");
            let last = u32::try_from(loss.last).expect("a number is never negative");
            assert!(
                first <= last && loss.count > 0 && loss.count <= last - first + 1,
                "{loss:?}"
            );
            dropped += i64::from(loss.count);
            self.heard(&status.session_id)
                .losses
                .push((first, last, loss.count));
        }
        assert_eq!(
            dropped,
            status.dropped_channel_full + status.dropped_batch_full
        );
        let heard = self.heard(&status.session_id);
        assert!(heard.end.is_none(), "a session that has ended says no more");
        heard.end.clone_from(&status.end);
    }

    fn heard(&mut self, session: &str) -> &mut Heard {
        entry(&mut self.sessions, session)
    }
}

/// What is kept of a session; its name is written down once, not each time.
fn entry<'m, T: Default>(map: &'m mut BTreeMap<String, T>, session: &str) -> &'m mut T {
    if !map.contains_key(session) {
        map.insert(session.to_owned(), T::default());
    }
    map.get_mut(session).expect("it is there now")
}

/// A text is what was recorded, or the front of it and the mark of the cut with the length of the whole.
fn assert_same(read: &str, recorded: &str) {
    if read == recorded {
        return;
    }
    let cut = read.rsplit_once("#truncated=");
    let (front, whole) = cut.unwrap_or_else(|| panic!("{read} was {recorded}"));
    assert!(recorded.starts_with(front), "{read} was {recorded}");
    assert_eq!(whole, recorded.len().to_string());
}

fn index(value: u32) -> usize {
    usize::try_from(value).expect("32 bits fit")
}
