//! After set-up nothing on the hot paths asks for memory.

use std::hint::black_box;

use http::{HeaderName, HeaderValue};
use throughline_audit::Options;
use throughline_benches::{
    allocations::{Counting, count},
    events::{self, act},
    heads::{self, HEAD},
    phases,
    socket::OpenLink,
    trails,
};
use throughline_core::{
    Encoder, Event, Fate, Origin, PhaseEmitter, Report, Sequence, Source, Stamp,
};
use throughline_headers::{HeadInjector, MapInjector, Names};
use throughline_protobuf::AgentSocket;
use throughline_rules::{Rule, Url, first_match};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_counter_counts() {
    assert_eq!(count(|| drop(black_box(Box::new(7)))), 1);
    assert_eq!(count(|| assert_eq!(black_box(7), 7)), 0);
}

#[test]
fn to_record_seal_and_settle() {
    let trail = trails::on_host();
    let lane = trail.lane(0);
    let mut scratch = [0; Report::FRAME_MAX];
    let allocations = count(|| {
        for number in 0..50_000 {
            black_box(trail.record(&act(number).request()));
            // Some leave and some find no room.
            if number % 30_000 == 29_999 {
                while let Some(parcel) = lane.take(true, &mut scratch) {
                    lane.settle(parcel, Fate::Written);
                }
            }
        }
    });
    assert_eq!(allocations, 0);
    assert!(lane.totals().written > 0 && lane.totals().lost > 0);
}

#[test]
fn to_encode_and_seal() {
    let encoder = AgentSocket::default();
    let mut block = vec![0; 32_768];
    let allocations = count(|| {
        let mut end = AgentSocket::HEAD;
        for number in 0..100 {
            let request = act(number as usize).request();
            let sequence = Sequence::new(number).unwrap_or(Sequence::MAX);
            let event = Event {
                sequence,
                time: events::TIME,
                request: &request,
            };
            end += encoder.encode(&event, &mut block[end..]).expect("room");
        }
        let origin = Origin {
            session: events::session_id(),
            process: events::process(),
        };
        assert!(
            encoder
                .seal(origin, &mut block, AgentSocket::HEAD..end)
                .is_some()
        );
    });
    assert_eq!(allocations, 0);
}

#[test]
fn to_send() {
    let trail = trails::on_host();
    let mut link = OpenLink::new(&trail);
    let allocations = count(|| {
        for number in 0..1000 {
            trail.record(&act(number).request());
            if number % 10 == 9 {
                link.turn(&trail);
                link.read();
            }
        }
    });
    assert_eq!(allocations, 0);
    assert_eq!(link.frames(), 100);
}

#[test]
fn to_inject_on_a_raw_head() {
    let injector = HeadInjector::new(&Names::DEFAULT, events::session_id());
    let mut out = [0; 1024];
    let allocations = count(|| {
        for number in 0..1000 {
            let stamp = stamp(number);
            assert!(injector.rewrite(HEAD, &mut out, Some(stamp)).is_ok());
        }
    });
    assert_eq!(allocations, 0);
}

/// A map owns its values, and `http` puts that of a number on the heap; what two inserts ask for is the
/// floor.
#[test]
fn to_inject_on_a_map_but_for_what_inserts_take() {
    let injector = MapInjector::new(&Names::DEFAULT, events::session_id());
    let session = HeaderValue::from_static(events::SESSION_TEXT);
    let first = HeaderName::from_static("x-coder-agent-firewall-session-id");
    let second = HeaderName::from_static("x-coder-agent-firewall-sequence-number");
    let mut maps = vec![heads::map(); 100];
    let floor = count(|| {
        for (map, number) in maps.iter_mut().zip(1000_u32..) {
            map.insert(&first, session.clone());
            map.insert(&second, HeaderValue::from(number));
        }
    });
    // The first copy of the session makes it one that is shared.
    assert!(injector.rewrite(&mut heads::map(), Some(stamp(0))).is_ok());
    let mut maps = vec![heads::map(); 100];
    let allocations = count(|| {
        for (map, number) in maps.iter_mut().zip(1000..) {
            assert!(injector.rewrite(map, Some(stamp(number))).is_ok());
        }
    });
    assert_eq!(allocations, floor);
}

#[test]
fn to_match_rules() {
    let texts: Vec<String> = (0..50)
        .map(|number| format!("method=GET domain=host-{number}.example.net path=/a/*"))
        .collect();
    let rules: Vec<Rule<'_>> = texts
        .iter()
        .map(|text| Rule::parse(text).expect("a rule"))
        .collect();
    let allocations = count(|| {
        for number in 0..1000 {
            let url = Url::parse(act(number).url).expect("a URL");
            assert!(first_match(&rules, "GET", &url).is_none());
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn to_emit_a_phase() {
    let emitter = Options::new().start_thread().expect("a thread");
    let record = phases::phase();
    let allocations = count(|| (0..5000).for_each(|_| emitter.emit(&record)));
    assert_eq!(allocations, 0);
    assert_eq!(emitter.counters().pushed, 5000);
}

fn stamp(number: u32) -> Stamp {
    Stamp::new(
        events::session_id(),
        Sequence::new(number).unwrap_or(Sequence::MAX),
    )
}
