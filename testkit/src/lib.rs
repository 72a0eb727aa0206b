//! What the tests of this workspace share: a time of their own, links with faults, a naive model of a
//! trail, real servers to talk to.
//!
//! ```
//! use std::time::Duration;
//!
//! use throughline_testkit::{Mood, Operation, World};
//!
//! // A receiver hangs up in the middle of a frame; the books balance all the same.
//! let mut world = World::new(7, u32::MAX);
//! world.perform(Operation::Drive(10));
//! world.perform(Operation::Freeze(20));
//! world.perform(Operation::Record { denied: false, len: 50 });
//! world.perform(Operation::Drive(2000));
//! world.perform(Operation::HangUp);
//! world.perform(Operation::Thaw);
//! let auditor = world.finish(Duration::from_secs(10));
//! assert_eq!((auditor.written(), auditor.lost()), (1, 0));
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::missing_panics_doc,
    reason = "a helper of tests tells of a failure by panicking"
)]

pub mod agent_socket;
mod audit_daemon;
mod auditor;
pub mod driver_suite;
mod example;
pub mod fuzz;
#[cfg(feature = "servers")]
mod gateway;
mod kernel_audit;
mod lines;
mod link;
mod link_fuzz;
pub mod naive_head;
pub mod naive_rules;
mod platform;
mod record_text;
mod release;
#[cfg(feature = "servers")]
mod server;
#[cfg(feature = "servers")]
mod site;
#[cfg(feature = "servers")]
mod upstream;
mod world;

pub use audit_daemon::AuditDaemon;
pub use auditor::Auditor;
pub use example::example;
#[cfg(feature = "servers")]
pub use gateway::{Call, Gateway};
pub use kernel_audit::KernelAudit;
pub use lines::Lines;
pub use link::{FaultyLink, Mood};
pub use link_fuzz::link_decoder_fuzz;
pub use platform::{Host, Virtual};
pub use record_text::RecordText;
pub use release::build_release;
#[cfg(feature = "servers")]
pub use site::Site;
#[cfg(feature = "servers")]
pub use upstream::{Head, Upstream};
pub use world::{Operation, World};
