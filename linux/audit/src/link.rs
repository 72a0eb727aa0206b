use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    io::{Errno, retry_on_intr},
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType},
};

use crate::{
    Record,
    gate::{Patience, Tally},
    notice::{Announcer, State},
    report::Report,
    shared::Shared,
    worker::Outlet,
};

/// The outlet that hands records to a helper process, and never waits for it longer than agreed.
pub(crate) struct Link {
    command: Command,
    wait: Duration,
    patience: Patience,
    helper: Helper,
    announcer: Announcer,
    /// What helpers that are gone had counted.
    before: Tally,
}

enum Helper {
    Running(Running),
    Gone { since: Instant },
}

struct Running {
    socket: OwnedFd,
    child: Child,
    /// What it last told.
    report: Report,
    /// The last hand-off failed for want of room.
    stalled: bool,
}

/// How a hand-off went.
enum HandOff {
    Done,
    Full,
    Gone,
}

impl Link {
    /// Starts the helper.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub(crate) fn start(
        mut command: Command,
        wait: Duration,
        patience: Patience,
        announcer: Announcer,
    ) -> io::Result<Self> {
        let running = Running::start(&mut command, patience)?;
        Ok(Self {
            command,
            wait,
            patience,
            helper: Helper::Running(running),
            announcer,
            before: Tally::default(),
        })
    }

    /// The running helper; one that is gone is started again when it is time.
    fn running(&mut self) -> Option<&mut Running> {
        if let Helper::Gone { since } = self.helper
            && since.elapsed() >= self.patience.retry
        {
            self.helper = Running::start(&mut self.command, self.patience).map_or_else(
                |_| Helper::Gone {
                    since: Instant::now(),
                },
                Helper::Running,
            );
        }
        match &mut self.helper {
            Helper::Running(running) => Some(running),
            Helper::Gone { .. } => None,
        }
    }

    /// The helper is gone. Its last report is in; of `kept` records it has nothing.
    fn lose_helper(&mut self, shared: &Shared, kept: u64) {
        let Helper::Running(running) = &self.helper else {
            return;
        };
        self.before = self.before.plus(&running.report.tally);
        shared.lose_in_flight(kept);
        let since = Instant::now();
        let gone = std::mem::replace(&mut self.helper, Helper::Gone { since });
        if let Helper::Running(running) = gone {
            reap(running.child, Duration::ZERO);
        }
        self.announcer.announce(State::HelperGone, Duration::ZERO);
    }

    /// Takes in the helper's reports; `false` if it is gone.
    fn read_reports(&mut self, shared: &Shared) -> bool {
        let Helper::Running(running) = &mut self.helper else {
            return false;
        };
        let (is_there, news) = running.read_reports();
        if news {
            let report = running.report;
            shared.report(self.before.plus(&report.tally));
            let max_send = Duration::from_nanos(report.tally.max_send_ns);
            self.announcer.caution(report.caution);
            self.announcer.announce(report.state, max_send);
        }
        is_there
    }

    fn hand_off(&mut self, record: &mut Record, shared: &Shared) -> HandOff {
        let deadline = Instant::now() + self.wait;
        loop {
            let Some(running) = self.running() else {
                return HandOff::Gone;
            };
            match running.send(record) {
                Ok(()) => {
                    running.stalled = false;
                    return HandOff::Done;
                }
                Err(Errno::AGAIN) => {}
                Err(_) => return HandOff::Gone,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if running.stalled || left.is_zero() || shared.is_closed() {
                running.stalled = true;
                return HandOff::Full;
            }
            let room = (running.socket.as_fd(), PollFlags::OUT | PollFlags::IN);
            shared.waker.doze(Some(room), left);
            if !self.read_reports(shared) {
                return HandOff::Gone;
            }
        }
    }
}

impl Outlet for Link {
    fn deliver(&mut self, record: &mut Record, shared: &Shared) {
        match self.hand_off(record, shared) {
            HandOff::Done => {}
            HandOff::Full => shared.drop_hand_off_full(),
            HandOff::Gone => {
                self.read_reports(shared);
                self.lose_helper(shared, 1);
                shared.drop_helper_gone();
            }
        }
        self.absorb(shared);
    }

    fn absorb(&mut self, shared: &Shared) {
        if matches!(self.helper, Helper::Running(_)) && !self.read_reports(shared) {
            self.lose_helper(shared, 0);
        }
    }

    fn answers(&self) -> Option<BorrowedFd<'_>> {
        match &self.helper {
            Helper::Running(running) => Some(running.socket.as_fd()),
            Helper::Gone { .. } => None,
        }
    }

    fn end(self) {
        if let Helper::Running(Running { socket, child, .. }) = self.helper {
            drop(socket);
            reap(child, LAST_WAIT);
        }
    }
}

impl Running {
    /// Starts `command` with one end of a pair of sockets as its standard input.
    ///
    /// The other end is closed on exec, so that this process alone holds it: the helper sees the
    /// end of its input when this process closes it or dies, whichever way. In a process group of
    /// its own it is spared the signals of the terminal, and can finish.
    fn start(command: &mut Command, patience: Patience) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let spawned = command
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        // Gives up this process's copy of the helper's end.
        command.stdin(Stdio::null());
        let child = spawned?;
        rustix::net::send(&ours, &patience.to_bytes(), SendFlags::NOSIGNAL)?;
        Ok(Self {
            socket: ours,
            child,
            report: Report::default(),
            stalled: false,
        })
    }

    fn send(&self, record: &mut Record) -> rustix::io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        retry_on_intr(|| rustix::net::send(&self.socket, record.datagram(0), flags))?;
        Ok(())
    }

    /// Reads what is there: whether the helper is too, and whether there was anything.
    fn read_reports(&mut self) -> (bool, bool) {
        let mut buffer = [0; Report::LEN + 1];
        let mut news = false;
        loop {
            let flags = RecvFlags::DONTWAIT;
            match retry_on_intr(|| rustix::net::recv(&self.socket, &mut buffer, flags)) {
                Ok((0, _)) => return (false, news),
                Ok((length, _)) => {
                    if let Some(report) = Report::from_bytes(&buffer[..length]) {
                        self.report = report;
                        news = true;
                    }
                }
                Err(Errno::AGAIN) => return (true, news),
                Err(_) => return (false, news),
            }
        }
    }
}

/// Collects the child's status if it ends within `timeout`. One that is stuck in the kernel is left
/// to whoever inherits it.
fn reap(mut child: Child, timeout: Duration) {
    let start = Instant::now();
    while let Ok(None) = child.try_wait() {
        if start.elapsed() >= timeout {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// How long a helper that has nothing left to read may take to end.
const LAST_WAIT: Duration = Duration::from_millis(100);
