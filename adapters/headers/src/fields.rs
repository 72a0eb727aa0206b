use throughline_core::{SessionId, Stamp};

use crate::{
    Names,
    line::CRLF,
    owned::Owned,
    text::{Room, Text},
    trace::{
        BAGGAGE, BAGGAGE_START, PARENT, PARENT_END, PARENT_START, baggage_start, parent_end,
        parent_start,
    },
};

/// The field lines of a session, ready up to the sequence number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    session: SessionId,
    pair: Text<PAIR_MAX>,
    parent: Text<{ PARENT.len() + COLON.len() + PARENT_START }>,
    baggage: Text<{ BAGGAGE.len() + COLON.len() + BAGGAGE_START }>,
}

impl Fields {
    pub(crate) fn new(owned: &Owned, session: SessionId) -> Self {
        let text = session.to_text();
        let id = text.as_bytes();
        let mut fields = Self {
            session,
            pair: Text::of(&[owned.session(), COLON, id, CRLF, owned.sequence(), COLON]),
            parent: Text::EMPTY,
            baggage: Text::EMPTY,
        };
        let start = parent_start(session);
        if owned.trace().has_parent() && start.len() > 0 {
            fields.parent = Text::of(&[PARENT.as_bytes(), COLON, start.as_bytes()]);
        }
        if owned.trace().has_baggage() {
            let start = baggage_start(session);
            fields.baggage = Text::of(&[BAGGAGE.as_bytes(), COLON, start.as_bytes()]);
        }
        fields
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }
}

/// The field lines of one act.
pub(crate) struct Stamped<'a> {
    fields: &'a Fields,
    stamp: Stamp,
    digits: &'a [u8],
}

impl<'a> Stamped<'a> {
    /// The lines of `stamp`, whose session is that of `fields`.
    #[inline]
    pub(crate) fn new(fields: &'a Fields, stamp: Stamp, number: &'a mut itoa::Buffer) -> Self {
        let digits = number.format(stamp.sequence().value()).as_bytes();
        Self {
            fields,
            stamp,
            digits,
        }
    }

    /// The length of the lines (bytes).
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        let Fields {
            pair,
            parent,
            baggage,
            ..
        } = self.fields;
        let mut len = line_len(pair, self.digits.len());
        if parent.len() > 0 {
            len = len.wrapping_add(line_len(parent, PARENT_END));
        }
        if baggage.len() > 0 {
            len = len.wrapping_add(line_len(baggage, self.digits.len()));
        }
        len
    }

    /// Writes the lines.
    #[inline]
    pub(crate) fn put(&self, room: &mut Room<'_>) {
        let Fields {
            pair,
            parent,
            baggage,
            ..
        } = self.fields;
        for part in [pair.as_bytes(), self.digits, CRLF] {
            room.put(part);
        }
        if parent.len() > 0 {
            let end = parent_end(self.stamp.sequence());
            for part in [parent.as_bytes(), &end, CRLF] {
                room.put(part);
            }
        }
        if baggage.len() > 0 {
            for part in [baggage.as_bytes(), self.digits, CRLF] {
                room.put(part);
            }
        }
    }
}

/// The length of a line with its end (bytes): some hundreds at most.
const fn line_len<const N: usize>(start: &Text<N>, end: usize) -> usize {
    start.len().wrapping_add(end).wrapping_add(CRLF.len())
}

const COLON: &[u8] = b": ";

const PAIR_MAX: usize = 2 * (Names::MAX_LEN + COLON.len()) + SessionId::TEXT_LEN + CRLF.len();
