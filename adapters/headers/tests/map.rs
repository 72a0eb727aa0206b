//! The typed form: the same scenarios on a header map.

use http::{HeaderMap, HeaderName, HeaderValue};
use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{MapInjector, Names, Trace};
use uuid::Uuid;

const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(7));

fn stamp() -> Stamp {
    Stamp::new(SESSION, Sequence::new(42).unwrap())
}

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn values<'a>(map: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let values = map.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

fn rewritten(trace: Trace, fields: &[(&str, &str)], stamp: Option<Stamp>) -> (HeaderMap, usize) {
    let mut map = map(fields);
    let injector = MapInjector::with_trace(&Names::DEFAULT, SESSION, trace);
    let dropped = injector.rewrite(&mut map, stamp).unwrap();
    (map, dropped)
}

fn assert_pair(map: &HeaderMap) {
    let names = Names::DEFAULT;
    assert_eq!(values(map, names.session()), [SESSION.to_string()]);
    assert_eq!(values(map, names.sequence()), ["42"]);
}

#[test]
fn forged_values_are_replaced_in_every_spelling_and_number() {
    let forged = [
        ("host", "a"),
        ("x-coder-agent-firewall-session-id", "f"),
        ("X-Coder-Agent-Firewall-Session-Id", "g"),
        ("x_coder_agent_firewall_session_id", "h"),
        ("x-coder_agent-firewall.sequence-number", "1"),
        ("x-coder-agent-firewall-session-ib", "near"),
    ];
    let (map, dropped) = rewritten(Trace::Off, &forged, Some(stamp()));
    assert_pair(&map);
    assert_eq!((map.len(), dropped), (4, 4));
    let (map, dropped) = rewritten(Trace::Off, &forged, None);
    assert_eq!((map.len(), dropped), (2, 4));
}

#[test]
fn a_map_without_ours_is_left_alone() {
    let fields = [("connection", "keep-alive, x-hop"), ("a", "b"), ("a", "c")];
    let (map, dropped) = rewritten(Trace::Off, &fields, None);
    assert_eq!((map, dropped), (self::map(&fields), 0));
}

#[test]
fn a_nomination_of_ours_leaves_the_other_options() {
    let fields = [
        ("connection", "close"),
        (
            "connection",
            "x-hop,X_Coder_Agent_Firewall_Session_Id , ,te",
        ),
        ("connection", "x-coder-agent-firewall-sequence-number"),
    ];
    let (map, dropped) = rewritten(Trace::Off, &fields, Some(stamp()));
    assert_pair(&map);
    assert_eq!(values(&map, "connection"), ["close", "x-hop, te"]);
    assert_eq!(dropped, 2);
}

#[test]
fn a_sensitive_value_stays_sensitive_when_it_is_shortened() {
    let mut map = HeaderMap::new();
    let mut value = HeaderValue::from_static("user=u,throughline.seq=1");
    value.set_sensitive(true);
    map.append("baggage", value);
    let injector = MapInjector::with_trace(&Names::DEFAULT, SESSION, Trace::Baggage);
    assert_eq!(injector.strip(&mut map), 1);
    assert_eq!(map["baggage"], "user=u");
    assert!(map["baggage"].is_sensitive());
}

#[test]
fn a_stamp_of_another_session_is_written_as_it_is() {
    let other = SessionId::from_uuid(Uuid::from_u128(8));
    let stamp = Stamp::new(other, Sequence::MAX);
    let (map, _) = rewritten(Trace::Off, &[], Some(stamp));
    assert_eq!(values(&map, Names::DEFAULT.session()), [other.to_string()]);
    assert_eq!(values(&map, Names::DEFAULT.sequence()), ["2147483647"]);
}

#[test]
fn tracing_fields_go_along_and_are_nobody_elses() {
    let fields = [
        ("traceparent", "f"),
        ("tracestate", "f"),
        ("baggage", "throughline.seq=1,user=u"),
    ];
    let (map, dropped) = rewritten(Trace::ParentAndBaggage, &fields, Some(stamp()));
    assert_pair(&map);
    let parent = "00-00000000000000000000000000000007-000000000000002b-01";
    assert_eq!(values(&map, "traceparent"), [parent]);
    let ours = format!("throughline.session={SESSION},throughline.seq=42");
    assert_eq!(values(&map, "baggage"), ["user=u", &ours]);
    assert_eq!((map.len(), dropped), (5, 3));
}

#[test]
fn every_name_that_is_taken_is_a_header_name() {
    let every = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let names = Names::new(every, "Other").unwrap();
    let mut map = HeaderMap::new();
    let injector = MapInjector::new(&names, SESSION);
    injector.rewrite(&mut map, Some(stamp())).unwrap();
    assert_eq!(values(&map, every), [SESSION.to_string()]);
    assert_eq!(values(&map, "other"), ["42"]);
}

#[test]
fn a_full_map_gets_neither_field() {
    // One short of what a map takes, found rather than assumed.
    let mut map = HeaderMap::new();
    let mut last = 0;
    let number = |n: usize| HeaderName::from_bytes(format!("n{n}").as_bytes()).unwrap();
    while map
        .try_insert(number(last), HeaderValue::from(last))
        .is_ok()
    {
        last += 1;
    }
    map.remove(number(0));
    let before = map.len();
    let injector = MapInjector::new(&Names::DEFAULT, SESSION);
    assert!(injector.rewrite(&mut map, Some(stamp())).is_err());
    assert_eq!(map.len(), before);
    assert!(!map.contains_key(Names::DEFAULT.session()));
}
