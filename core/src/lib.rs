//! Sessions, sequence numbers, trails and transaction phases for agents: exact, and small enough for
//! a microcontroller.
//!
//! An agent acts, and each act leaves traces in several places. This crate gives every run a
//! [`Session`] and every act in it a [`Sequence`] number; the two are the act's [`Stamp`], by which
//! the traces can be lined up. A [`Trail`] records acts, a [`Flusher`] sees to it that they leave, and
//! a [`Transaction`] walks a change from its start to its outcome.
//!
//! It is best-effort towards the program that it watches: nothing here waits, fails or panics in its
//! way. It is exact towards the auditor: every number that was given out is either written or
//! reported as lost.
//!
//! ```
//! use throughline_core::{HttpRequest, MatchedRule, Trail};
//! # use embassy_sync::blocking_mutex::raw::NoopRawMutex;
//! # use throughline_testkit::{Host, Lines};
//!
//! // A trail for one thread on this machine, in a wire format for people.
//! let trail: Trail<NoopRawMutex, _, _, Box<[u8]>, 4> = Trail::new(Host::new(), Lines);
//! assert!(trail.lane(0).lend(vec![0; 400].into()).is_ok(), "room for a few events");
//!
//! let rule = MatchedRule::new("domain=example.com").ok_or("a rule is never empty")?;
//! let stamp = trail.record(&HttpRequest::allowed("GET", "http://example.com/", rule));
//!
//! // The stamp goes along with the request, and the event to whoever collects the trail.
//! assert_eq!(stamp.sequence().value(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The words
//!
//! | word | type | meaning |
//! |---|---|---|
//! | session | [`Session`], [`SessionId`] | one run of an agent: a UUID and a start |
//! | sequence number | [`Sequence`] | 0, 1, 2, ... within a session, 31 bits |
//! | stamp | [`Stamp`] | a session and a number: what all witnesses of an act share |
//! | event | [`HttpRequest`], [`Event`] | what happened, and with its number and time |
//! | trail | [`Trail`] | takes events, gives stamps, holds encoded events |
//! | lane | [`Lane`] | the store of a trail for one receiver |
//! | block | [`Block`] | memory that a store is lent |
//! | batch | [`Batch`] | a run of encoded events that leaves as one frame |
//! | loss | [`Loss`], [`Cause`] | numbers that will never be written, and why |
//! | report | [`Report`], [`End`] | losses, or the end of a session, on the wire |
//! | flusher | [`Flusher`] | decides when to connect, write, back off and end |
//! | transaction | [`Transaction`], [`Phase`], [`Outcome`] | a change, its steps, its end |
//! | position | [`Position`] | puts a phase in order with the events, without a number |
//!
//! # The drive loop
//!
//! A [`Flusher`] does no I/O and reads no clock. Whatever drives it, a thread, an async task or a
//! test in virtual time, does this:
//!
//! ```
//! use throughline_core::{Clock, Flusher, HttpRequest, Next, Settings, Trail, turn};
//! # use embassy_sync::blocking_mutex::raw::NoopRawMutex;
//! # use throughline_testkit::{FaultyLink, Lines, Virtual};
//! # let trail: Trail<NoopRawMutex, _, _, Box<[u8]>, 4> = Trail::new(Virtual::new(1), Lines);
//! # assert!(trail.lane(0).lend(vec![0; 400].into()).is_ok());
//! # trail.record(&HttpRequest::denied("GET", "http://example.com/", "no rule"));
//! # let clock = trail.platform();
//! # let wait = |until| clock.pass_until(until);
//! # let mut link = FaultyLink::new();
//! # let drain = core::time::Duration::from_secs(1);
//! let lane = trail.lane(0);
//! let mut flusher = Flusher::new(Settings::DEFAULT, 42);
//!
//! // When the program is about to end, and not before:
//! let now = clock.monotonic();
//! flusher.finish(now, now.after(drain));
//!
//! while !flusher.is_finished() {
//!     match turn(&mut flusher, &lane, &mut link, clock.monotonic()) {
//!         Next::Turn => {}
//!         // until the link can go on, too
//!         Next::AwaitLink => wait(flusher.poll_timeout()),
//!         // until the recorder wakes this driver, too
//!         Next::AwaitWake => wait(flusher.poll_timeout()),
//!     }
//! }
//! assert!(flusher.is_drained());
//! # assert_eq!(link.connections().count(), 1);
//! ```
//!
//! # What is guaranteed
//!
//! - **Order.** Numbers are unique and dense, events lie in the store in the order of their numbers,
//!   times never run back within a trail.
//! - **Exactness.** Written and lost together are what was recorded, whatever the link does and
//!   whenever the program ends.
//! - **No poisoned event.** Bytes that are not text are repaired, an event that is too long is cut and
//!   says so, and no frame is over the wire's limits.
//! - **Bounds.** Memory is what was lent. Each call does a bounded amount of work. A recorder wakes a
//!   flusher at most once a frame.
//! - **No panic, no allocation, no `unsafe`.** A binary that calls every entry point links only if no
//!   path to a panic or an allocator is left in it.
//!
//! # What it does not do
//!
//! It has no clock, no socket and no format: these come in through [`Clock`], [`Transport`] and
//! [`Encoder`]. It does not acknowledge: a batch is written when its link took it, and what a receiver
//! does with it afterwards is the receiver's. It does not decide what may leave; it records what
//! somebody else decided.
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
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

mod backoff;
mod batch;
mod counter;
mod drive;
mod encode;
mod flusher;
mod loss;
mod phase;
mod request;
mod sequence;
mod session;
mod source;
mod stamp;
mod store;
mod text;
mod time;
mod trail;
mod transaction;

pub use backoff::Backoff;
pub use batch::{Batch, Block};
pub use drive::{Next, PIECES_A_TURN, Transport, turn};
pub use encode::{Encoder, Event, Origin, TooLong};
pub use flusher::{Counters, Failure, Flusher, LinkStep, Settings};
pub use loss::{Cause, End, Loss, Report};
pub use phase::{Change, NoEmitter, Outcome, Phase, PhaseEmitter, PhaseRecord, TransactionId};
pub use request::{Decision, HttpRequest, MatchedRule};
pub use sequence::Sequence;
pub use session::{ProcessName, Session, SessionId, SessionText};
pub use source::{Fate, Parcel, Source};
pub use stamp::{Position, Stamp};
pub use store::Totals;
pub use text::Text;
pub use time::{Clock, Entropy, Instant, Timestamp};
pub use trail::{Lane, Platform, Trail};
pub use transaction::{Applied, Broken, Captured, Recovering, Started, Transaction, Validated};
