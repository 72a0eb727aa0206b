use core::{ops::Range, str};

use throughline_core::{Event, HttpRequest, MatchedRule, Sequence, Timestamp};

use crate::pack::{ALLOWED, FLAGS, GAP, LIKE, MICROS, SAME_METHOD, SAME_RULE};

/// The events of one frame, checked whole.
#[derive(Debug)]
pub struct Events<'a> {
    pub(crate) process: &'a str,
    pub(crate) number: u32,
    pub(crate) time: u64,
    pub(crate) records: &'a [u8],
    /// Where a URL is put together (bytes).
    pub(crate) text: &'a mut [u8],
}

impl Events<'_> {
    /// The base name of the program that the device's trail watches; may be empty.
    #[must_use]
    pub const fn process(&self) -> &str {
        self.process
    }

    /// The number of the first event.
    #[must_use]
    pub fn first(&self) -> Sequence {
        // It was checked, as all of the frame was.
        Sequence::new(self.number).unwrap_or(Sequence::MAX)
    }

    /// Shows each event, in the order of their numbers. The reason of a denied one is empty: reasons
    /// stay on the device.
    pub fn for_each(&mut self, mut show: impl FnMut(&Event<'_>)) {
        // What cannot be read was refused before.
        let _ = self.walk(&mut show);
    }

    /// Shows each event up to the first that makes no sense; `None` if there is such a one.
    pub(crate) fn walk(&mut self, show: &mut impl FnMut(&Event<'_>)) -> Option<()> {
        let (mut number, mut time) = (self.number, self.time);
        let mut at = 0;
        while at < self.records.len() {
            let packed = Packed::read(self.records, at)?;
            if at > 0 {
                number = number.checked_add(1)?.checked_add(packed.gap)?;
            }
            time = time.checked_add(packed.nanos)?;
            at = packed.end;

            let request = packed.request(self.records, self.text)?;
            let sequence = Sequence::new(number)?;
            show(&Event {
                sequence,
                time: Timestamp::from_nanos(time),
                request: &request,
            });
        }
        (at > 0).then_some(())
    }
}

/// One record as it was sent. The ranges are places among the records.
#[derive(Clone, Debug)]
struct Packed {
    is_allowed: bool,
    nanos: u64,
    gap: u32,
    /// Where the record begins that this one resembles, and what their URLs share (bytes).
    like: Option<(usize, usize)>,
    /// `None` if it is the other record's.
    method: Option<Range<usize>>,
    url: Range<usize>,
    /// `None` if it is the other record's, or there is none.
    rule: Option<Range<usize>>,
    end: usize,
}

impl Packed {
    fn read(records: &[u8], at: usize) -> Option<Self> {
        let mut reader = Reader { records, at };
        let flags: u8 = reader.value()?;
        let has = |flag| flags & flag != 0;
        if flags & !FLAGS != 0 || (!has(LIKE) && has(SAME_METHOD | SAME_RULE)) {
            return None;
        }
        let time: u64 = reader.value()?;
        let nanos = if has(MICROS) {
            time.checked_mul(1000)?
        } else {
            time
        };
        let gap = if has(GAP) { reader.value()? } else { 0 };
        let like = if has(LIKE) {
            Some(reader.like(at)?)
        } else {
            None
        };
        let method = if has(SAME_METHOD) {
            None
        } else {
            Some(reader.len()?)
        };
        let url = reader.len()?;
        let rule = if has(ALLOWED) && !has(SAME_RULE) {
            Some(reader.len()?)
        } else {
            None
        };
        let method = match method {
            Some(len) => Some(reader.text(len)?),
            None => None,
        };
        let url = reader.text(url)?;
        let rule = match rule {
            Some(len) => Some(reader.text(len)?),
            None => None,
        };
        Some(Self {
            is_allowed: has(ALLOWED),
            nanos,
            gap,
            like,
            method,
            url,
            rule,
            end: reader.at,
        })
    }

    /// The request, its URL put together in `text`.
    fn request<'t>(&self, records: &'t [u8], text: &'t mut [u8]) -> Option<HttpRequest<'t>> {
        let method = self.inherited(records, |packed| packed.method.clone())?;
        let url = self.url(records, text)?;
        if !self.is_allowed {
            return Some(HttpRequest::denied(method, url, ""));
        }
        let rule = self.inherited(records, |packed| packed.rule.clone())?;
        Some(HttpRequest::allowed(method, url, MatchedRule::new(rule)?))
    }

    /// A text that is this record's own, or that of the one it resembles, and so on. Each of them
    /// lies before the last, so this ends.
    fn inherited<'t>(
        &self,
        records: &'t [u8],
        own: impl Fn(&Self) -> Option<Range<usize>>,
    ) -> Option<&'t str> {
        let mut packed = self.clone();
        loop {
            if let Some(range) = own(&packed) {
                return str::from_utf8(records.get(range)?).ok();
            }
            packed = Self::read(records, packed.like?.0)?;
        }
    }

    /// Puts the URL together, from its end to its front.
    fn url<'t>(&self, records: &[u8], text: &'t mut [u8]) -> Option<&'t str> {
        let shared = |packed: &Self| packed.like.map_or(0, |(_, shared)| shared);
        let len = shared(self).checked_add(self.url.len())?;
        let mut left = len;
        let mut packed = self.clone();
        loop {
            let own = records.get(packed.url.clone())?;
            let from = shared(&packed);
            if left > from {
                let piece = own.get(..left.checked_sub(from)?)?;
                text.get_mut(from..left)?.copy_from_slice(piece);
                left = from;
            }
            if left == 0 {
                return str::from_utf8(text.get(..len)?).ok();
            }
            packed = Self::read(records, packed.like?.0)?;
        }
    }
}

struct Reader<'a> {
    records: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value<T: serde::Deserialize<'a>>(&mut self) -> Option<T> {
        let rest = self.records.get(self.at..)?;
        let (value, behind) = postcard::take_from_bytes(rest).ok()?;
        let taken = rest.len().checked_sub(behind.len())?;
        self.at = self.at.checked_add(taken)?;
        Some(value)
    }

    fn len(&mut self) -> Option<usize> {
        self.value::<u16>().map(usize::from)
    }

    /// What a record that begins at `at` says of the one that it resembles.
    fn like(&mut self, at: usize) -> Option<(usize, usize)> {
        let back = self.len()?;
        let shared = self.len()?;
        if back == 0 {
            return None;
        }
        Some((at.checked_sub(back)?, shared))
    }

    fn text(&mut self, len: usize) -> Option<Range<usize>> {
        let start = self.at;
        self.at = start.checked_add(len)?;
        self.records.get(start..self.at)?;
        Some(start..self.at)
    }
}
