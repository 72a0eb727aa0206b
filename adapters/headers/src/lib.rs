//! Strip and inject the correlation headers of a stamped request.
//!
//! A request that leaves an agent carries its [`Stamp`] in two header fields, so that whoever receives it
//! can name the audit event that it belongs to. This crate sees to it that these fields
//! come from the stamp and from nowhere else: what a client put there is dropped from every request, and
//! a stamp is written as both fields or not at all.
//!
//! ```
//! use throughline_core::{Sequence, SessionId, Stamp};
//! use throughline_headers::{HeadInjector, Names};
//!
//! let session = SessionId::from_uuid(uuid::Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
//! let injector = HeadInjector::new(&Names::DEFAULT, session);
//!
//! let received = b"GET /v1/models HTTP/1.1\r\n\
//!     Host: upstream\r\n\
//!     X_Coder_Agent_Firewall_Session_Id: forged\r\n\
//!     \r\n";
//! let mut sent = [0; 512];
//! let stamp = Stamp::new(session, Sequence::ZERO);
//! let done = injector.rewrite(received, &mut sent, Some(stamp))?;
//! assert_eq!(
//!     &sent[..done.written],
//!     b"GET /v1/models HTTP/1.1\r\n\
//!     Host: upstream\r\n\
//!     X-Coder-Agent-Firewall-Session-Id: 01234567-89ab-4def-8123-456789abcdef\r\n\
//!     X-Coder-Agent-Firewall-Sequence-Number: 0\r\n\
//!     \r\n",
//! );
//! # Ok::<(), throughline_headers::RewriteError>(())
//! ```
//!
//! # Three forms of one thing
//!
//! - [`HeadInjector`] works on the bytes of an HTTP/1.x head, without the standard library and without
//!   allocating.
//! - `MapInjector` works on an `http::HeaderMap` (feature `http`, needs the standard library).
//! - `StampLayer` is a `tower` layer around any service of `http::Request`, so it serves under hyper,
//!   axum and tonic; a `Recorder` gives the stamps (feature `tower`, includes `http`).
//!
//! # Features
//!
//! | feature | gives | costs |
//! |---|---|---|
//! | none, the default | [`HeadInjector`] | |
//! | `http` | `MapInjector` | the standard library, and `http` |
//! | `tower` | `StampLayer`, `Recorder` | `http`, and the two small crates of tower's traits |
//! | `trace` | the stamp in W3C tracing fields too, see [`Trace`] | a KiB of flash; where it is on, a client's own traces |
//!
//! # The words
//!
//! - *Ours* are the two fields of [`Names`] in any letter case and with any separator in place of a
//!   hyphen, because servers that hand fields on as environment variables see no difference. With
//!   [`Trace`] on, tracing fields are ours as well.
//! - *Dropped* is a field of ours that a client sent, and also an option of `Connection` that
//!   names one: the next hop would take our field off on the client's word (RFC 9110 section 7.6.1).
//! - *Malformed* is a head that readers disagree on: a folded line, a bare carriage return or line feed, a
//!   NUL, whitespace before a colon (RFC 9112 sections 2.2, 5.1 and 5.2). It is refused and not mended,
//!   since what one reader takes for part of a value is a field to another.
//!
//! # Why the head is read by hand
//!
//! A rewriting needs to know where lines begin and which names are ours, and of everything else only that it
//! is well-formed. A general parser also makes a table of all fields, whose size limits their number, and may
//! accept more than a rewriting can let pass: a lone line feed, for one. Reading, checking,
//! copying and injecting a head of ten fields here was measured to take half as long as `httparse` takes to
//! read it on an x86-64, where heads are read in vectors; `httparse` in turn is the judge of this crate's
//! property tests.
//!
//! # What it does not do
//!
//! - It does not know what an event is, how it is stored, or which requests are to be stamped.
//! - It does not touch the body, nor the trailer fields behind a chunked one, which are no header fields
//!   and must not be taken for any (RFC 9110 section 6.5.1).
//! - It reads HTTP/1.0 and HTTP/1.1 heads of requests; HTTP/2 goes through the typed forms.
//! - It sets no limit on the length of a head: the buffer that a caller reads into is the limit.
//!
//! [`Stamp`]: throughline_core::Stamp
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
// A test may fail by panicking: that is its way to report.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(any(test, feature = "http"))]
extern crate std;

mod error;
mod fields;
mod head;
mod keep;
#[cfg(feature = "tower")]
mod layer;
mod line;
#[cfg(feature = "http")]
mod map;
mod names;
mod owned;
mod scan;
mod text;
mod trace;
#[cfg(target_arch = "x86_64")]
mod vectors;

pub use error::{Defect, RewriteError};
pub use head::{HeadInjector, Rewritten};
#[cfg(feature = "tower")]
pub use layer::{Recorder, StampLayer, StampService};
#[cfg(feature = "http")]
pub use map::MapInjector;
pub use names::{Names, NamesError, Role};
pub use trace::Trace;
