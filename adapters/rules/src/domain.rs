//! Matching a host with a `domain=` pattern.

use crate::host::tail;
use crate::url::Url;
use crate::words::Values;

/// A checked domain pattern.
#[derive(Clone, Debug)]
pub(crate) struct Domain<'a> {
    values: Values<'a>,
    /// How many labels the pattern has, wildcards included; never 0.
    count: usize,
    /// Whether the first label is `*`, which stands for one or more labels.
    open: bool,
    /// The whole pattern behind a first `*`, where no other `*` is in it: then the end of the host decides.
    end: Option<&'a [u8]>,
    /// The [`tail`] of `end`; 0 where that does not decide.
    tail: u64,
    /// The bits of `tail` that are of `end`.
    tail_bits: u64,
    /// How long the host is that matches (bytes); [`ANY_LEN`] where that does not decide.
    len: usize,
}

impl<'a> Domain<'a> {
    /// `value` is the checked pattern of `values`, and has `count` labels.
    pub(crate) fn new(values: Values<'a>, value: &'a str, count: usize) -> Self {
        let behind_star = value.strip_prefix('*');
        let text = behind_star.unwrap_or(value).as_bytes();
        let end = (!text.contains(&b'*')).then_some(text);
        let bytes = end.unwrap_or_default();
        let open = behind_star.is_some();
        Self {
            values,
            count,
            open,
            len: match end {
                Some(end) if !open => end.len(),
                _ => ANY_LEN,
            },
            end,
            tail: tail(bytes),
            tail_bits: bytes.iter().fold(0, |bits, _| bits >> 8 | 0xff << 56),
        }
    }

    /// False only if the host does not match: the cheap test at which most rules end.
    #[inline]
    pub(crate) const fn may_match(&self, url: &Url<'_>) -> bool {
        (url.host_tail() ^ self.tail) & self.tail_bits == 0
            && (url.host_bytes().len() == self.len || self.len == ANY_LEN)
    }

    /// Appends the labels of a further `domain=`, as the compatible grammar has it.
    pub(crate) const fn add(&mut self, text: &'a str, count: usize) {
        self.values.add(text);
        self.count = self.count.saturating_add(count);
        self.end = None;
        self.tail_bits = 0;
        self.len = ANY_LEN;
    }

    pub(crate) fn matches(&self, url: &Url<'_>) -> bool {
        if self.is_any() {
            return true;
        }
        let Some(labels) = url.label_count() else {
            return false;
        };
        // The host's labels that the first "*" takes beyond one.
        let Some(extra) = labels.checked_sub(self.count) else {
            return false;
        };
        if extra > 0 && !self.open {
            return false;
        }
        let host = url.host_bytes();
        match self.end {
            Some(end) => self.matches_end(end, host),
            None => self.matches_labels(host, extra),
        }
    }

    pub(crate) const fn values(&self) -> &Values<'a> {
        &self.values
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    const fn is_any(&self) -> bool {
        self.open && self.count == 1
    }

    /// With an open pattern `end` begins with a dot, so that whole labels are compared.
    fn matches_end(&self, end: &[u8], host: &[u8]) -> bool {
        let Some(front) = host.len().checked_sub(end.len()) else {
            return false;
        };
        (front == 0 || self.open)
            && host
                .get(front..)
                .is_some_and(|host| host.eq_ignore_ascii_case(end))
    }

    fn matches_labels(&self, host: &[u8], extra: usize) -> bool {
        let values = self.values.iter().map(str::as_bytes);
        values
            .flat_map(|value| value.split(is_dot))
            .zip(host.split(is_dot).skip(extra))
            .all(|(pattern, label)| pattern == b"*" || pattern.eq_ignore_ascii_case(label))
    }
}

/// More than a host in memory can have.
const ANY_LEN: usize = usize::MAX;

const fn is_dot(byte: &u8) -> bool {
    *byte == b'.'
}
