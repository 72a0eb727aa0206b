//! prost: owned messages, built and then encoded.

use prost::Message;
use throughline_testkit::agent_socket::{
    BoundaryLog, HttpRequest, ReportBoundaryLogsRequest, Timestamp,
};

use crate::events::{Act, PROCESS, SESSION_TEXT, TIME};

/// Builds the request of a batch and encodes it to `out`; returns its length (bytes).
///
/// # Panics
///
/// Never: a vector has room.
pub fn encode(acts: &[Act], out: &mut Vec<u8>) -> usize {
    out.clear();
    request(acts).encode(out).expect("room");
    out.len()
}

/// The request of a batch as prost has it.
#[must_use]
pub fn request(acts: &[Act]) -> ReportBoundaryLogsRequest {
    let logs = acts.iter().zip(1000..).map(|(act, number)| BoundaryLog {
        allowed: true,
        time: Some(Timestamp {
            seconds: TIME.seconds().cast_signed(),
            nanos: TIME.subsec_nanos().cast_signed(),
        }),
        http_request: Some(HttpRequest {
            method: act.method.to_owned(),
            url: act.url.to_owned(),
            matched_rule: act.rule.to_owned(),
        }),
        sequence_number: number,
    });
    ReportBoundaryLogsRequest {
        logs: logs.collect(),
        session_id: SESSION_TEXT.to_owned(),
        confined_process_name: PROCESS.to_owned(),
    }
}
