//! Matching the segments of a URL with a `path=` pattern.

use crate::percent;
use crate::segment::start;
use crate::url::Url;
use crate::words::Values;

/// Whether any of the patterns matches a clear path.
pub(crate) fn matches(patterns: &Values<'_>, url: &Url<'_>) -> bool {
    let Ok(segments) = url.segments() else {
        return false;
    };
    patterns.any_member(|pattern| matches_segments(body(pattern), segments))
}

/// A pattern without the slashes around it, which mean nothing.
pub(crate) fn body(pattern: &[u8]) -> &[u8] {
    let body = pattern.strip_prefix(b"/").unwrap_or(pattern);
    body.strip_suffix(b"/").unwrap_or(body)
}

/// What every path begins with that the value of a `path=` matches, as [`start`] tells it; None if there is no such.
pub(crate) fn first(value: &str) -> Option<u64> {
    let body = body(value.as_bytes());
    let first = body.split(|&byte| byte == b'/').next().unwrap_or_default();
    if body.is_empty() || first == b"*" || body.contains(&b',') {
        return None;
    }
    start(first)
}

fn matches_segments(body: &[u8], segments: &[&[u8]]) -> bool {
    // Only the compatible grammar lets an empty pattern through.
    if body.is_empty() {
        return true;
    }
    let mut segments = segments.iter();
    let mut patterns = body.split(|&byte| byte == b'/').peekable();
    while let Some(pattern) = patterns.next() {
        let Some(segment) = segments.next() else {
            return false;
        };
        if pattern != b"*" {
            if !percent::same(pattern, segment) {
                return false;
            }
        } else if patterns.peek().is_none() {
            return true;
        } else if segment.is_empty() {
            // An upstream that merges slashes sees no segment here.
            return false;
        }
    }
    segments.next().is_none()
}
