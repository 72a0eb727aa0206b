//! Strip and inject: on a raw head, and on a map.

use std::hint::black_box;

use http::{HeaderName, HeaderValue};
use throughline_benches::{
    events::{SESSION_TEXT, session_id},
    heads::{self, HEAD},
    rounds::{Rounds, cost},
};
use throughline_core::{Sequence, Stamp};
use throughline_headers::{HeadInjector, MapInjector, Names};

use crate::report::{Row, time};

const REQUESTS: u32 = 100;

pub(crate) fn rows() -> Vec<Row> {
    vec![raw(), typed()]
}

fn stamp(number: u32) -> Stamp {
    Stamp::new(session_id(), Sequence::new(number).unwrap_or(Sequence::MAX))
}

fn raw() -> Row {
    let injector = HeadInjector::new(&Names::DEFAULT, session_id());
    let (mut ours, mut floor) = ([0; 1024], [0; 1024]);
    let rounds = Rounds::run(
        60,
        30,
        &mut [
            &mut || {
                cost(REQUESTS, || {
                    for number in 0..REQUESTS {
                        let stamp = Some(stamp(number));
                        let done = injector.rewrite(black_box(HEAD), &mut ours, stamp);
                        assert!(black_box(done).is_ok());
                    }
                })
            },
            &mut || {
                cost(REQUESTS, || {
                    for number in 0..REQUESTS {
                        black_box(heads::copy_and_inject(black_box(&mut floor), number));
                    }
                })
            },
        ],
    );
    let ratio = rounds.ratio(0, 1);
    Row::new("strip + inject, raw head of 484 bytes")
        .ours(time(rounds.cost(0)))
        .floor("copy + inject", time(rounds.cost(1)))
        .ratio(ratio)
        .at_most(ratio, 3.0, " x floor")
}

/// Maps are made beforehand; each is written to once, as a request's is.
fn typed() -> Row {
    let injector = MapInjector::new(&Names::DEFAULT, session_id());
    let session = HeaderValue::from_static(SESSION_TEXT);
    let session_name = HeaderName::from_static("x-coder-agent-firewall-session-id");
    let sequence_name = HeaderName::from_static("x-coder-agent-firewall-sequence-number");
    let maps = || vec![heads::map(); REQUESTS as usize];
    let rounds = Rounds::run(
        60,
        20,
        &mut [
            &mut || {
                let mut maps = maps();
                cost(REQUESTS, || {
                    for (map, number) in maps.iter_mut().zip(0..) {
                        assert!(black_box(injector.rewrite(map, Some(stamp(number)))).is_ok());
                    }
                })
            },
            &mut || {
                let mut maps = maps();
                cost(REQUESTS, || {
                    for (map, number) in maps.iter_mut().zip(0_u32..) {
                        black_box(map.insert(&session_name, session.clone()));
                        black_box(map.insert(&sequence_name, HeaderValue::from(number)));
                    }
                })
            },
        ],
    );
    let ratio = rounds.ratio(0, 1);
    Row::new("strip + inject, http::HeaderMap of 10")
        .ours(time(rounds.cost(0)))
        .floor("two inserts", time(rounds.cost(1)))
        .ratio(ratio)
        .at_most(ratio, 1.2, " x floor")
}
