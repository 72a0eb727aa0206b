use std::time::Duration;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use throughline_core::{
    Clock, Failure, Flusher, HttpRequest, MatchedRule, Next, ProcessName, Sequence, Settings,
    Trail, turn,
};
use throughline_protobuf::AgentSocket;

use crate::{Auditor, FaultyLink, Mood, Virtual};

/// One thing that happens to a trail, its flusher or its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A request with a URL of this length (bytes) is recorded.
    Record {
        /// Whether it was denied.
        denied: bool,
        /// The length of its URL (bytes).
        len: usize,
    },
    /// The driver takes a turn, and more while it wants to.
    Turn,
    /// Time passes (ms).
    Pass(u64),
    /// The driver does as it should for as long as this (ms): waits for its timer, takes turns.
    Drive(u64),
    /// The receiver changes its mind.
    Mood(Mood),
    /// The receiver takes so many bytes at once at most.
    Piece(usize),
    /// The receiver takes so many more bytes and then no more.
    Freeze(usize),
    /// The receiver takes everything again.
    Thaw,
    /// The receiver closes the connection.
    HangUp,
    /// The wall clock is set back by this (s).
    SetBack(u64),
}

impl Operation {
    /// The operation that two bytes stand for; every pair stands for one.
    #[must_use]
    pub fn from_bytes([kind, value]: [u8; 2]) -> Self {
        let value64 = u64::from(value);
        let value = usize::from(value);
        match kind % 16 {
            0..=4 => Self::Record {
                denied: value % 4 == 0,
                len: if value > 250 { value * 8 } else { value },
            },
            5..=6 => Self::Turn,
            7 => Self::Pass(value64 * 20),
            8..=9 => Self::Drive(value64 * 20),
            10 => Self::Mood(match value % 4 {
                0 => Mood::Silent,
                1 => Mood::Absent(Failure::Permanent),
                2 => Mood::Absent(Failure::Transient),
                _ => Mood::Listening,
            }),
            11 => Self::Piece(value + 1),
            12 => Self::Freeze(value * 4),
            13 => Self::Thaw,
            14 => Self::HangUp,
            _ => Self::SetBack(value64),
        }
    }
}

/// A trail, its flusher, a faulty link and an auditor, in a time of their own.
pub struct World {
    trail: Trail<NoopRawMutex, Virtual, AgentSocket, Box<[u8]>, BLOCKS>,
    flusher: Flusher<Box<[u8]>>,
    link: FaultyLink,
    auditor: Auditor,
}

impl World {
    /// A world whose randomness comes from `seed`, with sessions of at most `session_len` events.
    #[must_use]
    pub fn new(seed: u64, session_len: u32) -> Self {
        let last = Sequence::new(session_len.saturating_sub(1)).unwrap_or(Sequence::MAX);
        let trail = Trail::new(Virtual::new(seed), AgentSocket::default())
            .with_process(ProcessName::of_command("/usr/bin/model"))
            .with_last_number(last);
        for _ in 0..BLOCKS {
            trail
                .lane(0)
                .lend(vec![0; BLOCK].into())
                .expect("a block fits");
        }
        Self {
            trail,
            flusher: Flusher::new(Settings::DEFAULT, seed as u32),
            link: FaultyLink::new(),
            auditor: Auditor::default(),
        }
    }

    /// Lets one thing happen.
    pub fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Record { denied, len } => self.record(denied, len),
            Operation::Turn => self.turn(),
            Operation::Pass(millis) => self.trail.platform().pass(Duration::from_millis(millis)),
            Operation::Drive(millis) => self.drive(Duration::from_millis(millis)),
            Operation::Mood(mood) => self.link.mood = mood,
            Operation::Piece(piece) => self.link.piece = piece,
            Operation::Freeze(credit) => self.link.credit = credit,
            Operation::Thaw => self.link.credit = usize::MAX,
            Operation::HangUp => self.link.hang_up(),
            Operation::SetBack(seconds) => self.set_back(seconds),
        }
    }

    /// Ends the run with `drain` to write things out, and holds the books against each other.
    ///
    /// Returns the auditor, for what else a test wants to know.
    pub fn finish(mut self, drain: Duration) -> Auditor {
        let now = self.trail.platform().monotonic();
        self.flusher.finish(now, now.after(drain));
        self.drive(drain + Duration::from_millis(1));
        assert!(self.flusher.is_finished(), "the deadline holds");

        for bytes in self.link.connections() {
            self.auditor.read(bytes);
        }
        let lane = self.trail.lane(0);
        let totals = lane.totals();
        let mut unreported = Vec::new();
        lane.each_loss(|session, loss| unreported.push((session.to_string(), loss)));
        let nothing_is_left = unreported.is_empty();
        for (session, loss) in unreported {
            self.auditor.lose(&session, &loss);
        }
        assert_eq!(totals.written, self.auditor.written() as u64);
        if totals.forgotten_sessions > 0 {
            return self.auditor;
        }
        assert_eq!(totals.lost, self.auditor.lost());
        self.auditor.settle();
        if self.flusher.is_drained() {
            assert!(nothing_is_left, "what was lost was reported");
            self.auditor.settle_ends();
        }
        self.auditor
    }

    fn record(&mut self, denied: bool, len: usize) {
        let url = format!("http://example.com/{}", "x".repeat(len));
        let rule = MatchedRule::new("domain=example.com").expect("not empty");
        let request = if denied {
            HttpRequest::denied("GET", url.as_str(), "no rule")
        } else {
            HttpRequest::allowed("GET", url.as_str(), rule)
        };
        let stamp = self.trail.record(&request);
        self.auditor.issue(stamp, &request);
    }

    fn turn(&mut self) {
        let lane = self.trail.lane(0);
        let now = self.trail.platform().monotonic();
        while turn(&mut self.flusher, &lane, &mut self.link, now) == Next::Turn {}
    }

    /// What a driver does: turn by turn, waiting for the flusher's timer in between.
    fn drive(&mut self, time: Duration) {
        let platform = self.trail.platform();
        let end = platform.monotonic().after(time);
        self.turn();
        while !self.flusher.is_finished() && self.flusher.poll_timeout() < end {
            let platform = self.trail.platform();
            let before = platform.monotonic();
            platform.pass_until(self.flusher.poll_timeout());
            assert!(
                platform.monotonic() > before,
                "a turn leaves nothing that is due"
            );
            self.turn();
        }
        if !self.flusher.is_finished() {
            self.trail.platform().pass_until(end);
            self.turn();
        }
    }

    fn set_back(&self, seconds: u64) {
        let platform = self.trail.platform();
        let nanos = platform.wall().nanos();
        let back = seconds.saturating_mul(1_000_000_000);
        platform.set_wall(throughline_core::Timestamp::from_nanos(
            nanos.saturating_sub(back),
        ));
    }
}

/// Blocks of the trail (count).
const BLOCKS: usize = 4;

/// Bytes of a block: room for a few events, so that every limit is reached soon.
const BLOCK: usize = 700;
