//! A flusher that has to wait leaves the processor alone, whatever it waits for.
//!
//! One test, so that there is one flusher's thread at a time to be measured.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use throughline_core::{HttpRequest, Settings, Trail};
use throughline_protobuf::{ACKNOWLEDGE, ACKNOWLEDGEMENT, AgentSocket, Header};
use throughline_socket::{FlushThread, Host, HostMutex, SocketLink, Spool, SpooledLink};

type TestTrail = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, 8>;

/// How a receiver behaves once it has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiver {
    /// Answers the first frame, and goes.
    Goes,
    /// Reads the first frame without an answer, as one of the public protocol, and goes.
    GoesMute,
    /// Says that it answers, and does not.
    OwesAnAnswer,
    /// Says that it answers, and does not read.
    IsDeaf,
    /// Answers the first frame, and then says what it was not asked.
    Babbles,
}

/// What frames may fall back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fallback {
    Nothing,
    Spool,
    /// A spool that is as full as it may be.
    FullSpool,
    /// A spool in whose folder no file can be made any more.
    LostSpool,
}

#[test]
fn a_flusher_that_waits_takes_no_processor_time() {
    if fs::read_to_string("/proc/self/schedstat").is_err() {
        eprintln!("skipped: the kernel does not say what a thread has used (schedstat)");
        return;
    }
    for receiver in [
        Receiver::Goes,
        Receiver::GoesMute,
        Receiver::OwesAnAnswer,
        Receiver::IsDeaf,
        Receiver::Babbles,
    ] {
        for fallback in fallbacks(receiver) {
            let used = used_while_waiting(receiver, fallback);
            assert!(
                used < WATCHED / 10,
                "{receiver:?}, {fallback:?}: {used:?} of {WATCHED:?}"
            );
        }
    }
}

/// What is tried with a receiver; a spool that takes nothing is the same for most.
fn fallbacks(receiver: Receiver) -> Vec<Fallback> {
    let mut tried = vec![Fallback::Nothing, Fallback::Spool];
    if matches!(receiver, Receiver::Goes | Receiver::IsDeaf) {
        tried.extend([Fallback::FullSpool, Fallback::LostSpool]);
    }
    tried
}

/// What the flusher's thread uses once it has nothing to do but wait.
fn used_while_waiting(receiver: Receiver, fallback: Fallback) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (trail, flush) = start(&path, spool(&folder.path().join("spool"), fallback));
    record(&trail, 1);
    let held = accept(&listener, receiver);
    drop(listener);
    if receiver == Receiver::IsDeaf {
        // More than a socket holds, and less than the store.
        record(&trail, 220);
    }
    thread::sleep(Duration::from_millis(50));
    if matches!(fallback, Fallback::FullSpool | Fallback::LostSpool) {
        // Something for the spool, and the time until it is offered to it.
        record(&trail, 1);
        thread::sleep(SpooledLink::SPOOL_AFTER);
    }
    let before = flusher_time().expect("it runs");
    thread::sleep(WATCHED);
    let used = flusher_time().expect("it runs") - before;
    drop(held);
    flush.finish(Duration::ZERO).expect("it ends in time");
    used
}

fn spool(folder: &Path, fallback: Fallback) -> Option<Spool> {
    let bytes_max = match fallback {
        Fallback::Nothing => return None,
        Fallback::FullSpool => 0,
        Fallback::Spool | Fallback::LostSpool => Spool::BYTES_MAX,
    };
    let spool = Spool::open(folder, bytes_max).unwrap();
    if fallback == Fallback::LostSpool {
        fs::remove_dir(folder).unwrap();
    }
    Some(spool)
}

fn start(path: &Path, spool: Option<Spool>) -> (Arc<TestTrail>, FlushThread) {
    let trail = Arc::new(TestTrail::new(
        Host::new(1).unwrap(),
        AgentSocket::default(),
    ));
    for _ in 0..8 {
        let block = vec![0; Header::LEN + Header::PAYLOAD_MAX];
        trail.lane(0).lend(block.into()).unwrap();
    }
    let link = SpooledLink::new(SocketLink::to_path(path).unwrap(), spool);
    let settings = Settings {
        max_age: Duration::from_millis(10),
        ..Settings::DEFAULT
    };
    let flush = FlushThread::spawn(Arc::clone(&trail), 0, link, settings).unwrap();
    (trail, flush)
}

fn record(trail: &TestTrail, count: usize) {
    let url = "x".repeat(1000);
    for _ in 0..count {
        trail.record(&HttpRequest::denied("GET", url.as_str(), "no rule"));
    }
}

/// Does what `receiver` does; returns the connection if it stays.
fn accept(listener: &UnixListener, receiver: Receiver) -> Option<UnixStream> {
    let (mut stream, _) = listener.accept().unwrap();
    let mut question = ACKNOWLEDGE;
    stream.read_exact(&mut question).unwrap();
    if receiver != Receiver::GoesMute {
        stream.write_all(&ACKNOWLEDGEMENT).unwrap();
    }
    if receiver == Receiver::IsDeaf {
        return Some(stream);
    }
    read_frame(&mut stream);
    match receiver {
        Receiver::GoesMute => return None,
        Receiver::Goes => stream.write_all(&ACKNOWLEDGEMENT).unwrap(),
        Receiver::Babbles => {
            stream.write_all(&ACKNOWLEDGEMENT).unwrap();
            thread::sleep(Duration::from_millis(50));
            stream.write_all(&ACKNOWLEDGEMENT).unwrap();
        }
        Receiver::OwesAnAnswer | Receiver::IsDeaf => {}
    }
    (receiver != Receiver::Goes).then_some(stream)
}

fn read_frame(stream: &mut UnixStream) {
    let mut header = [0; Header::LEN];
    stream.read_exact(&mut header).unwrap();
    let len = Header::parse(header).unwrap().len;
    stream.read_exact(&mut vec![0; len]).unwrap();
}

/// The processor time of the flusher's thread, once there is one (proc(5), `schedstat`).
fn flusher_time() -> Option<Duration> {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
            let read = |name| fs::read_to_string(thread.path().join(name)).ok();
            let stat = read("schedstat")?;
            if read("comm").is_some_and(|name| name.trim() == "flush-0") {
                return Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?));
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

/// How long a flusher is watched.
const WATCHED: Duration = Duration::from_millis(400);
