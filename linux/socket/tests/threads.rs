//! Many recorders at once: dense numbers, nothing lost, order kept.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use throughline_core::{
    Encoder, Event, Fate, HttpRequest, MatchedRule, Origin, Parcel, Report, Source, TooLong, Trail,
};
use throughline_socket::{Host, HostMutex};

type Recorder = Trail<HostMutex, Host, Numbers, Box<[u8]>, BLOCKS>;

/// Each event is its number and the thread that recorded it, so that a million are read soon.
#[derive(Debug)]
struct Numbers;

impl Encoder for Numbers {
    const HEAD: usize = 0;
    const TAIL: usize = 0;
    const FRAME_MAX: usize = 1 << 20;
    const EVENTS_MAX: u32 = u32::MAX;

    fn encode(&self, event: &Event<'_>, out: &mut [u8]) -> Result<usize, TooLong> {
        let available = out.len();
        let bytes = out.first_chunk_mut::<13>();
        let bytes = bytes.ok_or(TooLong {
            needed: 13,
            available,
        })?;
        bytes[..4].copy_from_slice(&event.sequence.value().to_le_bytes());
        bytes[4..12].copy_from_slice(&event.time.nanos().to_le_bytes());
        event.request.method().write(&mut bytes[12..]);
        Ok(13)
    }

    fn seal(
        &self,
        _: Origin<'_>,
        _: &mut [u8],
        events: std::ops::Range<usize>,
    ) -> Option<std::ops::Range<usize>> {
        Some(events)
    }

    fn report(&self, _: Origin<'_>, _: &Report, _: &mut [u8]) -> Option<usize> {
        Some(0)
    }
}

#[test]
fn two_threads_record_a_million_each() {
    record_from(&["a", "b"]);
}

#[test]
fn four_threads_record_a_million_each() {
    record_from(&["a", "b", "c", "d"]);
}

fn record_from(names: &'static [&'static str]) {
    let trail: Recorder = Trail::new(Host::new(1).unwrap(), Numbers);
    for _ in 0..BLOCKS {
        trail.lane(0).lend(vec![0; 1 << 19].into()).unwrap();
    }
    let recording = AtomicBool::new(true);
    let mut reader = Reader::new(names);
    thread::scope(|scope| {
        let recorders: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(|| record(&trail, name)))
            .collect();
        let (trail, recording, reader) = (&trail, &recording, &mut reader);
        scope.spawn(move || {
            while recording.load(Ordering::SeqCst) {
                reader.read(trail);
            }
        });
        for recorder in recorders {
            recorder.join().unwrap();
        }
        recording.store(false, Ordering::SeqCst);
    });
    while reader.read(&trail) {}

    assert_eq!(trail.lane(0).totals().lost, 0);
    let total = u32::try_from(names.len()).unwrap() * EACH;
    assert_eq!(reader.next, total);
    assert!(reader.each.iter().all(|(_, count)| *count == EACH));
    assert_eq!(trail.position().recorded, total);
}

fn record(trail: &Recorder, name: &str) {
    let rule = MatchedRule::new("domain=a").unwrap();
    let mut last = None;
    for _ in 0..EACH {
        let stamp = trail.record(&HttpRequest::allowed(name, "http://a/", rule));
        assert!(last < Some(stamp), "a thread's own numbers rise");
        last = Some(stamp);
    }
}

/// Checks what leaves the trail: no number is missing, none comes twice, time never runs back.
struct Reader {
    next: u32,
    time: u64,
    each: Vec<(u8, u32)>,
}

impl Reader {
    fn new(names: &[&str]) -> Self {
        Self {
            next: 0,
            time: 0,
            each: names.iter().map(|name| (name.as_bytes()[0], 0)).collect(),
        }
    }

    fn read(&mut self, trail: &Recorder) -> bool {
        let lane = trail.lane(0);
        let Some(parcel) = lane.take(true, &mut [0; Report::FRAME_MAX]) else {
            return false;
        };
        if let Parcel::Batch(batch) = &parcel {
            for event in batch.frame().chunks_exact(13) {
                self.event(event.try_into().unwrap());
            }
        }
        lane.settle(parcel, Fate::Written);
        true
    }

    fn event(&mut self, event: &[u8; 13]) {
        let number = u32::from_le_bytes(event[..4].try_into().unwrap());
        let time = u64::from_le_bytes(event[4..12].try_into().unwrap());
        assert_eq!(number, self.next);
        assert!(time >= self.time);
        self.next += 1;
        self.time = time;
        let each = self.each.iter_mut().find(|(name, _)| *name == event[12]);
        each.expect("a name that records").1 += 1;
    }
}

/// Events of each thread (count).
const EACH: u32 = 1_000_000;

/// Blocks of half a MiB (count): room for all of a test's events.
const BLOCKS: usize = 128;
