//! The W3C tracing fields that may go along with the pair, in the raw form.

use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{HeadInjector, Names, Trace};
use uuid::Uuid;

const SESSION: SessionId =
    SessionId::from_uuid(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
const PAIR: &str = "X-Coder-Agent-Firewall-Session-Id: 01234567-89ab-4def-8123-456789abcdef\r\n\
    X-Coder-Agent-Firewall-Sequence-Number: 9\r\n";
const PARENT: &str = "traceparent: 00-0123456789ab4def8123456789abcdef-000000000000000a-01\r\n";
const BAGGAGE: &str = "baggage: throughline.session=01234567-89ab-4def-8123-456789abcdef,\
    throughline.seq=9\r\n";

/// What comes out of `fields`, with the pair and what goes along.
fn rewritten(trace: Trace, session: SessionId, fields: &str, stamped: bool) -> String {
    let injector = HeadInjector::with_trace(&Names::DEFAULT, session, trace);
    let input = format!("GET / HTTP/1.1\r\n{fields}\r\n");
    let stamp = stamped.then(|| Stamp::new(session, Sequence::new(9).unwrap()));
    let mut output = vec![0; 1024];
    let done = injector
        .rewrite(input.as_bytes(), &mut output, stamp)
        .unwrap();
    output.truncate(done.written);
    let output = String::from_utf8(output).unwrap();
    let fields = output.strip_prefix("GET / HTTP/1.1\r\n").unwrap();
    fields.strip_suffix("\r\n").unwrap().to_owned()
}

#[test]
fn tracing_is_off_unless_asked_for() {
    let client = "traceparent: a\r\ntracestate: b\r\nbaggage: throughline.seq=1\r\n";
    let output = rewritten(Trace::default(), SESSION, client, true);
    assert_eq!(output, format!("{client}{PAIR}"));
}

#[test]
fn a_stamp_starts_a_new_trace() {
    let client = "Traceparent: a\r\nTRACESTATE: b\r\nbaggage: c=d\r\n";
    let output = rewritten(Trace::Parent, SESSION, client, true);
    assert_eq!(output, format!("baggage: c=d\r\n{PAIR}{PARENT}"));
}

#[test]
fn a_clients_trace_is_dropped_without_a_stamp_too() {
    let client = "traceparent: a\r\nA: b\r\n";
    let output = rewritten(Trace::Parent, SESSION, client, false);
    assert_eq!(output, "A: b\r\n");
}

#[test]
fn baggage_keeps_the_members_of_others() {
    let client = "traceparent: a\r\n\
        baggage: throughline.seq=1;p, user=u ,throughline.session = f\r\n\
        Baggage: throughline.seq=2\r\n";
    let output = rewritten(Trace::Baggage, SESSION, client, true);
    let expected = format!("traceparent: a\r\nbaggage: user=u \r\n{PAIR}{BAGGAGE}");
    assert_eq!(output, expected);
}

#[test]
fn nominations_of_tracing_fields_go_when_those_are_ours() {
    let client = "Connection: traceparent, baggage, close\r\n";
    let output = rewritten(Trace::ParentAndBaggage, SESSION, client, true);
    assert_eq!(
        output,
        format!("Connection: close\r\n{PAIR}{PARENT}{BAGGAGE}")
    );
    let output = rewritten(Trace::Off, SESSION, client, true);
    assert_eq!(output, format!("{client}{PAIR}"));
}

#[test]
fn a_nil_session_has_no_valid_trace() {
    let nil = SessionId::from_uuid(Uuid::nil());
    let output = rewritten(Trace::Parent, nil, "", true);
    assert!(output.ends_with("Sequence-Number: 9\r\n"), "{output}");
}
