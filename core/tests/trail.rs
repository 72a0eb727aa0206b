//! What a trail keeps, what it does not, and what it says of that.

use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};
use throughline_core::{
    Clock, Encoder, Entropy, Event, Fate, HttpRequest, Instant, MatchedRule, Origin, Parcel,
    Platform, Report, Sequence, Session, SessionId, Source, Timestamp, TooLong, Trail,
};
use throughline_testkit::{Lines, Virtual};

type TestTrail<const BLOCKS: usize, const LANES: usize = 1> =
    Trail<NoopRawMutex, Virtual, Lines, Box<[u8]>, BLOCKS, LANES>;

fn trail<const BLOCKS: usize, const LANES: usize>() -> TestTrail<BLOCKS, LANES> {
    let trail = TestTrail::new(Virtual::new(3), Lines);
    for lane in 0..LANES {
        for _ in 0..BLOCKS {
            trail.lane(lane).lend(vec![0; 400].into()).unwrap();
        }
    }
    trail
}

fn allowed(url: &str) -> HttpRequest<'_> {
    HttpRequest::allowed("GET", url, MatchedRule::new("domain=a").unwrap())
}

fn denied(url: &str) -> HttpRequest<'_> {
    HttpRequest::denied("GET", url, "no rule")
}

/// Everything that leaves a lane, as text.
fn drained(source: &impl Source) -> String {
    let mut scratch = [0; Report::FRAME_MAX];
    let mut text = String::new();
    while let Some(parcel) = source.take(true, &mut scratch) {
        text += std::str::from_utf8(parcel.frame(&scratch)).unwrap();
        source.settle(parcel, Fate::Written);
    }
    text
}

static TRAIL: Trail<CriticalSectionRawMutex, Nowhere, Lines, Box<[u8]>, 2> =
    Trail::new(Nowhere, Lines);

#[test]
fn a_trail_lives_in_a_static_and_draws_its_session_when_it_is_needed() {
    TRAIL.lane(0).lend(vec![0; 400].into()).unwrap();
    let stamp = TRAIL.record(&denied("/"));
    assert_eq!(stamp.session(), TRAIL.session());
    assert_eq!(stamp.session().as_uuid().get_version_num(), 4);
}

#[test]
fn a_trail_that_was_lent_nothing_gives_stamps_and_counts_losses() {
    let trail = TestTrail::<4>::new(Virtual::new(3), Lines);
    for number in 0..100 {
        assert_eq!(trail.record(&allowed("/")).sequence().value(), number);
    }
    assert_eq!(trail.lane(0).totals().lost, 100);
    assert!(drained(&trail.lane(0)).ends_with(" 0-99:100\n"));
}

#[test]
fn a_block_that_is_of_no_use_is_given_back() {
    let trail = TestTrail::<1>::new(Virtual::new(3), Lines);
    assert!(trail.lane(0).lend(vec![0; 64].into()).is_err(), "too small");
    assert!(
        trail.lane(1).lend(vec![0; 400].into()).is_err(),
        "no such lane"
    );
    assert!(trail.lane(0).lend(vec![0; 400].into()).is_ok());
    assert!(trail.lane(0).lend(vec![0; 400].into()).is_err(), "no place");
}

#[test]
fn denied_events_have_room_of_their_own() {
    let trail = trail::<4, 1>();
    for _ in 0..100 {
        trail.record(&allowed("/"));
    }
    assert_eq!(trail.lane(0).totals().lost, 70, "three blocks of ten");
    for _ in 0..10 {
        trail.record(&denied("/"));
    }
    assert_eq!(
        trail.lane(0).totals().lost,
        70,
        "the fourth block was kept for them"
    );
    trail.record(&allowed("/"));
    assert_eq!(trail.lane(0).totals().lost, 71);
}

#[test]
fn an_event_that_no_block_holds_is_cut_and_the_others_are_not() {
    let trail = trail::<4, 1>();
    trail.record(&allowed("/before"));
    trail.record(&allowed(&"x".repeat(10_000)));
    trail.record(&allowed("/after"));
    let text = drained(&trail.lane(0));
    assert!(
        text.contains("0+GET /before\n") && text.contains("2+GET /after\n"),
        "{text}"
    );
    assert!(text.contains("x#truncated=10000\n"), "{text}");
    assert_eq!(trail.lane(0).totals().truncated, 1);
    assert_eq!(trail.lane(0).totals().lost, 0);
}

#[test]
fn bytes_that_are_no_text_are_kept_as_text() {
    let trail = trail::<2, 1>();
    trail.record(&HttpRequest::denied("GET", &b"/\xff\xfe"[..], "no rule"));
    assert!(drained(&trail.lane(0)).contains("0-GET /%FF%FE\n"));
}

#[test]
fn a_session_ends_before_its_numbers_do() {
    let last = Session::new(
        SessionId::from_uuid(uuid::Uuid::from_u128(9)),
        Timestamp::EPOCH,
    );
    let trail = trail::<4, 1>()
        .with_session(last)
        .with_last_number(Sequence::new(2).unwrap());
    let stamps: Vec<_> = (0..7).map(|_| trail.record(&denied("/"))).collect();
    let numbers: Vec<_> = stamps
        .iter()
        .map(|stamp| stamp.sequence().value())
        .collect();
    assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 0]);
    assert_eq!(stamps[2].session(), last.id());
    assert_ne!(stamps[3].session(), last.id());
    assert_ne!(stamps[3].session(), stamps[6].session());

    let text = drained(&trail.lane(0));
    let end = format!("!{} end 3=3+0\n", last.id());
    assert!(text.contains(&end), "{text}");
    assert_eq!(text.matches(" end 3=3+0\n").count(), 2, "{text}");
}

#[test]
fn lanes_fail_alone() {
    let trail = trail::<2, 2>();
    for _ in 0..10 {
        trail.record(&denied("/"));
        drained(&trail.lane(0));
    }
    for _ in 0..20 {
        trail.record(&denied("/"));
        drained(&trail.lane(0));
    }
    assert_eq!(trail.lane(0).totals().written, 30);
    assert_eq!(trail.lane(0).totals().lost, 0);
    assert_eq!(trail.lane(1).totals().lost, 10);
}

#[test]
fn a_report_that_nobody_settled_is_given_out_again() {
    let trail = TestTrail::<4>::new(Virtual::new(3), Lines);
    trail.record(&denied("/"));
    let mut scratch = [0; Report::FRAME_MAX];
    drop(trail.lane(0).take(true, &mut scratch));
    assert!(drained(&trail.lane(0)).ends_with(" 0-0:1\n"));
    assert_eq!(drained(&trail.lane(0)), "");
}

#[test]
fn a_position_uses_up_no_number() {
    let trail = trail::<2, 1>();
    let before = trail.position();
    let stamp = trail.record(&denied("/"));
    assert_eq!(before.session, stamp.session());
    assert_eq!((before.recorded, stamp.sequence().value()), (0, 0));
    assert_eq!(trail.position().recorded, 1);
}

#[test]
fn the_wall_clock_may_run_back_and_the_trail_does_not() {
    let trail = Trail::<NoopRawMutex, _, _, Box<[u8]>, 2>::new(Virtual::new(3), Times);
    trail.lane(0).lend(vec![0; 400].into()).unwrap();
    for set_to in [5, 3, 9, 1] {
        trail.platform().set_wall(Timestamp::from_nanos(set_to));
        trail.record(&denied("/"));
    }
    let Some(Parcel::Batch(batch)) = trail.lane(0).take(true, &mut [0; Report::FRAME_MAX]) else {
        panic!("a batch")
    };
    assert_eq!(batch.frame(), [5, 5, 9, 9]);
    assert_eq!(
        (batch.first().value(), batch.last().value(), batch.count()),
        (0, 3, 4)
    );
}

/// An encoder that keeps the times, of which there is one a byte.
struct Times;

impl Encoder for Times {
    const HEAD: usize = 0;
    const TAIL: usize = 0;
    const FRAME_MAX: usize = 400;
    const EVENTS_MAX: u32 = 100;

    fn encode(&self, event: &Event<'_>, out: &mut [u8]) -> Result<usize, TooLong> {
        out[0] = event.time.nanos().try_into().unwrap();
        Ok(1)
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

/// A machine without a clock, as a constant.
struct Nowhere;

impl Clock for Nowhere {
    fn wall(&self) -> Timestamp {
        Timestamp::EPOCH
    }

    fn monotonic(&self) -> Instant {
        Instant::ORIGIN
    }
}

impl Entropy for Nowhere {
    fn random(&self) -> [u8; 16] {
        [7; 16]
    }
}

impl Platform for Nowhere {
    fn wake(&self, _: usize) {}
}
