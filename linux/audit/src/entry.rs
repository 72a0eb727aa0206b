use std::fmt;

use throughline_core::{Outcome, Phase, PhaseRecord, SessionId};

/// What a record can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A phase of a transaction ended. Fields of the caller's own may go with it.
    Phase(PhaseRecord<'a>, &'a [Extra<'a>]),
    /// An agent's session began.
    SessionOpen(SessionOpen<'a>),
    /// An agent's session ended.
    SessionClose(SessionClose),
}

/// The beginning of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOpen<'a> {
    /// The session.
    pub session: SessionId,
    /// The base name of the confined program, of which at most [`Entry::NAME_MAX`] bytes are kept.
    pub process: &'a str,
}

/// The end of a session, with the state of its trail.
///
/// It is recorded as a success if nothing was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionClose {
    /// The session.
    pub session: SessionId,
    /// Events that were recorded (count).
    pub recorded: u64,
    /// Events that were written to the collector (count).
    pub written: u64,
    /// Events that are lost (count).
    pub lost: u64,
}

/// A field of the caller's own, with any bytes for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra<'a> {
    /// The field.
    pub field: Field,
    /// Its value.
    pub value: &'a [u8],
}

/// The fields that a caller may add to a phase record.
///
/// The set is closed, because readers of the log search it for names as plain text: a field such as
/// `guid` hides the identity that the kernel put in front of it. `ausearch -i` turns hexadecimal
/// digits back into text for those marked "decoded"; in the others it shows the digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `path`: the file or directory that is changed (decoded).
    Path,
    /// `cmd`: the command that makes the change (decoded).
    Command,
    /// `file`: a further file, such as where a copy is kept (decoded).
    File,
    /// `reason`: why it came to this.
    Reason,
    /// `host`: the machine that is changed, where it is not this one.
    Host,
    /// `rule`: the rule or policy that the change follows.
    Rule,
}

impl Entry<'_> {
    /// The greatest length of a change's or a program's name that is kept (bytes, inclusive).
    pub const NAME_MAX: usize = 128;

    /// What the log's tools show as the action, such as `txn-commit`.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Phase(record, _) => operation(record.phase),
            Self::SessionOpen(_) => "session-open",
            Self::SessionClose(_) => "session-close",
        }
    }

    /// What the log's tools show as the result.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        match self {
            Self::Phase(record, _) => record.success,
            Self::SessionOpen(_) => true,
            Self::SessionClose(close) => close.lost == 0,
        }
    }
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 6] = [
        Self::Path,
        Self::Command,
        Self::File,
        Self::Reason,
        Self::Host,
        Self::Rule,
    ];

    /// The name that stands in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Command => "cmd",
            Self::File => "file",
            Self::Reason => "reason",
            Self::Host => "host",
            Self::Rule => "rule",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

const fn operation(phase: Phase) -> &'static str {
    match phase {
        Phase::Started => "txn-start",
        Phase::Capture => "txn-capture",
        Phase::Apply => "txn-apply",
        Phase::Validate => "txn-validate",
        Phase::Outcome(outcome) => match outcome {
            Outcome::Committed => "txn-commit",
            Outcome::RolledBack => "txn-rollback",
            Outcome::PartiallyApplied => "txn-partial",
            Outcome::RollbackFailed => "txn-rollback-fail",
            Outcome::Recovered => "txn-recover",
            Outcome::Staged => "txn-stage",
            Outcome::Errored => "txn-error",
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_phase_has_an_operation_of_its_own_in_the_characters_that_stay_unquoted() {
        let steps = [
            Phase::Started,
            Phase::Capture,
            Phase::Apply,
            Phase::Validate,
        ];
        let phases = steps
            .into_iter()
            .chain(Outcome::ALL.into_iter().map(Phase::Outcome));
        let operations: Vec<_> = phases.map(operation).collect();
        assert_eq!(
            operations.iter().collect::<HashSet<_>>().len(),
            operations.len()
        );
        for name in operations {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
    }

    #[test]
    fn no_field_has_a_name_that_readers_search_for() {
        const TAKEN: [&str; 16] = [
            "uid", "auid", "pid", "ses", "subj", "acct", "exe", "comm", "hostname", "addr",
            "terminal", "tty", "result", "msg", "type", "key",
        ];
        for field in Field::ALL {
            let name = field.as_str();
            assert!(!TAKEN.contains(&name), "{name}");
            assert!(!name.ends_with("res") && !name.ends_with("uid"), "{name}");
        }
    }
}
