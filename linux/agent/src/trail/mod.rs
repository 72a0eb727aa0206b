//! Reading trails: NDJSON, version 1.

mod line;
mod lines;

pub(crate) use line::{Body, Event, Line};
pub(crate) use lines::{LINE_MAX, Lines};
