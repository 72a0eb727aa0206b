use std::{fmt, io};

use crate::{Enabled, Probe, Status, Unknown};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub subject: &'static str,
    /// What was found.
    pub verdict: Verdict,
    /// What was found, in words.
    pub detail: String,
    /// What to do about it, if something is to be done.
    pub remedy: Option<&'static str>,
}

/// How a finding bears on audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Records are accepted, and may still be lost or remain unseen.
    Doubtful,
    /// No record is accepted.
    Bad,
    /// It cannot be found out.
    Unknown,
}

impl Probe {
    /// Everything that was looked at, what stands in the way first to last.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = vec![self.kernel_finding()];
        if self.kernel {
            findings.push(self.namespace_finding());
            findings.push(self.permission_finding());
            findings.push(self.enabled_finding());
        }
        if let Ok(status) = &self.status {
            findings.push(daemon_finding(status));
            findings.push(rate_finding(status));
            findings.push(backlog_finding(status));
            findings.push(lost_finding(status));
        }
        findings
    }

    fn kernel_finding(&self) -> Finding {
        if self.kernel {
            Finding::good("kernel", "it has an audit system")
        } else {
            Finding::new(
                "kernel",
                Verdict::Bad,
                "it has no audit system",
                Some("boot a kernel built with CONFIG_AUDIT, and without audit=0"),
            )
        }
    }

    fn namespace_finding(&self) -> Finding {
        match self.initial_user_namespace {
            Some(true) => Finding::good("namespace", "this is the host's user namespace"),
            Some(false) => Finding::new(
                "namespace",
                Verdict::Bad,
                "this is a user namespace of its own, from which no record is accepted",
                Some("run it in the host's user namespace, or do without audit records"),
            ),
            None => Finding::new(
                "namespace",
                Verdict::Unknown,
                "/proc/self/ns/user cannot be read",
                Some("mount /proc"),
            ),
        }
    }

    fn permission_finding(&self) -> Finding {
        if self.may_write {
            Finding::good("permission", "CAP_AUDIT_WRITE is there")
        } else {
            Finding::new(
                "permission",
                Verdict::Bad,
                "CAP_AUDIT_WRITE is missing, so the kernel refuses each record (EPERM)",
                Some(
                    "run it as root, give the file the capability (setcap cap_audit_write=ep FILE), \
                     or the service (AmbientCapabilities=CAP_AUDIT_WRITE)",
                ),
            )
        }
    }

    fn enabled_finding(&self) -> Finding {
        let unknown = |detail: String, remedy| {
            Finding::new("enabled", Verdict::Unknown, detail, Some(remedy))
        };
        match self.status {
            Ok(Status {
                enabled: Enabled::Off,
                ..
            }) => Finding::new(
                "enabled",
                Verdict::Doubtful,
                "auditing is off: records are accepted and discarded",
                Some("switch it on: auditctl -e 1, or start auditd, or boot with audit=1"),
            ),
            Ok(_) => Finding::good("enabled", "auditing is on"),
            Err(Unknown::NotPermitted) => unknown(
                "to see whether auditing is on needs CAP_AUDIT_CONTROL in the host's namespaces"
                    .to_owned(),
                "ask as root: auditctl -s",
            ),
            Err(Unknown::NoAnswer) => Finding::new(
                "enabled",
                Verdict::Doubtful,
                "the kernel did not answer in time: its audit queue is full",
                Some("see why the audit daemon does not read: systemctl status auditd"),
            ),
            Err(Unknown::Failed(errno)) => unknown(
                format!(
                    "the kernel did not answer: {}",
                    io::Error::from_raw_os_error(errno)
                ),
                "ask as root: auditctl -s",
            ),
        }
    }
}

impl Finding {
    fn good(subject: &'static str, detail: impl Into<String>) -> Self {
        Self::new(subject, Verdict::Good, detail, None)
    }

    fn new(
        subject: &'static str,
        verdict: Verdict,
        detail: impl Into<String>,
        remedy: Option<&'static str>,
    ) -> Self {
        Self {
            subject,
            verdict,
            detail: detail.into(),
            remedy,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.detail)?;
        match self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

fn daemon_finding(status: &Status) -> Finding {
    match status.daemon {
        0 => Finding::new(
            "daemon",
            Verdict::Doubtful,
            "no audit daemon: records go to the kernel's log, which lets a few a second through",
            Some("install and start auditd"),
        ),
        pid => Finding::good("daemon", format!("process {pid} reads the audit log")),
    }
}

fn rate_finding(status: &Status) -> Finding {
    match status.rate_limit {
        0 => Finding::good("rate limit", "none"),
        limit => Finding::new(
            "rate limit",
            Verdict::Doubtful,
            format!("{limit} records a second; more are accepted and discarded"),
            Some("take the limit away: auditctl -r 0"),
        ),
    }
}

fn backlog_finding(status: &Status) -> Finding {
    let Status {
        backlog,
        backlog_limit: limit,
        ..
    } = *status;
    if limit == 0 || backlog <= limit {
        return Finding::good("backlog", format!("{backlog} of {limit} records wait"));
    }
    Finding::new(
        "backlog",
        Verdict::Doubtful,
        format!("{backlog} records wait, over the limit of {limit}: senders are held"),
        Some(
            "see why the audit daemon does not read; a larger limit helps a burst: auditctl -b 8192",
        ),
    )
}

fn lost_finding(status: &Status) -> Finding {
    match status.lost {
        0 => Finding::good("lost", "the kernel knows of no lost record"),
        lost => Finding::new(
            "lost",
            Verdict::Doubtful,
            format!("the kernel has lost {lost} records since boot or since it was last reset"),
            Some(
                "raise the backlog limit (auditctl -b 8192), then reset the count (auditctl --reset-lost)",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Probe = Probe {
        kernel: true,
        initial_user_namespace: Some(true),
        may_write: true,
        may_read: true,
        status: Ok(Status {
            enabled: Enabled::On,
            daemon: 77,
            rate_limit: 0,
            backlog_limit: 64,
            backlog: 3,
            lost: 0,
        }),
    };

    fn of(probe: &Probe, verdict: Verdict) -> Vec<&'static str> {
        let findings = probe.findings().into_iter();
        let found = findings.filter(|finding| finding.verdict == verdict);
        found.map(|finding| finding.subject).collect()
    }

    #[test]
    fn a_host_where_all_is_well_needs_no_remedy() {
        assert!(WELL.accepts_records());
        for finding in WELL.findings() {
            assert_eq!((finding.verdict, finding.remedy), (Verdict::Good, None));
        }
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_with_a_remedy() {
        let status = Status {
            enabled: Enabled::Off,
            daemon: 0,
            rate_limit: 10,
            backlog_limit: 64,
            backlog: 65,
            lost: 9,
        };
        let probe = Probe {
            initial_user_namespace: Some(false),
            may_write: false,
            status: Ok(status),
            ..WELL
        };
        assert!(!probe.accepts_records());
        assert_eq!(of(&probe, Verdict::Bad), ["namespace", "permission"]);
        assert_eq!(
            of(&probe, Verdict::Doubtful),
            ["enabled", "daemon", "rate limit", "backlog", "lost"]
        );
        let bad = probe.findings().into_iter();
        assert!(
            bad.filter(|finding| finding.verdict != Verdict::Good)
                .all(|finding| finding.remedy.is_some())
        );
    }

    #[test]
    fn what_may_not_be_asked_is_unknown_and_not_bad() {
        let probe = Probe {
            status: Err(Unknown::NotPermitted),
            ..WELL
        };
        assert!(probe.accepts_records());
        assert_eq!(of(&probe, Verdict::Unknown), ["enabled"]);
        assert_eq!(of(&probe, Verdict::Bad), [""; 0]);
    }
}
