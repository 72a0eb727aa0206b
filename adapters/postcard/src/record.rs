//! An event as it lies in the store, before its batch is sealed.
//!
//! ```text
//!   | time: 8 | number, allowed: 4 | method: 2 | url: 2 | rule: 2 | like: 4 |
//!   | the method's bytes | the URL's | the rule's |      numbers little-endian, lengths in bytes
//! ```
//!
//! The head has a fixed size, so that sealing can shorten the record where it lies. `like` is
//! sealing's own: which earlier event this one resembles, and in what.

use throughline_core::{Decision, Event, TooLong};

use crate::room::Room;

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Nanoseconds since the epoch.
    pub(crate) time: u64,
    pub(crate) number: u32,
    pub(crate) is_allowed: bool,
    /// Where the head begins.
    at: usize,
    method: u16,
    url: u16,
    rule: u16,
    pub(crate) like: Like,
}

/// Which event before this one it resembles, and in what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Like {
    /// How many events back that one is; 0 if there is none.
    pub(crate) back: u8,
    /// In what besides the URL: flags of the packed form.
    pub(crate) flags: u8,
    /// How many bytes at the front of the two URLs are the same.
    pub(crate) shared: u16,
}

impl Record {
    /// The length of a head (bytes).
    pub(crate) const HEAD: usize = 22;

    /// Writes an event to the front of `out` and returns its length.
    pub(crate) fn write(event: &Event<'_>, out: &mut [u8]) -> Result<usize, TooLong> {
        let available = out.len();
        let (method, url) = (event.request.method(), event.request.url());
        let rule = match event.request.decision() {
            Decision::Allowed(rule) => Some(rule.text()),
            Decision::Denied(_) => None,
        };
        let rule_len = rule.map_or(0, |rule| rule.len());
        let texts = method.len().saturating_add(url.len());
        let needed = texts.saturating_add(rule_len).saturating_add(Self::HEAD);
        let too_long = TooLong { needed, available };

        let length = |len: usize| u16::try_from(len).map_err(|_| too_long);
        let head = Self {
            time: event.time.nanos(),
            number: event.sequence.value(),
            is_allowed: rule.is_some(),
            at: 0,
            method: length(method.len())?,
            url: length(url.len())?,
            rule: length(rule_len)?,
            like: Like::default(),
        };
        let mut room = Room::new(out);
        let written = head
            .put(&mut room)
            .and_then(|()| room.with(|out| method.write(out)))
            .and_then(|()| room.with(|out| url.write(out)))
            .and_then(|()| rule.map_or(Some(()), |rule| room.with(|out| rule.write(out))));
        written.map(|()| needed).ok_or(too_long)
    }

    /// Reads the head that begins at `at`.
    pub(crate) fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let head = bytes.get(at..)?.first_chunk::<{ Self::HEAD }>()?;
        let [t0, t1, t2, t3, t4, t5, t6, t7, rest @ ..] = *head;
        let [n0, n1, n2, n3, m0, m1, u0, u1, r0, r1, l0, l1, s0, s1] = rest;
        let number = u32::from_le_bytes([n0, n1, n2, n3]);
        Some(Self {
            time: u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            number: number & !ALLOWED,
            is_allowed: number & ALLOWED != 0,
            at,
            method: u16::from_le_bytes([m0, m1]),
            url: u16::from_le_bytes([u0, u1]),
            rule: u16::from_le_bytes([r0, r1]),
            like: Like {
                back: l0,
                flags: l1,
                shared: u16::from_le_bytes([s0, s1]),
            },
        })
    }

    /// Writes down which earlier event this one resembles.
    pub(crate) fn note(&self, bytes: &mut [u8], like: Like) -> Option<()> {
        let head = Self { like, ..*self };
        let place = self.at..self.at.checked_add(Self::HEAD)?;
        head.put(&mut Room::new(bytes.get_mut(place)?))
    }

    pub(crate) fn method(&self) -> core::ops::Range<usize> {
        let start = self.at.saturating_add(Self::HEAD);
        start..start.saturating_add(self.method.into())
    }

    pub(crate) fn url(&self) -> core::ops::Range<usize> {
        let start = self.method().end;
        start..start.saturating_add(self.url.into())
    }

    pub(crate) fn rule(&self) -> core::ops::Range<usize> {
        let start = self.url().end;
        start..start.saturating_add(self.rule.into())
    }

    /// Where the next record begins.
    pub(crate) fn end(&self) -> usize {
        self.rule().end
    }

    fn put(&self, room: &mut Room<'_>) -> Option<()> {
        let allowed = if self.is_allowed { ALLOWED } else { 0 };
        room.put_bytes(&self.time.to_le_bytes())?;
        room.put_bytes(&(self.number | allowed).to_le_bytes())?;
        for len in [self.method, self.url, self.rule] {
            room.put_bytes(&len.to_le_bytes())?;
        }
        room.put_bytes(&[self.like.back, self.like.flags])?;
        room.put_bytes(&self.like.shared.to_le_bytes())
    }
}

/// The bit that a number leaves free.
const ALLOWED: u32 = 1 << 31;
