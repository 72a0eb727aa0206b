use core::{
    fmt::{self, Display, Write},
    hint::black_box,
    task::Poll,
};

use throughline_core::{
    Clock, Entropy, Failure, Instant, PhaseEmitter, PhaseRecord, Platform, SessionId, Timestamp,
    Transport,
};
use throughline_postcard::LinkFormat;

/// A machine of which nothing is known.
pub(crate) struct Unknown;

impl Clock for Unknown {
    fn wall(&self) -> Timestamp {
        Timestamp::new(black_box(0), black_box(0))
    }

    fn monotonic(&self) -> Instant {
        Instant::from_nanos(black_box(0))
    }
}

impl Entropy for Unknown {
    fn random(&self) -> [u8; 16] {
        black_box([0; 16])
    }
}

impl Platform for Unknown {
    fn wake(&self, lane: usize) {
        black_box(lane);
    }
}

impl Transport for Unknown {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        black_box(Poll::Pending)
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        black_box(Poll::Ready(Ok(black_box(frame).len())))
    }

    fn close(&mut self) {}
}

impl PhaseEmitter for Unknown {
    fn emit(&self, record: &PhaseRecord<'_>) {
        black_box((record.phase.as_str(), record.success, record.step));
        let mut out = [0; LinkFormat::PHASE_MAX];
        black_box(LinkFormat.phase(SessionId::draw(self), record, &mut out));
    }
}

/// Shows something to nobody.
pub(crate) fn show(what: &impl Display) {
    black_box(write!(Nobody, "{what}").is_ok());
}

struct Nobody;

impl Write for Nobody {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        black_box(Ok(()))
    }
}
