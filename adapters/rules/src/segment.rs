//! How one segment of a path reads, and the resolution of dot segments.

use core::error::Error;
use core::fmt;

use crate::percent::{Decoded, bad_escape};

/// How many segments a path may have once its dot segments are resolved (a count, inclusive).
///
/// A URL with more matches no `path=`; a pattern with more is refused.
pub const MAX_SEGMENTS: usize = 64;

/// Why a URL's path matches no `path=`.
///
/// Upstreams disagree on such paths, and an attacker would choose the reading that the rule did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathProblem {
    /// The URL is in authority form (`host:port`, as of `CONNECT`) and has no path.
    Absent,
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// A backslash or a NUL, plain or percent-encoded.
    ///
    /// Some upstreams read a backslash as a slash, or end the path at a NUL.
    Byte,
    /// A dot segment that only some upstreams see: behind an encoded slash (`..%2Fx`) or with a parameter (`..;x`).
    HiddenDots,
    /// `..` removes an empty segment or one with an encoded slash.
    ///
    /// `/a//../b` is `/a/b` to one upstream, and `/b` to one that merges slashes first.
    AmbiguousParent,
    /// More than [`MAX_SEGMENTS`] segments.
    TooManySegments,
}

impl fmt::Display for PathProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "a URL of the form host:port has no path",
            Self::Escape => "the path has a \"%\" without two hexadecimal digits",
            Self::Byte => "the path has a backslash or a NUL",
            Self::HiddenDots => {
                "the path has a dot segment behind an encoded slash or with a parameter"
            }
            Self::AmbiguousParent => {
                "the path goes up from an empty segment or from one with an encoded slash"
            }
            Self::TooManySegments => "the path has too many segments",
        })
    }
}

impl Error for PathProblem {}

/// What one segment is, once decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Name,
    /// A name that holds an encoded slash.
    Slashed,
    /// `.`
    Here,
    /// `..`
    Parent,
    Unclear(PathProblem),
}

/// Reads one segment as it is written in a URL or a pattern.
pub(crate) fn read(segment: &[u8]) -> Reading {
    if bad_escape(segment).is_some() {
        return Reading::Unclear(PathProblem::Escape);
    }
    let mut slashed = false;
    let mut part = DotRun::Dots(0);
    for byte in Decoded::new(segment) {
        if matches!(byte, 0 | b'\\') {
            return Reading::Unclear(PathProblem::Byte);
        }
        if matches!(byte, b'/' | b';') && part.is_dot_segment() {
            return Reading::Unclear(PathProblem::HiddenDots);
        }
        slashed |= byte == b'/';
        part = part.then(byte);
    }
    match part {
        DotRun::Dots(1 | 2) if slashed => Reading::Unclear(PathProblem::HiddenDots),
        DotRun::Dots(1) => Reading::Here,
        DotRun::Dots(2) => Reading::Parent,
        _ if slashed => Reading::Slashed,
        _ => Reading::Name,
    }
}

/// What has been seen since the last (encoded) slash: nothing but so many dots, or something else.
#[derive(Clone, Copy)]
enum DotRun {
    Dots(u8),
    Other,
}

impl DotRun {
    const fn is_dot_segment(self) -> bool {
        matches!(self, Self::Dots(1 | 2))
    }

    const fn then(self, byte: u8) -> Self {
        match (self, byte) {
            (_, b'/') => Self::Dots(0),
            (Self::Dots(count), b'.') => Self::Dots(count.saturating_add(1)),
            _ => Self::Other,
        }
    }
}

/// The segments of a path with its dot segments resolved, each as it is written in the URL.
#[derive(Clone, Debug)]
pub(crate) struct Segments<'a> {
    items: [&'a [u8]; MAX_SEGMENTS],
    len: usize,
}

impl<'a> Segments<'a> {
    pub(crate) const fn none() -> Self {
        Self {
            items: [&[]; MAX_SEGMENTS],
            len: 0,
        }
    }

    /// Adds the segments of a path that begins with `/`, or is empty, which stands for `/` (RFC 9110 section 4.2.3),
    /// resolved.
    ///
    /// # Errors
    ///
    /// Why the path is not clear. What was added then means nothing.
    pub(crate) fn resolve(&mut self, path: &'a [u8]) -> Result<(), PathProblem> {
        // Without an early exit, so that the compiler tests many bytes at once.
        let is_plain = path.iter().fold(true, |plain, byte| {
            plain & !matches!(byte, 0 | b'%' | b'\\')
        });
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        let mut last = Reading::Name;
        for segment in relative.split(|&byte| byte == b'/') {
            // With nothing decoded, a segment that does not begin with a dot is a name.
            last = if is_plain && segment.first() != Some(&b'.') {
                Reading::Name
            } else {
                read(segment)
            };
            match last {
                Reading::Name | Reading::Slashed => self.push(segment)?,
                Reading::Here => {}
                Reading::Parent => self.pop()?,
                Reading::Unclear(problem) => return Err(problem),
            }
        }
        // A dot segment at the end leaves the slash before it: "/a/b/.." is "/a/".
        if matches!(last, Reading::Here | Reading::Parent) {
            self.push(b"")?;
        }
        Ok(())
    }

    pub(crate) fn as_slice(&self) -> &[&'a [u8]] {
        self.items.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, segment: &'a [u8]) -> Result<(), PathProblem> {
        let slot = self
            .items
            .get_mut(self.len)
            .ok_or(PathProblem::TooManySegments)?;
        *slot = segment;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    fn pop(&mut self) -> Result<(), PathProblem> {
        let Some((&removed, _)) = self.as_slice().split_last() else {
            // Above the root is the root (RFC 3986 section 5.2.4).
            return Ok(());
        };
        if removed.is_empty() || read(removed) == Reading::Slashed {
            return Err(PathProblem::AmbiguousParent);
        }
        self.len = self.len.saturating_sub(1);
        Ok(())
    }
}

/// The first eight bytes of a segment, with zeros behind a shorter one: segments that differ in it are not the same.
/// None where something is encoded in it.
pub(crate) fn start(segment: &[u8]) -> Option<u64> {
    let mut start = [0; 8];
    for (to, &byte) in start.iter_mut().zip(segment) {
        if byte == b'%' {
            return None;
        }
        *to = byte;
    }
    Some(u64::from_le_bytes(start))
}

#[cfg(test)]
mod tests {
    use super::{MAX_SEGMENTS, PathProblem, Reading, Segments, read};
    use std::string::String;
    use std::vec::Vec;

    fn resolved(path: &str) -> Result<Vec<String>, PathProblem> {
        let mut segments = Segments::none();
        segments.resolve(path.as_bytes())?;
        let text = |segment: &&[u8]| String::from_utf8(segment.to_vec()).unwrap();
        Ok(segments.as_slice().iter().map(text).collect())
    }

    #[test]
    fn every_spelling_of_a_dot_segment_is_one() {
        for parent in ["..", ".%2e", "%2E.", "%2e%2E"] {
            assert_eq!(read(parent.as_bytes()), Reading::Parent, "{parent}");
        }
        assert_eq!(read(b"%2e"), Reading::Here);
        for name in ["...", ".a", "a..", "%252e", "..a", ""] {
            assert_eq!(read(name.as_bytes()), Reading::Name, "{name}");
        }
    }

    #[test]
    fn dots_behind_an_encoded_slash_or_a_parameter_are_not_clear() {
        for hidden in ["..%2fx", "x%2F..", "x%2f.", "..;x", ".%3b", "a%2f..%2fb"] {
            let expected = Reading::Unclear(PathProblem::HiddenDots);
            assert_eq!(read(hidden.as_bytes()), expected, "{hidden}");
        }
        assert_eq!(read(b"a;b=.."), Reading::Name);
        assert_eq!(read(b"a%2Fb"), Reading::Slashed);
    }

    #[test]
    fn resolution_follows_the_rfc_and_keeps_the_last_slash() {
        assert_eq!(resolved("/a/b/../c").unwrap(), ["a", "c"]);
        assert_eq!(resolved("/a/b/..").unwrap(), ["a", ""]);
        assert_eq!(resolved("/../../a/.").unwrap(), ["a", ""]);
        assert_eq!(resolved("/a//b").unwrap(), ["a", "", "b"]);
        assert_eq!(resolved("").unwrap(), [""]);
    }

    #[test]
    fn going_up_from_an_empty_or_slashed_segment_is_ambiguous() {
        for path in ["/a//../b", "/a/b%2Fc/../d"] {
            assert_eq!(resolved(path), Err(PathProblem::AmbiguousParent), "{path}");
        }
    }

    #[test]
    fn the_segment_after_the_last_that_fits_is_one_too_many() {
        let path = "/a".repeat(MAX_SEGMENTS);
        assert_eq!(resolved(&path).unwrap().len(), MAX_SEGMENTS);
        assert_eq!(
            resolved(&(path.clone() + "/b")),
            Err(PathProblem::TooManySegments)
        );
        // A deep path that comes back up again does not fit either: the scan is bounded, not clever.
        let up = path + "/b" + &"/..".repeat(MAX_SEGMENTS);
        assert_eq!(resolved(&up), Err(PathProblem::TooManySegments));
    }
}
