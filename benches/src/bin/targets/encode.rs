//! Encoding a batch of ten beside the copies of its texts, and beside generated code.

use std::hint::black_box;

use throughline_benches::{
    batches::encode_ten,
    events::ACTS,
    floors::Copies,
    peers,
    rounds::{Rounds, cost},
};
use throughline_protobuf::AgentSocket;

use crate::report::{Row, time};

const BATCHES: u32 = 20;
const EVENTS: u32 = BATCHES * 10;

pub(crate) fn rows() -> Vec<Row> {
    let mut copies = Copies::new();
    let mut block = vec![0; 4096];
    let mut small = vec![0; 4096];
    let mut vector = Vec::with_capacity(4096);
    let rounds = Rounds::run(
        60,
        20,
        &mut [
            &mut || {
                cost(EVENTS, || {
                    for _ in 0..BATCHES {
                        black_box(encode_ten(&AgentSocket::default(), black_box(&mut block)));
                    }
                })
            },
            &mut || {
                cost(EVENTS, || {
                    for _ in 0..BATCHES {
                        copies.rewind();
                        black_box(&ACTS).iter().for_each(|act| copies.copy(act));
                    }
                })
            },
            &mut || {
                cost(EVENTS, || {
                    for _ in 0..BATCHES {
                        black_box(peers::micropb::encode(black_box(&ACTS), &mut small));
                    }
                })
            },
            &mut || {
                cost(EVENTS, || {
                    for _ in 0..BATCHES {
                        black_box(peers::prost::encode(black_box(&ACTS), &mut vector));
                    }
                })
            },
        ],
    );
    let ratio = rounds.ratio(0, 1);
    let row = Row::new("encode an event, batches of 10")
        .ours(time(rounds.cost(0)))
        .floor("copies of 3 texts", time(rounds.cost(1)))
        .ratio(ratio)
        .at_most(ratio, 2.6, " x floor");
    let peer = |name, case: usize, limit| {
        let ratio = rounds.ratio(case, 0);
        Row::new("")
            .peer(name, time(rounds.cost(case)))
            .ratio(ratio)
            .at_least(ratio, limit, " x ours")
    };
    vec![row, peer("micropb", 2, 1.3), peer("prost", 3, 6.0)]
}
