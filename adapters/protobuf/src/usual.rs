//! The event as it nearly always is, in few instructions.
//!
//! Its bytes are those of the general way. What is usual: it was allowed, its method and its rule take
//! up to 127 bytes and its URL up to 16,383, it happened between 1978 and 3058 and not within the
//! first two milliseconds of a second, and there is some room behind it.

use throughline_core::{Decision, Event, Text};

use crate::{
    encode::{
        HTTP_MATCHED_RULE, HTTP_METHOD, HTTP_URL, LOG_ALLOWED, LOG_HTTP_REQUEST,
        LOG_SEQUENCE_NUMBER, LOG_TIME, REQUEST_LOGS, TIME_NANOS, TIME_SECONDS,
    },
    wire::{Run, Writer, wide},
};

/// Writes an event that is usual and returns its length (bytes). `out` may hold a part of one that is
/// not.
#[inline]
pub(crate) fn encode(event: &Event<'_>, out: &mut [u8]) -> Option<usize> {
    let request = event.request;
    let Decision::Allowed(rule) = request.decision() else {
        return None;
    };
    let (method_len, url_len) = (request.method().len(), request.url().len());
    let rule_len = rule.text().len();
    let (seconds, nanos) = (event.time.seconds(), u64::from(event.time.subsec_nanos()));
    let is_usual = is_in(method_len, 1, 0x7f)
        & is_in(url_len, 1, 0x3fff)
        & is_in(rule_len, 1, 0x7f)
        & (seconds >> 28).wrapping_sub(1).lt(&0x7f)
        & (nanos >> 21 != 0);
    if !is_usual {
        return None;
    }

    let url = Run::field(HTTP_URL, wide(url_len));
    let texts_len = method_len.wrapping_add(url_len).wrapping_add(rule_len);
    let request_len = texts_len.wrapping_add(4).wrapping_add(url.len());
    let http = Run::field(LOG_HTTP_REQUEST, wide(request_len));
    let sequence = Run::uint(LOG_SEQUENCE_NUMBER, event.sequence.value().into());
    let nanos = nanos_run(nanos);
    let time_len = nanos.len().wrapping_add(6);
    let log_len = time_len
        .wrapping_add(4)
        .wrapping_add(http.len())
        .wrapping_add(request_len)
        .wrapping_add(sequence.len());

    let mut writer = Writer::new(out);
    writer.run(Run::field(REQUEST_LOGS, wide(log_len)).then(Run::of_bytes(
        u64::from(LOG_ALLOWED) | 0x0100 | u64::from(LOG_TIME) << 16 | wide(time_len) << 24,
        4,
    )))?;
    writer.run(Run::of_bytes(
        u64::from(TIME_SECONDS) | (spread(seconds) | 0x8080_8080) << 8,
        6,
    ))?;
    writer.run(nanos)?;
    writer.run(http.then(short(HTTP_METHOD, method_len)))?;
    put(&mut writer, request.method())?;
    writer.run(url)?;
    put(&mut writer, request.url())?;
    writer.run(short(HTTP_MATCHED_RULE, rule_len))?;
    put(&mut writer, rule.text())?;
    writer.run(sequence)?;
    Some(writer.len())
}

#[inline(always)]
fn put(writer: &mut Writer<'_>, text: Text<'_>) -> Option<()> {
    writer.text(&text)
}

/// A varint of four or five bytes, and its tag.
#[inline]
fn nanos_run(nanos: u64) -> Run {
    let (more, len) = if nanos >> 28 == 0 {
        (0x0080_8080, 5)
    } else {
        (0x8080_8080, 6)
    };
    Run::of_bytes(u64::from(TIME_NANOS) | (spread(nanos) | more) << 8, len)
}

/// A tag and a length below 128.
#[inline]
fn short(tag: u8, len: usize) -> Run {
    Run::of_bytes(u64::from(tag) | wide(len) << 8, 2)
}

#[inline]
const fn is_in(value: usize, first: usize, last: usize) -> bool {
    first <= value && value <= last
}

/// Seven bits to each of the low five bytes.
#[inline]
const fn spread(value: u64) -> u64 {
    (value & 0x7f)
        | (value << 1 & 0x7f00)
        | (value << 2 & 0x7f_0000)
        | (value << 3 & 0x7f00_0000)
        | (value << 4 & 0x7f_0000_0000)
}
