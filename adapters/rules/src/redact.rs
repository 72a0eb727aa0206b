//! What of a URL may be logged.

use core::error::Error;
use core::fmt;
use core::ops::Range;

use crate::percent::Decoded;
use crate::userinfo::hidden_userinfo;

/// What stands in a redacted URL where a secret stood.
const MASK: &[u8] = b"***";

/// Which parts of a URL are hidden: the password of the userinfo always, values of the query on request.
///
/// ```
/// use throughline_rules::Redaction;
///
/// let redaction = Redaction::new().query_values(&["token", "key"]);
/// let url = redaction.redact("https://eve:pw@example.com/a?page=2&TOKEN=t0p#top");
/// let mut line = [0; 64];
/// let written = url.write_to(&mut line).unwrap();
/// assert_eq!(&line[..written], b"https://eve:***@example.com/a?page=2&TOKEN=***#top");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Redaction<'k> {
    user: bool,
    query: Query<'k>,
}

#[derive(Clone, Copy, Debug)]
enum Query<'k> {
    All,
    Named(&'k [&'k str]),
}

impl Default for Query<'_> {
    fn default() -> Self {
        Self::Named(&[])
    }
}

impl<'k> Redaction<'k> {
    /// Hides the password of the userinfo, and nothing else.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            user: false,
            query: Query::Named(&[]),
        }
    }

    /// Also hides the user name: some services take a token in its place (`https://token@host/`).
    #[must_use]
    pub const fn user_name(self) -> Self {
        Self { user: true, ..self }
    }

    /// Also hides the values of these keys in query and fragment, in place of an earlier choice.
    ///
    /// Keys are compared decoded (`%XX`) and without regard to the case of ASCII letters.
    #[must_use]
    pub const fn query_values(self, keys: &'k [&'k str]) -> Self {
        Self {
            query: Query::Named(keys),
            ..self
        }
    }

    /// Also hides every value in query and fragment, in place of an earlier choice; what has no `=` is taken for a value.
    #[must_use]
    pub const fn all_query_values(self) -> Self {
        Self {
            query: Query::All,
            ..self
        }
    }

    /// Redacts a URL of any bytes.
    ///
    /// A denied request's URL is logged too, so this takes what [`Url::parse`](crate::Url::parse) refuses, and when the
    /// end of the userinfo is in doubt it hides more rather than less.
    #[must_use]
    pub fn redact<'a, T: AsRef<[u8]> + ?Sized>(&self, url: &'a T) -> Redacted<'a, 'k> {
        let url = url.as_ref();
        let userinfo = hidden_userinfo(url, self.user).unwrap_or_default();
        let tail = url.get(userinfo.end..).unwrap_or_default();
        let path = memchr::memchr2(b'?', b'#', tail).unwrap_or(tail.len());
        Redacted {
            url,
            query_at: userinfo.end.saturating_add(path),
            userinfo,
            query: self.query,
        }
    }
}

/// A URL with its secrets replaced by `***`; borrows the URL.
#[derive(Clone, Debug)]
pub struct Redacted<'a, 'k> {
    url: &'a [u8],
    /// Empty, and at the start, when there is nothing to hide.
    userinfo: Range<usize>,
    /// Where the `?` or `#` behind the path stands.
    query_at: usize,
    query: Query<'k>,
}

impl<'a, 'k> Redacted<'a, 'k> {
    /// The redacted URL as slices in order; none of them is empty.
    #[must_use]
    pub const fn pieces(&self) -> Pieces<'_, 'a, 'k> {
        Pieces {
            redacted: self,
            at: 0,
            mask_next: false,
        }
    }

    /// The length of the redacted URL (bytes).
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces()
            .fold(0, |len, piece| len.saturating_add(piece.len()))
    }

    /// Whether the URL is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.url.is_empty()
    }

    /// Writes the redacted URL to the front of `buffer` and returns its length (bytes).
    ///
    /// # Errors
    ///
    /// [`TooSmall`] with the length that is needed; the buffer is as it was.
    pub fn write_to(&self, buffer: &mut [u8]) -> Result<usize, TooSmall> {
        let (needed, available) = (self.len(), buffer.len());
        let too_small = TooSmall { needed, available };
        let mut rest = buffer.get_mut(..needed).ok_or(too_small)?;
        for piece in self.pieces() {
            let (front, tail) = rest.split_at_mut_checked(piece.len()).ok_or(too_small)?;
            front.copy_from_slice(piece);
            rest = tail;
        }
        Ok(needed)
    }

    /// The first hidden range that begins at `from` or later.
    fn next_hidden(&self, from: usize) -> Option<Range<usize>> {
        if !self.userinfo.is_empty() && from <= self.userinfo.start {
            return Some(self.userinfo.clone());
        }
        self.next_hidden_value(from.max(self.query_at))
    }

    fn next_hidden_value(&self, from: usize) -> Option<Range<usize>> {
        if matches!(self.query, Query::Named([])) {
            return None;
        }
        let mut at = from;
        // A value ends at "&" or "#", a key begins behind ";" too: either way more is hidden rather than less.
        while let Some(found) = self.find(at, |byte| b"?&;#".contains(&byte)) {
            let start = found.saturating_add(1);
            let end = self
                .find(start, |byte| b"=?&;#".contains(&byte))
                .unwrap_or(self.url.len());
            let key = self.url.get(start..end).unwrap_or_default();
            let has_value = self.url.get(end) == Some(&b'=');
            if let Some(start) = self.hides(key, start, end, has_value) {
                let end = self
                    .find(start, |byte| b"&#".contains(&byte))
                    .unwrap_or(self.url.len());
                if start < end {
                    return Some(start..end);
                }
            }
            at = end;
        }
        None
    }

    /// Where the hidden part of a `key=value` begins, whose key is at `start..end`.
    fn hides(&self, key: &[u8], start: usize, end: usize, has_value: bool) -> Option<usize> {
        let hidden = match self.query {
            Query::All => true,
            Query::Named(keys) => has_value && keys.iter().any(|name| is_key(key, name)),
        };
        let begin = if has_value {
            end.saturating_add(1)
        } else {
            start
        };
        hidden.then_some(begin)
    }

    fn find(&self, from: usize, is: impl Fn(u8) -> bool) -> Option<usize> {
        let rest = self.url.get(from..)?;
        let at = rest.iter().position(|&byte| is(byte))?;
        Some(from.saturating_add(at))
    }
}

/// The slices of a redacted URL; see [`Redacted::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'r, 'a, 'k> {
    redacted: &'r Redacted<'a, 'k>,
    at: usize,
    mask_next: bool,
}

impl<'a> Iterator for Pieces<'_, 'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.mask_next {
            self.mask_next = false;
            return Some(MASK);
        }
        let url = self.redacted.url;
        if self.at >= url.len() {
            return None;
        }
        let Some(hidden) = self.redacted.next_hidden(self.at) else {
            let rest = url.get(self.at..);
            self.at = url.len();
            return rest;
        };
        let kept = url.get(self.at..hidden.start).unwrap_or_default();
        self.at = hidden.end;
        if kept.is_empty() {
            return Some(MASK);
        }
        self.mask_next = true;
        Some(kept)
    }
}

/// A buffer does not hold a redacted URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooSmall {
    /// The length of the redacted URL (bytes).
    pub needed: usize,
    /// The length of the buffer (bytes).
    pub available: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, available } = self;
        write!(
            f,
            "the redacted URL needs a buffer of {needed} bytes, not {available}"
        )
    }
}

impl Error for TooSmall {}

fn is_key(written: &[u8], name: &str) -> bool {
    Decoded::new(written)
        .map(|byte| byte.to_ascii_lowercase())
        .eq(name.bytes().map(|byte| byte.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::{Redaction, TooSmall};
    use std::string::String;

    fn text(redaction: &Redaction<'_>, url: &str) -> String {
        let redacted = redaction.redact(url);
        let bytes = redacted.pieces().collect::<std::vec::Vec<_>>().concat();
        assert_eq!(bytes.len(), redacted.len(), "{url}");
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_password_is_hidden_and_the_rest_is_kept() {
        let redaction = Redaction::new();
        let cases = [
            ("http://u:p@h/a?k=v#f", "http://u:***@h/a?k=v#f"),
            ("http://u:p:q@h:1/", "http://u:***@h:1/"),
            ("http://:p@[::1]:1/", "http://:***@[::1]:1/"),
            ("u:p@h:443", "u:***@h:443"),
            ("//u:p@h/", "//u:***@h/"),
            ("http://u@h/", "http://u@h/"),
            ("http://u:@h/", "http://u:@h/"),
            ("http://h/u:p@x?y:z@w", "http://h/u:p@x?y:z@w"),
            ("http://h:80/@x", "http://h:80/@x"),
            ("[::1]:443", "[::1]:443"),
            ("/a/u:p@x", "/a/u:p@x"),
            ("h:443", "h:443"),
            ("", ""),
        ];
        for (url, expected) in cases {
            assert_eq!(text(&redaction, url), expected, "{url}");
        }
    }

    #[test]
    fn when_the_end_of_the_userinfo_is_in_doubt_more_is_hidden() {
        let redaction = Redaction::new();
        let cases = [
            ("http://u:p/q@h/", "http://u:***@h/"),
            ("http://u:p?q#r@h/", "http://u:***@h/"),
            ("http://u:p@q@h/", "http://u:***@h/"),
            ("http://u@v:p/q@h/", "http://u@v:***@h/"),
            ("http://u:p\\@h/", "http://u:***@h/"),
            ("http:\\\\u:p@h/", "http:\\\\u:***@h/"),
            ("http:/u:p@h/", "http:***@h/"),
            ("http://u:/p@h/", "http://u:***@h/"),
            ("http://u:@/p@h/", "http://u:***@h/"),
            ("u:/p@h:443", "u:***@h:443"),
            ("u:p/q@h:443", "u:***@h:443"),
        ];
        for (url, expected) in cases {
            assert_eq!(text(&redaction, url), expected, "{url}");
        }
    }

    #[test]
    fn the_user_name_is_hidden_on_request() {
        let redaction = Redaction::new().user_name();
        assert_eq!(text(&redaction, "http://t0ken@h/"), "http://***@h/");
        assert_eq!(text(&redaction, "u:p@h:443"), "***@h:443");
    }

    #[test]
    fn named_values_are_hidden_however_their_key_is_written() {
        let redaction = Redaction::new().query_values(&["token", "Key"]);
        let cases = [
            ("http://h/?a=b&TOKEN=x&c=d", "http://h/?a=b&TOKEN=***&c=d"),
            ("http://h/?%74oken=x", "http://h/?%74oken=***"),
            ("http://h/?key=a?b;c=d#e", "http://h/?key=***#e"),
            ("http://h/?a=b;key=c", "http://h/?a=b;key=***"),
            ("http://h/#key=c&a=b", "http://h/#key=***&a=b"),
            ("http://h/?a=b?key=c", "http://h/?a=b?key=***"),
            ("http://h/?key=&tokens=x&a", "http://h/?key=&tokens=x&a"),
            ("http://h/?a&key&token", "http://h/?a&key&token"),
            ("http://h/?key=a=b", "http://h/?key=***"),
            ("http://h/;key=a", "http://h/;key=a"),
            ("http://u:p@h/?key=a", "http://u:***@h/?key=***"),
        ];
        for (url, expected) in cases {
            assert_eq!(text(&redaction, url), expected, "{url}");
        }
    }

    #[test]
    fn all_values_are_hidden_and_what_may_be_one() {
        let redaction = Redaction::new().all_query_values();
        let cases = [
            ("http://h/a;b=c?d=e&f#g", "http://h/a;b=c?d=***&***#***"),
            ("http://h/?a=b;c=d", "http://h/?a=***"),
            ("http://h/?&a=", "http://h/?&a="),
            ("http://h/", "http://h/"),
        ];
        for (url, expected) in cases {
            assert_eq!(text(&redaction, url), expected, "{url}");
        }
    }

    #[test]
    fn a_buffer_that_is_one_byte_short_is_left_alone_and_told_so() {
        let redacted = Redaction::new().redact(&b"http://u:\xff@h/"[..]);
        let mut exact = [0; 15];
        assert_eq!(redacted.write_to(&mut exact), Ok(15));
        assert_eq!(&exact, b"http://u:***@h/");
        let mut short = [7; 14];
        let (needed, available) = (15, 14);
        let expected = Err(TooSmall { needed, available });
        assert_eq!(redacted.write_to(&mut short), expected);
        assert_eq!(short, [7; 14]);
    }
}
