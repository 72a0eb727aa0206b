use crate::{
    Names, Trace,
    names::same_name,
    text::Text,
    trace::{BAGGAGE, PARENT, SEQUENCE_MEMBER, SESSION_MEMBER, STATE},
};

/// What a field of a request is to the rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Belongs to the stamp: whatever a client put there is dropped.
    Ours,
    /// A list some of whose elements may have to go.
    List(List),
}

/// The comma-separated fields whose elements are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Names fields that the next hop takes off (RFC 9110 section 7.6.1): ours must not be there.
    Connection,
    /// May hold members of our names (W3C Baggage, HTTP header format).
    Baggage,
}

/// The fields that nobody but the stamp may set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owned {
    session: Text<{ Names::MAX_LEN }>,
    sequence: Text<{ Names::MAX_LEN }>,
    trace: Trace,
    /// Bit `n` is set if a name of `n` bytes may be of some [`Kind`].
    lengths: u64,
    /// Bit `n` is set if a name whose first byte ends in the five bits of `n` may be of some [`Kind`].
    firsts: u32,
}

impl Owned {
    pub(crate) fn new(names: &Names<'_>, trace: Trace) -> Self {
        let session = Text::of(&[names.session().as_bytes()]);
        let sequence = Text::of(&[names.sequence().as_bytes()]);
        let mut owned = Self {
            session,
            sequence,
            trace,
            lengths: 0,
            firsts: 0,
        };
        owned.await_name(session.as_bytes());
        owned.await_name(sequence.as_bytes());
        owned.await_name(CONNECTION.as_bytes());
        if trace.has_parent() {
            owned.await_name(PARENT.as_bytes());
            owned.await_name(STATE.as_bytes());
        }
        if trace.has_baggage() {
            owned.await_name(BAGGAGE.as_bytes());
        }
        owned
    }

    /// Sees to it that `name` and whatever may be taken for it are worth a look.
    fn await_name(&mut self, name: &[u8]) {
        self.lengths |= length_bit(name.len());
        self.firsts |= match name.first() {
            Some(first) if first.is_ascii_alphanumeric() => first_bit(*first),
            // One separator may stand for another.
            _ => u32::MAX,
        };
    }

    /// The session's field name, as it is sent.
    pub(crate) fn session(&self) -> &[u8] {
        self.session.as_bytes()
    }

    /// The sequence number's field name, as it is sent.
    pub(crate) fn sequence(&self) -> &[u8] {
        self.sequence.as_bytes()
    }

    pub(crate) const fn trace(&self) -> Trace {
        self.trace
    }

    /// Whether a name of `len` bytes is worth a look: the cheap test at which most fields end.
    #[inline]
    pub(crate) fn may_be_long(&self, len: usize) -> bool {
        self.lengths & length_bit(len) != 0
    }

    /// Whether a name that begins with `first` is worth a look.
    #[inline]
    pub(crate) fn may_begin(&self, first: u8) -> bool {
        self.firsts & first_bit(first) != 0
    }

    /// Whether `name` is worth a look.
    #[cfg(any(test, feature = "http"))]
    #[inline]
    pub(crate) fn may_be(&self, name: &[u8]) -> bool {
        self.may_be_long(name.len()) && name.first().is_some_and(|first| self.may_begin(*first))
    }

    /// What the field `name` is; `None` if it passes as it is.
    pub(crate) fn kind(&self, name: &[u8]) -> Option<Kind> {
        if self.is_ours(name) {
            Some(Kind::Ours)
        } else if name.eq_ignore_ascii_case(CONNECTION.as_bytes()) {
            Some(Kind::List(List::Connection))
        } else if self.trace.has_baggage() && name.eq_ignore_ascii_case(BAGGAGE.as_bytes()) {
            Some(Kind::List(List::Baggage))
        } else {
            None
        }
    }

    /// Whether `element` of a list has to go.
    pub(crate) fn drops(&self, list: List, element: &[u8]) -> bool {
        match list {
            List::Connection => {
                let name = element.trim_ascii();
                self.is_ours(name)
                    || self.trace.has_baggage() && name.eq_ignore_ascii_case(BAGGAGE.as_bytes())
            }
            List::Baggage => {
                let mut parts = element.split(|byte| matches!(byte, b'=' | b';'));
                let key = parts.next().unwrap_or_default().trim_ascii();
                [SESSION_MEMBER, SEQUENCE_MEMBER]
                    .iter()
                    .any(|member| key.eq_ignore_ascii_case(member.as_bytes()))
            }
        }
    }

    /// Whether `element` of a list that is written anew is part of it.
    pub(crate) fn stays(&self, list: List, element: &[u8]) -> bool {
        !element.trim_ascii().is_empty() && !self.drops(list, element)
    }

    fn is_ours(&self, name: &[u8]) -> bool {
        same_name(name, self.session())
            || same_name(name, self.sequence())
            || self.trace.has_parent()
                && [PARENT, STATE]
                    .iter()
                    .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    }
}

/// The bit of the length `len`. Names of ours are shorter than 64 bytes; longer ones share their bits.
#[inline]
fn length_bit(len: usize) -> u64 {
    1_u64.wrapping_shl(u32::try_from(len & 63).unwrap_or_default())
}

/// The bit of a name's first byte. A letter has the same in either case.
#[inline]
fn first_bit(byte: u8) -> u32 {
    1_u32.wrapping_shl(u32::from(byte))
}

const CONNECTION: &str = "Connection";

#[cfg(all(test, feature = "trace"))]
mod tests {
    use super::*;

    fn owned(trace: Trace) -> Owned {
        Owned::new(&Names::DEFAULT, trace)
    }

    #[test]
    fn every_name_of_a_kind_passes_the_length_test() {
        let owned = owned(Trace::ParentAndBaggage);
        for name in [
            Names::DEFAULT.session(),
            Names::DEFAULT.sequence(),
            "x_coder.agent-firewall_session~ID",
            "CONNECTION",
            "TraceParent",
            "tracestate",
            "Baggage",
        ] {
            assert!(owned.kind(name.as_bytes()).is_some(), "{name}");
            assert!(owned.may_be(name.as_bytes()), "{name}");
        }
        assert!(!owned.may_be(b"Host") && !owned.may_be(b"User-Agent") && !owned.may_be(b""));
    }

    #[test]
    fn tracing_fields_are_nobodys_while_tracing_is_off() {
        let owned = owned(Trace::Off);
        for name in ["traceparent", "tracestate", "baggage"] {
            assert_eq!(owned.kind(name.as_bytes()), None);
            assert!(!owned.drops(List::Connection, name.as_bytes()));
        }
    }

    #[test]
    fn a_baggage_member_is_known_by_its_key_alone() {
        let owned = owned(Trace::Baggage);
        let drops = |element: &str| owned.drops(List::Baggage, element.as_bytes());
        assert!(drops(" throughline.seq = 1 "));
        assert!(drops("throughline.session=a;p=q"));
        assert!(drops("Throughline.Seq"));
        assert!(!drops("throughline.sequel=1"));
        assert!(!drops("user=throughline.seq"));
    }
}
