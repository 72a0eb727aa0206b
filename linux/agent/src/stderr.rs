//! The standard error, for what is told along the way.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Writes lines to the standard error, and is not held by it.
///
/// Whoever reads it may have stopped, as a pager does that waits for a key, and the threads that tell of
/// requests are those that serve them. So a line that cannot be written within a moment is left out, and
/// with it all behind it, until one can be again: that one begins with how many there were.
pub(crate) struct Stderr;

/// Lines that were left out (count).
static UNSHOWN: Mutex<u64> = Mutex::new(0);

impl Write for Stderr {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut unshown = UNSHOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = match *unshown {
            0 => show(line, MOMENT),
            count => {
                let told = format!("({count} lines are not shown, nobody has read them)\n");
                show(&[told.as_bytes(), line].concat(), Duration::ZERO)
            }
        };
        match shown {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => *unshown += 1,
            shown => {
                *unshown = 0;
                shown?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn show(text: &[u8], wait: Duration) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    for piece in text.chunks(PIECE) {
        let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
        // If it cannot be waited for, the write says why.
        if poll(&mut fds, Timespec::try_from(wait).ok().as_ref()) == Ok(0) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stderr.write_all(piece)?;
    }
    Ok(())
}

/// What fits into a pipe that has any room (bytes; `PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

/// How long a line may wait for its reader.
const MOMENT: Duration = Duration::from_millis(250);
