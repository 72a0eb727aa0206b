//! What every driver of a flusher has to do, whatever it runs on.
//!
//! A driver brings a [`Subject`]; [`scenarios`] are run against it one by one, each against a fresh
//! one. A fault that a subject's link cannot show is said so and that scenario is left out.

use std::time::Duration;

use throughline_core::{Counters, Failure, HttpRequest, Settings, Totals};

use crate::Mood;

/// A trail of four blocks of 400 bytes in the [`Lines`](crate::Lines) format, a driver of its lane 0
/// with [`SETTINGS`], and the receiver at the other end.
pub trait Subject {
    /// Records so many denied requests for `/`.
    fn record(&mut self, count: usize);

    /// Lets time pass, real or not, while the driver does its work.
    fn pass(&mut self, time: Duration);

    /// Makes the receiver like this; `false` if it cannot be.
    fn set_mood(&mut self, mood: Mood) -> bool;

    /// Has the receiver take so many more bytes and then no more; `false` if it cannot.
    fn set_credit(&mut self, bytes: usize) -> bool;

    /// The receiver closes the connection, if there is one.
    fn hang_up(&mut self);

    /// What each connection carried, the present one last.
    fn carried(&self) -> Vec<String>;

    /// What the lane has done so far.
    fn totals(&self) -> Totals;

    /// Has the driver end, with so much time to drain; called once.
    fn finish(&mut self, drain: Duration) -> Finished;
}

/// How a driver ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// How long that took.
    pub took: Duration,
    /// What its flusher did.
    pub counters: Counters,
}

/// The settings of a driver under test: short, since some run in real time.
pub const SETTINGS: Settings = Settings {
    max_age: Duration::from_millis(200),
    open_timeout: Duration::from_millis(400),
    write_timeout: Duration::from_millis(250),
    backoff_base: Duration::from_millis(10),
    backoff_cap: Duration::from_millis(100),
};

/// How late a driver may be: a busy machine is not what is under test, and some links take a while to
/// be opened.
pub const SLACK: Duration = Duration::from_millis(350);

/// A scenario's name, and what it does to a subject. It panics if the subject does wrong.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it shows.
    pub name: &'static str,
    run: fn(&mut dyn Subject) -> Option<()>,
}

/// Runs every scenario against a subject of its own, and returns how many were run to their end.
pub fn run_all<S: Subject>(mut subject: impl FnMut() -> S) -> usize {
    let mut run = 0;
    for scenario in scenarios() {
        match (scenario.run)(&mut subject()) {
            Some(()) => run += 1,
            None => println!(
                "skipped: {}: this link cannot show the fault",
                scenario.name
            ),
        }
    }
    run
}

/// Every scenario.
#[must_use]
pub fn scenarios() -> [Scenario; 12] {
    [
        ("an event leaves within the greatest age", age as _),
        ("a full frame leaves at once", full_frame as _),
        (
            "a receiver that comes late gets everything",
            late_receiver as _,
        ),
        (
            "a link that does not open is given up and tried again",
            silent as _,
        ),
        (
            "a frame that was cut is sent whole on the next link",
            cut_frame as _,
        ),
        ("a receiver that never reads is given up", never_reads as _),
        ("a receiver that hangs up is found again", hang_up as _),
        ("losses are reported with no event pending", losses as _),
        ("the end is the last that is heard", the_end as _),
        (
            "the deadline holds, and what is left is counted",
            deadline as _,
        ),
        (
            "what has to be mended is not waited for at the end",
            permanent as _,
        ),
        (
            "a write under way does not outlast the time to drain",
            stuck_at_the_end as _,
        ),
    ]
    .map(|(name, run)| Scenario { name, run })
}

/// Records denied requests for `/`, as a subject should.
pub fn record(count: usize, mut record: impl FnMut(&HttpRequest<'_>)) {
    for _ in 0..count {
        record(&HttpRequest::denied("GET", "/", "no rule"));
    }
}

fn age(subject: &mut dyn Subject) -> Option<()> {
    subject.pass(SLACK);
    subject.record(1);
    assert_eq!(
        numbers(&subject.carried()),
        Vec::<u32>::new(),
        "not at once"
    );
    subject.pass(SETTINGS.max_age + SLACK);
    assert_eq!(numbers(&subject.carried()), [0]);
    Some(())
}

fn full_frame(subject: &mut dyn Subject) -> Option<()> {
    // Just after a batch has left, the next one is not ripe for a while.
    subject.pass(SLACK);
    subject.record(10);
    subject.pass(Duration::from_millis(100));
    assert_eq!(numbers(&subject.carried()), (0..10).collect::<Vec<_>>());
    Some(())
}

fn late_receiver(subject: &mut dyn Subject) -> Option<()> {
    subject
        .set_mood(Mood::Absent(Failure::Transient))
        .then_some(())?;
    subject.record(5);
    subject.pass(SETTINGS.backoff_cap * 5);
    assert_eq!(subject.carried().len(), 0);
    subject.set_mood(Mood::Listening).then_some(())?;
    subject.pass(SETTINGS.backoff_cap + SETTINGS.max_age + SLACK);
    assert_eq!(numbers(&subject.carried()), [0, 1, 2, 3, 4]);
    let finished = subject.finish(SLACK);
    assert!(finished.counters.transient_failures >= 4, "{finished:?}");
    assert_eq!(finished.counters.opened, 1);
    Some(())
}

fn silent(subject: &mut dyn Subject) -> Option<()> {
    subject.set_mood(Mood::Silent).then_some(())?;
    subject.record(1);
    subject.pass(SETTINGS.open_timeout + SLACK);
    subject.set_mood(Mood::Listening).then_some(())?;
    subject.pass(SETTINGS.open_timeout + SETTINGS.backoff_cap + SETTINGS.max_age + SLACK);
    assert_eq!(numbers(&subject.carried()), [0]);
    let finished = subject.finish(SLACK);
    assert!(finished.counters.open_timeouts >= 1, "{finished:?}");
    Some(())
}

fn cut_frame(subject: &mut dyn Subject) -> Option<()> {
    subject.set_credit(20).then_some(())?;
    subject.pass(SLACK);
    subject.record(10);
    subject.pass(Duration::from_millis(50));
    subject.hang_up();
    subject.set_credit(usize::MAX).then_some(())?;
    subject.pass(SETTINGS.write_timeout + SETTINGS.backoff_cap + SETTINGS.max_age + SLACK);
    let carried = subject.carried();
    assert_eq!(carried[0].len(), 20, "{carried:?}");
    assert_eq!(numbers(&carried[1..]), (0..10).collect::<Vec<_>>());
    assert_eq!(subject.finish(SLACK).counters.frames_resent, 1);
    Some(())
}

fn never_reads(subject: &mut dyn Subject) -> Option<()> {
    subject.set_credit(0).then_some(())?;
    subject.pass(SLACK);
    subject.record(10);
    subject.pass(SETTINGS.write_timeout + SLACK);
    subject.record(1);
    subject.set_credit(usize::MAX).then_some(())?;
    subject.pass(SETTINGS.backoff_cap + SETTINGS.max_age + SLACK);
    assert_eq!(numbers(&subject.carried()), (0..11).collect::<Vec<_>>());
    assert!(subject.finish(SLACK).counters.write_timeouts >= 1);
    Some(())
}

fn hang_up(subject: &mut dyn Subject) -> Option<()> {
    subject.record(10);
    subject.pass(SLACK);
    subject.hang_up();
    subject.pass(Duration::from_millis(20));
    subject.record(10);
    subject.pass(SETTINGS.backoff_cap + SETTINGS.max_age + SLACK);
    let carried = subject.carried();
    assert_eq!(carried.len(), 2, "{carried:?}");
    assert_eq!(numbers(&carried[1..]), (10..20).collect::<Vec<_>>());
    Some(())
}

fn losses(subject: &mut dyn Subject) -> Option<()> {
    subject
        .set_mood(Mood::Absent(Failure::Transient))
        .then_some(())?;
    subject.record(60);
    assert_eq!(subject.totals().lost, 20);
    subject.set_mood(Mood::Listening).then_some(())?;
    subject.pass(SETTINGS.backoff_cap + SLACK);
    let carried = subject.carried();
    assert_eq!(numbers(&carried), (0..40).collect::<Vec<_>>());
    assert!(carried[0].ends_with(" 40-59:20\n"), "{carried:?}");
    Some(())
}

fn the_end(subject: &mut dyn Subject) -> Option<()> {
    subject.pass(SLACK);
    subject.record(13);
    let finished = subject.finish(Duration::from_secs(5));
    assert!(finished.took < SLACK, "{finished:?}");
    subject.pass(SLACK);
    let carried = subject.carried();
    assert_eq!(numbers(&carried), (0..13).collect::<Vec<_>>());
    assert!(carried[0].ends_with(" end 13=13+0\n"), "{carried:?}");
    subject.record(1);
    assert_eq!(subject.totals().lost, 1, "what comes after is counted");
    Some(())
}

fn deadline(subject: &mut dyn Subject) -> Option<()> {
    subject
        .set_mood(Mood::Absent(Failure::Transient))
        .then_some(())?;
    subject.record(13);
    let drain = Duration::from_millis(300);
    let finished = subject.finish(drain);
    assert!(
        finished.took >= drain && finished.took < drain + SLACK,
        "{finished:?}"
    );
    assert_eq!((subject.totals().lost, subject.totals().written), (13, 0));
    Some(())
}

fn permanent(subject: &mut dyn Subject) -> Option<()> {
    subject
        .set_mood(Mood::Absent(Failure::Permanent))
        .then_some(())?;
    subject.record(1);
    let finished = subject.finish(Duration::from_secs(60));
    assert!(finished.took < SLACK, "{finished:?}");
    assert_eq!(subject.totals().lost, 1);
    Some(())
}

fn stuck_at_the_end(subject: &mut dyn Subject) -> Option<()> {
    subject.set_credit(30).then_some(())?;
    subject.pass(SLACK);
    subject.record(10);
    subject.pass(Duration::from_millis(50));
    let drain = Duration::from_millis(50);
    let finished = subject.finish(drain);
    assert!(finished.took < drain + SLACK, "{finished:?}");
    assert_eq!(subject.totals().lost, 10);
    Some(())
}

/// The numbers of the events that connections carried.
fn numbers(carried: &[String]) -> Vec<u32> {
    let lines = carried.iter().flat_map(|text| text.lines());
    let numbers = lines.filter_map(|line| line.split_once('-'));
    numbers
        .filter_map(|(number, _)| number.parse().ok())
        .collect()
}
