//! Core's own drive loop in virtual time, and the flush thread over a real socket, do what every
//! driver does.

use std::{
    fs,
    io::Read,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use throughline_core::{Clock, Failure, Flusher, Next, Totals, Trail, turn};
use throughline_socket::{FlushThread, Host, HostMutex, SocketLink};
use throughline_testkit::{
    FaultyLink, Lines, Mood, Virtual,
    driver_suite::{self, Finished, SETTINGS, Subject},
};

#[test]
fn the_turn_of_core_does_what_every_driver_does() {
    let run = driver_suite::run_all(Turns::new);
    assert_eq!(run, driver_suite::scenarios().len());
}

#[test]
fn the_flush_thread_does_what_every_driver_does() {
    // A Unix socket's buffer takes what these tests write, and its connect never hangs: the four
    // scenarios of a link that does not take bytes or does not open are for the other drivers.
    let run = driver_suite::run_all(Thread::new);
    assert_eq!(run, driver_suite::scenarios().len() - 4);
}

/// Core's drive loop, as its docs have it.
struct Turns {
    trail: Trail<NoopRawMutex, Virtual, Lines, Box<[u8]>, 4>,
    flusher: Flusher<Box<[u8]>>,
    link: FaultyLink,
}

impl Turns {
    fn new() -> Self {
        let trail = Trail::new(Virtual::new(7), Lines);
        for _ in 0..4 {
            assert!(trail.lane(0).lend(vec![0; 400].into()).is_ok());
        }
        Self {
            trail,
            flusher: Flusher::new(SETTINGS, 7),
            link: FaultyLink::new(),
        }
    }

    /// Lets time pass until `done`, or for `time`; returns how much that was.
    fn pass_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let step = Duration::from_millis(1);
        let mut passed = Duration::ZERO;
        self.turns();
        while passed < time && !done(self) {
            self.trail.platform().pass(step);
            passed += step;
            self.turns();
        }
        passed
    }

    fn turns(&mut self) {
        let lane = self.trail.lane(0);
        let now = self.trail.platform().monotonic();
        // Once more than it asks for: what a turn ended, the next one closes.
        let _ = turn(&mut self.flusher, &lane, &mut self.link, now);
        while turn(&mut self.flusher, &lane, &mut self.link, now) == Next::Turn {}
    }
}

impl Subject for Turns {
    fn record(&mut self, count: usize) {
        driver_suite::record(count, |request| {
            self.trail.record(request);
        });
    }

    fn pass(&mut self, time: Duration) {
        self.pass_until(time, |_| false);
    }

    fn set_mood(&mut self, mood: Mood) -> bool {
        self.link.mood = mood;
        true
    }

    fn set_credit(&mut self, bytes: usize) -> bool {
        self.link.credit = bytes;
        true
    }

    fn hang_up(&mut self) {
        self.link.hang_up();
    }

    fn carried(&self) -> Vec<String> {
        let connections = self.link.connections();
        connections
            .map(|bytes| String::from_utf8(bytes.to_vec()).expect("lines"))
            .collect()
    }

    fn totals(&self) -> Totals {
        self.trail.lane(0).totals()
    }

    fn finish(&mut self, drain: Duration) -> Finished {
        let now = self.trail.platform().monotonic();
        self.flusher.finish(now, now.after(drain));
        let most = drain + Duration::from_secs(1);
        let took = self.pass_until(most, |turns| turns.flusher.is_finished());
        assert!(self.flusher.is_finished(), "the deadline holds");
        Finished {
            took,
            counters: self.flusher.counters(),
        }
    }
}

/// The flush thread, and a listener that reads what it writes.
struct Thread {
    trail: Arc<Trail<HostMutex, Host, Lines, Box<[u8]>, 4>>,
    thread: Option<FlushThread>,
    folder: tempfile::TempDir,
    receiver: Option<Receiver>,
    carried: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Thread {
    fn new() -> Self {
        let trail = Arc::new(Trail::new(Host::new(1).expect("wakers"), Lines));
        for _ in 0..4 {
            assert!(trail.lane(0).lend(vec![0; 400].into()).is_ok());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut thread = Self {
            trail: Arc::clone(&trail),
            thread: None,
            folder,
            receiver: None,
            carried: Arc::default(),
        };
        thread.set_mood(Mood::Listening);
        thread
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("place").join("audit.sock")
    }

    /// Starts the thread, once the receiver is as the scenario has it at first.
    fn start(&mut self) {
        if self.thread.is_none() {
            let link = SocketLink::to_path(self.path()).expect("a path for a socket");
            let thread = FlushThread::spawn(Arc::clone(&self.trail), 0, link, SETTINGS);
            self.thread = Some(thread.expect("a thread"));
        }
    }
}

impl Subject for Thread {
    fn record(&mut self, count: usize) {
        driver_suite::record(count, |request| {
            self.trail.record(request);
        });
    }

    fn pass(&mut self, time: Duration) {
        self.start();
        thread::sleep(time);
    }

    fn set_mood(&mut self, mood: Mood) -> bool {
        self.receiver = None;
        let place = self.folder.path().join("place");
        let _ = fs::remove_file(&place);
        let _ = fs::remove_dir_all(&place);
        match mood {
            Mood::Listening => {
                fs::create_dir(&place).expect("a folder");
                let receiver = Receiver::start(self.path(), Arc::clone(&self.carried));
                self.receiver = Some(receiver);
            }
            Mood::Absent(Failure::Transient) => {}
            // A file where the folder should be has to be removed by somebody.
            Mood::Absent(Failure::Permanent) => fs::write(&place, "").expect("a file"),
            Mood::Silent => return false,
        }
        true
    }

    fn set_credit(&mut self, _: usize) -> bool {
        false
    }

    fn hang_up(&mut self) {
        let receiver = self.receiver.as_ref().expect("it listens");
        receiver.hang_up.store(true, Ordering::SeqCst);
        while receiver.hang_up.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn carried(&self) -> Vec<String> {
        let carried = self.carried.lock().expect("no reader panicked");
        let text = |bytes: &Vec<u8>| String::from_utf8(own(bytes).to_vec()).expect("lines");
        carried.iter().map(text).collect()
    }

    fn totals(&self) -> Totals {
        self.trail.lane(0).totals()
    }

    fn finish(&mut self, drain: Duration) -> Finished {
        self.start();
        let before = Instant::now();
        let thread = self.thread.take().expect("finished once");
        let ended = thread.finish(drain).expect("the deadline holds");
        Finished {
            took: before.elapsed(),
            counters: ended.counters,
        }
    }
}

/// What a connection carried behind what the socket link says first: a message of the agent socket,
/// four bytes with its tag and its length in front.
fn own(bytes: &[u8]) -> &[u8] {
    match bytes {
        [2, high, middle, low, rest @ ..] => {
            let len = u32::from_be_bytes([0, *high, *middle, *low]);
            rest.get(len as usize..).unwrap_or_default()
        }
        bytes => bytes,
    }
}

/// A listener and the thread that reads its connections, one after the other.
struct Receiver {
    hang_up: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Receiver {
    fn start(path: PathBuf, carried: Arc<Mutex<Vec<Vec<u8>>>>) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let mut receiver = Self {
            hang_up: Arc::default(),
            stop: Arc::default(),
            thread: None,
        };
        let (hang_up, stop) = (Arc::clone(&receiver.hang_up), Arc::clone(&receiver.stop));
        receiver.thread = Some(thread::spawn(move || {
            let mut connection = None;
            while !stop.load(Ordering::SeqCst) {
                if hang_up.load(Ordering::SeqCst) {
                    connection = None;
                    hang_up.store(false, Ordering::SeqCst);
                }
                read_once(&listener, &mut connection, &carried);
            }
        }));
        receiver
    }
}

/// Takes a connection if there is none, and reads what has come; waits a little if nothing has.
fn read_once(
    listener: &UnixListener,
    connection: &mut Option<UnixStream>,
    carried: &Mutex<Vec<Vec<u8>>>,
) {
    if connection.is_none()
        && let Ok((socket, _)) = listener.accept()
    {
        socket.set_nonblocking(true).expect("a socket");
        carried.lock().expect("nobody panicked").push(Vec::new());
        *connection = Some(socket);
    }
    let mut buffer = [0; 4096];
    match connection.as_mut().map(|socket| socket.read(&mut buffer)) {
        Some(Ok(len @ 1..)) => {
            let mut carried = carried.lock().expect("nobody panicked");
            let current = carried.last_mut().expect("it was pushed");
            current.extend_from_slice(&buffer[..len]);
        }
        _ => thread::sleep(Duration::from_millis(1)),
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
