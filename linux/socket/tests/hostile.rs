//! Senders that are broken or hostile, and what a collector makes of them.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use prost::Message as _;
use tempfile::TempDir;
use throughline_protobuf::{ACKNOWLEDGE, ACKNOWLEDGEMENT, Header};
use throughline_socket::{Collector, Listener, Ndjson, Tally, TrailFile, Waker};
use throughline_testkit::agent_socket::{
    BoundaryLog, BoundaryMessage, HttpRequest, Msg, ReportBoundaryLogsRequest, Timestamp,
};

#[test]
fn a_length_that_no_frame_has_ends_its_connection_and_no_other() {
    let receiving = Receiving::start(16);
    let mut good = receiving.connect();
    for header in [
        [0xff; 4],
        [2, 0xff, 0xff, 0xff],
        [2, 0, 0x80, 1],
        [1, 0, 0x80, 1],
    ] {
        let mut bad = receiving.connect();
        bad.write_all(&header).unwrap();
        assert!(is_closed(bad), "{header:?}");
    }
    good.write_all(&frame(0, 1)).unwrap();
    let (tally, lines) = receiving.end(vec![good]);
    assert_eq!((tally.refused_connections, tally.events), (4, 1));
    assert_eq!(lines.len(), 1);
}

#[test]
fn an_unknown_tag_ends_its_connection() {
    let receiving = Receiving::start(16);
    for tag in (0..=u8::MAX).filter(|tag| ![1, 2].contains(tag)) {
        let mut bad = receiving.connect();
        bad.write_all(&[tag, 0, 0, 0]).unwrap();
        assert!(is_closed(bad), "{tag}");
    }
    assert_eq!(receiving.end(Vec::new()).0.refused_connections, 254);
}

#[test]
fn a_whole_frame_of_rubbish_is_counted_and_what_follows_is_read() {
    let receiving = Receiving::start(16);
    let mut sender = receiving.connect();
    // A zero-length frame is legal; a field that is cut is not; an unknown kind of message is skipped.
    let frames: [&[u8]; 5] = [
        &[2, 0, 0, 0],
        &[1, 0, 0, 0],
        &[2, 0, 0, 2, 0x0a, 0x7f],
        &[2, 0, 0, 2, 0x7a, 0],
        &frame(0, 1),
    ];
    sender.write_all(&frames.concat()).unwrap();
    let (tally, lines) = receiving.end(vec![sender]);
    // The last is what the test asks for its answer with.
    assert_eq!((tally.frames, tally.refused_connections), (6, 0));
    assert!(
        tally.malformed >= 1 && tally.unknown_messages >= 1,
        "{tally}"
    );
    assert_eq!((tally.events, lines.len()), (1, 1));
}

#[test]
fn a_session_or_a_number_that_cannot_be_is_refused_alone() {
    let receiving = Receiving::start(16);
    let mut sender = receiving.connect();
    let mut no_uuid = request(0, 1);
    no_uuid.session_id = "no uuid".to_owned();
    let mut negative = request(1, 2);
    negative.logs[0].sequence_number = -1;
    for request in [no_uuid, negative] {
        sender.write_all(&framed(request)).unwrap();
    }
    let (tally, lines) = receiving.end(vec![sender]);
    assert_eq!((tally.malformed, tally.events), (2, 1));
    assert_eq!(lines.len(), 1);
}

#[test]
fn what_comes_twice_is_written_once_whoever_sends_it() {
    let receiving = Receiving::start(16);
    let mut senders = vec![receiving.connect(), receiving.connect()];
    for sender in &mut senders {
        sender.write_all(&frame(0, 10)).unwrap();
    }
    senders[0].write_all(&frame(5, 10)).unwrap();
    let (tally, lines) = receiving.end(senders);
    assert_eq!((tally.events, tally.duplicates), (15, 15));
    assert_eq!(lines.len(), 15);
}

#[test]
fn a_frame_may_come_byte_by_byte_and_a_half_one_is_counted() {
    let receiving = Receiving::start(16);
    let mut slow = receiving.connect();
    for byte in frame(0, 2) {
        slow.write_all(&[byte]).unwrap();
        thread::yield_now();
    }
    let mut torn = receiving.connect();
    torn.write_all(&frame(10, 2)[..50]).unwrap();
    drop(torn);
    let (tally, lines) = receiving.end(vec![slow]);
    assert_eq!((tally.events, tally.torn_connections), (2, 1));
    assert_eq!(lines.len(), 2);
}

/// Each connection has one frame's buffer, so that what a sender claims costs nothing.
#[test]
fn a_thousand_connections_of_random_bytes_end_nothing_but_themselves() {
    let receiving = Receiving::start(64);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut good = receiving.connect();
    for number in 0..1000 {
        let mut bytes = Vec::new();
        for _ in 0..64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            bytes.extend(random.rotate_left(23).to_le_bytes());
        }
        if number % 2 == 0 {
            // A header that is believed, and rubbish in the frame.
            bytes.splice(..4, [2, 0, 1, 0]);
        }
        // It may have been refused by its first bytes already.
        let _ = receiving.connect().write_all(&bytes);
        good.write_all(&frame(number, 1)).unwrap();
    }
    // Who came last is served last.
    let last = receiving.connect();
    let (tally, lines) = receiving.end(vec![last, good]);
    assert_eq!((tally.connections, tally.events), (1002, 1000));
    assert_eq!(lines.len(), 1000);
}

#[test]
fn a_connection_over_the_limit_waits_for_its_turn() {
    let receiving = Receiving::start(2);
    let mut first = receiving.connect();
    let mut second = receiving.connect();
    for sender in [&mut first, &mut second] {
        assert!(answers(sender, Duration::from_secs(10)));
    }
    let mut third = receiving.connect();
    assert!(
        !answers(&mut third, Duration::from_millis(200)),
        "two are connected"
    );
    drop(first);
    assert!(
        answers(&mut third, Duration::from_secs(10)),
        "now it is its turn"
    );
    assert_eq!(receiving.end(vec![second, third]).0.connections, 3);
}

#[test]
fn who_waits_for_a_turn_is_heard_before_the_end() {
    let receiving = Receiving::start(1);
    let mut first = receiving.connect();
    assert!(answers(&mut first, PATIENCE));
    for number in 0..3 {
        // As one of the public protocol, to whom a finished write is all there is to know.
        let mut waiting = receiving.connect();
        waiting.write_all(&frame(number, 1)).unwrap();
    }
    let (tally, lines) = receiving.end(vec![first]);
    assert_eq!((tally.events, lines.len()), (3, 3));
}

/// A collector that listens at a socket and writes a trail file.
struct Receiving {
    folder: TempDir,
    stop: Arc<Waker>,
    thread: JoinHandle<Tally>,
}

impl Receiving {
    fn start(connections_max: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind(&socket(&folder), Listener::DEFAULT_MODE).unwrap();
        let file = TrailFile::open(&folder.path().join("trail")).unwrap();
        let stop = Arc::new(Waker::new().unwrap());
        let stopped = Arc::clone(&stop);
        let collector = Collector::new(Ndjson::new(file))
            .with_connections_max(connections_max)
            .with_listener(listener);
        let thread = thread::spawn(move || collector.run(&stopped).unwrap());
        Self {
            folder,
            stop,
            thread,
        }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(socket(&self.folder)).unwrap()
    }

    /// Waits until `senders` have been read to their ends, and ends the collector.
    fn end(self, senders: Vec<UnixStream>) -> (Tally, Vec<String>) {
        for mut sender in senders {
            assert!(answers(&mut sender, PATIENCE), "it is still served");
        }
        self.stop.wake();
        let tally = self.thread.join().unwrap();
        let text = fs::read_to_string(self.folder.path().join("trail")).unwrap();
        (tally, text.lines().map(str::to_owned).collect())
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("audit.sock")
}

/// Whether the collector hangs up.
fn is_closed(mut stream: UnixStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.read(&mut [0]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// Whether the collector answers within `patience`, once it has read what was sent before.
fn answers(stream: &mut UnixStream, patience: Duration) -> bool {
    // It may be waiting in line and answer this one later.
    stream.write_all(&ACKNOWLEDGE).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    let end = Instant::now() + patience;
    let mut answer = ACKNOWLEDGEMENT;
    stream.read_exact(&mut answer).is_ok() && answer == ACKNOWLEDGEMENT && Instant::now() <= end
}

fn frame(first: i32, count: i32) -> Vec<u8> {
    framed(request(first, count))
}

fn framed(request: ReportBoundaryLogsRequest) -> Vec<u8> {
    let message = BoundaryMessage {
        msg: Some(Msg::Logs(request)),
    };
    let payload = message.encode_to_vec();
    assert!(payload.len() <= Header::PAYLOAD_MAX);
    let header = (2 << 24) | u32::try_from(payload.len()).unwrap();
    [&header.to_be_bytes()[..], &payload].concat()
}

fn request(first: i32, count: i32) -> ReportBoundaryLogsRequest {
    let log = |sequence_number| BoundaryLog {
        allowed: false,
        time: Some(Timestamp {
            seconds: 1_790_000_000,
            nanos: 0,
        }),
        http_request: Some(HttpRequest {
            method: "GET".to_owned(),
            url: "http://a/".to_owned(),
            matched_rule: String::new(),
        }),
        sequence_number,
    };
    ReportBoundaryLogsRequest {
        logs: (first..first + count).map(log).collect(),
        session_id: "7d9c1e0a-1111-4222-8333-abcdefabcdef".to_owned(),
        confined_process_name: "hostile".to_owned(),
    }
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);
