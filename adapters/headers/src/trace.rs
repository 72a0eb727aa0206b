use throughline_core::{Sequence, SessionId};

use crate::text::Text;

/// Which W3C tracing fields carry the stamp beside the pair. Off unless asked for.
///
/// A stamped request then starts a new trace, as a gateway in front of a network may (W3C Trace
/// Context, "Mutating the traceparent Field", restart):
///
/// - `traceparent` is `00-<session>-<act>-01`: the trace identifier is the session's 32 hexadecimal
///   digits, the span identifier the sequence number plus one in 16 digits, because zero is
///   invalid there. A session whose UUID is nil would be an invalid trace, so it gets no `traceparent`.
/// - `baggage` gets a field with the members `throughline.session` and `throughline.seq`.
///
/// Like the pair, these are only worth something if nobody else can set them. So a client's
/// `traceparent` and `tracestate` are dropped from every request while the first is on, and
/// its baggage members of the two names while the second is on; its other members stay.
/// A client whose own traces must get through needs this off.
///
/// All but [`Off`](Self::Off) need the feature `trace`; without it, a small device carries none of
/// this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// Tracing fields pass as they are.
    #[default]
    Off,
    /// `traceparent` carries the stamp.
    #[cfg(feature = "trace")]
    Parent,
    /// `baggage` carries the stamp.
    #[cfg(feature = "trace")]
    Baggage,
    /// `traceparent` and `baggage` carry the stamp.
    #[cfg(feature = "trace")]
    ParentAndBaggage,
}

impl Trace {
    /// Whether `traceparent` carries the stamp.
    #[must_use]
    pub const fn has_parent(self) -> bool {
        match self {
            Self::Off => false,
            #[cfg(feature = "trace")]
            Self::Baggage => false,
            #[cfg(feature = "trace")]
            Self::Parent | Self::ParentAndBaggage => true,
        }
    }

    /// Whether `baggage` carries the stamp.
    #[must_use]
    pub const fn has_baggage(self) -> bool {
        match self {
            Self::Off => false,
            #[cfg(feature = "trace")]
            Self::Parent => false,
            #[cfg(feature = "trace")]
            Self::Baggage | Self::ParentAndBaggage => true,
        }
    }
}

pub(crate) const PARENT: &str = "traceparent";
pub(crate) const STATE: &str = "tracestate";
pub(crate) const BAGGAGE: &str = "baggage";
pub(crate) const SESSION_MEMBER: &str = "throughline.session";
pub(crate) const SEQUENCE_MEMBER: &str = "throughline.seq";

/// The value of `traceparent` up to the span identifier; empty if `session` is nil, which is no
/// valid trace identifier.
pub(crate) fn parent_start(session: SessionId) -> Text<PARENT_START> {
    let uuid = session.as_uuid();
    if uuid.is_nil() {
        return Text::EMPTY;
    }
    let mut digits = [0; TRACE_DIGITS];
    let trace = uuid.simple().encode_lower(&mut digits);
    Text::of(&[b"00-", trace.as_bytes(), b"-"])
}

/// The value of `traceparent` from the span identifier on: sampled.
pub(crate) fn parent_end(sequence: Sequence) -> [u8; PARENT_END] {
    let span = u64::from(sequence.value()).wrapping_add(1);
    let mut text = *b"0000000000000000-01";
    for (digit, nibble) in text.iter_mut().take(SPAN_DIGITS).rev().zip(0_u32..) {
        let value = span.wrapping_shr(nibble.wrapping_mul(4)) & 0xf;
        let value = u8::try_from(value).unwrap_or_default();
        *digit = if value < 10 { b'0' } else { b'a' - 10 }.wrapping_add(value);
    }
    text
}

/// The value of `baggage` up to the sequence number.
pub(crate) fn baggage_start(session: SessionId) -> Text<BAGGAGE_START> {
    let text = session.to_text();
    let [session, sequence] = [SESSION_MEMBER, SEQUENCE_MEMBER].map(str::as_bytes);
    Text::of(&[session, b"=", text.as_bytes(), b",", sequence, b"="])
}

const TRACE_DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;
pub(crate) const PARENT_START: usize = 3 + TRACE_DIGITS + 1;
pub(crate) const PARENT_END: usize = SPAN_DIGITS + 3;
pub(crate) const BAGGAGE_START: usize =
    SESSION_MEMBER.len() + 1 + SessionId::TEXT_LEN + 1 + SEQUENCE_MEMBER.len() + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_number_plus_one_in_hexadecimal() {
        let end = |value| parent_end(Sequence::new(value).unwrap());
        assert_eq!(&end(0), b"0000000000000001-01");
        assert_eq!(&end(0xabc), b"0000000000000abd-01");
        assert_eq!(&parent_end(Sequence::MAX), b"0000000080000000-01");
    }
}
