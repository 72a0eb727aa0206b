use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering, compiler_fence, fence},
    thread,
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd},
    io::Errno,
    thread::{MembarrierCommand, membarrier},
};

use crate::line::Line;

/// Lets a sleeping worker be woken, at hardly any cost to those who find it awake.
///
/// A caller publishes its work and then looks whether the worker is parked; the worker says that it
/// parks and then looks for work. For one of the two to see the other, each needs a barrier between
/// its two steps. The caller's would cost it the wait for its cache lines, four times what the rest
/// of an emit takes, so the worker has the kernel run one on all processors where this process is,
/// once before it parks (membarrier(2)).
#[derive(Debug)]
pub(crate) struct Waker {
    event: OwnedFd,
    parked: Line<AtomicBool>,
    /// Whether the kernel runs barriers for this process.
    has_barrier: bool,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            event,
            parked: Line(AtomicBool::new(false)),
            has_barrier: membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok(),
        })
    }

    /// Wakes the worker if it is parked: one system call, by one of those who come while it is.
    pub(crate) fn wake_if_parked(&self) {
        // The other half of the worker's barrier: the compiler keeps the order too.
        compiler_fence(Ordering::SeqCst);
        if self.parked.0.load(Ordering::Relaxed) && self.parked.0.swap(false, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Wakes the worker, be it parked or dozing.
    pub(crate) fn wake(&self) {
        // The one failure is that the count is at its greatest, and then it is awake already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Sleeps until `timeout` is over, somebody [wakes](Self::wake) it or there is something to do
    /// on `other`.
    pub(crate) fn doze(&self, other: Option<(BorrowedFd<'_>, PollFlags)>, timeout: Duration) {
        self.sleep(other, Some(timeout));
    }

    /// Sleeps until somebody wakes it or there is something to do on `other`, unless `has_work`.
    pub(crate) fn park(
        &self,
        other: Option<(BorrowedFd<'_>, PollFlags)>,
        has_work: impl FnOnce() -> bool,
    ) {
        self.parked.0.store(true, Ordering::Relaxed);
        let is_seen = self.barrier();
        if !has_work() {
            // Without the barrier a caller may have come by unseen, so look again soon.
            self.sleep(other, (!is_seen).then_some(UNSEEN));
        }
        self.parked.0.store(false, Ordering::Relaxed);
    }

    /// Whether callers see what was written before.
    fn barrier(&self) -> bool {
        fence(Ordering::SeqCst);
        self.has_barrier && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
    }

    fn sleep(&self, other: Option<(BorrowedFd<'_>, PollFlags)>, timeout: Option<Duration>) {
        let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
        let own = PollFd::from_borrowed_fd(self.event.as_fd(), PollFlags::IN);
        let other = other.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags));
        let slept = match other {
            Some(other) => rustix::event::poll(&mut [own, other], timeout.as_ref()),
            None => rustix::event::poll(&mut [own], timeout.as_ref()),
        };
        if slept.is_err_and(|errno| errno != Errno::INTR) {
            // Nothing is wrong with these descriptors, so memory is short; do not spin.
            thread::sleep(Duration::from_millis(1));
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.event, &mut count);
    }
}

/// How long work that nobody told of may wait.
const UNSEEN: Duration = Duration::from_millis(20);
