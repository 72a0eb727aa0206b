//! The agent-socket messages and frames, both directions.
//!
//! A host's collector, such as the workspace agent of the public protocol, listens on a Unix stream
//! socket. A recorder writes frames to it and reads nothing back. This crate turns events into such
//! frames ([`AgentSocket`], the [`Encoder`](throughline_core::Encoder) of a trail) and frames into
//! events ([`Header`], [`Message`]), without allocation and without I/O.
//!
//! ```
//! use throughline_core::{Encoder, Event, HttpRequest, Origin, ProcessName, Sequence, SessionId, Timestamp};
//! use throughline_protobuf::{AgentSocket, Header, Message};
//!
//! // A block has head-room, events and tail-room.
//! let mut block = [0; 512];
//! let request = HttpRequest::denied("GET", "http://example.com/", "no rule");
//! let event = Event { sequence: Sequence::ZERO, time: Timestamp::EPOCH, request: &request };
//! let len = AgentSocket::default().encode(&event, &mut block[AgentSocket::HEAD..])?;
//!
//! // Sealing makes one frame of what lies in it.
//! let session = SessionId::from_uuid(uuid::Uuid::nil());
//! let origin = Origin { session, process: &ProcessName::of_command("/usr/bin/curl") };
//! let events = AgentSocket::HEAD..AgentSocket::HEAD + len;
//! let frame = AgentSocket::default().seal(origin, &mut block, events).ok_or("no room")?;
//!
//! // The receiver reads four bytes, and then as many as they say.
//! let (header, payload) = block[frame].split_at(Header::LEN);
//! let header = Header::parse(header.try_into()?)?;
//! assert_eq!(header.len, payload.len());
//! let Message::Logs(logs) = Message::decode(header.tag, payload)? else { panic!("events") };
//! assert_eq!(logs.confined_process_name, "curl");
//! assert_eq!(logs.iter().next().map(|log| log.url), Some("http://example.com/"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The messages
//!
//! `agent_socket.proto`, beside this crate's manifest, has them in full. Losses and the end of a
//! session travel in fields of a status that the public receiver skips.
//!
//! # What it does not do
//!
//! It does not look for a frame's start in a stream that is out of step: framing that cannot be
//! trusted is a [`FrameError`], and the connection is to be closed. It does not check what texts
//! mean: a session identifier that is no UUID is the collector's to judge.
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
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod decode;
mod encode;
mod frame;
#[cfg(target_pointer_width = "64")]
mod usual;
mod wire;

pub use decode::{DecodeError, Log, LogIter, Logs, Message, Status, WireLoss, WireTime};
pub use encode::AgentSocket;
pub use frame::{ACKNOWLEDGE, ACKNOWLEDGEMENT, FrameError, Header, Tag};
