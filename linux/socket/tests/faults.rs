//! The faults of earlier recorders, each with what it did to them, and what is so here instead.

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use support::{Audit, Peer, allowed, denied};
use throughline_core::{HttpRequest, Sequence};

/// An event over the frame's limit made its batch fail for ever, and everything behind it was lost.
#[test]
fn f1_an_event_that_is_too_long_is_cut_and_the_others_are_whole() {
    let audit = Audit::to_collector();
    for number in 0..501 {
        let url = if number == 250 {
            format!("http://a/{}", "x".repeat(40 * 1024))
        } else {
            format!("http://a/{number}")
        };
        audit.record(&allowed(&url));
    }
    let lines = audit.finish();
    assert_eq!(lines.events(), 501);
    assert_eq!(lines.containing("#truncated=40969"), 1);
    assert_eq!(lines.numbers(), (0..501).collect::<Vec<_>>());
}

/// A byte that is not UTF-8 had the same effect: a confined program could mute the audit.
#[test]
fn f2_bytes_that_are_no_text_are_kept_as_text() {
    let audit = Audit::to_collector();
    for number in 0..501_u32 {
        if number == 250 {
            audit.record(&HttpRequest::denied(
                "GET",
                &b"http://a/\xff\xfe"[..],
                "no rule",
            ));
        } else {
            audit.record(&denied(&format!("http://a/{number}")));
        }
    }
    let lines = audit.finish();
    assert_eq!(lines.events(), 501);
    assert_eq!(lines.containing("http://a/%FF%FE"), 1);
}

/// Batches were counted and not measured: ten long URLs were over the frame's limit.
#[test]
fn f3_no_frame_is_over_the_limits() {
    let audit = Audit::to_peer(Peer::reading());
    for number in 0..40 {
        audit.record(&allowed(&format!("http://a/{number}{}", "x".repeat(3400))));
    }
    for number in 0..3000 {
        audit.record(&denied(&format!("/{number}")));
    }
    // The auditor panics at a frame of over 32,768 bytes or 1,000 events.
    let auditor = audit.finish_with_auditor();
    assert_eq!(auditor.written(), 3040);
    assert!(auditor.frames() >= 5, "{}", auditor.frames());
}

/// Draining at the end was not waited for: up to 29 events died with the process.
#[test]
fn f4_everything_recorded_before_the_end_is_written() {
    let audit = Audit::to_collector();
    for number in 0..29 {
        audit.record(&allowed(&format!("http://a/{number}")));
    }
    let lines = audit.finish();
    assert_eq!(lines.events(), 29);
    assert_eq!(
        lines.containing(r#""end":{"recorded":29,"written":29,"lost":0}"#),
        1
    );
}

/// A receiver that never reads held the loop for ever.
#[test]
fn f5_a_receiver_that_never_reads_is_given_up_and_the_recorder_never_notices() {
    let audit = Audit::to_peer(Peer::deaf());
    let mut slowest = Duration::ZERO;
    for number in 0..50_000 {
        let before = Instant::now();
        audit.record(&allowed(&format!("http://a/{number}")));
        slowest = slowest.max(before.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let before = Instant::now();
    let (totals, ended) = audit.finish_within(Duration::from_millis(300));
    assert!(before.elapsed() < Duration::from_secs(2));
    assert!(ended.counters.frames < 50, "{:?}", ended.counters);
    assert_eq!(totals.written + totals.lost, 50_000);
}

/// Counts of losses went out only behind events: without any, nobody was told.
#[test]
fn f6_losses_are_reported_with_no_event_pending() {
    let peer = Peer::away();
    let audit = Audit::with_blocks(&peer.path(), 2);
    for number in 0..2000 {
        audit.record(&allowed(&format!("http://a/{number}")));
    }
    let lost = audit.totals().lost;
    assert!(lost > 1000);
    let auditor = audit.finish_after(|| peer.come_back());
    assert_eq!(auditor.lost(), lost);
    assert_eq!(auditor.written() as u64 + lost, 2000);
}

/// A queue of 20 events delivered 420 to 930 of 8,000.
#[test]
fn f7_sixteen_threads_lose_nothing() {
    let audit = Audit::to_collector();
    thread::scope(|scope| {
        for thread in 0..16 {
            let trail = audit.trail();
            scope.spawn(move || {
                for number in 0..500 {
                    trail.record(&allowed(&format!("http://a/{thread}/{number}")));
                }
            });
        }
    });
    let lines = audit.finish();
    assert_eq!(lines.events(), 8000);
}

/// Number, time and queueing were three steps, so that the order on the wire was not that of the numbers.
#[test]
fn f8_the_order_on_the_wire_is_that_of_the_numbers_and_time_never_runs_back() {
    let audit = Audit::to_peer(Peer::reading());
    thread::scope(|scope| {
        for _ in 0..8 {
            let trail = audit.trail();
            scope.spawn(move || {
                for _ in 0..1000 {
                    trail.record(&allowed("http://a/"));
                }
            });
        }
    });
    // The auditor panics at a number or a time that is lower than the one before.
    let bytes = audit.finish_with_bytes();
    let (numbers, times) = support::numbers_and_times(&bytes);
    assert_eq!(numbers, (0..8000).collect::<Vec<_>>());
    assert!(times.is_sorted());
}

/// The number wrapped to a negative one, and the gateway answered 400 from then on.
#[test]
fn f9_a_session_ends_before_its_numbers_do() {
    assert_eq!(Sequence::MAX.value(), i32::MAX.unsigned_abs());
    let audit = Audit::with_last_number(Sequence::new(99).unwrap());
    for number in 0..250 {
        audit.record(&allowed(&format!("http://a/{number}")));
    }
    let lines = audit.finish();
    assert_eq!(lines.events(), 250);
    assert_eq!(
        lines.containing(r#""end":{"recorded":100,"written":100,"lost":0}"#),
        2
    );
    assert_eq!(
        lines.containing(r#""end":{"recorded":50,"written":50,"lost":0}"#),
        1
    );
    assert_eq!(lines.numbers().into_iter().max(), Some(99));
}

/// Which events were lost was unknown, and a denied one was as likely to be as any.
#[test]
fn f10_lost_ranges_are_known_and_denied_events_have_room_of_their_own() {
    let peer = Peer::away();
    let audit = Audit::with_blocks(&peer.path(), 4);
    for number in 0..5000 {
        audit.record(&allowed(&format!("http://a/{number}")));
    }
    let lost = audit.totals().lost;
    assert!(lost > 0);
    for number in 0..100 {
        audit.record(&denied(&format!("http://denied/{number}")));
    }
    assert_eq!(audit.totals().lost, lost, "no denied event is lost");
    // The auditor panics at a number that is neither written nor in a lost range.
    let auditor = audit.finish_after(|| peer.come_back());
    assert_eq!(auditor.lost(), lost);
}

/// A frame took two writes; a cut one was sent again in part, and receivers fell out of step.
#[test]
fn f11_a_cut_frame_is_sent_whole_on_the_next_connection_and_counted() {
    let peer = Peer::cutting(5000);
    let audit = Audit::to_peer(peer);
    for number in 0..2000 {
        audit.record(&allowed(&format!("http://a/{number}")));
    }
    let (auditor, ended) = audit.finish_with_auditor_and_counters();
    assert_eq!(auditor.written(), 2000);
    assert_eq!(ended.counters.frames_resent, 1);
}

/// The socket was looked for once: absent then, the audit was off for the whole run.
#[test]
fn f12_a_socket_that_comes_late_and_one_that_comes_back_are_used() {
    let peer = Peer::away();
    let audit = Audit::at(&peer.path());
    audit.record(&allowed("http://a/before"));
    thread::sleep(Duration::from_millis(100));
    let listening = peer.come_back();
    audit.wait_until_written(1);

    drop(listening);
    audit.record(&allowed("http://a/away"));
    thread::sleep(Duration::from_millis(100));
    let heard = audit.finish_hearing(|| peer.come_back());
    let (numbers, _) = support::numbers_and_times(&heard);
    assert_eq!(numbers, [1], "the second event, on the second connection");
}
