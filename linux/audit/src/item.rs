use std::array;

use throughline_core::{Change, Outcome, Phase, PhaseRecord, Position, SessionId, TransactionId};
use uuid::Uuid;

use crate::{
    Entry, Extra, Field, SessionClose, SessionOpen,
    sync::{AtomicU64, Ordering},
    value::cut,
};

/// An entry in fixed room, as it waits for its sender.
///
/// It is made of words that are written and read one by one, so that no lock is needed to lend it
/// from thread to thread in safe code. Whoever passes it on makes sure that nobody reads while
/// another writes.
///
/// | word | phase | session open | session close |
/// |---|---|---|---|
/// | 0 | entries turned away before | the same | the same |
/// | 1, 2 | transaction | session | session |
/// | 3, 4 | session of the position | | recorded, written |
/// | 5 | place of the position, step | | lost |
/// | 6 | the [`Head`] | the same | the same |
/// | from 7 | name, then a length, a field and a value each | name | |
///
/// The words lie in two places. With the ring's own word in front, the near ones of an entry fill
/// two cache lines, and those of a ring lie side by side: an ordinary entry touches nothing else,
/// and the processor has the lines of the next one ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) near: &'a Near,
    pub(crate) far: &'a Far,
}

/// The first words of an item: all but the text, and eight words of that.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Near([AtomicU64; NEAR_WORDS]);

/// The rest of the text.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Far([AtomicU64; FAR_WORDS]);

/// The small parts of an entry, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    kind: u8,
    phase: u8,
    success: bool,
    has_position: bool,
    truncated: bool,
    extra_count: u8,
    name_length: u8,
}

impl Near {
    pub(crate) fn empty() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Far {
    pub(crate) fn empty() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Item<'_> {
    /// Copies an entry, as much of it as there is room for.
    pub(crate) fn store(&self, entry: &Entry<'_>, turned_away: u64) {
        self.set(0, turned_away);
        let mut head = Head::default();
        match entry {
            Entry::Phase(record, extras) => {
                head.kind = PHASE;
                self.store_phase(record, &mut head);
                let at = self.store_name(record.change.name, &mut head);
                self.store_extras(at, extras, &mut head);
            }
            Entry::SessionOpen(open) => {
                head.kind = SESSION_OPEN;
                self.set_id(1, open.session.as_uuid());
                self.store_name(open.process, &mut head);
            }
            Entry::SessionClose(close) => {
                head.kind = SESSION_CLOSE;
                self.set_id(1, close.session.as_uuid());
                self.set(3, close.recorded);
                self.set(4, close.written);
                self.set(5, close.lost);
            }
        }
        self.set(6, head.to_word());
    }

    /// How many entries the queue had turned away before this one was pushed.
    pub(crate) fn turned_away(&self) -> u64 {
        self.get(0)
    }

    /// Hands the entry to `read`, with whether parts of it are missing.
    pub(crate) fn load<R>(&self, read: impl FnOnce(&Entry<'_>, bool) -> R) -> R {
        let head = Head::from_word(self.get(6));
        let mut text = [0; TEXT_WORDS * 8];
        let mut at = TEXT;
        let (name, mut free) = self.load_bytes(&mut at, usize::from(head.name_length), &mut text);
        let name = std::str::from_utf8(name).unwrap_or_default();
        let mut extras = [Extra {
            field: Field::Path,
            value: &[],
        }; EXTRAS_MAX];
        let count = usize::from(head.extra_count).min(EXTRAS_MAX);
        for extra in &mut extras[..count] {
            let [field, .., low, high] = self.get(at).to_ne_bytes();
            at += 1;
            extra.field = Field::ALL[usize::from(field) % Field::ALL.len()];
            let length = usize::from(u16::from_ne_bytes([low, high]));
            (extra.value, free) = self.load_bytes(&mut at, length, free);
        }
        let entry = match head.kind {
            PHASE => Entry::Phase(self.load_phase(name, head), &extras[..count]),
            SESSION_OPEN => Entry::SessionOpen(SessionOpen {
                session: SessionId::from_uuid(self.get_id(1)),
                process: name,
            }),
            _ => Entry::SessionClose(SessionClose {
                session: SessionId::from_uuid(self.get_id(1)),
                recorded: self.get(3),
                written: self.get(4),
                lost: self.get(5),
            }),
        };
        read(&entry, head.truncated)
    }

    fn store_phase(&self, record: &PhaseRecord<'_>, head: &mut Head) {
        self.set_id(1, record.change.transaction.as_uuid());
        let mut recorded = 0;
        if let Some(position) = record.change.position {
            head.has_position = true;
            self.set_id(3, position.session.as_uuid());
            recorded = position.recorded;
        }
        self.set(5, u64::from(recorded) << 32 | u64::from(record.step));
        head.phase = phase_number(record.phase);
        head.success = record.success;
    }

    fn load_phase<'a>(&self, name: &'a str, head: Head) -> PhaseRecord<'a> {
        let [step, recorded] = halves(self.get(5));
        let position = Position {
            session: SessionId::from_uuid(self.get_id(3)),
            recorded,
        };
        PhaseRecord {
            change: Change {
                transaction: TransactionId::from_uuid(self.get_id(1)),
                name,
                position: head.has_position.then_some(position),
            },
            step,
            phase: phase_of(head.phase),
            success: head.success,
        }
    }

    /// Stores a name and returns the word after it.
    fn store_name(&self, name: &str, head: &mut Head) -> usize {
        let kept = cut(name.as_bytes(), Entry::NAME_MAX);
        head.truncated = kept.len() < name.len();
        head.name_length = kept.len() as u8;
        self.store_bytes(TEXT, kept)
    }

    fn store_extras(&self, mut at: usize, extras: &[Extra<'_>], head: &mut Head) {
        head.truncated |= extras.len() > EXTRAS_MAX;
        for extra in extras.iter().take(EXTRAS_MAX) {
            // The word for the length, and what is left behind it.
            let room = (TEXT + TEXT_WORDS).saturating_sub(at + 1) * 8;
            let kept = cut(extra.value, room);
            head.truncated |= kept.len() < extra.value.len();
            if at >= TEXT + TEXT_WORDS {
                head.truncated = true;
                return;
            }
            let [low, high] = (kept.len() as u16).to_ne_bytes();
            let word = [extra.field as u8, 0, 0, 0, 0, 0, low, high];
            self.set(at, u64::from_ne_bytes(word));
            at = self.store_bytes(at + 1, kept);
            head.extra_count += 1;
        }
    }

    /// Stores bytes from word `at` on, and returns the word after them.
    fn store_bytes(&self, at: usize, bytes: &[u8]) -> usize {
        let (whole, rest) = bytes.as_chunks::<8>();
        let mut end = at;
        for word in whole {
            self.set(end, u64::from_ne_bytes(*word));
            end += 1;
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.set(end, u64::from_ne_bytes(word));
            end += 1;
        }
        end
    }

    /// Copies `length` bytes into `free`; returns them and what stays free.
    fn load_bytes<'b>(
        &self,
        at: &mut usize,
        length: usize,
        free: &'b mut [u8],
    ) -> (&'b [u8], &'b mut [u8]) {
        let words = length.div_ceil(8);
        let (bytes, free) = free.split_at_mut(words * 8);
        for place in bytes.chunks_exact_mut(8) {
            place.copy_from_slice(&self.get(*at).to_ne_bytes());
            *at += 1;
        }
        (&bytes[..length], free)
    }

    fn set_id(&self, at: usize, id: &Uuid) {
        let (high, low) = id.as_u64_pair();
        self.set(at, high);
        self.set(at + 1, low);
    }

    fn get_id(&self, at: usize) -> Uuid {
        Uuid::from_u64_pair(self.get(at), self.get(at + 1))
    }

    fn set(&self, at: usize, word: u64) {
        self.word(at).store(word, Ordering::Relaxed);
    }

    fn get(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        match self.near.0.get(at) {
            Some(word) => word,
            None => &self.far.0[at - NEAR_WORDS],
        }
    }
}

impl Head {
    const fn to_word(self) -> u64 {
        let bytes = [
            self.kind,
            self.phase,
            self.success as u8,
            self.has_position as u8,
            self.truncated as u8,
            self.extra_count,
            self.name_length,
            0,
        ];
        u64::from_ne_bytes(bytes)
    }

    const fn from_word(word: u64) -> Self {
        let [
            kind,
            phase,
            success,
            has_position,
            truncated,
            extra_count,
            name_length,
            _,
        ] = word.to_ne_bytes();
        Self {
            kind,
            phase,
            success: success != 0,
            has_position: has_position != 0,
            truncated: truncated != 0,
            extra_count,
            name_length,
        }
    }
}

/// The low and the high half of a word.
const fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

const fn phase_number(phase: Phase) -> u8 {
    match phase {
        Phase::Started => 0,
        Phase::Capture => 1,
        Phase::Apply => 2,
        Phase::Validate => 3,
        Phase::Outcome(outcome) => 4 + outcome as u8,
    }
}

fn phase_of(number: u8) -> Phase {
    match number {
        0 => Phase::Started,
        1 => Phase::Capture,
        2 => Phase::Apply,
        3 => Phase::Validate,
        later => Phase::Outcome(Outcome::ALL[usize::from(later - 4) % Outcome::ALL.len()]),
    }
}

const PHASE: u8 = 0;
const SESSION_OPEN: u8 = 1;
const SESSION_CLOSE: u8 = 2;

/// The greatest number of extras that is kept.
const EXTRAS_MAX: usize = 8;

/// The word where text begins.
const TEXT: usize = 7;

// With the ring's own word they fill two cache lines of 64 bytes.
const NEAR_WORDS: usize = 15;

const FAR_WORDS: usize = 80;

// A record has room for less text than this, so nothing is lost here that would not be lost there.
const TEXT_WORDS: usize = NEAR_WORDS + FAR_WORDS - TEXT;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> PhaseRecord<'_> {
        PhaseRecord {
            change: Change {
                transaction: TransactionId::from_uuid(Uuid::nil()),
                name,
                position: None,
            },
            step: 1,
            phase: Phase::Apply,
            success: true,
        }
    }

    #[test]
    fn what_fits_comes_back_as_it_was() {
        let extras = [
            Extra {
                field: Field::Path,
                value: b"/etc/motd",
            },
            Extra {
                field: Field::Reason,
                value: b"\xff\0",
            },
        ];
        let session = SessionId::from_uuid(Uuid::nil());
        let entries = [
            Entry::Phase(record("motd"), &extras),
            Entry::Phase(record(""), &[]),
            Entry::SessionOpen(SessionOpen {
                session,
                process: "curl",
            }),
            Entry::SessionClose(SessionClose {
                session,
                recorded: 3,
                written: 2,
                lost: 1,
            }),
        ];
        let (near, far) = (Near::empty(), Far::empty());
        let item = Item {
            near: &near,
            far: &far,
        };
        for entry in entries {
            item.store(&entry, 7);
            assert_eq!(item.turned_away(), 7);
            item.load(|loaded, truncated| {
                assert_eq!(*loaded, entry);
                assert!(!truncated);
            });
        }
    }

    #[test]
    fn every_phase_and_field_has_a_number_that_leads_back_to_it() {
        let steps = [
            Phase::Started,
            Phase::Capture,
            Phase::Apply,
            Phase::Validate,
        ];
        for phase in steps
            .into_iter()
            .chain(Outcome::ALL.into_iter().map(Phase::Outcome))
        {
            assert_eq!(phase_of(phase_number(phase)), phase);
        }
        for field in Field::ALL {
            assert_eq!(Field::ALL[field as usize], field);
        }
    }

    #[test]
    fn the_near_words_and_the_rings_fill_two_cache_lines() {
        assert_eq!(size_of::<Near>() + size_of::<u64>(), 128);
    }

    #[test]
    fn more_extras_than_are_kept_are_known_to_be() {
        let extras = [Extra {
            field: Field::Rule,
            value: b"r",
        }; EXTRAS_MAX + 1];
        let (near, far) = (Near::empty(), Far::empty());
        let item = Item {
            near: &near,
            far: &far,
        };
        item.store(&Entry::Phase(record("motd"), &extras), 0);
        item.load(|entry, truncated| {
            let Entry::Phase(_, loaded) = entry else {
                panic!("another kind");
            };
            assert_eq!(*loaded, &extras[..EXTRAS_MAX]);
            assert!(truncated);
        });
    }

    #[test]
    fn what_does_not_fit_is_cut_and_known_to_be() {
        let long = "ä".repeat(400);
        let extras = [Extra {
            field: Field::Reason,
            value: long.as_bytes(),
        }; EXTRAS_MAX + 1];
        let (near, far) = (Near::empty(), Far::empty());
        let item = Item {
            near: &near,
            far: &far,
        };
        item.store(&Entry::Phase(record(&long), &extras), 0);
        item.load(|entry, truncated| {
            let Entry::Phase(record, extras) = entry else {
                panic!("another kind");
            };
            assert!(truncated);
            assert_eq!(record.change.name.len(), Entry::NAME_MAX);
            // Behind 16 words of name and one of length there are 71 left.
            assert_eq!(extras.len(), 1);
            assert_eq!(extras[0].value.len(), 71 * 8);
        });
        item.store(&Entry::Phase(record("short"), &[]), 0);
        item.load(|_, truncated| assert!(!truncated));
    }
}
