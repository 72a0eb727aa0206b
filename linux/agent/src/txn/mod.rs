//! `throughline txn`: a change as a transaction, each phase of it in the kernel's audit log.

mod perform;
mod plan;
mod reason;
mod report;
mod result_file;
mod step;
mod witness;

use std::{error::Error, process::ExitCode, time::Duration};

use jiff::Timestamp;
use throughline_core::{Change, Outcome, Transaction, TransactionId};
use throughline_socket::Host;

use self::{
    perform::{Performance, Settled, perform},
    report::Report,
    result_file::ResultFile,
    step::Runner,
    witness::Witness,
};
use crate::{cli::TxnArgs, exit, kernel::Emitter, log};

/// Runs a change as a transaction.
pub(crate) fn txn(args: &TxnArgs) -> ExitCode {
    log::start(args.log);
    let ended = if args.dry_run {
        plan::show(args).map(|()| 0)
    } else {
        change(args).map(code)
    };
    ended.map_or_else(
        |error| {
            tracing::error!("{error}");
            ExitCode::from(exit::USAGE)
        },
        ExitCode::from,
    )
}

/// Makes the change. An error means that nothing was begun.
fn change(args: &TxnArgs) -> Result<Outcome, Box<dyn Error>> {
    let host = Host::new(0)?;
    // What cannot be told afterwards is better not begun.
    let file = args
        .result
        .as_deref()
        .map(ResultFile::prepare)
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut runner = {
        let _in_runtime = runtime.enter();
        Runner::new(args.json)?
    };
    let transaction = TransactionId::draw(&host);
    Ok(runtime.block_on(make(args, transaction, file, &mut runner)))
}

/// Makes the change from its start to its outcome.
async fn make(
    args: &TxnArgs,
    transaction: TransactionId,
    file: Option<ResultFile>,
    runner: &mut Runner,
) -> Outcome {
    let witness = Witness::new(Emitter::start());
    let change = Change {
        transaction,
        name: &args.op,
        position: None,
    };
    let started = Timestamp::now();
    let begun = Transaction::start(&witness, change);
    let Performance { settled, ran } = perform(begun, args, runner, &witness).await;
    let mut report = Report {
        transaction,
        op: &args.op,
        outcome: settled.outcome(),
        reason: settled.reason().cloned(),
        interrupted: runner.interrupted(),
        ran,
        started,
        ended: Timestamp::now(),
        file: args.result.as_deref(),
        file_error: None,
    };
    end(settled, &mut report, file, &witness);
    let counters = witness.close(CLOSE);
    report.tell(args.json, &counters);
    report.outcome
}

/// Records the outcome, once the result file that was asked for has it.
fn end(settled: Settled<'_>, report: &mut Report<'_>, file: Option<ResultFile>, witness: &Witness) {
    if let Some(file) = file
        && let Err(error) = file.write(&report.json())
    {
        report.file_failed(&error);
    }
    witness.note(report.reason.as_ref(), report.file, settled.script());
    settled.record(report.outcome);
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

/// How long to wait for the kernel at the end.
const CLOSE: Duration = Duration::from_secs(2);
