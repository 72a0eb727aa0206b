//! The kernel's audit log as a witness: what was emitted to it, and what can be read back.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use throughline_audit::{Notice, Options, Reader, RecordType};
use throughline_core::{Change, Position, Transaction, TransactionId};
use throughline_socket::Host;

use crate::kernel::audit_sender;

/// A transaction's phases, and whether the kernel's log showed each.
pub(super) struct Kernel {
    pub(super) position: u32,
    pub(super) phases: Vec<(&'static str, bool)>,
    verdict: Verdict,
}

/// How far the kernel's log can be a witness here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// What was emitted was read back.
    Seen,
    /// The kernel took the records, and shows them to nobody.
    NotShown(String),
    /// The kernel did not take them.
    NotPermitted(String),
}

/// The phases of the demo's transaction, in order.
const PHASES: [&str; 5] = ["started", "capture", "apply", "validate", "committed"];

impl Kernel {
    /// Makes a change of five phases at `position` and looks for them in the kernel's log.
    pub(super) fn witness(position: Position) -> Self {
        let reader = Reader::open();
        let refusal = Arc::new(Mutex::new(None));
        let accepted = emit(position, Arc::clone(&refusal));
        let refusal = refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (shown, verdict) = match (accepted, refusal, reader) {
            (_, Some(refusal), _) => (Vec::new(), Verdict::NotPermitted(refusal)),
            (Err(error), None, _) => (Vec::new(), Verdict::NotPermitted(error)),
            (Ok(_), None, Err(error)) => (Vec::new(), Verdict::NotShown(error.to_string())),
            (Ok(transaction), None, Ok(reader)) => {
                let shown = read_back(reader, transaction);
                let verdict = if shown.is_empty() {
                    Verdict::NotShown("auditing is off; auditctl -e 1 turns it on".to_owned())
                } else {
                    Verdict::Seen
                };
                (shown, verdict)
            }
        };
        let is_shown = |phase: &str| {
            shown
                .iter()
                .any(|text| text.contains(&field("phase", phase)))
        };
        Self {
            position: position.recorded,
            phases: PHASES.map(|phase| (phase, is_shown(phase))).into(),
            verdict,
        }
    }

    /// Whether the log holds every phase, or cannot be expected to.
    pub(super) fn agrees(&self) -> bool {
        self.verdict != Verdict::Seen || self.phases.iter().all(|(_, seen)| *seen)
    }

    /// What the table says of one phase.
    pub(super) fn cell(&self, seen: bool) -> String {
        match (&self.verdict, seen) {
            (Verdict::Seen, true) => "seen".to_owned(),
            (Verdict::Seen, false) => "MISSING".to_owned(),
            (Verdict::NotShown(_), _) => "accepted, not shown".to_owned(),
            (Verdict::NotPermitted(_), _) => "not permitted".to_owned(),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Seen => f.write_str("every phase was read back from the kernel"),
            Verdict::NotShown(why) => write!(f, "phases accepted, not shown: {why}"),
            Verdict::NotPermitted(why) => write!(f, "not permitted: {why}"),
        }
    }
}

/// Emits a transaction; an error or a refusal says why the kernel did not take it.
fn emit(position: Position, refusal: Arc<Mutex<Option<String>>>) -> Result<TransactionId, String> {
    let observer = move |notice: Notice| {
        if let Notice::Off(reason) = notice {
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_string());
        }
    };
    let emitter = Options::new()
        .observer(observer)
        .start_helper(audit_sender())
        .map_err(|error| error.to_string())?;
    let host = Host::new(0).map_err(|error| error.to_string())?;
    let change = Change {
        transaction: TransactionId::draw(&host),
        name: "demo",
        position: Some(position),
    };
    let transaction = Transaction::start(&emitter, change).captured().applied();
    transaction.validated().committed();
    emitter.close(PATIENCE);
    Ok(change.transaction)
}

/// Reads the phases of `transaction` from the kernel's log, for a bounded time.
fn read_back(mut reader: Reader, transaction: TransactionId) -> Vec<String> {
    let token = field("txn", &transaction.to_string());
    let end = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    while found.len() < PHASES.len() {
        let left = end.saturating_duration_since(Instant::now()).min(QUIET);
        match reader.next_of(RecordType::SystemConfig, left) {
            Ok(Some(record)) => {
                let text = String::from_utf8_lossy(record.text()).into_owned();
                if text.contains(&token) {
                    found.push(text);
                }
            }
            Ok(None) | Err(_) => break,
        }
    }
    found
}

fn field(name: &str, value: &str) -> String {
    format!("{name}=\"{value}\"")
}

/// How long the kernel may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the log may be quiet before what is missing is given up.
const QUIET: Duration = Duration::from_millis(300);
