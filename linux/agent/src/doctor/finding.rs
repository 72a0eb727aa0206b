use serde::{Deserialize, Serialize};

/// One thing that was looked at.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What it is a part of.
    pub(super) area: Area,
    /// What it is, in a word or two.
    pub(super) subject: String,
    pub(super) verdict: Verdict,
    /// What was found, in words.
    pub(super) detail: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Area {
    KernelAudit,
    Records,
    Proxy,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// It works, and may not do all that is expected of it.
    Doubtful,
    /// It does not work.
    Bad,
    /// It cannot be found out, or was not asked.
    Unknown,
}

impl Area {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::KernelAudit => "kernel audit",
            Self::Records => "records of a run",
            Self::Proxy => "proxy of a run",
        }
    }
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }

    /// Whether something is to be done.
    pub(super) const fn is_trouble(self) -> bool {
        matches!(self, Self::Doubtful | Self::Bad)
    }
}

impl Finding {
    pub(super) fn good(area: Area, subject: &str, detail: impl Into<String>) -> Self {
        Self {
            area,
            subject: subject.to_owned(),
            verdict: Verdict::Good,
            detail: detail.into(),
            remedy: None,
        }
    }

    pub(super) fn new(
        area: Area,
        subject: &str,
        verdict: Verdict,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            verdict,
            remedy: Some(remedy.into()),
            ..Self::good(area, subject, detail)
        }
    }
}
