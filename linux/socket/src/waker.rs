use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    event::{EventfdFlags, eventfd},
    io::{read, write},
};

use crate::armed::Armed;

/// Wakes a thread that waits in `poll`, for the price of an atomic swap when nobody waits.
///
/// The waiter [`arms`](Waker::arm) it before it looks whether there is work, and waits after; a
/// [`wake`](Waker::wake) in between ends the wait at once. So no wake is lost, and however many
/// there are, one write is made for each time it is armed.
#[derive(Debug)]
pub struct Waker {
    armed: Armed,
    event: OwnedFd,
}

impl Waker {
    /// A waker that is not armed.
    ///
    /// # Errors
    ///
    /// If the process or the system has no file descriptor left (eventfd(2)).
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            armed: Armed::default(),
            event,
        })
    }

    /// Ends the wait of whoever has armed it.
    pub fn wake(&self) {
        if self.armed.disarm() {
            // The counter cannot overflow: there is one write for each time it is armed.
            let _ = write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Asks to be woken from now on, and keeps a wake that came while it was armed before.
    pub(crate) fn stay_armed(&self) {
        self.armed.arm();
    }

    /// Asks to be woken from now on, and forgets earlier wakes.
    pub fn arm(&self) {
        let _ = read(&self.event, &mut [0_u8; 8]);
        self.armed.arm();
    }
}

impl AsFd for Waker {
    /// Readable once it was woken.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_readable(waker: &Waker) -> bool {
        let mut fds = [rustix::event::PollFd::new(
            waker,
            rustix::event::PollFlags::IN,
        )];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut fds, Some(&now)) == Ok(1)
    }

    #[test]
    fn one_write_is_made_each_time_it_is_armed() {
        let waker = Waker::new().unwrap();
        waker.wake();
        assert!(!is_readable(&waker), "nobody waits");

        waker.arm();
        waker.wake();
        waker.wake();
        assert!(is_readable(&waker));
        let mut count = [0; 8];
        read(&waker.event, &mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1);

        waker.arm();
        assert!(!is_readable(&waker), "earlier wakes are forgotten");
    }
}
