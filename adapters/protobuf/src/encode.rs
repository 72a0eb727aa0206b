use core::ops::Range;

use throughline_core::{
    Cause, Decision, Encoder, End, Event, HttpRequest, Loss, Origin, ProcessName, Report,
    SessionId, Text, TooLong,
};

use crate::{
    Header, Tag,
    wire::{Run, Writer, varint_len, wide},
};

/// The wire format of the agent socket.
///
/// An event takes one pass over its fields; the frame's header and the request's trailer go to the
/// room that is kept for them, so nothing is moved or written twice. The bytes are canonical: fields
/// in the order of their numbers, lengths in their shortest form, defaults absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentSocket {
    tag: Tag,
}

impl AgentSocket {
    /// The format with frames of tag `tag`.
    #[must_use]
    pub const fn new(tag: Tag) -> Self {
        Self { tag }
    }

    /// Writes what stands before the events, right-aligned to `head`'s end, and returns its length.
    fn put_head(self, head: &mut [u8], request_len: usize) -> Option<usize> {
        let envelope_len = match self.tag {
            Tag::V1 => 0,
            Tag::V2 => varint_len(wide(request_len)).checked_add(1)?,
        };
        let len = envelope_len.checked_add(request_len)?;
        let header = Header { tag: self.tag, len }.to_bytes()?;
        let head_len = envelope_len.checked_add(Header::LEN)?;
        let start = head.len().checked_sub(head_len)?;
        let mut writer = Writer::new(head.get_mut(start..)?);
        writer.bytes(&header)?;
        if self.tag == Tag::V2 {
            writer.len_prefixed(MESSAGE_LOGS, request_len)?;
        }
        Some(head_len)
    }
}

impl Encoder for AgentSocket {
    const HEAD: usize = Header::LEN + 1 + 3;
    const TAIL: usize = 2 + SessionId::TEXT_LEN + 2 + ProcessName::MAX;
    const FRAME_MAX: usize = Header::LEN + Header::PAYLOAD_MAX;
    const EVENTS_MAX: u32 = 1000;

    #[inline]
    fn encode(&self, event: &Event<'_>, out: &mut [u8]) -> Result<usize, TooLong> {
        // A small processor would rather have the room than the speed.
        #[cfg(target_pointer_width = "64")]
        if let Some(len) = crate::usual::encode(event, out) {
            return Ok(len);
        }
        encode_any(*event, out)
    }

    fn seal(
        &self,
        origin: Origin<'_>,
        block: &mut [u8],
        events: Range<usize>,
    ) -> Option<Range<usize>> {
        let end = events
            .end
            .checked_add(put_tail(block.get_mut(events.end..)?, origin)?)?;
        let request_len = end.checked_sub(events.start)?;
        let head_len = self.put_head(block.get_mut(..events.start)?, request_len)?;
        Some(events.start.checked_sub(head_len)?..end)
    }

    /// A V1 frame cannot carry a report; its length is 0 then.
    fn report(&self, _: Origin<'_>, report: &Report, out: &mut [u8]) -> Option<usize> {
        if self.tag == Tag::V1 {
            return Some(0);
        }
        // Once for its length, and once behind the header that tells it; reports are rare.
        let mut writer = Writer::new(out);
        put_status(&mut writer, report)?;
        let status_len = writer.len();

        let envelope_len = varint_len(wide(status_len)).checked_add(1)?;
        let len = envelope_len.checked_add(status_len)?;
        let mut writer = Writer::new(out);
        writer.bytes(&Header { tag: self.tag, len }.to_bytes()?)?;
        writer.len_prefixed(MESSAGE_STATUS, status_len)?;
        put_status(&mut writer, report)?;
        Some(writer.len())
    }
}

/// Writes any event at all.
#[cfg_attr(target_pointer_width = "64", cold)]
fn encode_any(event: Event<'_>, out: &mut [u8]) -> Result<usize, TooLong> {
    let plan = Plan::of(&event);
    let available = out.len().min(AgentSocket::FRAME_MAX);
    let needed = plan.len;
    if needed > available {
        return Err(TooLong { needed, available });
    }
    plan.write(event.request, &mut Writer::new(out))
        .map(|()| needed)
        .ok_or(TooLong { needed, available })
}

/// An event's numbers, ready to be written, and its length: what has to be known before the first
/// byte is written. Lengths wrap, and cannot: they are sums of lengths of slices.
struct Plan {
    /// The whole (bytes).
    len: usize,
    log: Run,
    time: Run,
    nanos: Run,
    method: Run,
    sequence: Run,
}

impl Plan {
    fn of(event: &Event<'_>) -> Self {
        let request = event.request;
        let seconds = Run::uint(TIME_SECONDS, event.time.seconds());
        let nanos = Run::uint(TIME_NANOS, event.time.subsec_nanos().into());
        let time_len = seconds.len().wrapping_add(nanos.len());
        let time = Run::field(LOG_TIME, wide(time_len)).then(seconds);

        let method_len = request.method().len();
        let method = Run::uint(HTTP_METHOD, wide(method_len));
        let (rule_len, allowed) = match request.decision() {
            Decision::Allowed(rule) => (text_len(rule.text().len()), Run::uint(LOG_ALLOWED, 1)),
            Decision::Denied(_) => (0, Run::EMPTY),
        };
        let request_len = method
            .len()
            .wrapping_add(method_len)
            .wrapping_add(text_len(request.url().len()))
            .wrapping_add(rule_len);
        let http = Run::field(LOG_HTTP_REQUEST, wide(request_len));

        let sequence = Run::uint(LOG_SEQUENCE_NUMBER, event.sequence.value().into());
        let log_len = allowed
            .len()
            .wrapping_add(time.len())
            .wrapping_add(nanos.len())
            .wrapping_add(http.len())
            .wrapping_add(request_len)
            .wrapping_add(sequence.len());
        let log = Run::field(REQUEST_LOGS, wide(log_len));
        Self {
            len: log.len().wrapping_add(log_len),
            log: log.then(allowed),
            time,
            nanos,
            method: http.then(method),
            sequence,
        }
    }

    fn write(&self, request: &HttpRequest<'_>, writer: &mut Writer<'_>) -> Option<()> {
        writer.run(self.log)?;
        writer.run(self.time)?;
        writer.run(self.nanos)?;
        writer.run(self.method)?;
        writer.text(&request.method())?;
        put_text(writer, HTTP_URL, &request.url())?;
        if let Decision::Allowed(rule) = request.decision() {
            put_text(writer, HTTP_MATCHED_RULE, &rule.text())?;
        }
        writer.run(self.sequence)
    }
}

fn put_text(writer: &mut Writer<'_>, tag: u8, text: &Text<'_>) -> Option<()> {
    writer.run(Run::uint(tag, wide(text.len())))?;
    writer.text(text)
}

/// Writes what stands behind the events and returns its length (bytes).
fn put_tail(out: &mut [u8], origin: Origin<'_>) -> Option<usize> {
    let mut writer = Writer::new(out);
    put_bytes(
        &mut writer,
        REQUEST_SESSION_ID,
        origin.session.to_text().as_bytes(),
    )?;
    put_bytes(
        &mut writer,
        REQUEST_PROCESS_NAME,
        origin.process.as_str().as_bytes(),
    )?;
    Some(writer.len())
}

fn put_bytes(writer: &mut Writer<'_>, tag: u8, bytes: &[u8]) -> Option<()> {
    if bytes.is_empty() {
        return Some(());
    }
    writer.len_prefixed(tag, bytes.len())?;
    writer.bytes(bytes)
}

fn put_status(writer: &mut Writer<'_>, report: &Report) -> Option<()> {
    let dropped = |store_full: bool| -> u64 {
        let alike = |loss: &&Loss| (loss.cause == Cause::StoreFull) == store_full;
        let counts = report.losses.iter().filter(alike).map(|loss| loss.count);
        counts.fold(0, |sum: u64, count| sum.saturating_add(count.into()))
    };
    writer.uint(STATUS_CHANNEL_FULL, dropped(true))?;
    writer.uint(STATUS_BATCH_FULL, dropped(false))?;

    let session = report.session.to_text();
    writer.bytes(&STATUS_SESSION_ID)?;
    writer.varint(wide(session.as_bytes().len()))?;
    writer.bytes(session.as_bytes())?;
    for loss in &report.losses {
        put_loss(writer, loss)?;
    }
    match report.end {
        Some(end) => put_end(writer, end),
        None => Some(()),
    }
}

fn put_loss(writer: &mut Writer<'_>, loss: &Loss) -> Option<()> {
    let fields = [
        (0x08, loss.first.value().into()),
        (0x10, loss.last.value().into()),
        (0x18, loss.count.into()),
        (0x20, cause_number(loss.cause)),
    ];
    put_message(writer, STATUS_LOSSES, &fields)
}

fn put_end(writer: &mut Writer<'_>, end: End) -> Option<()> {
    let fields = [
        (0x08, end.recorded.into()),
        (0x10, end.written.into()),
        (0x18, end.lost.into()),
    ];
    put_message(writer, STATUS_END, &fields)
}

/// A message of nothing but numbers.
fn put_message(writer: &mut Writer<'_>, tag: [u8; 2], fields: &[(u8, u64)]) -> Option<()> {
    let sizes = fields
        .iter()
        .map(|(tag, value)| Run::uint(*tag, *value).len());
    let len = sizes.fold(0, usize::saturating_add);
    writer.bytes(&tag)?;
    writer.varint(wide(len))?;
    for (tag, value) in fields {
        writer.uint(*tag, *value)?;
    }
    Some(())
}

/// The numbers of `Loss.Cause` in `agent_socket.proto`.
pub(crate) const fn cause_number(cause: Cause) -> u64 {
    match cause {
        Cause::StoreFull => 1,
        Cause::Deadline => 2,
        Cause::SpoolFull => 3,
        Cause::Link => 4,
        // A cause that this version of the format has no number for.
        _ => 0,
    }
}

/// A text with its tag and its length; nothing if it is empty.
fn text_len(len: usize) -> usize {
    match len {
        0 => 0,
        len => varint_len(wide(len)).wrapping_add(len).wrapping_add(1),
    }
}

// Tags: the field's number in `agent_socket.proto`, shifted, and its wire type.
const MESSAGE_LOGS: u8 = 0x0a;
const MESSAGE_STATUS: u8 = 0x12;
pub(crate) const REQUEST_LOGS: u8 = 0x0a;
const REQUEST_SESSION_ID: u8 = 0x12;
const REQUEST_PROCESS_NAME: u8 = 0x1a;
pub(crate) const LOG_ALLOWED: u8 = 0x08;
pub(crate) const LOG_TIME: u8 = 0x12;
pub(crate) const LOG_HTTP_REQUEST: u8 = 0x1a;
pub(crate) const LOG_SEQUENCE_NUMBER: u8 = 0x20;
pub(crate) const TIME_SECONDS: u8 = 0x08;
pub(crate) const TIME_NANOS: u8 = 0x10;
pub(crate) const HTTP_METHOD: u8 = 0x0a;
pub(crate) const HTTP_URL: u8 = 0x12;
pub(crate) const HTTP_MATCHED_RULE: u8 = 0x1a;
const STATUS_CHANNEL_FULL: u8 = 0x08;
const STATUS_BATCH_FULL: u8 = 0x10;
const STATUS_SESSION_ID: [u8; 2] = [0xc2, 0x3e];
const STATUS_LOSSES: [u8; 2] = [0xca, 0x3e];
const STATUS_END: [u8; 2] = [0xd2, 0x3e];
