use std::{io, os::unix::process::ExitStatusExt};

use super::step::{End, Ran, Step};

/// Why a transaction did not come to what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// For a person.
    pub(super) text: String,
    /// For a record: one word, as the tools of the kernel's log show other text in digits only.
    pub(super) word: String,
}

impl Reason {
    /// A step that failed.
    pub(super) fn failed(ran: &Ran) -> Self {
        let step = ran.step.as_str();
        let word = match &ran.end {
            End::NotGiven | End::NotStarted(_) => format!("{step}-not-run"),
            End::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("{step}-exit-{code}"),
                (None, signal) => format!("{step}-signal-{}", signal.unwrap_or_default()),
            },
        };
        Self {
            text: ran.to_string(),
            word,
        }
    }

    /// A signal that came during a step.
    pub(super) fn interrupted(step: Step, signal: &str) -> Self {
        let step = step.as_str();
        Self {
            text: format!("{signal} during {step}"),
            word: format!("{step}-{signal}"),
        }
    }

    /// The result file, which could not be written.
    pub(super) fn result(error: &io::Error, text: String) -> Self {
        Self {
            text,
            word: format!("result-{:?}", error.kind()),
        }
    }

    /// And then this.
    pub(super) fn and(self, then: &Self) -> Self {
        Self {
            text: format!("{}, {}", self.text, then.text),
            word: format!("{}:{}", self.word, then.word),
        }
    }

    /// The same, with more to say to a person.
    pub(super) fn with(self, more: &str) -> Self {
        Self {
            text: self.text + more,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{process::ExitStatus, time::Duration};

    use super::*;

    fn word(raw: i32) -> String {
        let ran = Ran {
            step: Step::Apply,
            end: End::Exited(ExitStatus::from_raw(raw)),
            took: Duration::ZERO,
        };
        Reason::failed(&ran).word
    }

    #[test]
    fn a_record_has_the_exit_code_or_the_signal() {
        assert_eq!(word(3 << 8), "apply-exit-3");
        assert_eq!(word(9), "apply-signal-9");
    }
}
