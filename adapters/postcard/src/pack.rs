//! How the records of a batch become short: what an event shares with one before it is not sent.
//!
//! ```text
//!   | flags: 1 | time | [gap] | [back, shared] | [method] | url | [rule] | the texts' bytes |
//! ```
//!
//! Numbers are postcard's varints. `time` is the time since the event before, `gap` the count of
//! numbers between the two, `back` how many bytes before this record the one begins that it
//! resembles, and `shared` how many bytes at its URL's front are that one's. The lengths are those of
//! the bytes that follow.

use core::ops::Range;

use heapless::Deque;

use crate::{
    record::{Like, Record},
    room::{Room, move_to},
};

/// The event was let out: it has a rule.
pub(crate) const ALLOWED: u8 = 1;
/// Numbers are missing between this event and the one before.
pub(crate) const GAP: u8 = 1 << 1;
/// The event resembles one before.
pub(crate) const LIKE: u8 = 1 << 2;
/// The method is that one's.
pub(crate) const SAME_METHOD: u8 = 1 << 3;
/// The rule is that one's.
pub(crate) const SAME_RULE: u8 = 1 << 4;
/// `time` is in microseconds, not in nanoseconds.
pub(crate) const MICROS: u8 = 1 << 5;
/// Every flag of this version.
pub(crate) const FLAGS: u8 = (1 << 6) - 1;

/// Packs the records in `block[records]`, and returns where they lie then: from the same start on.
///
/// The first pass compares the records as they lie, the second moves them together.
pub(crate) fn pack(block: &mut [u8], records: Range<usize>) -> Option<Range<usize>> {
    compare(block, records.clone())?;
    shorten(block, records)
}

/// Notes for each record which of the few before it saves the most.
fn compare(block: &mut [u8], records: Range<usize>) -> Option<()> {
    let mut recent = Recent::new();
    let mut at = records.start;
    while at < records.end {
        let record = Record::read(block, at)?;
        let (mut best, mut best_saving) = (Like::default(), LIKE_COST);
        for (back, start) in (1_u8..).zip(recent.latest_first()) {
            let (like, saving) = likeness(block, &record, &Record::read(block, start)?)?;
            if saving > best_saving {
                (best, best_saving) = (Like { back, ..like }, saving);
            }
        }
        record.note(block, best)?;
        recent.push(at);
        at = record.end();
    }
    Some(())
}

/// In what a record resembles another, and how many bytes need not be sent for it.
fn likeness(block: &[u8], record: &Record, other: &Record) -> Option<(Like, usize)> {
    let urls = block.get(record.url())?.iter().zip(block.get(other.url())?);
    let shared = urls.take_while(|(byte, other)| byte == other).count();
    let (mut flags, mut saving) = (0, shared);
    let method = record.method();
    if block.get(method.clone())? == block.get(other.method())? {
        flags |= SAME_METHOD;
        saving = saving.saturating_add(method.len());
    }
    let (rule, both_allowed) = (record.rule(), record.is_allowed && other.is_allowed);
    if both_allowed && block.get(rule.clone())? == block.get(other.rule())? {
        flags |= SAME_RULE;
        saving = saving.saturating_add(rule.len());
    }
    let like = Like {
        back: 0,
        flags,
        shared: u16::try_from(shared).ok()?,
    };
    Some((like, saving))
}

/// Moves the records together, each in its short form.
///
/// No record becomes longer than it was, and the first, which resembles none and has no time before
/// it, becomes at least 13 bytes shorter. So a short head, of 26 bytes at most, never reaches the
/// texts behind the 22 bytes of the head that it replaces.
fn shorten(block: &mut [u8], records: Range<usize>) -> Option<Range<usize>> {
    let mut recent = Recent::new();
    let (mut from, mut to) = (records.start, records.start);
    let mut before = None;
    while from < records.end {
        let record = Record::read(block, from)?;
        let back = match recent.latest_first().nth(nth_of(record.like.back)) {
            Some(start) if record.like.back > 0 => to.checked_sub(start)?,
            _ => 0,
        };
        recent.push(to);
        from = record.end();
        to = place(block, to, &record, &Step::of(&record, before), back)?;
        before = Some(record);
    }
    Some(records.start..to)
}

/// Writes one record in its short form at `to`, and returns where it ends.
fn place(block: &mut [u8], to: usize, record: &Record, step: &Step, back: usize) -> Option<usize> {
    let like = if back > 0 {
        record.like
    } else {
        Like::default()
    };
    let (method, mut url, rule) = (record.method(), record.url(), record.rule());
    url.start = url.start.checked_add(like.shared.into())?;
    let has_method = like.flags & SAME_METHOD == 0;
    let has_rule = record.is_allowed && like.flags & SAME_RULE == 0;

    let mut head = [0; HEAD_MAX];
    let mut room = Room::new(&mut head);
    step.put(record.is_allowed, like, back, &mut room)?;
    let lengths = [(has_method, &method), (true, &url), (has_rule, &rule)];
    for (_, text) in lengths.iter().filter(|(is_there, _)| *is_there) {
        room.put(&u16::try_from(text.len()).ok()?)?;
    }

    let mut end = to.checked_add(room.len())?;
    Room::new(block.get_mut(to..)?).put_bytes(room.written())?;
    for (is_there, text) in [(has_method, method), (true, url), (has_rule, rule)] {
        if is_there {
            end = move_to(block, text, end)?;
        }
    }
    Some(end)
}

/// From one event to the next.
struct Step {
    time: u64,
    is_micros: bool,
    gap: u32,
}

impl Step {
    fn of(record: &Record, before: Option<Record>) -> Self {
        let Some(before) = before else {
            return Self {
                time: 0,
                is_micros: false,
                gap: 0,
            };
        };
        let nanos = record.time.saturating_sub(before.time);
        let (micros, rest) = (nanos / 1000, nanos % 1000);
        let is_micros = rest == 0 && nanos > 0;
        let next = before.number.saturating_add(1);
        Self {
            time: if is_micros { micros } else { nanos },
            is_micros,
            gap: record.number.saturating_sub(next),
        }
    }

    /// Writes the front of a short head: up to the lengths of the texts.
    fn put(&self, is_allowed: bool, like: Like, back: usize, room: &mut Room<'_>) -> Option<()> {
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let flags = flag(ALLOWED, is_allowed)
            | flag(GAP, self.gap > 0)
            | flag(LIKE, back > 0)
            | flag(MICROS, self.is_micros)
            | like.flags;
        room.put(&flags)?;
        room.put(&self.time)?;
        if self.gap > 0 {
            room.put(&self.gap)?;
        }
        if back > 0 {
            room.put(&u16::try_from(back).ok()?)?;
            room.put(&like.shared)?;
        }
        Some(())
    }
}

/// Where the last few records begin, the latest first.
struct Recent(Deque<usize, RECENT>);

impl Recent {
    const fn new() -> Self {
        Self(Deque::new())
    }

    fn push(&mut self, start: usize) {
        if self.0.is_full() {
            self.0.pop_back();
        }
        // There is room: the oldest made it.
        let _ = self.0.push_front(start);
    }

    fn latest_first(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied()
    }
}

/// The index of the event that is `back` events back, the latest being one back.
fn nth_of(back: u8) -> usize {
    usize::from(back).saturating_sub(1)
}

/// Events that a record is compared with (count). Two tasks and an interrupt, each with a host of its
/// own, are three; more cost time and rarely save a byte.
const RECENT: usize = 8;

/// What it takes to say which event another resembles, at most (bytes).
const LIKE_COST: usize = 6;

/// The longest head of a short record (bytes): flags, time, gap, back, shared and three lengths.
const HEAD_MAX: usize = 1 + 10 + 5 + 2 + 2 + 2 + 2 + 2;
