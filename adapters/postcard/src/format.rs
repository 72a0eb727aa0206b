use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use heapless::Vec;
use throughline_core::{
    Encoder, Event, Origin, PhaseRecord, ProcessName, Report, SessionId, TooLong,
};

use crate::{
    message::{Body, Envelope, WireEnd, WireLoss, WirePhase},
    pack::pack,
    record::Record,
    room::{Room, move_to},
    stuffing::{codes_max, stuff},
};

/// The compact link format, version 1.
///
/// In the store an event is a head of fixed size and its texts; [`seal`](Encoder::seal) shortens the
/// events of a batch where they lie, since only then it is known what they share. Each frame stands
/// alone: one that the line damages takes no other with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFormat;

impl LinkFormat {
    /// The version of the format, the first byte of each frame before it is stuffed.
    pub const VERSION: u8 = 1;

    /// The greatest size of a [`begin`](Self::begin) frame (bytes, inclusive).
    pub const BEGIN_MAX: usize =
        1 + 1 + ENVELOPE_MAX + 1 + ProcessName::MAX + 10 + CHECKSUM_LEN + 1;

    /// The greatest size of a [`phase`](Self::phase) frame (bytes, inclusive).
    pub const PHASE_MAX: usize = 1 + ENVELOPE_MAX + WirePhase::MAX + CHECKSUM_LEN + 1;

    /// Writes the frame that says whose line this is to the front of `out`, and returns its length
    /// (bytes), or `None` if it does not fit; [`Self::BEGIN_MAX`] bytes are always enough.
    ///
    /// It begins with a delimiter, which ends whatever was on the line before it. `written` is how many
    /// events were written on such lines before (count): if there are none, a receiver knows that
    /// all events of the session are still to come.
    pub fn begin(&self, origin: Origin<'_>, written: u64, out: &mut [u8]) -> Option<usize> {
        let (delimiter, rest) = out.split_first_mut()?;
        *delimiter = crate::stuffing::DELIMITER;
        let process = origin.process.as_str();
        put_message(origin.session, Body::Begin { process, written }, rest)?.checked_add(1)
    }

    /// Writes the frame of a phase record to the front of `out`, and returns its length (bytes), or
    /// `None` if it does not fit; [`Self::PHASE_MAX`] bytes are always enough.
    ///
    /// The frame is one of the session that the record's position names, and of `session` if it
    /// has none. A name of more than 128 bytes is cut.
    pub fn phase(
        &self,
        session: SessionId,
        record: &PhaseRecord<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let position = record.change.position;
        let session = position.map_or(session, |position| position.session);
        put_message(session, Body::Phase(WirePhase::of(record)), out)
    }
}

impl Encoder for LinkFormat {
    const HEAD: usize = codes_max(Self::FRAME_MAX) + EVENTS_HEAD_MAX;
    const TAIL: usize = CHECKSUM_LEN + 1;
    /// A frame is sent again whole if a bit of it is damaged, so it is not long.
    const FRAME_MAX: usize = 2048;
    const EVENTS_MAX: u32 = 256;

    #[inline]
    fn encode(&self, event: &Event<'_>, out: &mut [u8]) -> Result<usize, TooLong> {
        Record::write(event, out)
    }

    fn seal(
        &self,
        origin: Origin<'_>,
        block: &mut [u8],
        events: Range<usize>,
    ) -> Option<Range<usize>> {
        let first = Record::read(block, events.start)?;
        let packed = pack(block, events)?;
        let envelope = Envelope {
            session: *origin.session.as_uuid().as_bytes(),
            body: Body::Events {
                process: origin.process.as_str(),
                number: first.number,
                time: first.time,
            },
        };
        let mut head = [0; EVENTS_HEAD_MAX];
        let mut room = Room::new(&mut head);
        put_envelope(&mut room, &envelope)?;
        let start = packed.start.checked_sub(room.len())?;
        Room::new(block.get_mut(start..)?).put_bytes(room.written())?;
        frame(block, start..packed.end)
    }

    fn report(&self, origin: Origin<'_>, report: &Report, out: &mut [u8]) -> Option<usize> {
        let mut losses = Vec::new();
        for loss in &report.losses {
            losses.push(WireLoss::of(loss)).ok()?;
        }
        let end = report.end.map(WireEnd::of);
        let body = Body::Report { losses, end };
        put_message(origin.session, body, out)
    }
}

/// The checksum of a frame's bytes before they are stuffed.
pub(crate) fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    CRC.checksum(body).to_le_bytes()
}

/// Writes the whole frame of a message to the front of `out`.
fn put_message(session: SessionId, body: Body<'_>, out: &mut [u8]) -> Option<usize> {
    let start = codes_max(out.len());
    let mut room = Room::new(out.get_mut(start..)?);
    let envelope = Envelope {
        session: *session.as_uuid().as_bytes(),
        body,
    };
    put_envelope(&mut room, &envelope)?;
    let end = start.checked_add(room.len())?;
    let frame = frame(out, start..end)?;
    move_to(out, frame, 0)
}

fn put_envelope(room: &mut Room<'_>, envelope: &Envelope<'_>) -> Option<()> {
    room.put(&LinkFormat::VERSION)?;
    room.put(envelope)
}

/// Makes a frame of what lies in `bytes[body]`, with the checksum and the delimiter behind it.
fn frame(bytes: &mut [u8], body: Range<usize>) -> Option<Range<usize>> {
    let checksum = checksum(bytes.get(body.clone())?);
    let end = body.end.checked_add(CHECKSUM_LEN)?;
    bytes.get_mut(body.end..end)?.copy_from_slice(&checksum);
    stuff(bytes, body.start..end)
}

/// Without a table: it would be 1 KiB of flash, and a serial line is slower than this by far.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

pub(crate) const CHECKSUM_LEN: usize = 4;

/// The longest head of an events frame (bytes): version, session, kind, process name with its
/// length, number and time.
const EVENTS_HEAD_MAX: usize = ENVELOPE_MAX + 1 + ProcessName::MAX + 5 + 10;

/// What every frame begins with (bytes): version, session, kind.
const ENVELOPE_MAX: usize = 1 + 16 + 1;
