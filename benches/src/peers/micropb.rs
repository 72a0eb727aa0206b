//! micropb: generated code with borrowed texts, the fastest of the generated ones.

use micropb::{MessageEncodeCached, PbEncoder};

use super::micropb_messages::{
    BoundaryLog, BoundaryLog_::Resource, HttpRequest, ReportBoundaryLogsRequest, Timestamp,
};
use crate::events::{Act, PROCESS, SESSION_TEXT, TIME};

/// Builds the request of a batch of ten and encodes it to the front of `out`; returns its length (bytes).
///
/// # Panics
///
/// If `out` is too short.
pub fn encode(acts: &[Act; 10], out: &mut [u8]) -> usize {
    let mut number = 1000;
    let logs = acts.each_ref().map(|act| {
        let mut log = BoundaryLog {
            allowed: true,
            time: Timestamp {
                seconds: TIME.seconds().cast_signed(),
                nanos: TIME.subsec_nanos().cast_signed(),
            },
            resource: Some(Resource::HttpRequest(HttpRequest {
                method: act.method,
                url: act.url,
                matched_rule: act.rule,
            })),
            sequence_number: number,
            ..BoundaryLog::default()
        };
        log._has.set_time();
        number += 1;
        log
    });
    let request = ReportBoundaryLogsRequest {
        logs: &logs,
        session_id: SESSION_TEXT,
        confined_process_name: PROCESS,
    };
    let cache = request.populate_cache();
    let len = out.len();
    let mut encoder = PbEncoder::new(out);
    request
        .encode_cached(&mut encoder, &cache)
        .expect("room for a batch");
    len - encoder.into_writer().len()
}
