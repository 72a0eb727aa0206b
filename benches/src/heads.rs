//! The request head that the header benches rewrite: ten fields, 484 bytes.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A browser-like head, with its blank line.
pub const HEAD: &[u8] = b"POST /v1/threads/4711/runs?stream=1 HTTP/1.1\r\n\
Host: api.example.com\r\n\
User-Agent: agent/1.4 (linux; x86_64) client/2.31.0\r\n\
Accept: application/json, text/event-stream\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Authorization: Bearer 8d1f0c4e2b7a49d6b8e37f5a1c9d02e4f6a8b3c5\r\n\
Content-Type: application/json; charset=utf-8\r\n\
Content-Length: 1042\r\n\
X-Request-Id: 5c1f7e0a-93d4-4a8e-9f0b-2c6d8e4a1b37\r\n\
Cache-Control: no-cache, no-store, max-age=0\r\n\
X-Client: agent-sdk-linux; channel=stable\r\n\
\r\n";

/// Where the blank line begins.
pub const FIELDS_END: usize = HEAD.len() - 2;

/// What a stamp adds to a head, up to the number.
pub const LINES: &[u8] = b"X-Coder-Agent-Firewall-Session-Id: \
0c4e1111-2222-4333-8444-555566667777\r\n\
X-Coder-Agent-Firewall-Sequence-Number: ";

/// The same fields in a map.
///
/// # Panics
///
/// Never: the head is well-formed.
#[must_use]
pub fn map() -> HeaderMap {
    let text = std::str::from_utf8(HEAD).expect("ASCII");
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).expect("a name");
            (name, HeaderValue::from_static(value))
        })
        .collect()
}

/// The floor: copies the head and writes the two fields, and looks at nothing.
///
/// # Panics
///
/// If `out` is too short.
#[inline]
pub fn copy_and_inject(out: &mut [u8], number: u32) -> usize {
    let mut digits = itoa::Buffer::new();
    let number = digits.format(number).as_bytes();
    let mut at = 0;
    for part in [&HEAD[..FIELDS_END], LINES, number, b"\r\n\r\n"] {
        out[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_core::{Sequence, Stamp};
    use throughline_headers::{HeadInjector, Names};

    #[test]
    fn the_head_is_as_long_as_it_says_and_the_floor_writes_what_the_injector_does() {
        assert_eq!((HEAD.len(), map().len()), (484, 10));
        let session = crate::events::session_id();
        let stamp = Stamp::new(session, Sequence::new(1234).expect("a number"));
        let (mut ours, mut floor) = ([0; 1024], [0; 1024]);
        let injector = HeadInjector::new(&Names::DEFAULT, session);
        let done = injector
            .rewrite(HEAD, &mut ours, Some(stamp))
            .expect("good");
        let len = copy_and_inject(&mut floor, 1234);
        assert_eq!(&ours[..done.written], &floor[..len]);
    }
}
