//! The kernel's audit log, as the commands write to it.

use std::{
    fmt,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use throughline_audit::{AuditEmitter, Counters, Extra, Options, SessionClose, SessionOpen};
use throughline_core::{PhaseEmitter, PhaseRecord};

/// What writes to the kernel's audit log, if this process can start it.
///
/// It neither holds nor fails the command that uses it. Why nothing is written is said once.
pub(crate) struct Emitter {
    emitter: Option<AuditEmitter>,
    say: Say,
    said: Arc<AtomicBool>,
}

/// How a command says it.
type Say = fn(&dyn fmt::Display);

impl Emitter {
    /// For a command whose records are what it is for.
    pub(crate) fn start() -> Self {
        Self::start_saying(|what| tracing::warn!("kernel audit: {what}"))
    }

    /// For a command that is as good without.
    pub(crate) fn start_quietly() -> Self {
        Self::start_saying(|what| tracing::info!("kernel audit: {what}"))
    }

    /// Starts the process that sends records, so that a kernel that is stuck cannot hold this one.
    fn start_saying(say: Say) -> Self {
        let said = Arc::new(AtomicBool::new(false));
        let saying = Arc::clone(&said);
        let options = Options::new().observer(move |notice| {
            saying.store(true, Ordering::Relaxed);
            say(&notice);
        });
        let started = options.start_helper(audit_sender());
        if let Err(error) = &started {
            say(&format_args!("nothing is written, {error}"));
        }
        Self {
            emitter: started.ok(),
            say,
            said,
        }
    }

    /// Emits a phase with fields of the caller's own.
    pub(crate) fn emit_with(&self, record: &PhaseRecord<'_>, extras: &[Extra<'_>]) {
        if let Some(emitter) = &self.emitter {
            emitter.with(extras).emit(record);
        }
    }

    /// Emits that a session began.
    pub(crate) fn session_open(&self, open: &SessionOpen<'_>) {
        if let Some(emitter) = &self.emitter {
            emitter.session_open(open);
        }
    }

    /// Emits that a session ended.
    pub(crate) fn session_close(&self, close: &SessionClose) {
        if let Some(emitter) = &self.emitter {
            emitter.session_close(close);
        }
    }

    /// Waits until it is known what became of the records, for `deadline` at most, and tells.
    pub(crate) fn close(self, deadline: Duration) -> Counters {
        let Some(emitter) = self.emitter else {
            return Counters::default();
        };
        let counters = emitter.close(deadline);
        tracing::debug!("kernel audit: {counters:?}");
        if counters.accepted < counters.pushed && !self.said.load(Ordering::Relaxed) {
            (self.say)(&format_args!(
                "{} of {} records are known to be accepted; ask throughline doctor",
                counters.accepted, counters.pushed
            ));
        }
        counters
    }
}

impl PhaseEmitter for Emitter {
    fn emit(&self, record: &PhaseRecord<'_>) {
        self.emit_with(record, &[]);
    }
}

/// This program, as the process that sends records to the kernel.
pub(crate) fn audit_sender() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("audit-sender");
    command
}
