use std::{
    fmt,
    io::{self, Write},
    path::Path,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use throughline_audit::Counters;
use throughline_core::{Outcome, TransactionId};

use super::{
    reason::Reason,
    result_file::ResultError,
    step::{End, Ran},
};
use crate::log::Clean;

/// What became of a transaction.
pub(super) struct Report<'a> {
    pub(super) transaction: TransactionId,
    pub(super) op: &'a str,
    pub(super) outcome: Outcome,
    /// Why it is not committed.
    pub(super) reason: Option<Reason>,
    /// The signal that asked for the end.
    pub(super) interrupted: Option<&'static str>,
    pub(super) ran: Vec<Ran>,
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    /// Where the result is kept.
    pub(super) file: Option<&'a Path>,
    /// Why it is not.
    pub(super) file_error: Option<String>,
}

impl Report<'_> {
    /// The result file could not be written. A change that was to be kept is errored by that, as
    /// whoever waits for the file is not told of it; one that was not remains what it is.
    pub(super) fn file_failed(&mut self, error: &ResultError) {
        self.file_error = Some(error.to_string());
        let result = Reason::result(error.cause(), error.to_string());
        self.reason = Some(match self.reason.take() {
            Some(reason) => reason.and(&result),
            None => result,
        });
        if self.outcome.is_success() {
            self.outcome = Outcome::Errored;
        }
    }

    /// One JSON object, without what the kernel made of the records.
    pub(super) fn json(&self) -> Value {
        json!({
            "transaction": self.transaction.to_string(),
            "op": self.op,
            "outcome": self.outcome.as_str(),
            "success": self.outcome.is_success(),
            "reason": self.reason.as_ref().map(|reason| &reason.text),
            "signal": self.interrupted,
            "started": self.started.to_string(),
            "ended": self.ended.to_string(),
            "steps": self.ran.iter().map(step).collect::<Vec<_>>(),
            "result": self.file.map(|file| json!({
                "file": file.to_string_lossy(),
                "error": self.file_error,
            })),
        })
    }

    /// Says it on the standard error, and on the standard output for a machine.
    pub(super) fn tell(&self, as_json: bool, counters: &Counters) {
        if self.outcome.is_success() {
            tracing::info!("{}", Clean(self));
        } else {
            tracing::error!("{}", Clean(self));
        }
        if !as_json {
            return;
        }
        let mut object = self.json();
        object["audit"] = audit(counters);
        if let Err(error) = writeln!(io::stdout(), "{object}") {
            tracing::error!("the result cannot be written to the standard output: {error}");
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.outcome)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({})", reason.text)?;
        }
        write!(f, ", transaction {}", self.transaction)
    }
}

fn step(ran: &Ran) -> Value {
    let end = match &ran.end {
        End::NotGiven => None,
        End::Exited(status) => Some(status.to_string()),
        End::NotStarted(error) => Some(error.to_string()),
    };
    json!({
        "step": ran.step.as_str(),
        "done": ran.is_done(),
        "end": end,
        "seconds": ran.took.as_secs_f64(),
    })
}

/// What the kernel made of the records.
fn audit(counters: &Counters) -> Value {
    json!({
        "records": counters.pushed,
        "accepted": counters.accepted,
        "refused": counters.refused.total(),
        "dropped": counters.dropped.total(),
        "unknown": counters.unknown,
    })
}
