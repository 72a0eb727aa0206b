//! A flusher in virtual time, over a link whose faults the test sets.

use std::{str, time::Duration};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use throughline_core::{
    Clock, Failure, Flusher, HttpRequest, Instant, Next, Settings, Trail, turn,
};
use throughline_testkit::{FaultyLink, Lines, Mood, Virtual};

type TestTrail = Trail<NoopRawMutex, Virtual, Lines, Box<[u8]>, 32>;

/// A trail with some blocks, its flusher, and its link.
struct Line {
    trail: TestTrail,
    flusher: Flusher<Box<[u8]>>,
    link: FaultyLink,
}

impl Line {
    fn new() -> Self {
        Self::with_blocks(4)
    }

    fn with_blocks(blocks: usize) -> Self {
        let trail = TestTrail::new(Virtual::new(7), Lines);
        for _ in 0..blocks {
            trail.lane(0).lend(vec![0; 400].into()).unwrap();
        }
        Self {
            trail,
            flusher: Flusher::new(Settings::DEFAULT, 7),
            link: FaultyLink::new(),
        }
    }

    fn record(&self, count: usize) {
        for _ in 0..count {
            self.trail
                .record(&HttpRequest::denied("GET", "/", "no rule"));
        }
    }

    fn now(&self) -> Instant {
        self.trail.platform().monotonic()
    }

    fn turn(&mut self) -> Next {
        let now = self.now();
        turn(&mut self.flusher, &self.trail.lane(0), &mut self.link, now)
    }

    /// Waits for the flusher's own timer and takes a turn; returns how long that was.
    fn wait(&mut self) -> Duration {
        let before = self.now();
        self.trail
            .platform()
            .pass_until(self.flusher.poll_timeout());
        let _ = self.turn();
        self.now().since(before)
    }

    fn finish(&mut self, drain: Duration) {
        let now = self.now();
        self.flusher.finish(now, now.after(drain));
        let _ = self.turn();
        for _ in 0..100 {
            if self.flusher.is_finished() {
                return;
            }
            self.wait();
        }
        panic!("the flusher does not end");
    }

    /// What each connection carried, as text.
    fn carried(&self) -> Vec<&str> {
        let connections = self.link.connections();
        connections
            .map(|bytes| str::from_utf8(bytes).unwrap())
            .collect()
    }

    /// The numbers of the events that a connection carried.
    fn numbers(text: &str) -> Vec<u32> {
        let numbers = text.lines().filter_map(|line| line.split_once('-'));
        numbers
            .filter_map(|(number, _)| number.parse().ok())
            .collect()
    }
}

#[test]
fn an_event_leaves_within_the_greatest_age() {
    let mut line = Line::new();
    let _ = line.turn();
    line.record(1);
    assert_eq!(line.turn(), Next::AwaitWake, "not ripe yet");
    assert_eq!(line.carried(), [""]);
    assert!(line.wait() <= Settings::DEFAULT.max_age);
    assert_eq!(Line::numbers(line.carried()[0]), [0]);
}

#[test]
fn a_full_frame_wakes_the_flusher_once_and_leaves_at_once() {
    let mut line = Line::new();
    let _ = line.turn();
    line.record(9);
    assert_eq!(line.trail.platform().wakes(), 0, "no wake for an event");
    line.record(1);
    assert_eq!(line.trail.platform().wakes(), 1);
    let _ = line.turn();
    assert_eq!(
        Line::numbers(line.carried()[0]),
        (0..10).collect::<Vec<_>>()
    );
}

#[test]
fn a_large_store_wakes_the_flusher_when_an_eighth_of_it_is_full() {
    let mut line = Line::with_blocks(32);
    let _ = line.turn();
    // Ten events make a frame.
    line.record(39);
    assert_eq!(line.trail.platform().wakes(), 0, "three frames wait");
    line.record(1);
    assert_eq!(line.trail.platform().wakes(), 1);
    line.record(10);
    assert_eq!(line.trail.platform().wakes(), 2, "once a frame at most");
    let _ = line.turn();
    assert_eq!(
        Line::numbers(line.carried()[0]),
        (0..50).collect::<Vec<_>>()
    );
}

#[test]
fn full_frames_below_the_watermark_leave_within_the_greatest_age() {
    let mut line = Line::with_blocks(32);
    let _ = line.turn();
    line.record(20);
    assert_eq!(line.trail.platform().wakes(), 0);
    assert!(line.wait() <= Settings::DEFAULT.max_age);
    assert_eq!(
        Line::numbers(line.carried()[0]),
        (0..20).collect::<Vec<_>>()
    );
}

#[test]
fn a_receiver_that_comes_late_gets_everything() {
    let mut line = Line::new();
    line.link.mood = Mood::Absent(Failure::Transient);
    line.record(5);
    for _ in 0..5 {
        line.wait();
    }
    line.link.mood = Mood::Listening;
    while line.carried().is_empty() {
        line.wait();
    }
    assert_eq!(Line::numbers(line.carried()[0]), [0, 1, 2, 3, 4]);
    assert_eq!(line.flusher.counters().transient_failures, 5);
}

#[test]
fn waits_between_attempts_grow_up_to_the_cap() {
    let mut line = Line::new();
    line.link.mood = Mood::Absent(Failure::Transient);
    let _ = line.turn();
    let waits: Vec<_> = (0..20).map(|_| line.wait()).collect();
    let Settings {
        backoff_base,
        backoff_cap,
        ..
    } = Settings::DEFAULT;
    assert!(waits[0] <= backoff_base);
    assert!(waits[19] >= backoff_cap / 2 && waits[19] <= backoff_cap);
}

#[test]
fn a_permanent_failure_is_tried_again_at_the_cap() {
    let mut line = Line::new();
    line.link.mood = Mood::Absent(Failure::Permanent);
    let _ = line.turn();
    assert!(line.wait() >= Settings::DEFAULT.backoff_cap / 2);
    line.link.mood = Mood::Listening;
    line.wait();
    assert_eq!(line.carried().len(), 1, "and works once somebody mended it");
    assert_eq!(line.flusher.counters().permanent_failures, 2);
}

#[test]
fn a_link_that_does_not_open_is_given_up_and_tried_again() {
    let mut line = Line::new();
    line.link.mood = Mood::Silent;
    assert_eq!(line.turn(), Next::AwaitLink);
    assert_eq!(line.wait(), Settings::DEFAULT.open_timeout);
    assert_eq!(line.flusher.counters().open_timeouts, 1);
    line.link.mood = Mood::Listening;
    line.wait();
    assert_eq!(line.flusher.counters().opened, 1);
}

#[test]
fn a_frame_that_was_cut_is_sent_whole_on_the_next_link_and_counted() {
    let mut line = Line::new();
    let _ = line.turn();
    line.link.credit = 20;
    line.record(10);
    assert_eq!(line.turn(), Next::AwaitLink);
    line.link.hang_up();
    line.link.credit = usize::MAX;
    while line.carried().len() < 2 {
        let _ = line.turn();
        line.wait();
    }
    assert_eq!(line.carried()[0].len(), 20);
    assert_eq!(
        Line::numbers(line.carried()[1]),
        (0..10).collect::<Vec<_>>()
    );
    assert_eq!(line.flusher.counters().frames_resent, 1);
}

#[test]
fn a_receiver_that_never_reads_is_given_up_by_the_write_deadline() {
    let mut line = Line::new();
    let _ = line.turn();
    line.link.credit = 0;
    line.record(10);
    assert_eq!(line.turn(), Next::AwaitLink);
    let asked = line.now();
    line.wait();
    assert_eq!(line.now().since(asked), Settings::DEFAULT.write_timeout);
    assert_eq!(line.flusher.counters().write_timeouts, 1);
    line.record(1);
    assert_eq!(
        line.trail.position().recorded,
        11,
        "the recorder never noticed"
    );
}

#[test]
fn a_status_goes_out_with_no_event_pending() {
    let mut line = Line::new();
    line.link.mood = Mood::Absent(Failure::Transient);
    line.record(60);
    assert_eq!(line.trail.lane(0).totals().lost, 20);
    line.link.mood = Mood::Listening;
    while line.carried().is_empty() {
        line.wait();
    }
    let _ = line.turn();
    let text = line.carried()[0];
    assert_eq!(Line::numbers(text), (0..40).collect::<Vec<_>>());
    assert!(text.ends_with(" 40-59:20\n"), "{text}");
}

#[test]
fn losses_stand_in_the_stream_where_they_happened() {
    let mut line = Line::new();
    line.record(60);
    let _ = line.turn();
    line.record(10);
    let _ = line.turn();
    let text = line.carried()[0];
    let loss = text.find(" 40-59:20").expect("a loss");
    assert!(text.find("39-GET").unwrap() < loss && loss < text.find("60-GET").unwrap());
}

#[test]
fn the_end_is_the_last_that_is_heard() {
    let mut line = Line::new();
    line.record(13);
    line.finish(Duration::from_secs(1));
    assert!(line.flusher.is_drained());
    let text = line.carried()[0];
    assert_eq!(Line::numbers(text).len(), 13);
    assert!(text.ends_with(" end 13=13+0\n"), "{text}");
    line.record(1);
    assert_eq!(
        line.trail.lane(0).totals().lost,
        1,
        "what comes after is lost, and counted"
    );
}

#[test]
fn the_deadline_holds_though_the_link_is_still_being_opened() {
    for drain in [Duration::from_secs(1), Duration::ZERO] {
        let mut line = Line::new();
        line.link.mood = Mood::Silent;
        line.record(13);
        let before = line.now();
        line.finish(drain);
        assert_eq!(line.now().since(before), drain);
        assert!(!line.flusher.is_drained());
        assert_eq!(line.trail.lane(0).totals().lost, 13);
    }
}

#[test]
fn the_deadline_holds_and_what_is_left_is_counted() {
    let mut line = Line::new();
    line.link.mood = Mood::Absent(Failure::Transient);
    line.record(13);
    let before = line.now();
    line.finish(Duration::from_secs(2));
    assert!(!line.flusher.is_drained());
    assert_eq!(line.now().since(before), Duration::from_secs(2));
    assert_eq!(line.trail.lane(0).totals().lost, 13);
    let mut left = Vec::new();
    line.trail
        .lane(0)
        .each_loss(|_, loss| left.push(loss.to_string()));
    assert_eq!(left, ["13 lost within 0..=12 (deadline)"]);
}

#[test]
fn what_has_to_be_mended_is_not_waited_for_at_the_end() {
    let mut line = Line::new();
    line.link.mood = Mood::Absent(Failure::Permanent);
    line.record(1);
    let before = line.now();
    line.finish(Duration::from_secs(60));
    assert_eq!(line.now(), before);
}
