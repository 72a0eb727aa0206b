use std::{
    fs::{File, TryLockError},
    thread,
    time::Duration,
};

/// A trail's file while this process writes to it; others that write to it wait (flock(2)).
///
/// So nobody takes what another is just writing for a torn line, or takes it back with a line of its own.
#[derive(Debug)]
pub(crate) struct Locked<'f> {
    file: &'f File,
    /// Whether it is this one's alone: not if another program, such as a script, holds it for too long.
    pub(crate) is_alone: bool,
}

impl<'f> Locked<'f> {
    /// Waits for the lock, for as long as a few writes to a slow disk take.
    pub(crate) fn wait(file: &'f File) -> Self {
        Self::take(file, TRIES)
    }

    /// Takes the lock if it is free at once.
    pub(crate) fn now(file: &'f File) -> Self {
        Self::take(file, 1)
    }

    fn take(file: &'f File, tries: u32) -> Self {
        for n in 1..=tries {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if n < tries => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {}
                // Not every file system has locks, and then there is no other way.
                Ok(()) | Err(TryLockError::Error(_)) => {
                    return Self {
                        file,
                        is_alone: true,
                    };
                }
            }
        }
        Self {
            file,
            is_alone: false,
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// How often the lock is asked for (count).
const TRIES: u32 = 1000;

const PAUSE: Duration = Duration::from_millis(1);
