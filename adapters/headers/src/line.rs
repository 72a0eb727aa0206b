//! The lines of a head, read strictly: what passes here means the same to every reader.

use crate::{Defect, RewriteError, scan};

#[cfg(not(target_arch = "x86_64"))]
use crate::scan::{Ends, method_end, token_end, usual_name, word_end};
#[cfg(target_arch = "x86_64")]
use crate::vectors::{Ends, method_end, token_end, usual_name, word_end};

/// Where the parts of a field line are (bytes from the start of the head).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldLine {
    pub(crate) start: usize,
    colon: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
}

impl FieldLine {
    /// The line with its break.
    pub(crate) fn text(self, head: &[u8]) -> &[u8] {
        head.get(self.start..self.next).unwrap_or_default()
    }

    /// What is before the colon.
    pub(crate) fn name(self, head: &[u8]) -> &[u8] {
        head.get(self.start..self.colon).unwrap_or_default()
    }

    /// What is between the colon and the line break.
    pub(crate) fn value(self, head: &[u8]) -> &[u8] {
        let start = self.colon.saturating_add(1);
        let end = self.next.saturating_sub(CRLF.len());
        head.get(start..end).unwrap_or_default()
    }

    /// The length of the line with its break (bytes).
    pub(crate) const fn len(self) -> usize {
        self.next.saturating_sub(self.start)
    }
}

/// A field of which the name is read, and the value not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) start: usize,
    pub(crate) name_len: usize,
    /// Where the value ends, unless a tab or a byte of no ASCII character is there.
    stop: usize,
}

impl Field {
    /// Reads the value.
    ///
    /// # Errors
    ///
    /// What [`Lines::field`] would tell next.
    pub(crate) fn line(self, head: &[u8]) -> Result<FieldLine, RewriteError> {
        Ok(FieldLine {
            start: self.start,
            colon: self.start.wrapping_add(self.name_len),
            next: line_break(head, self.stop)?,
        })
    }
}

/// The lines of a head, read from its front to its blank line.
///
/// The end of a line is judged together with the name behind it, which takes one look at the head less.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    head: &'a [u8],
    ends: Ends,
    /// Where the text of the line that was read last ends, as far as is known.
    stop: usize,
}

impl<'a> Lines<'a> {
    /// The lines behind a request line, which is read.
    ///
    /// # Errors
    ///
    /// [`RewriteError::Incomplete`] or [`RewriteError::Malformed`].
    #[inline]
    pub(crate) fn of(head: &'a [u8]) -> Result<Self, RewriteError> {
        let mut ends = Ends::new(0);
        let stop = line_break(head, ends.stop(head, 0))?.wrapping_sub(CRLF.len());
        if !is_request_line(head, stop) {
            return Err(malformed(Defect::RequestLine, 0));
        }
        Ok(Self { head, ends, stop })
    }

    /// The lines from `start` on, with a line break in front of it.
    #[inline]
    pub(crate) const fn from(head: &'a [u8], start: usize) -> Self {
        Self {
            head,
            ends: Ends::new(start),
            stop: start.saturating_sub(CRLF.len()),
        }
    }

    /// Reads the end of the line before and the next field's name. `None` is the blank line.
    ///
    /// # Errors
    ///
    /// [`RewriteError::Incomplete`] or [`RewriteError::Malformed`].
    // One loop with all of this in it keeps what it needs in registers. A place in a slice fits in an
    // `isize`, so that no addition can wrap; the hot path does without the instructions to tell.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    pub(crate) fn field(&mut self) -> Result<Option<Field>, RewriteError> {
        let (start, name_len) = match usual_name(self.head, self.stop) {
            Some(len) => (self.stop.wrapping_add(CRLF.len()), len),
            None => match name(self.head, self.stop)? {
                (start, Some(len)) => (start, len),
                (start, None) => {
                    self.stop = start.wrapping_sub(CRLF.len());
                    return Ok(None);
                }
            },
        };
        let colon = start.wrapping_add(name_len);
        self.stop = self.ends.stop(self.head, colon);
        Ok(Some(Field {
            start,
            name_len,
            stop: self.stop,
        }))
    }

    /// Where the blank line begins, once it is read.
    pub(crate) const fn end(&self) -> usize {
        self.stop.wrapping_add(CRLF.len())
    }
}

/// Reads the line break that is at `stop` or behind, and the name that follows it: where it begins and how
/// long it is, or `None` if the blank line is there.
#[inline(never)]
fn name(head: &[u8], stop: usize) -> Result<(usize, Option<usize>), RewriteError> {
    let start = line_break(head, stop)?;
    if begins_with_break(head, start) {
        return Ok((start, None));
    }
    let end = token_end(head, start);
    let defect = match head.get(end) {
        None => return Err(RewriteError::Incomplete),
        Some(b':') if end > start => return Ok((start, Some(end.wrapping_sub(start)))),
        Some(b'\r' | b'\n') if end == start => {
            return late_line_break(head, start).map(|_| (start, None));
        }
        Some(b' ' | b'\t') if end == start => Defect::FoldedLine,
        Some(b' ' | b'\t') => Defect::SpaceBeforeColon,
        Some(b'\r' | b'\n') => Defect::MissingColon,
        Some(byte) if byte.is_ascii_control() => Defect::ControlByte,
        Some(_) => Defect::FieldName,
    };
    Err(malformed(defect, end))
}

/// Wants nothing but text from `from` to a line break and returns what follows that.
#[inline]
fn line_break(head: &[u8], from: usize) -> Result<usize, RewriteError> {
    if begins_with_break(head, from) {
        Ok(from.wrapping_add(CRLF.len()))
    } else {
        late_line_break(head, from)
    }
}

/// As [`line_break`] where it is not at `from`.
#[inline(never)]
fn late_line_break(head: &[u8], from: usize) -> Result<usize, RewriteError> {
    let end = scan::text_end(head, from);
    let defect = match head.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => return Ok(end.saturating_add(CRLF.len())),
        [] | [b'\r'] => return Err(RewriteError::Incomplete),
        [b'\r', ..] => Defect::BareCarriageReturn,
        [b'\n', ..] => Defect::BareLineFeed,
        _ => Defect::ControlByte,
    };
    Err(malformed(defect, end))
}

#[inline]
fn begins_with_break(head: &[u8], at: usize) -> bool {
    head.get(at..).and_then(<[u8]>::first_chunk) == Some(b"\r\n")
}

/// Whether the line that ends at `end`, before its break, is `method SP target SP version`.
#[inline]
fn is_request_line(head: &[u8], end: usize) -> bool {
    let line = head.get(..end).unwrap_or_default();
    let Some((rest, [version @ .., b'0' | b'1'])) = line.split_last_chunk::<9>() else {
        return false;
    };
    let method = method_end(head);
    let target = method.wrapping_add(1);
    // The space before the version is the first blank behind the target's start, or the target has one.
    version == b" HTTP/1."
        && method > 0
        && head.get(method) == Some(&b' ')
        && target < rest.len()
        && word_end(head, target) == rest.len()
}

const fn malformed(defect: Defect, at: usize) -> RewriteError {
    RewriteError::Malformed { defect, at }
}

/// What ends a line, and a head.
pub(crate) const CRLF: &[u8] = b"\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_has_three_parts_and_two_spaces() {
        for good in [
            "GET / HTTP/1.1",
            "M-SEARCH * HTTP/1.0",
            "CONNECT a:1 HTTP/1.1",
        ] {
            assert!(is_request_line(good.as_bytes(), good.len()), "{good}");
        }
        for bad in [
            "",
            "GET / HTTP/1.2",
            "GET / http/1.1",
            "GET /  HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /a\tb HTTP/1.1",
            "GET  HTTP/1.1",
            " GET / HTTP/1.1",
            "G(T / HTTP/1.1",
            " / HTTP/1.1",
            "GET / HTTP/1.1 ",
        ] {
            assert!(!is_request_line(bad.as_bytes(), bad.len()), "{bad}");
        }
    }

    #[test]
    fn a_field_line_may_be_empty_behind_its_colon() {
        let head = b"\r\nA:\r\n\r\n";
        let mut lines = Lines::from(head, 2);
        let line = lines.field().unwrap().unwrap().line(head).unwrap();
        assert_eq!((line.name(head), line.value(head)), (&b"A"[..], &b""[..]));
        assert_eq!((line.text(head), line.next), (&b"A:\r\n"[..], 6));
        assert_eq!(lines.field(), Ok(None));
        assert_eq!(lines.end(), 6);
    }

    #[test]
    fn each_defect_is_told_with_its_place() {
        for (line, defect, at) in [
            (&b" A: b\r\n"[..], Defect::FoldedLine, 0),
            (b"\tA: b\r\n", Defect::FoldedLine, 0),
            (b"A : b\r\n", Defect::SpaceBeforeColon, 1),
            (b"A\t: b\r\n", Defect::SpaceBeforeColon, 1),
            (b"A b: c\r\n", Defect::SpaceBeforeColon, 1),
            (b"A\r\n", Defect::MissingColon, 1),
            (b": b\r\n", Defect::FieldName, 0),
            (b"A\xa0: b\r\n", Defect::FieldName, 1),
            (b"A(: b\r\n", Defect::FieldName, 1),
            (b"A\0: b\r\n", Defect::ControlByte, 1),
            (b"A: \0b\r\n", Defect::ControlByte, 3),
            (b"A: b\x7f\r\n", Defect::ControlByte, 4),
            (b"A: b\rc\r\n", Defect::BareCarriageReturn, 4),
            (b"A: b\r\r\n", Defect::BareCarriageReturn, 4),
            (b"A: b\n", Defect::BareLineFeed, 4),
            (b"\n", Defect::BareLineFeed, 0),
            (b"\rA", Defect::BareCarriageReturn, 0),
        ] {
            // With what is behind a line, it is read in a block; without, byte by byte.
            for rest in ["", "Host: a\r\nUser-Agent: b\r\nAccept: */*\r\n\r\n"] {
                let head = [b"\r\n", line, rest.as_bytes()].concat();
                let mut lines = Lines::from(&head, 2);
                let told = lines.field().and_then(|_| lines.field());
                let line = line.escape_ascii();
                assert_eq!(told, Err(malformed(defect, at + 2)), "{line}");
            }
        }
    }
}
