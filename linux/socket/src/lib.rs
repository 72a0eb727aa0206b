//! The agent socket on Linux: the thread that writes a trail to it, and the collector that reads it.
//!
//! A [`FlushThread`] drives a trail's flusher over a [`SocketLink`]: one `send` a frame, no wait that
//! the recorder would notice. A [`Collector`] takes what any number of senders write and gives it to
//! a [`Sink`], such as [`Ndjson`]. [`Host`] and [`HostMutex`] are what a trail needs of the machine.
//!
//! ```
//! use std::{sync::Arc, thread, time::Duration};
//!
//! use throughline_core::{HttpRequest, Settings, Trail};
//! use throughline_protobuf::AgentSocket;
//! use throughline_socket::{Collector, FlushThread, HostMutex, Host, Ndjson, SocketLink, Waker};
//!
//! // A collector that writes to memory, and a link that it alone is at the end of.
//! let (link, inlet) = SocketLink::to_own_collector()?;
//! let collector = thread::spawn(move || {
//!     let mut lines = Vec::new();
//!     let sink = Ndjson::new(&mut lines);
//!     Collector::new(sink).with_inlet(inlet).run(&Waker::new()?)?;
//!     std::io::Result::Ok(lines)
//! });
//!
//! // A trail, and the thread that writes it to the link.
//! type Recorder = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, 2>;
//! let trail = Arc::new(Recorder::new(Host::new(1)?, AgentSocket::default()));
//! for _ in 0..2 {
//!     assert!(trail.lane(0).lend(vec![0; 4096].into()).is_ok());
//! }
//! let flush = FlushThread::spawn(Arc::clone(&trail), 0, link, Settings::DEFAULT)?;
//!
//! trail.record(&HttpRequest::denied("GET", "http://example.com/", "no rule"));
//!
//! assert!(flush.finish(Duration::from_secs(1)).is_some());
//! let lines = String::from_utf8(collector.join().map_err(|_| "it panicked")??)?;
//! assert!(lines.contains(r#""seq":0"#) && lines.contains(r#""end":{"recorded":1"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//!
//! A collector of the public protocol acknowledges nothing, so that a finished write is all that is known
//! of what it was sent; the collector here says what it has kept, to whoever asks. Who may connect is
//! not decided here but by the socket's file mode and folder.
#![deny(unsafe_code)]

mod armed;
mod collector;
mod connection;
mod flush;
mod host;
mod inlet;
mod intake;
mod link;
mod listen;
mod locked;
mod mutex;
mod ndjson;
mod seen;
mod segment;
mod sink;
mod spool;
mod spooled;
mod tally;
mod trail_file;
mod waker;

pub use collector::Collector;
pub use flush::{Ended, FlushThread};
pub use host::Host;
pub use inlet::Inlet;
pub use link::SocketLink;
pub use listen::{ListenError, Listener};
pub use mutex::HostMutex;
pub use ndjson::Ndjson;
pub use sink::Sink;
pub use spool::{Spool, SpoolCounts};
pub use spooled::SpooledLink;
pub use tally::Tally;
pub use trail_file::TrailFile;
pub use waker::Waker;
