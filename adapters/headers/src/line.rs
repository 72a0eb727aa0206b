//! The lines of a head, read strictly: what passes here means the same to every reader.

use crate::{Defect, RewriteError, scan};

/// Where the parts of a field line are (bytes from the start of the head).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldLine {
    start: usize,
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
    #[inline]
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

/// Reads the request line and returns where the next line begins.
///
/// # Errors
///
/// [`RewriteError::Incomplete`] or [`RewriteError::Malformed`].
pub(crate) fn request_line(head: &[u8]) -> Result<usize, RewriteError> {
    let end = scan::text_end(head, 0);
    let next = line_break(head, end)?;
    let line = head.get(..end).unwrap_or_default();
    if is_request_line(line) {
        Ok(next)
    } else {
        Err(malformed(Defect::RequestLine, 0))
    }
}

/// Reads the field line that begins at `start`; `None` is the blank line.
///
/// # Errors
///
/// [`RewriteError::Incomplete`] or [`RewriteError::Malformed`].
#[inline]
pub(crate) fn field_line(head: &[u8], start: usize) -> Result<Option<FieldLine>, RewriteError> {
    let colon = scan::token_end(head, start);
    if head.get(colon) != Some(&b':') || colon == start {
        return no_field_line(head, start, colon);
    }
    let end = scan::text_end(head, colon.saturating_add(1));
    let next = line_break(head, end)?;
    Ok(Some(FieldLine { start, colon, next }))
}

/// Tells why the line from `start` has no colon at `stop`, where its name ends.
fn no_field_line(
    head: &[u8],
    start: usize,
    stop: usize,
) -> Result<Option<FieldLine>, RewriteError> {
    let defect = match head.get(stop) {
        None => return Err(RewriteError::Incomplete),
        Some(b'\r' | b'\n') if stop == start => return line_break(head, start).map(|_| None),
        Some(b' ' | b'\t') if stop == start => Defect::FoldedLine,
        Some(b' ' | b'\t') => Defect::SpaceBeforeColon,
        Some(b'\r' | b'\n') => Defect::MissingColon,
        Some(byte) if byte.is_ascii_control() => Defect::ControlByte,
        Some(_) => Defect::FieldName,
    };
    Err(malformed(defect, stop))
}

/// Wants a line break at `at` and returns what follows it.
#[inline]
fn line_break(head: &[u8], at: usize) -> Result<usize, RewriteError> {
    let after = at.saturating_add(1);
    let defect = match (head.get(at), head.get(after)) {
        (Some(b'\r'), Some(b'\n')) => return Ok(at.saturating_add(2)),
        (None, _) | (Some(b'\r'), None) => return Err(RewriteError::Incomplete),
        (Some(b'\r'), _) => Defect::BareCarriageReturn,
        (Some(b'\n'), _) => Defect::BareLineFeed,
        (Some(_), _) => Defect::ControlByte,
    };
    Err(malformed(defect, at))
}

/// Whether `line`, which has no line break, is `method SP target SP version`.
fn is_request_line(line: &[u8]) -> bool {
    let Some((rest, b" HTTP/1.0" | b" HTTP/1.1")) = line.split_last_chunk() else {
        return false;
    };
    let method = scan::token_end(rest, 0);
    let Some((b' ', target)) = rest.get(method..).and_then(<[u8]>::split_first) else {
        return false;
    };
    method > 0 && !target.is_empty() && !target.iter().any(|byte| matches!(byte, b' ' | b'\t'))
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
            assert!(is_request_line(good.as_bytes()), "{good}");
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
            assert!(!is_request_line(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_field_line_may_be_empty_behind_its_colon() {
        let head = b"A:\r\n";
        let line = field_line(head, 0).unwrap().unwrap();
        assert_eq!((line.name(head), line.value(head)), (&b"A"[..], &b""[..]));
        assert_eq!((line.text(head), line.next), (&head[..], 4));
        assert_eq!(field_line(b"\r\n", 0), Ok(None));
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
            let line_text = line.escape_ascii();
            assert_eq!(
                field_line(line, 0),
                Err(malformed(defect, at)),
                "{line_text}"
            );
        }
    }
}
