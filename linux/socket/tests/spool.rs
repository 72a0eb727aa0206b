//! A spool that is full: losses with their cause, and a recorder that does not notice.

use std::{
    collections::BTreeMap,
    fs,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use throughline_core::{Cause, HttpRequest, Settings, Trail};
use throughline_protobuf::{AgentSocket, Header};
use throughline_socket::{FlushThread, Host, HostMutex, SocketLink, Spool, SpooledLink};

type TestTrail = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, 8>;

#[test]
fn what_a_full_spool_does_not_take_is_lost_to_it_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Arc::new(TestTrail::new(
        Host::new(1).unwrap(),
        AgentSocket::default(),
    ));
    for _ in 0..8 {
        let block = vec![0; Header::LEN + Header::PAYLOAD_MAX];
        trail.lane(0).lend(block.into()).unwrap();
    }
    let nobody = SocketLink::to_path(folder.path().join("audit.sock")).unwrap();
    let spool = Spool::open(&folder.path().join("spool"), 200_000).unwrap();
    let link = SpooledLink::new(nobody, Some(spool));
    let flush = FlushThread::spawn(Arc::clone(&trail), 0, link, Settings::DEFAULT).unwrap();

    // The thread gets the time that it needs to put frames away.
    let url = "x".repeat(1000);
    let end = Instant::now() + Duration::from_secs(20);
    let mut recorded = 0;
    while trail.lane(0).totals().lost < 100 {
        assert!(Instant::now() < end, "{:?}", trail.lane(0).totals());
        trail.record(&HttpRequest::denied("GET", url.as_str(), "no rule"));
        recorded += 1;
        if recorded % 8 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    let mut lost = BTreeMap::new();
    trail
        .lane(0)
        .each_loss(|_, loss| *lost.entry(loss.cause.as_str()).or_default() += loss.count);
    assert_eq!(lost, BTreeMap::from([(Cause::SpoolFull.as_str(), 100)]));

    let ended = flush.finish(Duration::ZERO).expect("it ends in time");
    let totals = trail.lane(0).totals();
    assert_eq!(totals.written + totals.lost, recorded);
    let spooled = ended.spool.expect("there is a spool").spooled;
    assert!(spooled > 0 && totals.written > 0, "{totals:?}");
    assert!(
        ended
            .last_error
            .is_some_and(|error| error.to_string() == "the spool is full")
    );
}

/// As if the clock had been set back since: files leave in the order of their names.
#[test]
fn a_new_file_sorts_behind_those_there_are_whatever_the_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Spool::open(folder.path(), Spool::BYTES_MAX).unwrap();
    let mut spool = open();
    spool.append(b"first").unwrap();
    drop(spool);
    let file = fs::read_dir(folder.path()).unwrap().next().unwrap();
    let in_2100 = folder.path().join("04102444800000000000-1.spool");
    fs::rename(file.unwrap().path(), in_2100).unwrap();

    let mut spool = open();
    spool.append(b"second").unwrap();
    drop(spool);
    let mut spool = open();
    for frame in [&b"first"[..], b"second"] {
        assert_eq!(spool.front().unwrap(), Some(frame));
        spool.pop_front().unwrap();
    }
}
