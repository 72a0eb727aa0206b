//! The event as it nearly always is, in few instructions.
//!
//! Its bytes are those of the general way. What is usual: it was allowed, nothing of it was repaired or
//! cut, its method and its rule take up to 127 bytes and its URL up to [`URL_MAX`], it happened between
//! 1978 and 3058 and not within the first two milliseconds of a second, and there is some room behind
//! it.

use throughline_core::{Decision, Event};

use crate::{
    encode::{
        HTTP_MATCHED_RULE, HTTP_METHOD, HTTP_URL, LOG_ALLOWED, LOG_HTTP_REQUEST,
        LOG_SEQUENCE_NUMBER, LOG_TIME, REQUEST_LOGS, TIME_NANOS, TIME_SECONDS,
    },
    wire::{Run, Writer, wide},
};

/// The greatest length of a URL that leaves the lengths around it below 2^14 (bytes, inclusive). Such an
/// event fits any frame.
const URL_MAX: usize = 0x3f00 - 2 * 0x7f;

/// Writes an event that is usual and returns its length (bytes). `out` may hold a part of one that is
/// not.
// A call of its own: inlined, what it works out early is kept on the stack by whoever calls.
#[inline(never)]
pub(crate) fn encode(event: &Event<'_>, out: &mut [u8]) -> Option<usize> {
    let request = event.request;
    let Decision::Allowed(rule) = request.decision() else {
        return None;
    };
    let (method, url) = (request.method().plain()?, request.url().plain()?);
    let rule = rule.text().plain()?;
    let seconds = event.time.seconds();
    let nanos = u64::from(event.time.subsec_nanos());
    let number = event.sequence.value();
    let is_usual = is_in(method.len(), 1, 0x7f)
        && is_in(url.len(), 1, URL_MAX)
        && is_in(rule.len(), 1, 0x7f)
        && (seconds >> 28).wrapping_sub(1).lt(&0x7f)
        && nanos >> 21 != 0
        && number != 0;
    if !is_usual {
        return None;
    }

    let url_head = Short::new(HTTP_URL, url.len());
    let request_len = method
        .len()
        .wrapping_add(url.len())
        .wrapping_add(rule.len())
        .wrapping_add(url_head.len)
        .wrapping_add(4);
    let http = Short::new(LOG_HTTP_REQUEST, request_len);
    let (sequence, sequence_len) = varint(number);
    let long_nanos = usize::from(nanos >> 28 != 0);
    let log_len = request_len
        .wrapping_add(http.len)
        .wrapping_add(sequence_len)
        .wrapping_add(long_nanos)
        .wrapping_add(16);
    let log = Short::new(REQUEST_LOGS, log_len);

    // All in front of the method, in the room that it takes at most.
    let front = out.first_chunk_mut::<32>()?;
    put(front, 0, log.bytes);
    put(
        front,
        log.len,
        LOG_HEAD.wrapping_add(wide(long_nanos) << 24),
    );
    let at = log.len.wrapping_add(5);
    let [seconds, nanos] = spread(seconds, nanos);
    put(
        front,
        at,
        seconds | 0x8080_8080 | u64::from(TIME_NANOS) << 40,
    );
    put(
        front,
        at.wrapping_add(6),
        nanos | 0x0080_8080 | wide(long_nanos) << 31,
    );
    let at = at.wrapping_add(10).wrapping_add(long_nanos);
    put(front, at, http.bytes);
    let at = at.wrapping_add(http.len);
    put(front, at, u64::from(HTTP_METHOD) | wide(method.len()) << 8);

    let mut writer = Writer::behind(out, at.wrapping_add(2));
    writer.word(method)?;
    writer.run(Run::of_bytes(url_head.bytes, url_head.len))?;
    writer.words(url)?;
    writer.run(Run::of_bytes(
        u64::from(HTTP_MATCHED_RULE) | wide(rule.len()) << 8,
        2,
    ))?;
    writer.words(rule)?;
    writer.run(Run::of_bytes(
        u64::from(LOG_SEQUENCE_NUMBER) | sequence << 8,
        sequence_len.wrapping_add(1),
    ))?;
    Some(writer.len())
}

/// What stands between the length of a log and its seconds, for nanoseconds in four bytes.
const LOG_HEAD: u64 = u64::from_le_bytes([LOG_ALLOWED, 1, LOG_TIME, 11, TIME_SECONDS, 0, 0, 0]);

/// A tag and a length below 2^14.
struct Short {
    bytes: u64,
    /// 2 or 3 (bytes).
    len: usize,
}

impl Short {
    // Without a branch: lengths lie on either side of 128 as they come.
    #[inline(always)]
    fn new(tag: u8, len: usize) -> Self {
        let is_long = usize::from(len > 0x7f);
        // What is above the low seven bits moves up by one.
        let bytes = len.wrapping_add(len & 0x3f80) | is_long << 7;
        Self {
            bytes: u64::from(tag) | wide(bytes) << 8,
            len: is_long.wrapping_add(2),
        }
    }
}

#[inline(always)]
fn put(front: &mut [u8; 32], at: usize, bytes: u64) {
    if let Some(room) = front.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *room = bytes.to_le_bytes();
    }
}

#[inline]
const fn is_in(value: usize, first: usize, last: usize) -> bool {
    first <= value && value <= last
}

/// A varint and its length (bytes), without a branch.
#[inline(always)]
fn varint(value: u32) -> (u64, usize) {
    let [bytes, _] = spread(value.into(), 0);
    let last = (value | 1).ilog2() / 7;
    // Every byte but the last says that another follows.
    let more = 0x80_8080_8080 & !u64::MAX.wrapping_shl(last.wrapping_mul(8));
    let len = usize::try_from(last).unwrap_or_default().wrapping_add(1);
    (bytes | more, len)
}

/// Seven bits to each byte of two numbers below 2^35, side by side.
#[inline]
const fn spread(a: u64, b: u64) -> [u64; 2] {
    let low = (a & 0x0fff_ffff) | (b & 0x0fff_ffff) << 32;
    let low = (low & 0x0000_3fff_0000_3fff) | (low & 0x0fff_c000_0fff_c000) << 2;
    let low = (low & 0x007f_007f_007f_007f) | (low & 0x3f80_3f80_3f80_3f80) << 1;
    [
        (low & 0xffff_ffff) | (a >> 28) << 32,
        (low >> 32) | (b >> 28) << 32,
    ]
}
