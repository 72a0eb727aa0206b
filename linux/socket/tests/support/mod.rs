//! A recorder with its flusher's thread, and the receivers that it may have.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use prost::Message as _;
use tempfile::TempDir;
use throughline_core::{HttpRequest, MatchedRule, Sequence, Settings, Totals, Trail};
use throughline_protobuf::{ACKNOWLEDGE, ACKNOWLEDGEMENT, AgentSocket, Header};
use throughline_socket::{
    Collector, Ended, FlushThread, Host, HostMutex, Listener, Ndjson, SocketLink, TrailFile, Waker,
};
use throughline_testkit::{
    Auditor,
    agent_socket::{BoundaryMessage, Msg},
};

pub(crate) type TestTrail = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, 64>;

pub(crate) fn allowed(url: &str) -> HttpRequest<'_> {
    let rule = MatchedRule::new("domain=a").expect("not empty");
    HttpRequest::allowed("GET", url, rule)
}

pub(crate) fn denied(url: &str) -> HttpRequest<'_> {
    HttpRequest::denied("GET", url, "no rule")
}

/// A recorder under test, and what it writes to.
pub(crate) struct Audit {
    trail: Arc<TestTrail>,
    flush: FlushThread,
    receiver: Receiver,
    auditor: Mutex<Auditor>,
}

enum Receiver {
    Collector(CollectorThread),
    Peer(Peer),
    None,
}

struct CollectorThread {
    folder: TempDir,
    stop: Arc<Waker>,
    thread: JoinHandle<()>,
}

impl Audit {
    /// With the default memory, and a collector of this crate that writes a trail file.
    pub(crate) fn to_collector() -> Self {
        Self::start_with_collector(|trail| trail)
    }

    pub(crate) fn with_last_number(last: Sequence) -> Self {
        Self::start_with_collector(|trail| trail.with_last_number(last))
    }

    pub(crate) fn to_peer(peer: Peer) -> Self {
        let path = peer.path();
        Self::start(&path, 64, |trail| trail, Receiver::Peer(peer))
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self::start(path, 64, |trail| trail, Receiver::None)
    }

    pub(crate) fn with_blocks(path: &Path, blocks: usize) -> Self {
        Self::start(path, blocks, |trail| trail, Receiver::None)
    }

    fn start_with_collector(adjust: impl FnOnce(TestTrail) -> TestTrail) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("audit.sock");
        let listener = Listener::bind(&socket, Listener::DEFAULT_MODE).unwrap();
        let file = TrailFile::open(&folder.path().join("trail")).unwrap();
        let stop = Arc::new(Waker::new().unwrap());
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let collector = Collector::new(Ndjson::new(file)).with_listener(listener);
            let tally = collector.run(&stopped).unwrap();
            assert!(tally.is_clean(), "{tally}");
        });
        let collector = CollectorThread {
            folder,
            stop,
            thread,
        };
        Self::start(&socket, 64, adjust, Receiver::Collector(collector))
    }

    fn start(
        path: &Path,
        blocks: usize,
        adjust: impl FnOnce(TestTrail) -> TestTrail,
        receiver: Receiver,
    ) -> Self {
        let host = Host::new(1).unwrap();
        let trail = Arc::new(adjust(TestTrail::new(host, AgentSocket::default())));
        for _ in 0..blocks {
            let block = vec![0; Header::LEN + Header::PAYLOAD_MAX];
            trail.lane(0).lend(block.into()).unwrap();
        }
        let link = SocketLink::to_path(path).unwrap();
        let settings = Settings {
            max_age: Duration::from_millis(50),
            backoff_cap: Duration::from_millis(200),
            ..Settings::DEFAULT
        };
        Self {
            flush: FlushThread::spawn(Arc::clone(&trail), 0, link, settings).unwrap(),
            trail,
            receiver,
            auditor: Mutex::default(),
        }
    }

    pub(crate) fn record(&self, request: &HttpRequest<'_>) {
        let mut auditor = self.auditor.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.trail.record(request);
        auditor.issue(stamp, request);
    }

    /// The trail alone, for many recorders at once.
    pub(crate) fn trail(&self) -> &TestTrail {
        &self.trail
    }

    pub(crate) fn totals(&self) -> Totals {
        self.trail.lane(0).totals()
    }

    pub(crate) fn wait_until_written(&self, count: u64) {
        let end = Instant::now() + PATIENCE;
        while self.totals().written < count {
            assert!(Instant::now() < end, "{:?}", self.totals());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the recorder and then the collector; returns what the collector wrote.
    pub(crate) fn finish(self) -> Lines {
        let ended = self.flush.finish(PATIENCE).expect("it ends in time");
        assert!(ended.last_error.is_none(), "{ended:?}");
        let Receiver::Collector(collector) = self.receiver else {
            panic!("there is a collector")
        };
        collector.stop.wake();
        collector.thread.join().unwrap();
        let text = std::fs::read_to_string(collector.folder.path().join("trail")).unwrap();
        Lines(text.lines().map(str::to_owned).collect())
    }

    pub(crate) fn finish_within(self, drain: Duration) -> (Totals, Ended) {
        let ended = self.flush.finish(drain).expect("it ends in time");
        (self.trail.lane(0).totals(), ended)
    }

    pub(crate) fn finish_with_auditor(self) -> Auditor {
        self.finish_with_auditor_and_counters().0
    }

    pub(crate) fn finish_with_auditor_and_counters(self) -> (Auditor, Ended) {
        let (bytes, ended, auditor) = self.end();
        (audited(auditor, &bytes), ended)
    }

    pub(crate) fn finish_with_bytes(self) -> Vec<Vec<u8>> {
        self.end().0
    }

    /// Ends the recorder once its receiver is back; returns what that receiver heard.
    pub(crate) fn finish_after(self, come_back: impl FnOnce() -> Peer) -> Auditor {
        let (bytes, _, auditor) = self.with_peer(come_back()).end();
        audited(auditor, &bytes)
    }

    /// The same, and returns what each of its connections carried.
    pub(crate) fn finish_hearing(self, come_back: impl FnOnce() -> Peer) -> Vec<Vec<u8>> {
        self.with_peer(come_back()).end().0
    }

    fn with_peer(self, peer: Peer) -> Self {
        Self {
            receiver: Receiver::Peer(peer),
            ..self
        }
    }

    fn end(self) -> (Vec<Vec<u8>>, Ended, Auditor) {
        let ended = self.flush.finish(PATIENCE).expect("it ends in time");
        let Receiver::Peer(peer) = self.receiver else {
            panic!("there is a peer")
        };
        let auditor = self
            .auditor
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (peer.heard(), ended, auditor)
    }
}

fn audited(mut auditor: Auditor, connections: &[Vec<u8>]) -> Auditor {
    for bytes in connections {
        auditor.read(bytes);
    }
    auditor.settle();
    auditor.settle_ends();
    auditor
}

/// The lines of a trail file.
pub(crate) struct Lines(Vec<String>);

impl Lines {
    pub(crate) fn events(&self) -> usize {
        self.containing(r#","seq":"#)
    }

    pub(crate) fn containing(&self, text: &str) -> usize {
        self.0.iter().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn numbers(&self) -> Vec<u32> {
        let number = |line: &String| {
            let (_, rest) = line.split_once(r#""seq":"#)?;
            rest.split(',').next()?.parse().ok()
        };
        self.0.iter().filter_map(number).collect()
    }
}

/// A receiver of the public protocol: it reads, or does not, and never answers unless that is said.
pub(crate) struct Peer {
    folder: Arc<TempDir>,
    thread: Option<JoinHandle<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
}

impl Peer {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("audit.sock")
    }

    /// One that reads everything.
    pub(crate) fn reading() -> Self {
        Self::away().come_back()
    }

    /// One that accepts and never reads.
    pub(crate) fn deaf() -> Self {
        Self::away().listen(|_, stop, _| {
            while !stop.load(Ordering::SeqCst) {
                thread::sleep(TICK);
            }
        })
    }

    /// One that answers, and hangs up after so many bytes of its first connection.
    pub(crate) fn cutting(bytes: usize) -> Self {
        Self::away().listen(move |mut stream, stop, heard| {
            if heard.is_empty() {
                let mut front = vec![0; bytes];
                stream.read_exact(&mut front[..ACKNOWLEDGE.len()]).unwrap();
                stream.write_all(&ACKNOWLEDGEMENT).unwrap();
                stream.set_read_timeout(None).unwrap();
                stream.read_exact(&mut front).unwrap();
                heard.push(Vec::new());
            } else {
                heard.push(read_frames(stream, stop, Answers::Yes));
            }
        })
    }

    /// One that does not listen yet.
    pub(crate) fn away() -> Self {
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            thread: None,
            stop: Arc::default(),
        }
    }

    /// The same one, listening and reading.
    pub(crate) fn come_back(&self) -> Self {
        self.listen(|stream, stop, heard| heard.push(read_frames(stream, stop, Answers::No)))
    }

    fn listen(&self, mut serve: impl Serve) -> Self {
        let _ = std::fs::remove_file(self.path());
        let listener = UnixListener::bind(self.path()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop: Arc<AtomicBool> = Arc::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut heard = Vec::new();
            loop {
                match listener.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(false).unwrap();
                        stream.set_read_timeout(Some(TICK)).unwrap();
                        serve(stream, &stopped, &mut heard);
                    }
                    Err(_) if stopped.load(Ordering::SeqCst) => return heard,
                    Err(_) => thread::sleep(TICK),
                }
            }
        });
        Self {
            folder: Arc::clone(&self.folder),
            thread: Some(thread),
            stop,
        }
    }

    /// What each connection carried, without the request for answers.
    fn heard(mut self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it listens");
        let connections = thread.join().unwrap().into_iter();
        let payload = |bytes: Vec<u8>| match bytes.strip_prefix(&ACKNOWLEDGE) {
            Some(frames) => frames.to_vec(),
            None => bytes,
        };
        connections.map(payload).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It closes its connection and its socket, so that nobody can reach it any more.
            let _ = thread.join();
        }
    }
}

/// Serves one connection, until its end or the stop.
trait Serve: FnMut(UnixStream, &AtomicBool, &mut Vec<Vec<u8>>) + Send + 'static {}

impl<F: FnMut(UnixStream, &AtomicBool, &mut Vec<Vec<u8>>) + Send + 'static> Serve for F {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    Yes,
    No,
}

/// Reads to the end of the connection, or until the stop and nothing more is there.
fn read_frames(mut stream: UnixStream, stop: &AtomicBool, answers: Answers) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    let mut answered = 0;
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return bytes,
            Ok(len) => bytes.extend_from_slice(&chunk[..len]),
            Err(_) if stop.load(Ordering::SeqCst) => return bytes,
            Err(_) => {}
        }
        while answers == Answers::Yes
            && let Some(len) = frame_len(&bytes[answered..])
        {
            // The recorder may just have gone.
            let _ = stream.write_all(&ACKNOWLEDGEMENT);
            answered += len;
        }
    }
}

/// The length of the frame that the bytes begin with, if it is whole.
fn frame_len(bytes: &[u8]) -> Option<usize> {
    let (header, rest) = bytes.split_first_chunk()?;
    let len = Header::parse(*header).unwrap().len;
    (rest.len() >= len).then_some(Header::LEN + len)
}

/// The numbers and the times of the events in the order of the wire, read with prost.
pub(crate) fn numbers_and_times(connections: &[Vec<u8>]) -> (Vec<i32>, Vec<(i64, i32)>) {
    let (mut numbers, mut times) = (Vec::new(), Vec::new());
    for mut bytes in connections.iter().map(Vec::as_slice) {
        while let Some((header, rest)) = bytes.split_first_chunk::<4>() {
            let len = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
            let message = BoundaryMessage::decode(&rest[..len]).unwrap();
            if let Some(Msg::Logs(request)) = message.msg {
                for log in request.logs {
                    let time = log.time.unwrap();
                    numbers.push(log.sequence_number);
                    times.push((time.seconds, time.nanos));
                }
            }
            bytes = &rest[len..];
        }
    }
    (numbers, times)
}

/// How long a receiver waits before it looks whether it is to stop.
const TICK: Duration = Duration::from_millis(5);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);
