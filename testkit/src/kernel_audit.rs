use std::{
    env,
    fs::{File, TryLockError},
    io, thread,
    time::{Duration, Instant},
};

use throughline_audit::{AuditSocket, Enabled};

/// The kernel's audit system, switched on, for one test at a time on the whole machine.
///
/// Dropping it leaves auditing as it was found.
///
/// ```no_run
/// use throughline_testkit::KernelAudit;
///
/// let _audit = match KernelAudit::enable() {
///     Ok(audit) => audit,
///     Err(why) => return println!("skipped: {why}"),
/// };
/// ```
#[derive(Debug)]
pub struct KernelAudit {
    socket: AuditSocket,
    was_enabled: bool,
    /// Held until the setting is restored.
    _lock: File,
}

impl KernelAudit {
    /// Waits for its turn, for at most five minutes, and switches auditing on.
    ///
    /// # Errors
    ///
    /// In words, why a test that needs it is to be skipped.
    pub fn enable() -> Result<Self, String> {
        let lock = lock().map_err(|error| format!("no lock on the kernel's audit: {error}"))?;
        let mut socket =
            AuditSocket::open().map_err(|error| format!("the kernel has no audit: {error}"))?;
        let status = socket
            .status(PATIENCE)
            .map_err(|error| format!("the kernel's audit cannot be controlled: {error}"))?;
        let was_enabled = match status.enabled {
            Enabled::Off => false,
            Enabled::On => true,
            Enabled::Locked => return Err("the kernel's audit is locked until reboot".to_owned()),
        };
        let mut audit = Self {
            socket,
            was_enabled,
            _lock: lock,
        };
        audit
            .set_enabled(true)
            .map_err(|error| format!("the kernel's audit cannot be enabled: {error}"))?;
        Ok(audit)
    }

    /// Switches auditing on or off meanwhile.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn set_enabled(&mut self, enabled: bool) -> io::Result<()> {
        self.socket.set_enabled(enabled, PATIENCE)
    }
}

impl Drop for KernelAudit {
    fn drop(&mut self) {
        if let Err(error) = self.set_enabled(self.was_enabled) {
            eprintln!("the kernel's audit is left enabled: {error}");
        }
    }
}

fn lock() -> io::Result<File> {
    let path = env::temp_dir().join("throughline-kernel-audit.lock");
    // Another user's file may be opened here but not created.
    let file = File::open(&path).or_else(|_| File::create(&path))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < TURN => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::TimedOut.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

const TURN: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(90);
