use std::{
    process::{Command, ExitCode},
    time::Duration,
};

use throughline_audit::{AuditEmitter, Notice, Options};
use throughline_core::{Change, Outcome, PhaseEmitter, PhaseRecord, Transaction, TransactionId};
use throughline_socket::Host;

use crate::{cli::TxnArgs, exit, log};

/// Runs a change as a transaction.
pub(crate) fn txn(args: &TxnArgs) -> ExitCode {
    log::start(args.log);
    let host = match Host::new(0) {
        Ok(host) => host,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::from(exit::USAGE);
        }
    };
    let emitter = Emitter::start();
    let change = Change {
        transaction: TransactionId::draw(&host),
        name: &args.op,
        position: None,
    };
    let outcome = perform(Transaction::start(&emitter, change), args);
    emitter.close();
    tracing::info!(transaction = %change.transaction, "{} {outcome}", log::Clean(&args.op));
    ExitCode::from(code(outcome))
}

/// Takes the transaction from its start to its outcome.
fn perform<E: PhaseEmitter>(
    transaction: Transaction<'_, E, throughline_core::Started>,
    args: &TxnArgs,
) -> Outcome {
    if !step("capture", args.capture.as_deref()) {
        transaction.capture_failed();
        return Outcome::Errored;
    }
    let transaction = transaction.captured();
    let broken = if step("apply", Some(&args.apply)) {
        let transaction = transaction.applied();
        if step("validate", args.validate.as_deref()) {
            transaction.validated().committed();
            return Outcome::Committed;
        }
        transaction.validate_failed()
    } else {
        transaction.apply_failed()
    };
    let Some(rollback) = args.rollback.as_deref() else {
        broken.partially_applied();
        return Outcome::PartiallyApplied;
    };
    if step("rollback", Some(rollback)) {
        broken.rolled_back();
        Outcome::RolledBack
    } else {
        broken.rollback_failed();
        Outcome::RollbackFailed
    }
}

/// Runs one step; a step that is not given is done.
fn step(name: &str, script: Option<&str>) -> bool {
    let Some(script) = script else {
        return true;
    };
    let status = Command::new("/bin/sh").arg("-c").arg(script).status();
    match status {
        Ok(status) if status.success() => true,
        Ok(status) => {
            tracing::warn!("{name} failed: {status}");
            false
        }
        Err(error) => {
            tracing::error!("{name} cannot be run with /bin/sh: {error}");
            false
        }
    }
}

const fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Committed | Outcome::Recovered | Outcome::Staged => 0,
        Outcome::RolledBack => 1,
        Outcome::PartiallyApplied => 3,
        Outcome::RollbackFailed => 4,
        Outcome::Errored => 5,
    }
}

/// The kernel's audit log, if this process can start what writes to it.
pub(crate) struct Emitter(Option<AuditEmitter>);

impl Emitter {
    /// Starts the process that sends records, so that a kernel that is stuck cannot hold this one.
    pub(crate) fn start() -> Self {
        let started = Options::new().observer(notice).start_helper(audit_sender());
        match started {
            Ok(emitter) => Self(Some(emitter)),
            Err(error) => {
                tracing::warn!("nothing is written to the kernel's audit log: {error}");
                Self(None)
            }
        }
    }

    /// Waits until the kernel has what was emitted, for a bounded time.
    pub(crate) fn close(self) {
        if let Some(emitter) = self.0 {
            let counters = emitter.close(CLOSE);
            tracing::debug!("{counters:?}");
        }
    }
}

impl PhaseEmitter for Emitter {
    fn emit(&self, record: &PhaseRecord<'_>) {
        if let Some(emitter) = &self.0 {
            emitter.emit(record);
        }
    }
}

/// This program, as the process that sends records to the kernel.
pub(crate) fn audit_sender() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("audit-sender");
    command
}

fn notice(notice: Notice) {
    tracing::warn!("kernel audit: {notice}");
}

/// How long to wait for the kernel at the end.
const CLOSE: Duration = Duration::from_secs(2);
