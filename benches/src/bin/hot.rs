//! The hot functions for callgrind; `.ci/instructions` counts their instructions.
//!
//! `hot NAME` calls one of them a thousand times within `hot::collected`, where callgrind is told
//! to count; `hot` lists the names.

use std::{env, hint::black_box, process::ExitCode};

use throughline_audit::{Entry, Identity, Numbering, RecordType, Template};
use throughline_benches::{
    events::{self, ACTS, act},
    heads::{self, HEAD},
    phases,
    trails::{self, Still},
};
use throughline_core::{Encoder, Event, Fate, Origin, Report, Sequence, Source, Stamp};
use throughline_headers::{HeadInjector, MapInjector, Names};
use throughline_protobuf::{AgentSocket, Header, Message};
use throughline_rules::{Rule, Url, first_match};

fn main() -> ExitCode {
    match env::args().nth(1) {
        None => HOT.iter().for_each(|(name, _)| println!("{name}")),
        Some(wanted) => match HOT.iter().find(|(name, _)| *name == wanted) {
            Some((_, run)) => run(),
            None => return ExitCode::from(2),
        },
    }
    ExitCode::SUCCESS
}

/// Calls `work` a thousand times. Callgrind counts from here on, and stops when this returns.
#[inline(never)]
fn collected(mut work: impl FnMut(u32)) {
    for number in 0..1000 {
        work(number);
    }
}

const HOT: [(&str, fn()); 10] = [
    ("record", record),
    ("record-lost", record_lost),
    ("encode", encode),
    ("take-seal-settle", take),
    ("decode-batch", decode),
    ("inject-raw", inject_raw),
    ("inject-typed", inject_typed),
    ("match-50-rules", match_rules),
    ("parse-url", parse_url),
    ("phase-text", phase_text),
];

fn record() {
    let trail = trails::with(Still, AgentSocket::default());
    trail.record(&act(0).request());
    collected(|number| drop_of(trail.record(&black_box(act(number as usize)).request())));
}

/// Into a store that is full.
fn record_lost() {
    let trail = trails::with(Still, AgentSocket::default());
    while trail.lane(0).totals().lost == 0 {
        trail.record(&act(0).request());
    }
    collected(|number| drop_of(trail.record(&black_box(act(number as usize)).request())));
}

fn drop_of(stamp: Stamp) {
    black_box(stamp);
}

fn encode() {
    let mut out = [0; 512];
    collected(|number| {
        let request = black_box(act(number as usize)).request();
        let event = black_box(event(number, &request));
        let _ = black_box(AgentSocket::default().encode(&event, &mut out));
    });
}

/// A batch of one event, so that what is counted is the frame.
fn take() {
    let trail = trails::with(Still, AgentSocket::default());
    let lane = trail.lane(0);
    let mut scratch = [0; Report::FRAME_MAX];
    collected(|number| {
        trail.record(&act(number as usize).request());
        if let Some(parcel) = lane.take(true, &mut scratch) {
            lane.settle(black_box(parcel), Fate::Written);
        }
    });
}

fn decode() {
    let mut block = vec![0; 4096];
    let mut end = AgentSocket::HEAD;
    for (act, number) in ACTS.iter().zip(1000..) {
        let request = act.request();
        let room = &mut block[end..];
        end += AgentSocket::default()
            .encode(&event(number, &request), room)
            .expect("room");
    }
    let origin = Origin {
        session: events::session_id(),
        process: events::process(),
    };
    let frame = AgentSocket::default()
        .seal(origin, &mut block, AgentSocket::HEAD..end)
        .expect("room");
    let (header, payload) = block[frame].split_first_chunk().expect("a header");
    let header = Header::parse(*header).expect("a header");
    collected(|_| {
        if let Ok(Message::Logs(logs)) = Message::decode(header.tag, black_box(payload)) {
            for log in logs.iter() {
                black_box(log);
            }
        }
    });
}

fn inject_raw() {
    let injector = HeadInjector::new(&Names::DEFAULT, events::session_id());
    let mut out = [0; 1024];
    collected(|number| {
        assert!(
            injector
                .rewrite(black_box(HEAD), &mut out, Some(stamp(number)))
                .is_ok()
        );
    });
}

fn inject_typed() {
    let injector = MapInjector::new(&Names::DEFAULT, events::session_id());
    let mut maps = vec![heads::map(); 1000].into_iter();
    collected(|number| {
        if let Some(mut map) = maps.next() {
            assert!(injector.rewrite(&mut map, Some(stamp(number))).is_ok());
            // What a map costs to drop is not ours.
            std::mem::forget(map);
        }
    });
}

fn match_rules() {
    let texts: Vec<String> = (0..50)
        .map(|number| format!("method=GET domain=host-{number}.example.net path=/a/*"))
        .collect();
    let rules: Vec<Rule<'_>> = texts
        .iter()
        .map(|text| Rule::parse(text).expect("a rule"))
        .collect();
    let url = Url::parse(act(0).url).expect("a URL");
    collected(|_| {
        black_box(first_match(black_box(&rules), "GET", &url));
    });
}

fn parse_url() {
    collected(|number| {
        let _ = black_box(Url::parse(black_box(act(number as usize).url)));
    });
}

fn phase_text() {
    let template = Template::new(
        RecordType::default(),
        &Identity::new("root", "/usr/bin/agent"),
    );
    let phase = phases::phase();
    collected(|_| {
        let entry = Entry::Phase(black_box(phase), &[]);
        black_box(template.record(&entry, Numbering::default()));
    });
}

fn event<'a>(number: u32, request: &'a throughline_core::HttpRequest<'a>) -> Event<'a> {
    Event {
        sequence: Sequence::new(number).unwrap_or(Sequence::MAX),
        time: events::TIME,
        request,
    }
}

fn stamp(number: u32) -> Stamp {
    Stamp::new(
        events::session_id(),
        Sequence::new(number).unwrap_or(Sequence::MAX),
    )
}
