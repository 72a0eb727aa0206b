use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use throughline_core::{PhaseEmitter, PhaseRecord};

use crate::{Counters, Entry, Extra, SessionClose, SessionOpen, shared::Shared};

/// Writes transaction phases and sessions to the kernel's audit log, and never holds its caller.
///
/// To emit is to copy the entry into a bounded queue: no allocation, no lock, and no system call but
/// one that wakes a sender who had nothing to do for a while. An entry for which there is no room is
/// dropped and counted.
///
/// An emitter is started by [`Options`](crate::Options). To drop it closes it, with a deadline of
/// [`DROP_DEADLINE`](Self::DROP_DEADLINE).
#[derive(Debug)]
pub struct AuditEmitter {
    shared: Arc<Shared>,
}

/// What a flush has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Flush {
    pending: u64,
}

/// An emitter that adds fields of the caller's to each phase record; made by
/// [`AuditEmitter::with`].
#[derive(Clone, Copy, Debug)]
pub struct WithExtras<'a> {
    emitter: &'a AuditEmitter,
    extras: &'a [Extra<'a>],
}

impl AuditEmitter {
    /// How long dropping an emitter may take.
    pub const DROP_DEADLINE: Duration = Duration::from_millis(100);

    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The same emitter, adding `extras` to each phase record that is emitted through it: at most
    /// eight, and of their values as much as fits in a record.
    #[must_use]
    pub const fn with<'a>(&'a self, extras: &'a [Extra<'a>]) -> WithExtras<'a> {
        WithExtras {
            emitter: self,
            extras,
        }
    }

    /// Emits that a session began.
    pub fn session_open(&self, open: &SessionOpen<'_>) {
        self.shared.push(&Entry::SessionOpen(*open));
    }

    /// Emits that a session ended.
    pub fn session_close(&self, close: &SessionClose) {
        self.shared.push(&Entry::SessionClose(*close));
    }

    /// What has become of the entries so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Waits until every entry that was emitted before is settled, or `deadline` is over.
    pub fn flush(&self, deadline: Duration) -> Flush {
        Flush {
            pending: self.shared.flush(deadline),
        }
    }

    /// Flushes, drops what is left then, and ends the sender. Returns the last counters, in which
    /// nothing is pending.
    ///
    /// It takes no longer than `deadline`, whatever the kernel does, and what it leaves behind does
    /// not keep the process from ending, unless that is a sender's
    /// [thread](crate::Options::start_thread) which the kernel holds. A second call finds all done.
    pub fn close(&self, deadline: Duration) -> Counters {
        let start = Instant::now();
        self.shared.flush(deadline);
        self.shared.close();
        let left = deadline.saturating_sub(start.elapsed());
        self.shared.wait_for_worker(left);
        self.shared.counters()
    }
}

impl PhaseEmitter for AuditEmitter {
    fn emit(&self, record: &PhaseRecord<'_>) {
        self.shared.push(&Entry::Phase(*record, &[]));
    }
}

impl Drop for AuditEmitter {
    fn drop(&mut self) {
        self.close(Self::DROP_DEADLINE);
    }
}

impl Flush {
    /// Entries that are not settled (count), those that were emitted meanwhile included.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.pending
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.pending == 0
    }
}

impl PhaseEmitter for WithExtras<'_> {
    fn emit(&self, record: &PhaseRecord<'_>) {
        self.emitter
            .shared
            .push(&Entry::Phase(*record, self.extras));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{self, Receiver, Sender},
        thread,
    };

    use throughline_core::{Change, Transaction, TransactionId};

    use super::*;
    use crate::{
        Field, Identity, Record, RecordType, Refusal, Template,
        gate::{Gate, Kernel, Patience},
        notice::Announcer,
        options::start,
        worker::Direct,
    };

    /// A kernel that passes on what it takes, and takes nothing before it is let.
    struct Held {
        taken: Sender<String>,
        let_go: Option<Receiver<()>>,
        answer: Result<(), Refusal>,
    }

    impl Kernel for Held {
        fn send(&mut self, record: &mut Record) -> Result<(), Refusal> {
            if let Some(let_go) = &self.let_go {
                // An error means that the test has let go for good.
                let _ = let_go.recv();
            }
            let _ = self.taken.send(record.body().to_owned());
            self.answer
        }

        fn now(&self) -> Instant {
            Instant::now()
        }
    }

    const CHANGE: Change<'static> = Change {
        transaction: TransactionId::from_uuid(uuid::Uuid::nil()),
        name: "motd",
        position: None,
    };

    const LONG: Duration = Duration::from_secs(20);

    fn emitter(
        capacity: usize,
        let_go: Option<Receiver<()>>,
        answer: Result<(), Refusal>,
    ) -> (AuditEmitter, Receiver<String>) {
        let (taken, taking) = mpsc::channel();
        let kernel = Held {
            taken,
            let_go,
            answer,
        };
        let patience = Patience {
            slow_send: LONG,
            rest: LONG,
            retry: LONG,
        };
        let outlet = Direct::new(Gate::new(kernel, patience), Announcer::new(None));
        let template = Template::new(RecordType::default(), &Identity::new("root", "/bin/test"));
        (start(capacity, template, outlet).unwrap(), taking)
    }

    fn commit(emitter: impl PhaseEmitter) {
        let captured = Transaction::start(emitter, CHANGE).captured();
        captured.applied().validated().committed();
    }

    /// Two records: the start and the error.
    fn start_and_abandon(emitter: impl PhaseEmitter) {
        drop(Transaction::start(emitter, CHANGE));
    }

    fn until(mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < LONG, "it never came to it");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn number(body: &str, field: &str) -> u64 {
        let (_, rest) = body.split_once(&format!(" {field}=\"")).unwrap();
        rest.split_once('"').unwrap().0.parse().unwrap()
    }

    #[test]
    fn a_transaction_arrives_whole_and_in_order() {
        let (emitter, taking) = emitter(16, None, Ok(()));
        let extras = [Extra {
            field: Field::Path,
            value: b"/etc/motd",
        }];
        commit(emitter.with(&extras));
        assert!(emitter.flush(LONG).is_complete());
        let bodies: Vec<_> = taking.try_iter().collect();
        let operations = [
            "txn-start",
            "txn-capture",
            "txn-apply",
            "txn-validate",
            "txn-commit",
        ];
        assert_eq!(bodies.len(), operations.len());
        for (body, operation) in bodies.iter().zip(operations) {
            assert!(body.starts_with(&format!("op={operation} ")), "{body}");
            assert!(body.contains(" path=\"/etc/motd\" "), "{body}");
        }
        let counters = emitter.counters();
        assert_eq!((counters.pushed, counters.accepted), (5, 5));
    }

    #[test]
    fn a_held_kernel_costs_records_and_is_visible_in_those_that_follow() {
        let (let_go, held) = mpsc::channel();
        let (emitter, taking) = emitter(4, Some(held), Ok(()));
        start_and_abandon(&emitter);
        // One is in the kernel's hands, so that one and four more fit of the ten that follow.
        until(|| emitter.shared.is_in_flight());
        commit(&emitter);
        commit(&emitter);
        let held_up = emitter.counters();
        assert_eq!((held_up.pushed, held_up.pending), (12, 5));
        assert_eq!(held_up.dropped.queue_full, 7);
        assert!(held_up.is_balanced());
        assert_eq!(emitter.flush(Duration::from_millis(5)).pending(), 5);
        drop(let_go);
        assert!(emitter.flush(LONG).is_complete());
        start_and_abandon(&emitter);
        assert!(emitter.flush(LONG).is_complete());
        let bodies: Vec<_> = taking.try_iter().collect();
        let numbers: Vec<_> = bodies.iter().map(|body| number(body, "seq")).collect();
        assert_eq!(numbers[..5], [0, 1, 2, 3, 4]);
        assert_eq!(numbers[5], 12);
        assert_eq!(number(&bodies[5], "drop"), 7);
    }

    #[test]
    fn closing_leaves_nothing_pending_though_the_kernel_holds_the_sender() {
        let (let_go, held) = mpsc::channel();
        let (emitter, _taking) = emitter(16, Some(held), Ok(()));
        commit(&emitter);
        until(|| emitter.shared.is_in_flight());
        let start = Instant::now();
        let counters = emitter.close(Duration::from_millis(50));
        assert!(start.elapsed() < LONG);
        assert_eq!((counters.unknown, counters.dropped.deadline), (1, 4));
        assert_eq!(counters.pending, 0);
        commit(&emitter);
        drop(let_go);
        assert!(emitter.shared.wait_for_worker(LONG));
        let after = emitter.counters();
        assert_eq!(after.dropped.closed, 5);
        assert_eq!((after.accepted, after.unknown), (0, 1));
        assert!(after.is_balanced());
    }

    #[test]
    fn a_kernel_that_refuses_is_left_alone_and_all_is_counted() {
        let (emitter, taking) = emitter(64, None, Err(Refusal::NotPermitted));
        for _ in 0..4 {
            commit(&emitter);
        }
        let counters = emitter.close(LONG);
        assert_eq!(taking.try_iter().count(), 1);
        assert_eq!(counters.refused.not_permitted, 1);
        assert_eq!(counters.dropped.off, 19);
        assert_eq!(counters.pushed, 20);
        assert_eq!(counters.pending, 0);
    }

    #[test]
    fn a_parked_sender_is_woken_by_the_next_entry() {
        let (emitter, taking) = emitter(16, None, Ok(()));
        for _ in 0..3 {
            emitter.emit(&PhaseRecord {
                change: CHANGE,
                step: 0,
                phase: throughline_core::Phase::Started,
                success: true,
            });
            assert!(taking.recv_timeout(LONG).is_ok());
            thread::sleep(Duration::from_millis(80));
        }
    }

    #[test]
    fn eight_threads_lose_no_count() {
        let (emitter, taking) = emitter(64, None, Ok(()));
        let count = thread::scope(|scope| {
            let taking = scope.spawn(move || taking.iter().count());
            for _ in 0..8 {
                scope.spawn(|| (0..500).for_each(|_| commit(&emitter)));
            }
            while emitter.counters().pushed < 20_000 {
                assert!(emitter.counters().is_balanced());
            }
            let counters = emitter.close(LONG);
            assert_eq!(counters.pushed, 20_000);
            assert_eq!(counters.pending, 0);
            assert_eq!(counters.accepted + counters.dropped.queue_full, 20_000);
            (counters.accepted, taking.join().unwrap() as u64)
        });
        assert_eq!(count.0, count.1);
    }
}
