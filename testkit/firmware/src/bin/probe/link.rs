//! The link format.

use core::hint::black_box;

use static_cell::ConstStaticCell;
use throughline_core::{Origin, SessionId};
use throughline_postcard::{Decoder, Fed, LinkFormat, Message, Packet};

use crate::{record::TRAIL, unknown::Unknown};

static DECODER: ConstStaticCell<Decoder> = ConstStaticCell::new(Decoder::new());

pub(crate) fn receive(bytes: &[u8]) {
    let origin = Origin {
        session: SessionId::draw(&Unknown),
        process: TRAIL.process(),
    };
    let mut out = [0; LinkFormat::BEGIN_MAX];
    black_box(LinkFormat.begin(origin, black_box(3), &mut out));
    let Some(decoder) = DECODER.try_take() else {
        return;
    };
    match decoder.feed(bytes) {
        Fed::Consumed => {}
        Fed::Packet(packet, rest) => read(packet, rest),
        Fed::Bad(bad, rest) => drop(black_box((bad, rest.len()))),
    }
    decoder.interrupted();
    black_box(decoder.counters());
}

fn read(packet: Packet<'_>, rest: &[u8]) {
    black_box((packet.session.as_uuid().as_bytes(), rest.len()));
    match packet.message {
        Message::Begin { process, written } => drop(black_box((process.len(), written))),
        Message::Events(mut events) => {
            black_box((events.process().len(), events.first()));
            events.for_each(|event| {
                black_box((event.sequence, event.request.url().len()));
            });
        }
        Message::Report(report) => drop(black_box((report.losses, report.end))),
        Message::Phase(record) => drop(black_box((record.phase.as_str(), record.step))),
        _ => {}
    }
}
