//! The compact link format: a device's trail over a serial line, framed, checked, small.
//!
//! A device without a network of its own has a line to a host: a UART, an RS-485 pair, a USB serial
//! port. [`LinkFormat`] is the [`Encoder`](throughline_core::Encoder) for a trail whose frames leave
//! over such a line, and [`Decoder`] reads them on the other side, whatever the line did to them.
//! Neither allocates, neither panics.
//!
//! ```
//! use throughline_core::{Encoder, Event, HttpRequest, Origin, ProcessName, Sequence, SessionId, Timestamp};
//! use throughline_postcard::{Decoder, Fed, LinkFormat, Message};
//!
//! // A block has head-room, events and tail-room.
//! let mut block = [0; 512];
//! let request = HttpRequest::denied("GET", "http://example.com/", "no rule");
//! let event = Event { sequence: Sequence::ZERO, time: Timestamp::EPOCH, request: &request };
//! let len = LinkFormat.encode(&event, &mut block[LinkFormat::HEAD..])?;
//!
//! // Sealing makes one frame of what lies in it.
//! let session = SessionId::from_uuid(uuid::Uuid::nil());
//! let origin = Origin { session, process: &ProcessName::of_command("sensor") };
//! let events = LinkFormat::HEAD..LinkFormat::HEAD + len;
//! let frame = LinkFormat.seal(origin, &mut block, events).ok_or("no room")?;
//!
//! // The receiver feeds whatever the line gives; noise costs the frame that it hits, and no other.
//! let line = [b"noise\0", &block[frame]].concat();
//! let mut decoder: Decoder = Decoder::new();
//! let Fed::Bad(_, rest) = decoder.feed(&line) else { panic!("noise is no frame") };
//! let Fed::Packet(packet, []) = decoder.feed(rest) else { panic!("a frame") };
//! assert_eq!(packet.session, session);
//! let Message::Events(mut events) = packet.message else { panic!("events") };
//! events.for_each(|event| assert_eq!(event.request.url().to_string(), "http://example.com/"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The format, version 1
//!
//! ```text
//!   stuffed [ version: 1 | session: 16 | kind | body ... | CRC-32: 4 ]  0x00
//! ```
//!
//! Each frame is byte-stuffed (COBS), so that 0x00 is its end and nothing else, and a receiver that
//! has lost its place finds it again at the next 0x00. The checksum is CRC-32/ISO-HDLC, little-endian,
//! over all that stands before it. Numbers, texts and the rest are postcard's
//! (postcard.jamesmunns.com/wire-format), in this order:
//!
//! | kind | body |
//! |---|---|
//! | 0 begin | process name, events that were written on such lines before |
//! | 1 events | process name, number and time (ns) of the first event, records to the end |
//! | 2 report | losses: first, how far beyond it the last is, how many between are not lost, cause; end, if it is one: written, lost |
//! | 3 phase | transaction, name, position if any, step, phase, success |
//!
//! A record says of an event what is not already said by one before it in the same frame:
//!
//! ```text
//!   | flags: 1 | time | [gap] | [back, shared] | [method] | url | [rule] | the texts' bytes |
//! ```
//!
//! | bit | flag | then |
//! |---|---|---|
//! | 0 | allowed | there is a rule |
//! | 1 | gap | `gap` numbers are missing since the event before |
//! | 2 | like | this event resembles the one whose record begins `back` bytes before this one's: `shared` bytes at the front of its URL are that one's |
//! | 3 | same method | `method` is absent: it is that one's |
//! | 4 | same rule | `rule` is absent: it is that one's |
//! | 5 | microseconds | `time`, since the event before, is in microseconds and not in nanoseconds |
//!
//! `method`, `url` and `rule` are the lengths of the bytes that follow. Causes are numbered 1
//! `store_full`, 2 `deadline`, 3 `spool_full`, 4 `link`; phases 0 to 3 in their order, outcomes from
//! 4 on in that of [`Outcome::ALL`](throughline_core::Outcome::ALL). A sender that has more to say
//! than this sends another version.
//!
//! # What it does not do
//!
//! It does not repeat a frame that the line damaged: there is no way back. It does not look for gaps
//! between frames either; whoever forwards the trail knows best which numbers are missing.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

mod decode;
mod events;
mod format;
mod message;
mod pack;
mod record;
mod room;
mod stuffing;

pub use decode::{BadFrame, Decoder, Fed, LineCounters, Message, Packet};
pub use events::Events;
pub use format::LinkFormat;
