//! What others would use for the same work.

pub mod libaudit;
pub mod logs;
pub mod micropb;
pub mod prost;
pub mod proxy;
pub mod queues;
pub mod raw_audit;

#[allow(warnings, clippy::all, missing_docs, reason = "it is generated")]
#[rustfmt::skip]
mod micropb_messages;
