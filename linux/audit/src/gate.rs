use std::time::{Duration, Instant};

use crate::{
    AuditSocket, Record, Refusal,
    notice::{Caution, State},
};

/// Where records go: the kernel, or what stands in for it in a test.
pub(crate) trait Kernel {
    fn send(&mut self, record: &mut Record) -> Result<(), Refusal>;

    fn now(&self) -> Instant;

    /// What it does not keep of what it accepts, as far as that is known.
    fn caution(&self) -> Caution {
        Caution::None
    }
}

/// When to leave the kernel alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// A send that takes longer than this opens the breaker.
    pub(crate) slow_send: Duration,
    /// How long the breaker stays open.
    pub(crate) rest: Duration,
    /// How long after a refusal the next record is tried.
    pub(crate) retry: Duration,
}

impl Patience {
    pub(crate) const LEN: usize = 3 * 8;

    /// Three 64-bit numbers of nanoseconds, for a helper.
    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let each = [self.slow_send, self.rest, self.retry];
        for (place, duration) in bytes.chunks_exact_mut(8).zip(each) {
            place.copy_from_slice(&nanos(duration).to_ne_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        let words: &[[u8; 8]; 3] = words.try_into().ok()?;
        let each = words.map(u64::from_ne_bytes);
        let [slow_send, rest, retry] = each.map(Duration::from_nanos);
        Some(Self {
            slow_send,
            rest,
            retry,
        })
    }
}

/// Sends records one by one, unless the kernel is better left alone.
///
/// ```text
///             slow send                      EPERM, ECONNREFUSED
///   Resting <----------- On -----------------------> Off
///      '------------------^--------------------------'
///           rest is over       retry is due and the record was accepted
/// ```
///
/// The kernel's queue is shared by the whole machine: what is pushed into a full one makes others
/// wait, so that to rest is a courtesy as much as a protection.
#[derive(Debug)]
pub(crate) struct Gate<K> {
    kernel: K,
    patience: Patience,
    state: State,
    until: Instant,
    tally: Tally,
}

/// What became of the records that a gate was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) not_permitted: u64,
    pub(crate) connection_refused: u64,
    pub(crate) other: u64,
    pub(crate) resting: u64,
    pub(crate) off: u64,
    pub(crate) max_send_ns: u64,
}

impl<K: Kernel> Gate<K> {
    pub(crate) fn new(kernel: K, patience: Patience) -> Self {
        let until = kernel.now();
        Self {
            kernel,
            patience,
            state: State::On,
            until,
            tally: Tally::default(),
        }
    }

    /// Sends `record` or drops it, and counts which.
    pub(crate) fn submit(&mut self, record: &mut Record) {
        let start = self.kernel.now();
        let waits = start < self.until;
        match self.state {
            State::Resting if waits => self.tally.resting += 1,
            State::Off(_) if waits => self.tally.off += 1,
            _ => self.send(record, start),
        }
    }

    /// Counts a record that was not fit to be sent.
    pub(crate) const fn refuse_malformed(&mut self) {
        self.tally.other += 1;
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn caution(&self) -> Caution {
        self.kernel.caution()
    }

    fn send(&mut self, record: &mut Record, start: Instant) {
        let sent = self.kernel.send(record);
        let end = self.kernel.now();
        let took = end.saturating_duration_since(start);
        self.tally.note_send(took);
        match sent {
            Ok(()) => self.tally.accepted += 1,
            Err(refusal) => self.tally.note_refusal(refusal),
        }
        (self.state, self.until) = match sent {
            Err(refusal) if is_lasting(refusal) => (State::Off(refusal), end + self.patience.retry),
            _ if took > self.patience.slow_send => (State::Resting, end + self.patience.rest),
            _ => (State::On, end),
        };
    }
}

impl Tally {
    /// How many records are settled.
    pub(crate) const fn settled(&self) -> u64 {
        self.accepted
            + self.not_permitted
            + self.connection_refused
            + self.other
            + self.resting
            + self.off
    }

    /// Both together.
    pub(crate) fn plus(&self, more: &Self) -> Self {
        Self {
            accepted: self.accepted + more.accepted,
            not_permitted: self.not_permitted + more.not_permitted,
            connection_refused: self.connection_refused + more.connection_refused,
            other: self.other + more.other,
            resting: self.resting + more.resting,
            off: self.off + more.off,
            max_send_ns: self.max_send_ns.max(more.max_send_ns),
        }
    }

    fn note_send(&mut self, took: Duration) {
        self.max_send_ns = self.max_send_ns.max(nanos(took));
    }

    const fn note_refusal(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::NotPermitted => self.not_permitted += 1,
            Refusal::ConnectionRefused => self.connection_refused += 1,
            Refusal::Other(_) => self.other += 1,
        }
    }
}

/// Nanoseconds, at most 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether the next record would fare no better. Anything else may be the record's own fault.
fn is_lasting(refusal: Refusal) -> bool {
    use rustix::io::Errno;

    match refusal {
        Refusal::NotPermitted | Refusal::ConnectionRefused => true,
        Refusal::Other(errno) => [Errno::PROTONOSUPPORT, Errno::AFNOSUPPORT]
            .map(Errno::raw_os_error)
            .contains(&errno),
    }
}

/// The audit socket, opened with the first record so that a failure is a refusal like any other.
#[derive(Debug, Default)]
pub(crate) struct Netlink {
    socket: Option<AuditSocket>,
    /// Not known before it was asked for, once.
    caution: Option<Caution>,
}

impl Netlink {
    /// Opens the socket, and asks what the kernel does with records, if it was not yet asked.
    ///
    /// Who may not ask does not learn it.
    pub(crate) fn open(&mut self) -> Result<&mut AuditSocket, Refusal> {
        let socket =
            match &mut self.socket {
                Some(socket) => socket,
                none => none.insert(AuditSocket::open().map_err(|error| {
                    Refusal::from_errno(error.raw_os_error().unwrap_or_default())
                })?),
            };
        self.caution.get_or_insert_with(|| {
            let status = socket.status(ASK);
            status.map_or(Caution::None, |status| Caution::of(&status))
        });
        Ok(socket)
    }
}

impl Kernel for Netlink {
    fn send(&mut self, record: &mut Record) -> Result<(), Refusal> {
        self.open()?.send(record)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn caution(&self) -> Caution {
        self.caution.unwrap_or_default()
    }
}

/// How long the kernel may take to tell its state: less than what counts as slow.
const ASK: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A kernel with a clock of its own: each send takes and answers as it was told.
    struct Scripted {
        now: Instant,
        script: VecDeque<(u64, Result<(), Refusal>)>,
    }

    impl Kernel for Scripted {
        fn send(&mut self, _: &mut Record) -> Result<(), Refusal> {
            let (millis, answer) = self.script.pop_front().expect("an unexpected send");
            self.now += Duration::from_millis(millis);
            answer
        }

        fn now(&self) -> Instant {
            self.now
        }
    }

    const PATIENCE: Patience = Patience {
        slow_send: Duration::from_millis(50),
        rest: Duration::from_secs(1),
        retry: Duration::from_secs(30),
    };

    fn gate<const N: usize>(script: [(u64, Result<(), Refusal>); N]) -> Gate<Scripted> {
        let kernel = Scripted {
            now: Instant::now(),
            script: script.into(),
        };
        Gate::new(kernel, PATIENCE)
    }

    fn submit(gate: &mut Gate<Scripted>, times: usize) {
        for _ in 0..times {
            gate.submit(&mut Record::empty());
        }
    }

    #[test]
    fn a_slow_send_is_followed_by_a_rest_and_then_by_the_next_record() {
        let mut gate = gate([(1, Ok(())), (620, Ok(())), (1, Ok(()))]);
        submit(&mut gate, 2);
        assert_eq!(gate.state(), State::Resting);
        submit(&mut gate, 9);
        gate.kernel.now += Duration::from_secs(1);
        submit(&mut gate, 1);
        assert_eq!(gate.state(), State::On);
        let tally = gate.tally();
        assert_eq!((tally.accepted, tally.resting), (3, 9));
        assert_eq!(tally.max_send_ns, 620_000_000);
        assert_eq!(tally.settled(), 12);
    }

    #[test]
    fn a_refusal_of_the_process_is_not_asked_for_again_before_its_time() {
        let refusal = Refusal::NotPermitted;
        let mut gate = gate([(0, Err(refusal)), (0, Err(refusal)), (0, Ok(()))]);
        submit(&mut gate, 100);
        assert_eq!(gate.state(), State::Off(refusal));
        gate.kernel.now += Duration::from_secs(30);
        submit(&mut gate, 100);
        gate.kernel.now += Duration::from_secs(30);
        submit(&mut gate, 1);
        assert_eq!(gate.state(), State::On);
        let tally = gate.tally();
        assert_eq!(
            (tally.not_permitted, tally.off, tally.accepted),
            (2, 198, 1)
        );
    }

    #[test]
    fn patience_comes_over_whole() {
        assert_eq!(Patience::from_bytes(&PATIENCE.to_bytes()), Some(PATIENCE));
        assert_eq!(Patience::from_bytes(&[0; 23]), None);
    }

    #[test]
    fn a_refusal_of_one_record_stops_no_other() {
        let refusal = Refusal::Other(22);
        let mut gate = gate([(0, Err(refusal)), (0, Ok(()))]);
        submit(&mut gate, 2);
        assert_eq!(gate.state(), State::On);
        assert_eq!((gate.tally().other, gate.tally().accepted), (1, 1));
    }
}
