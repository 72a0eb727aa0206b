use std::vec::Vec;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, MaxSizeReached},
};
use throughline_core::{SessionId, Stamp};

use crate::{
    Names, Trace,
    keep::elements,
    owned::{Kind, List, Owned},
    text::Text,
    trace::{
        BAGGAGE, BAGGAGE_START, PARENT, PARENT_END, PARENT_START, baggage_start, parent_end,
        parent_start,
    },
};

/// Strips and injects on the header map of an [`http::Request`].
///
/// Made once a session, it holds the names and the session's value, so that a stamp costs little more
/// than two insertions. A stamp of another session is written just as well and takes an
/// allocation more.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use throughline_core::{Sequence, SessionId, Stamp};
/// use throughline_headers::{MapInjector, Names};
///
/// # let session = SessionId::from_uuid(uuid::Uuid::from_u128(7));
/// let injector = MapInjector::new(&Names::DEFAULT, session);
/// let mut headers = HeaderMap::new();
/// headers.insert("x_coder_agent_firewall_sequence_number", HeaderValue::from(99));
///
/// let dropped = injector.rewrite(&mut headers, Some(Stamp::new(session, Sequence::ZERO)))?;
/// assert_eq!(dropped, 1);
/// assert_eq!(headers.len(), 2);
/// assert_eq!(headers["x-coder-agent-firewall-sequence-number"], "0");
/// # Ok::<(), http::header::MaxSizeReached>(())
/// ```
#[derive(Clone, Debug)]
pub struct MapInjector {
    owned: Owned,
    session_name: HeaderName,
    sequence_name: HeaderName,
    values: Values,
}

impl MapInjector {
    /// The injector of `session` with these names and without tracing fields.
    #[must_use]
    pub fn new(names: &Names<'_>, session: SessionId) -> Self {
        Self::with_trace(names, session, Trace::Off)
    }

    /// The injector of `session` with these names and tracing fields.
    #[must_use]
    pub fn with_trace(names: &Names<'_>, session: SessionId, trace: Trace) -> Self {
        Self {
            owned: Owned::new(names, trace),
            session_name: header_name(names.session(), &SESSION),
            sequence_name: header_name(names.sequence(), &SEQUENCE),
            values: Values::new(session, trace),
        }
    }

    /// Drops what a client may not set; returns how many fields, options of `Connection` and members
    /// of `baggage` that were (count).
    pub fn strip(&self, headers: &mut HeaderMap) -> usize {
        if headers.iter().any(|field| self.touches(field)) {
            self.strip_found(headers)
        } else {
            0
        }
    }

    /// Strips, then sets the fields of `stamp` if there is one; returns what [`MapInjector::strip`] does.
    ///
    /// # Errors
    ///
    /// If the map is full. It is stripped then, and has none of the fields of `stamp`.
    pub fn rewrite(
        &self,
        headers: &mut HeaderMap,
        stamp: Option<Stamp>,
    ) -> Result<usize, MaxSizeReached> {
        let dropped = self.strip(headers);
        if let Some(stamp) = stamp {
            self.inject(headers, stamp)?;
        }
        Ok(dropped)
    }

    /// Sets all fields of `stamp` in a map that was stripped, or none if the map is full.
    pub(crate) fn inject(
        &self,
        headers: &mut HeaderMap,
        stamp: Stamp,
    ) -> Result<(), MaxSizeReached> {
        let injected = if stamp.session() == self.values.session {
            self.insert(headers, &self.values, stamp)
        } else {
            let values = Values::new(stamp.session(), self.owned.trace());
            self.insert(headers, &values, stamp)
        };
        if injected.is_err() {
            self.strip(headers);
        }
        injected
    }

    fn insert(
        &self,
        headers: &mut HeaderMap,
        values: &Values,
        stamp: Stamp,
    ) -> Result<(), MaxSizeReached> {
        let number = HeaderValue::from(stamp.sequence().value());
        headers.try_insert(&self.session_name, values.text.clone())?;
        headers.try_insert(&self.sequence_name, number)?;
        if values.parent.len() > 0 {
            let end = parent_end(stamp.sequence());
            let value: Text<{ PARENT_START + PARENT_END }> =
                Text::of(&[values.parent.as_bytes(), &end]);
            headers.try_insert(PARENT_NAME, header_value(value.as_bytes()))?;
        }
        if values.baggage.len() > 0 {
            let mut number = itoa::Buffer::new();
            let end = number.format(stamp.sequence().value()).as_bytes();
            let value: Text<{ BAGGAGE_START + DIGITS_MAX }> =
                Text::of(&[values.baggage.as_bytes(), end]);
            headers.try_append(BAGGAGE_NAME, header_value(value.as_bytes()))?;
        }
        Ok(())
    }

    /// Whether something of the field has to go.
    #[inline]
    fn touches(&self, (name, value): (&HeaderName, &HeaderValue)) -> bool {
        let name = name.as_str().as_bytes();
        self.owned.may_be(name)
            && match self.owned.kind(name) {
                None => false,
                Some(Kind::Ours) => true,
                Some(Kind::List(list)) => {
                    elements(value.as_bytes()).any(|text| self.owned.drops(list, text))
                }
            }
    }

    #[cold]
    fn strip_found(&self, headers: &mut HeaderMap) -> usize {
        let is_ours =
            |name: &&HeaderName| self.owned.kind(name.as_str().as_bytes()) == Some(Kind::Ours);
        let ours: Vec<_> = headers.keys().filter(is_ours).cloned().collect();
        let mut dropped = 0_usize;
        for name in ours {
            dropped = dropped.saturating_add(headers.get_all(&name).iter().count());
            headers.remove(name);
        }
        dropped = dropped.saturating_add(self.strip_list(headers, &CONNECTION, List::Connection));
        if self.owned.trace().has_baggage() {
            dropped =
                dropped.saturating_add(self.strip_list(headers, &BAGGAGE_NAME, List::Baggage));
        }
        dropped
    }

    /// Drops elements of the list `name`, whose values stay apart; returns how many.
    fn strip_list(&self, headers: &mut HeaderMap, name: &HeaderName, list: List) -> usize {
        let drops = |value: &HeaderValue| {
            let elements = elements(value.as_bytes());
            elements.filter(|text| self.owned.drops(list, text)).count()
        };
        let dropped = headers.get_all(name).iter().map(drops).sum();
        if dropped > 0 {
            let values = headers.get_all(name).iter();
            let kept: Vec<_> = values
                .filter_map(|value| match drops(value) {
                    0 => Some(value.clone()),
                    _ => self.without(value, list),
                })
                .collect();
            headers.remove(name);
            for value in kept {
                headers.append(name, value);
            }
        }
        dropped
    }

    /// The elements of `value` that stay, or `None` if there is none.
    fn without(&self, value: &HeaderValue, list: List) -> Option<HeaderValue> {
        let elements = elements(value.as_bytes()).filter(|text| self.owned.stays(list, text));
        let kept: Vec<_> = elements.map(<[u8]>::trim_ascii).collect();
        if kept.is_empty() {
            return None;
        }
        let mut kept = header_value(&kept.join(&b", "[..]));
        kept.set_sensitive(value.is_sensitive());
        Some(kept)
    }
}

/// The values of a session, ready up to the sequence number.
#[derive(Clone, Debug)]
struct Values {
    session: SessionId,
    text: HeaderValue,
    parent: Text<PARENT_START>,
    baggage: Text<BAGGAGE_START>,
}

impl Values {
    fn new(session: SessionId, trace: Trace) -> Self {
        Self {
            session,
            text: header_value(session.to_text().as_bytes()),
            parent: if trace.has_parent() {
                parent_start(session)
            } else {
                Text::EMPTY
            },
            baggage: if trace.has_baggage() {
                baggage_start(session)
            } else {
                Text::EMPTY
            },
        }
    }
}

/// `name` as a header name; `usual` if that is the same, which is copied without counting references.
fn header_name(name: &str, usual: &HeaderName) -> HeaderName {
    if usual.as_str().eq_ignore_ascii_case(name) {
        return usual.clone();
    }
    // `Names` has taken the name, so the fallback is never seen.
    HeaderName::from_bytes(name.as_bytes()).unwrap_or_else(|_| usual.clone())
}

/// `text` as a header value.
fn header_value(text: &[u8]) -> HeaderValue {
    // The text is made of a header value's bytes or of our own ASCII, so the fallback is never seen.
    HeaderValue::from_bytes(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

const SESSION: HeaderName = HeaderName::from_static("x-coder-agent-firewall-session-id");
const SEQUENCE: HeaderName = HeaderName::from_static("x-coder-agent-firewall-sequence-number");
const PARENT_NAME: HeaderName = HeaderName::from_static(PARENT);
const BAGGAGE_NAME: HeaderName = HeaderName::from_static(BAGGAGE);

/// The digits of the greatest sequence number.
const DIGITS_MAX: usize = 10;
