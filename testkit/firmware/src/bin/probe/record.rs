//! Events, the trail that takes them, and the flusher that sees them off.

use core::{hint::black_box, time::Duration};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use throughline_core::{
    Backoff, Cause, Clock, Failure, Flusher, HttpRequest, Instant, LinkStep, MatchedRule, Next,
    Parcel, ProcessName, Report, Sequence, Session, SessionId, Settings, Source, Stamp, Text,
    Timestamp, Trail, turn,
};
use throughline_protobuf::{AgentSocket, Tag};
use uuid::Uuid;

use crate::unknown::{Unknown, show};

type Bytes = &'static mut [u8];

pub(crate) static TRAIL: Trail<CriticalSectionRawMutex, Unknown, AgentSocket, Bytes, 3, 2> =
    Trail::new(Unknown, AgentSocket::new(Tag::V2));

pub(crate) fn words(bytes: &[u8], text: &str) {
    let mut out = [0; 64];
    let shown = Text::new(bytes).cut(black_box(3));
    black_box((
        shown.len(),
        shown.is_empty(),
        shown.is_cut(),
        shown.plain().is_some(),
        shown.write(&mut out),
    ));
    black_box(ProcessName::of_command(text).as_str());

    let id = SessionId::from_uuid(black_box(Uuid::nil()));
    black_box((id.as_uuid(), id.to_text().as_str(), id.to_text().as_bytes()));
    let session = Session::new(SessionId::draw(&Unknown), Unknown.wall());
    let started = session.started();
    black_box((
        session.id(),
        started.seconds(),
        started.subsec_nanos(),
        started.nanos(),
    ));
    black_box(Timestamp::from_nanos(black_box(7)));

    let number = Sequence::new(black_box(5)).and_then(Sequence::next);
    let stamp = Stamp::new(id, number.unwrap_or(Sequence::ZERO));
    black_box((stamp.session(), stamp.sequence().value()));
    show(&shown);
    show(&stamp);

    let now = Unknown.monotonic();
    let later = now
        .after(black_box(Duration::MAX))
        .after_nanos(black_box(u64::MAX));
    black_box((later.since(now), later.nanos()));
}

pub(crate) fn events(bytes: &[u8], text: &str) {
    let given = TRAIL.lane(black_box(0)).lend(black_box(&mut []));
    black_box(given.is_ok());
    let request = match MatchedRule::new(text) {
        Some(rule) => {
            black_box(rule.text());
            HttpRequest::allowed(bytes, bytes, rule)
        }
        None => HttpRequest::denied(bytes, bytes, text),
    };
    black_box((
        request.method(),
        request.url(),
        request.decision().is_denied(),
    ));
    show(&request.decision());
    black_box(request.shortened(black_box(9)).is_cut());
    black_box((TRAIL.record(&request), TRAIL.position(), TRAIL.session()));
    black_box((TRAIL.process(), TRAIL.platform().monotonic()));

    let session = Session::new(SessionId::draw(&Unknown), Unknown.wall());
    let trail: Trail<CriticalSectionRawMutex, _, _, Bytes, 1> =
        Trail::new(Unknown, AgentSocket::new(black_box(Tag::V1)))
            .with_session(session)
            .with_process(ProcessName::of_command(text))
            .with_last_number(Sequence::ZERO);
    black_box(trail.record(&request));
}

pub(crate) fn flush() {
    let lane = TRAIL.lane(black_box(1));
    let mut flusher = Flusher::new(black_box(Settings::DEFAULT), black_box(7));
    while turn(
        &mut flusher,
        &lane,
        &mut black_box(Unknown),
        Unknown.monotonic(),
    ) == Next::Turn
    {}
    flusher.finish(Unknown.monotonic(), Unknown.monotonic());
    black_box((flusher.is_drained(), flusher.counters()));
    lane.blame(black_box(Cause::SpoolFull));
    lane.close();
    lane.abandon(black_box(Cause::SpoolFull));
    lane.each_loss(|session, loss| {
        black_box((session, loss.is_dense()));
        show(&loss);
    });
    black_box((
        lane.totals(),
        lane.is_pressed(),
        black_box(Cause::Link).as_str(),
    ));
}

/// What [`turn`] does, call by call, and what a source is asked for.
pub(crate) fn drive_by_hand() {
    let lane = TRAIL.lane(black_box(0));
    let now = Unknown.monotonic();
    let mut flusher: Flusher<Bytes> = Flusher::new(black_box(Settings::DEFAULT), black_box(7));
    flusher.retry(now);
    while !flusher.is_finished() {
        flusher.handle_timeout(now);
        match flusher.poll_link(now) {
            Some(LinkStep::Open) if black_box(true) => flusher.handle_opened(now),
            Some(_) => {
                let failure = black_box(Failure::Permanent);
                show(&failure);
                flusher.handle_closed(now, failure);
            }
            None => {}
        }
        let len = flusher.poll_transmit(now, &lane).map(<[u8]>::len);
        flusher.handle_written(len.unwrap_or_default());
        if flusher.awaits_confirmation() {
            flusher.handle_confirmed();
        }
        black_box(flusher.poll_timeout());
    }
    let mut scratch = [0; Report::FRAME_MAX];
    if let Some(parcel) = lane.take(black_box(true), &mut scratch) {
        black_box(parcel.frame(&scratch));
        if let Parcel::Batch(batch) = &parcel {
            black_box((batch.session(), batch.first(), batch.last(), batch.count()));
        }
        lane.settle(parcel, black_box(throughline_core::Fate::Written));
    }
    backoff(now);
}

fn backoff(now: Instant) {
    let second = black_box(Duration::from_secs(1));
    let mut backoff = Backoff::new(second, second, black_box(7));
    black_box((now.after(backoff.next_delay()), backoff.longest_delay()));
    backoff.reset();
}
