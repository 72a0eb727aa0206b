//! The helper process: reads records from its standard input, and sends them to the kernel.
//!
//! It exists because a thread that the kernel holds keeps its whole process from ending, for up
//! to a minute; a helper that is held keeps nobody.

use std::{
    env, io,
    os::fd::{AsFd, BorrowedFd},
    process::ExitCode,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags},
    io::{Errno, retry_on_intr},
    net::{RecvFlags, SendFlags, SocketType},
    thread::{CapabilitySet, CapabilitySets},
};

use crate::{
    Record,
    gate::{Gate, Netlink, Patience},
    report::Report,
};

/// Does the work of a helper until the emitter that started it closes or dies, and what was handed
/// over is sent.
///
/// Call it as the first thing in `main`, before any thread is started. It reduces the process to
/// the one capability `CAP_AUDIT_WRITE`, if it has that, for good; it keeps the user ID, which the
/// kernel puts into each record. It sends records of the three types of
/// [`RecordType`](crate::RecordType) and nothing else.
///
/// Descriptors above 2 that the emitter's process itself inherited without close-on-exec are open in
/// it too, and it cannot close them in safe code: a program that may be given some, such as a lock,
/// closes them before it calls this.
///
/// Death of the emitter's process is no reason to stop: the records from just before are the ones
/// that matter.
///
/// The exit code is a failure if it was not started by an
/// [`AuditEmitter`](crate::AuditEmitter), or could not drop its privileges.
#[must_use]
pub fn run() -> ExitCode {
    let input = io::stdin();
    if !is_hand_off(input.as_fd()) {
        return ExitCode::from(2);
    }
    // Whatever is mounted where it was started can be unmounted.
    let _ = env::set_current_dir("/");
    let mut kernel = Netlink::default();
    // To ask what the kernel does with records needs a capability that is about to be given up; a
    // failure shows again with the first record.
    let _ = kernel.open();
    if drop_privileges().is_err() {
        return ExitCode::FAILURE;
    }
    serve(input.as_fd(), kernel);
    ExitCode::SUCCESS
}

fn is_hand_off(input: BorrowedFd<'_>) -> bool {
    rustix::net::sockopt::socket_type(input) == Ok(SocketType::SEQPACKET)
}

fn drop_privileges() -> rustix::io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let own = rustix::thread::capabilities(None)?;
    if own.effective.contains(CapabilitySet::SETPCAP) {
        // All numbers that a capability can have, for those that are younger than this program.
        let each = (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number));
        for capability in each.filter(|each| *each != CapabilitySet::AUDIT_WRITE) {
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // The kernel knows fewer.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let kept = own.permitted & CapabilitySet::AUDIT_WRITE;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
}

fn serve(input: BorrowedFd<'_>, kernel: Netlink) {
    let (mut gate, mut kernel) = (None, Some(kernel));
    let mut record = Record::empty();
    let mut buffer = [0; Record::DATAGRAM_MAX + 1];
    let mut unreported = 0;
    loop {
        let flags = RecvFlags::DONTWAIT;
        match retry_on_intr(|| rustix::net::recv(input, &mut buffer, flags)) {
            Ok((0, _)) => return,
            Ok((length, _)) => {
                let Some(gate) = &mut gate else {
                    // The first message says how to treat the kernel.
                    let patience = Patience::from_bytes(&buffer[..length]);
                    gate = patience.and_then(|patience| Some(Gate::new(kernel.take()?, patience)));
                    continue;
                };
                if record.read_datagram(&buffer[..length]) {
                    gate.submit(&mut record);
                } else {
                    gate.refuse_malformed();
                }
                unreported += 1;
                if unreported >= REPORT_EVERY && tell(input, gate) {
                    unreported = 0;
                }
            }
            Err(Errno::AGAIN) => {
                if unreported > 0 && gate.as_ref().is_some_and(|gate| tell(input, gate)) {
                    unreported = 0;
                }
                wait(input, unreported > 0);
            }
            Err(_) => return,
        }
    }
}

/// Sends a report; `false` if there is no room for it.
fn tell(output: BorrowedFd<'_>, gate: &Gate<Netlink>) -> bool {
    let report = Report {
        tally: gate.tally(),
        state: gate.state(),
        caution: gate.caution(),
    };
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = retry_on_intr(|| rustix::net::send(output, &report.to_bytes(), flags));
    sent != Err(Errno::AGAIN)
}

fn wait(input: BorrowedFd<'_>, to_tell: bool) {
    let mut flags = PollFlags::IN;
    flags.set(PollFlags::OUT, to_tell);
    let mut fds = [PollFd::from_borrowed_fd(input, flags)];
    match rustix::event::poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => {}
        // Memory is short; do not spin.
        Err(_) => std::thread::sleep(Duration::from_millis(1)),
    }
}

/// A report for so many records, if there is no pause before.
const REPORT_EVERY: u32 = 32;
