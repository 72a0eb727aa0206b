use core::fmt;

use cobs::{DecodeResult, DecoderState};
use heapless::Vec;
use throughline_core::{Encoder, PhaseRecord, Report, SessionId};
use uuid::Uuid;

use crate::{
    Events, LinkFormat,
    format::{CHECKSUM_LEN, checksum},
    message::{Body, Envelope},
    stuffing::DELIMITER,
};

/// What a frame says.
#[derive(Debug)]
pub struct Packet<'a> {
    /// The session that it is of.
    pub session: SessionId,
    /// What it says of it.
    pub message: Message<'a>,
}

/// What a frame says of its session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// The line is this session's from now on.
    Begin {
        /// The base name of the program that the device's trail watches; may be empty.
        process: &'a str,
        /// Events that were written on such lines before (count). If there are none, all events of
        /// the session are still to come.
        written: u64,
    },
    /// Events.
    Events(Events<'a>),
    /// Losses, or the session's end.
    Report(Report),
    /// A phase of a transaction on the device.
    Phase(PhaseRecord<'a>),
}

/// Reads frames from a line, in whatever pieces they come.
///
/// Memory is two frames, whatever comes. What is not a frame is counted, and the next delimiter is
/// where it starts anew. `N` is the greatest frame (bytes).
#[derive(Debug)]
pub struct Decoder<const N: usize = { LinkFormat::FRAME_MAX }> {
    unstuffing: DecoderState,
    body: [u8; N],
    len: usize,
    /// Set once a frame is known to be bad, until its delimiter.
    skipping: bool,
    text: [u8; N],
    counters: LineCounters,
}

/// What a decoder has read (counts, saturating).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounters {
    /// Frames that were whole.
    pub frames: u64,
    /// Runs of bytes up to a delimiter that were no frame.
    pub bad_frames: u64,
}

/// What a decoder makes of the bytes that it was fed.
#[derive(Debug)]
#[must_use = "what was not consumed has to be fed again"]
pub enum Fed<'d, 'b> {
    /// All of them were taken, and no frame is whole yet.
    Consumed,
    /// A frame is whole; feed the rest.
    Packet(Packet<'d>, &'b [u8]),
    /// What should have been a frame is none; feed the rest.
    Bad(BadFrame, &'b [u8]),
}

/// Why bytes up to a delimiter are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadFrame {
    /// They are not stuffed as they should be.
    ///
    /// Bytes were lost, or the line is noisy.
    Stuffing,
    /// There are more of them than a frame may have.
    ///
    /// A delimiter was lost, or this is another line.
    TooLong,
    /// The checksum is not theirs.
    ///
    /// The line is noisy.
    Checksum,
    /// They are of a version of the format that is not known.
    ///
    /// The device is newer than this receiver: update the receiver.
    Version {
        /// The version that was found.
        version: u8,
    },
    /// They came undamaged and make no sense.
    ///
    /// The sender does not keep to the format.
    Malformed,
}

impl<const N: usize> Decoder<N> {
    /// A decoder that takes the next byte for the first of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            unstuffing: DecoderState::Idle,
            body: [0; N],
            len: 0,
            skipping: false,
            text: [0; N],
            counters: LineCounters {
                frames: 0,
                bad_frames: 0,
            },
        }
    }

    /// Takes bytes up to the end of a frame, and hands back those behind it.
    ///
    /// The time taken is linear in the length of `bytes`, but for what a hostile sender can make of
    /// one frame's events: at most the square of its length.
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Fed<'_, 'b> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            match self.take(*byte) {
                None => {}
                Some(Ok(())) => return self.packet(rest),
                Some(Err(bad)) => return self.refuse(bad, rest),
            }
        }
        Fed::Consumed
    }

    /// The line was interrupted: the bytes of an unfinished frame are forgotten, and counted as a
    /// bad one if there are any.
    pub fn interrupted(&mut self) {
        if self.skipping || !matches!(self.unstuffing, DecoderState::Idle) {
            count(&mut self.counters.bad_frames);
        }
        self.unstuffing = DecoderState::Idle;
        self.skipping = false;
        self.len = 0;
    }

    /// What was read so far.
    #[must_use]
    pub const fn counters(&self) -> LineCounters {
        self.counters
    }

    /// Takes one byte; says when a frame has ended, and whether it may be one.
    fn take(&mut self, byte: u8) -> Option<Result<(), BadFrame>> {
        if self.skipping {
            if byte != DELIMITER {
                return None;
            }
            self.skipping = false;
            self.unstuffing = DecoderState::Idle;
            return Some(Err(BadFrame::TooLong));
        }
        match self.unstuffing.feed(byte) {
            Ok(DecodeResult::NoData) => None,
            Ok(DecodeResult::DataStart) => {
                self.len = 0;
                None
            }
            Ok(DecodeResult::DataContinue(byte)) => {
                self.push(byte);
                None
            }
            Ok(DecodeResult::DataComplete) => Some(Ok(())),
            Err(_) => Some(Err(BadFrame::Stuffing)),
        }
    }

    fn push(&mut self, byte: u8) {
        match self.body.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len = self.len.saturating_add(1);
            }
            None => self.skipping = true,
        }
    }

    fn refuse<'b>(&mut self, bad: BadFrame, rest: &'b [u8]) -> Fed<'_, 'b> {
        count(&mut self.counters.bad_frames);
        Fed::Bad(bad, rest)
    }

    /// Reads the frame that has come whole.
    fn packet<'b>(&mut self, rest: &'b [u8]) -> Fed<'_, 'b> {
        let Self {
            body,
            text,
            counters,
            ..
        } = self;
        match read(body.get(..self.len).unwrap_or_default(), text) {
            Ok(packet) => {
                count(&mut counters.frames);
                Fed::Packet(packet, rest)
            }
            Err(bad) => {
                count(&mut counters.bad_frames);
                Fed::Bad(bad, rest)
            }
        }
    }
}

impl<const N: usize> Default for Decoder<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stuffing => "a frame on the line lacks bytes; look for noise or a slow reader",
            Self::TooLong => "a frame on the line has no end; look whether it is the right line",
            Self::Checksum => "a frame on the line was damaged; look for noise",
            Self::Version { version } => {
                return write!(
                    f,
                    "a frame on the line is of version {version}; this receiver knows {} only",
                    LinkFormat::VERSION
                );
            }
            Self::Malformed => "a frame on the line makes no sense; its sender is at fault",
        })
    }
}

impl core::error::Error for BadFrame {}

/// Reads what was stuffed into a frame. URLs are put together in `text`.
fn read<'a>(frame: &'a [u8], text: &'a mut [u8]) -> Result<Packet<'a>, BadFrame> {
    let (body, sum) = frame
        .split_last_chunk::<CHECKSUM_LEN>()
        .ok_or(BadFrame::Checksum)?;
    if checksum(body) != *sum {
        return Err(BadFrame::Checksum);
    }
    let (version, envelope) = body.split_first().ok_or(BadFrame::Malformed)?;
    if *version != LinkFormat::VERSION {
        return Err(BadFrame::Version { version: *version });
    }
    let (envelope, records) =
        postcard::take_from_bytes::<Envelope<'a>>(envelope).map_err(|_| BadFrame::Malformed)?;
    let session = SessionId::from_uuid(Uuid::from_bytes(envelope.session));
    let message = message(session, envelope.body, records, text).ok_or(BadFrame::Malformed)?;
    Ok(Packet { session, message })
}

/// The message, or `None` if it is one that no sender should send.
fn message<'a>(
    session: SessionId,
    body: Body<'a>,
    records: &'a [u8],
    text: &'a mut [u8],
) -> Option<Message<'a>> {
    let message = match body {
        Body::Events {
            process,
            number,
            time,
        } => {
            let mut events = Events {
                process,
                number,
                time,
                records,
                text,
            };
            events.walk(&mut |_| {})?;
            return Some(Message::Events(events));
        }
        Body::Begin { process, written } => Message::Begin { process, written },
        Body::Report { losses, end } => {
            let mut report = Report {
                session,
                losses: Vec::new(),
                end: None,
            };
            for loss in &losses {
                report.losses.push(loss.to_loss()?).ok()?;
            }
            if let Some(end) = end {
                report.end = Some(end.to_end()?);
            }
            Message::Report(report)
        }
        Body::Phase(phase) => Message::Phase(phase.to_record(session)?),
    };
    records.is_empty().then_some(message)
}

const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
