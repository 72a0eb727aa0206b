//! What others would use for the same work.

pub mod libaudit;
pub mod logs;
pub mod micropb;
pub mod prost;
pub mod proxy;
pub mod queues;

#[allow(warnings, clippy::all, missing_docs, reason = "it is generated")]
#[rustfmt::skip]
mod micropb_messages;
