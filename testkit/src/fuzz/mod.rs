//! What the fuzz targets do, one function each: take any bytes, and panic if a promise is broken.
//!
//! ```
//! use throughline_testkit::fuzz;
//!
//! fuzz::raw_head_inject(b"\x07GET / HTTP/1.1\r\nConnection: x-coder-agent-firewall-session-id\r\n\r\n");
//! fuzz::audit_record(b"any bytes will do");
//! ```

mod audit;
mod choices;
mod head;
mod protobuf;
mod rules;
mod trail;

pub use audit::audit_record;
pub use head::raw_head_inject;
pub use protobuf::{protobuf_decode, protobuf_differential};
pub use rules::rule_parse_match;
pub use trail::trail_ops;
