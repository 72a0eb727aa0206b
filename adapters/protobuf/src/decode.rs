use core::fmt;

use throughline_core::{Cause, End};

use crate::{
    Tag,
    encode::cause_number,
    wire::{Field, Reader},
};

/// A message from the agent socket, checked whole and borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Events.
    Logs(Logs<'a>),
    /// Losses and ends.
    Status(Status<'a>),
    /// Nothing that this version knows, or nothing at all.
    Unknown,
}

impl<'a> Message<'a> {
    /// Reads the payload of a frame with tag `tag`.
    ///
    /// Fields may come in any order and more than once, and unknown fields are skipped, as proto3
    /// asks. Nothing is allocated; the time taken is linear in the length of `payload`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the payload is not a whole, well-formed message. The frame's end is known
    /// all the same, so a receiver can go on with the next one.
    pub fn decode(tag: Tag, payload: &'a [u8]) -> Result<Self, DecodeError> {
        match tag {
            Tag::V1 => {
                let mut logs = Logs::none_of(payload, Envelope::None);
                logs.merge(payload)?;
                Ok(Self::Logs(logs))
            }
            Tag::V2 => decode_envelope(payload),
        }
    }
}

/// The events of one frame.
#[derive(Clone, Copy, Debug)]
pub struct Logs<'a> {
    bytes: &'a [u8],
    envelope: Envelope,
    /// The session's identifier, as it was sent: a UUID in text form, if the sender keeps to that.
    pub session_id: &'a str,
    /// The base name of the confined program.
    pub confined_process_name: &'a str,
}

impl<'a> Logs<'a> {
    /// The events, in the order of the frame.
    pub fn iter(&self) -> LogIter<'a> {
        LogIter {
            requests: Requests::new(self.bytes, self.envelope),
            request: Reader::new(&[]),
        }
    }

    const fn none_of(bytes: &'a [u8], envelope: Envelope) -> Self {
        Self {
            bytes,
            envelope,
            session_id: "",
            confined_process_name: "",
        }
    }

    /// Checks one part of the request, and takes from it what there is once.
    fn merge(&mut self, part: &'a [u8]) -> Result<(), DecodeError> {
        let mut request = Reader::new(part);
        while let Some(field) = request.field()? {
            match field {
                Field::Len(1, log) => drop(Log::decode(log)?),
                Field::Len(2, id) => self.session_id = text(id)?,
                Field::Len(3, name) => self.confined_process_name = text(name)?,
                other => refuse_known(&other, 1..=3)?,
            }
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &Logs<'a> {
    type Item = Log<'a>;
    type IntoIter = LogIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The events of one frame, see [`Logs::iter`].
#[derive(Clone, Debug)]
pub struct LogIter<'a> {
    requests: Requests<'a>,
    request: Reader<'a>,
}

impl<'a> Iterator for LogIter<'a> {
    type Item = Log<'a>;

    fn next(&mut self) -> Option<Log<'a>> {
        // Everything was checked when the frame was decoded, so no error is lost here.
        loop {
            match self.request.field().ok()? {
                Some(Field::Len(1, log)) => return Log::decode(log).ok(),
                Some(_) => {}
                None => self.request = self.requests.next_request().ok()??,
            }
        }
    }
}

/// One event, as it was sent. What was absent has its default, as proto3 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log<'a> {
    /// Whether the request was let out.
    pub allowed: bool,
    /// When it happened, if the sender says so.
    pub time: Option<WireTime>,
    /// Whether it was a request over HTTP; the three texts are empty if not.
    pub is_http_request: bool,
    /// The request method.
    pub method: &'a str,
    /// The URL that was asked for.
    pub url: &'a str,
    /// The rule that let it out.
    pub matched_rule: &'a str,
    /// Its number in the session; never negative if the sender keeps to the protocol.
    pub sequence_number: i32,
}

/// A `google.protobuf.Timestamp`, unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds within the second; 0..1_000_000_000 if the sender keeps to the protocol.
    pub nanos: i32,
}

impl<'a> Log<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut log = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.field()? {
            match field {
                Field::Varint(1, value) => log.allowed = value != 0,
                Field::Len(2, time) => log.time.get_or_insert_default().merge(time)?,
                Field::Len(3, request) => log.merge_request(request)?,
                Field::Varint(4, value) => log.sequence_number = int32(value),
                other => refuse_known(&other, 1..=4)?,
            }
        }
        Ok(log)
    }

    fn merge_request(&mut self, bytes: &'a [u8]) -> Result<(), DecodeError> {
        self.is_http_request = true;
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.field()? {
            match field {
                Field::Len(1, method) => self.method = text(method)?,
                Field::Len(2, url) => self.url = text(url)?,
                Field::Len(3, rule) => self.matched_rule = text(rule)?,
                other => refuse_known(&other, 1..=3)?,
            }
        }
        Ok(())
    }
}

impl WireTime {
    fn merge(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.field()? {
            match field {
                Field::Varint(1, value) => self.seconds = value.cast_signed(),
                Field::Varint(2, value) => self.nanos = int32(value),
                other => refuse_known(&other, 1..=2)?,
            }
        }
        Ok(())
    }
}

/// What a session says of itself besides its events.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    bytes: &'a [u8],
    /// Events that found no room in the recorder, since the last status (count).
    pub dropped_channel_full: i64,
    /// Events lost for any other cause, since the last status (count).
    pub dropped_batch_full: i64,
    /// The session's identifier; empty from a sender that does not report ranges.
    pub session_id: &'a str,
    /// The end of the session, if this is it.
    pub end: Option<End>,
    /// Whether the sender asks for an answer to each frame of the connection.
    pub acknowledge: bool,
}

impl<'a> Status<'a> {
    /// The lost ranges, in order.
    pub fn losses(&self) -> impl Iterator<Item = WireLoss> + 'a {
        let mut chunks = Chunks::new(self.bytes, 2);
        let mut status = Reader::new(&[]);
        core::iter::from_fn(move || {
            loop {
                match status.field().ok()? {
                    Some(Field::Len(1001, loss)) => return WireLoss::decode(loss).ok(),
                    Some(_) => {}
                    None => status = Reader::new(chunks.next_chunk().ok()??),
                }
            }
        })
    }

    const fn none_of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            dropped_channel_full: 0,
            dropped_batch_full: 0,
            session_id: "",
            end: None,
            acknowledge: false,
        }
    }

    fn merge(&mut self, bytes: &'a [u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.field()? {
            match field {
                Field::Varint(1, value) => self.dropped_channel_full = value.cast_signed(),
                Field::Varint(2, value) => self.dropped_batch_full = value.cast_signed(),
                Field::Len(1000, id) => self.session_id = text(id)?,
                Field::Len(1001, loss) => drop(WireLoss::decode(loss)?),
                Field::Len(1002, end) => merge_end(self.end.get_or_insert(NO_END), end)?,
                Field::Varint(1003, value) => self.acknowledge = value != 0,
                other => {
                    refuse_known(&other, 1..=2)?;
                    refuse_known(&other, 1000..=1003)?;
                }
            }
        }
        Ok(())
    }
}

/// A lost range, as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireLoss {
    /// The first number lost.
    pub first: i32,
    /// The last number lost (inclusive).
    pub last: i32,
    /// How many of them are lost.
    pub count: u32,
    /// Why; `None` if the sender gives a cause that this version does not know.
    pub cause: Option<Cause>,
}

impl WireLoss {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut loss = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.field()? {
            match field {
                Field::Varint(1, value) => loss.first = int32(value),
                Field::Varint(2, value) => loss.last = int32(value),
                Field::Varint(3, value) => loss.count = uint32(value),
                Field::Varint(4, value) => loss.cause = cause(value),
                other => refuse_known(&other, 1..=4)?,
            }
        }
        Ok(loss)
    }
}

/// Bytes that are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message ends in the middle of a field.
    Truncated,
    /// A varint is longer than ten bytes or larger than 64 bits.
    Varint,
    /// A field's number is zero or too large.
    FieldNumber,
    /// A field has a wire type that does not exist or that is not the field's own.
    WireType,
    /// A text is not UTF-8.
    Utf8,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Truncated => "the message ends in the middle of a field",
            Self::Varint => "a number in the message is longer than 64 bits",
            Self::FieldNumber => "a field of the message has an impossible number",
            Self::WireType => "a field of the message has the wrong type",
            Self::Utf8 => "a text in the message is not UTF-8",
        })
    }
}

impl core::error::Error for DecodeError {}

/// Whether requests are wrapped in a `BoundaryMessage`.
#[derive(Clone, Copy, Debug)]
enum Envelope {
    None,
    Message,
}

/// The requests in a frame: one, unless a sender splits it, which protobuf allows.
#[derive(Clone, Debug)]
enum Requests<'a> {
    One(Option<&'a [u8]>),
    Chunks(Chunks<'a>),
}

impl<'a> Requests<'a> {
    const fn new(bytes: &'a [u8], envelope: Envelope) -> Self {
        match envelope {
            Envelope::None => Self::One(Some(bytes)),
            Envelope::Message => Self::Chunks(Chunks::new(bytes, 1)),
        }
    }

    fn next_request(&mut self) -> Result<Option<Reader<'a>>, DecodeError> {
        let bytes = match self {
            Self::One(bytes) => bytes.take(),
            Self::Chunks(chunks) => chunks.next_chunk()?,
        };
        Ok(bytes.map(Reader::new))
    }
}

/// The parts of one embedded message.
#[derive(Clone, Debug)]
struct Chunks<'a> {
    reader: Reader<'a>,
    number: u32,
}

impl<'a> Chunks<'a> {
    const fn new(bytes: &'a [u8], number: u32) -> Self {
        Self {
            reader: Reader::new(bytes),
            number,
        }
    }

    fn next_chunk(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        while let Some(field) = self.reader.field()? {
            match field {
                Field::Len(number, chunk) if number == self.number => return Ok(Some(chunk)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Reads the member that is set: the last one in the bytes, from where it was last chosen on. One that it replaces has
/// to be well-formed too.
fn decode_envelope(payload: &[u8]) -> Result<Message<'_>, DecodeError> {
    let mut reader = Reader::new(payload);
    let mut chosen = Message::Unknown;
    loop {
        let from = reader.rest();
        chosen = match (reader.field()?, chosen) {
            (None, chosen) => return Ok(chosen),
            (Some(Field::Len(1, part)), chosen) => {
                let mut logs = match chosen {
                    Message::Logs(logs) => logs,
                    _ => Logs::none_of(from, Envelope::Message),
                };
                logs.merge(part)?;
                Message::Logs(logs)
            }
            (Some(Field::Len(2, part)), chosen) => {
                let mut status = match chosen {
                    Message::Status(status) => status,
                    _ => Status::none_of(from),
                };
                status.merge(part)?;
                Message::Status(status)
            }
            (Some(other), chosen) => {
                refuse_known(&other, 1..=2)?;
                chosen
            }
        };
    }
}

fn merge_end(end: &mut End, bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.field()? {
        match field {
            Field::Varint(1, value) => end.recorded = uint32(value),
            Field::Varint(2, value) => end.written = uint32(value),
            Field::Varint(3, value) => end.lost = uint32(value),
            other => refuse_known(&other, 1..=3)?,
        }
    }
    Ok(())
}

/// A field that is ours by its number and not by its type is an error; any other is skipped.
fn refuse_known(
    field: &Field<'_>,
    known: core::ops::RangeInclusive<u32>,
) -> Result<(), DecodeError> {
    let number = match field {
        Field::Varint(number, _) | Field::Len(number, _) | Field::Other(number) => number,
    };
    if known.contains(number) {
        return Err(DecodeError::WireType);
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    core::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)
}

/// An `int32`, of which protobuf sends 64 bits and keeps the lower 32.
const fn int32(value: u64) -> i32 {
    uint32(value).cast_signed()
}

const fn uint32(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn cause(number: u64) -> Option<Cause> {
    let causes = [
        Cause::StoreFull,
        Cause::Deadline,
        Cause::SpoolFull,
        Cause::Link,
    ];
    causes
        .into_iter()
        .find(|cause| cause_number(*cause) == number)
}

const NO_END: End = End {
    recorded: 0,
    written: 0,
    lost: 0,
};
