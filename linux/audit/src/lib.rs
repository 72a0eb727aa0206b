//! Transaction phases and sessions in the Linux kernel's audit log, without ever holding the caller.
//!
//! The kernel's audit log is where an administrator, a SIEM and a court look for what was done to a
//! machine. A record in it carries what the kernel knows of its sender, and leaves the machine by
//! ways that the sender has no hand in. But to send one can take a minute: while the audit daemon is
//! slow, the kernel holds every sender, beyond any signal and whatever flags it sets. So nothing is
//! sent here by the one who emits:
//!
//! ```text
//!   emit --> queue --> thread -------------------------> NETLINK_AUDIT --> auditd, SIEM
//!   a copy   bounded     '--> socketpair --> helper process --^
//! ```
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use throughline_audit::{Extra, Field, Options};
//! use throughline_core::{Change, Transaction, TransactionId};
//!
//! let emitter = Options::new()
//!     .observer(|notice| eprintln!("{notice}"))
//!     .start_thread()?;
//!
//! let transaction = TransactionId::from_uuid(uuid::Uuid::from_u128(7));
//! let change = Change { transaction, name: "motd", position: None };
//! let extras = [Extra { field: Field::Path, value: b"/etc/motd" }];
//!
//! let transaction = Transaction::start(emitter.with(&extras), change).captured();
//! // ... write the file ...
//! transaction.applied().validated().committed();
//!
//! let counters = emitter.close(Duration::from_secs(1));
//! assert_eq!(counters.pushed, 5);
//! assert!(counters.is_balanced());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! With privilege and `auditctl -e 1`, `ausearch -m USYS_CONFIG -i` shows the five records, and
//! `ausearch -m USYS_CONFIG -sv no` those of failures.
//!
//! # The words
//!
//! | word | meaning |
//! |---|---|
//! | pushed | given to the emitter |
//! | accepted | the kernel took it. It may still discard it (auditing is off, a rule, a rate limit) or lose it, and does not tell: nobody can promise "recorded" |
//! | refused | the kernel answered with an error: `EPERM`, `ECONNREFUSED` or another |
//! | dropped | never sent, by [cause](Dropped) |
//! | unknown | on its way when the helper died or the emitter was closed |
//! | pending | waiting, or on its way |
//!
//! What was pushed is at all times the sum of the others, and each record has a number, `seq`, and
//! the count of what was dropped before it, `drop`, so that a reader of the log sees what is missing
//! from it: a gap in the numbers that `drop` does not explain was refused, or lost by the kernel.
//!
//! # Thread or helper
//!
//! [`start_thread`](Options::start_thread) needs nothing else. While the kernel holds the thread, the
//! caller goes on, but **its process cannot end**, not even by `SIGKILL`; that took 58 seconds with
//! a daemon that stood still. [`start_helper`](Options::start_helper) hands the records to a
//! [process](helper) of their own, without waiting for it. It holds `CAP_AUDIT_WRITE` alone, so that
//! its parent may do without, and sends what was handed over even if its parent is killed. The
//! price: the kernel's `pid=` in the records is the helper's.
//!
//! When a send was slow, records are dropped for a second: the queue is the whole machine's, and
//! what is pushed into a full one makes everybody wait. When the kernel refuses the process, it is
//! asked again after half a minute. The [observer](Options::observer) hears of each such turn once.
//! It hears once, too, that auditing is off or limited, which no answer of the kernel's tells; the
//! sender asks for it when it starts, if it may (`CAP_AUDIT_CONTROL`; the helper before it gives
//! that up).
//!
//! # Threats
//!
//! - **A value that forges fields.** Names of fields are constants. Values are written in double
//!   quotes if they hold nothing that any known reader of the log takes for more than itself, in
//!   hexadecimal digits otherwise; the text of a record is printable ASCII with one `res=`, at its
//!   end. A value that is too long is cut, and `trunc="1"` says so; the end of the record never is.
//! - **A process that lies.** Everything in `msg='...'` is what the process says. What the kernel
//!   says stands in front: `pid`, `uid`, `auid`, `ses`, `subj`. Whoever has `CAP_AUDIT_WRITE` can
//!   send records like these.
//! - **A flood.** An emitter holds a fixed number of entries, and drops the newest.
//! - **A helper that is taken over.** It can send audit records of any user type, and no more.
//!
//! # What it does not do
//!
//! It makes no rules, reads no log files and sends no other user messages. It does not work in a
//! container with a user namespace of its own, which the kernel refuses; a [`Probe`] tells.
#![forbid(unsafe_code)]

mod counters;
mod emitter;
mod entry;
mod finding;
mod gate;
pub mod helper;
mod identity;
mod item;
mod line;
mod link;
mod netlink;
mod notice;
mod options;
mod probe;
mod reader;
mod record;
mod refusal;
mod report;
mod ring;
mod shared;
mod status;
mod sync;
mod template;
mod value;
mod waker;
mod worker;

pub use counters::{Counters, Dropped, Refused};
pub use emitter::{AuditEmitter, Flush, WithExtras};
pub use entry::{Entry, Extra, Field, SessionClose, SessionOpen};
pub use finding::{Finding, Verdict};
pub use identity::Identity;
pub use netlink::AuditSocket;
pub use notice::Notice;
pub use options::Options;
pub use probe::{Probe, Unknown};
pub use reader::{KernelRecord, Reader};
pub use record::{Record, RecordType};
pub use refusal::Refusal;
pub use status::{Enabled, Status};
pub use template::{Numbering, Template};
