//! A process that deals with the kernel for another one, and may be held by it.

use std::{
    fs, io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    process::ExitCode,
};

/// Does `work` with nothing open but the standard streams.
///
/// The kernel can hold this process for a minute after the command that started it has ended, and with
/// it whatever it has open: the lock that a script took for the command, the pipe that tells another
/// program of its end.
///
/// To be called first thing in `main`, before anything is opened and any thread is started.
pub(crate) fn apart(work: impl FnOnce() -> ExitCode) -> ExitCode {
    match close_inherited() {
        Ok(()) => work(),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Closes what was inherited beside the standard streams.
fn close_inherited() -> io::Result<()> {
    let listed = fs::read_dir("/proc/self/fd")?;
    let numbers = listed.map(|entry| Ok(entry?.file_name().to_str().and_then(|n| n.parse().ok())));
    let numbers: Vec<Option<RawFd>> = numbers.collect::<io::Result<_>>()?;
    for number in numbers.into_iter().flatten().filter(|number| *number > 2) {
        // The list itself was one of them.
        if fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok() {
            close(number);
        }
    }
    Ok(())
}

#[allow(unsafe_code)]
fn close(number: RawFd) {
    // SAFETY: `from_raw_fd` asks for an open descriptor that nobody else owns. This one is open, as its
    // entry in /proc/self/fd was there and this process has a single thread. Nobody owns it: `main` has
    // read its arguments and opened nothing, so it came from the program that started this one; and
    // the standard streams, which the standard library refers to by number, are left out. To close a
    // number wants the same proof in rustix, whose `close` is unsafe too.
    drop(unsafe { OwnedFd::from_raw_fd(number) });
}
