use std::{
    fmt,
    io::{self, Write},
};

use serde::{
    Serialize, Serializer,
    ser::{SerializeSeq, SerializeStruct},
};
use tabled::{builder::Builder, settings::Style};
use throughline_core::SessionId;

use super::{
    finding::{Finding, Run},
    ledger::Ledger,
    numbers::Numbers,
    session::{Counts, Kernel, Session},
};

/// What all witnesses together say.
pub(crate) struct Report<'a> {
    ledger: &'a Ledger,
    losses_allowed: bool,
    witnesses: Witnesses,
    broken: usize,
}

/// Which logs were given beside the trails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Witnesses {
    pub(crate) upstream: bool,
    pub(crate) audit: bool,
}

impl<'a> Report<'a> {
    pub(crate) fn new(ledger: &'a Ledger, losses_allowed: bool, witnesses: Witnesses) -> Self {
        let is_broken =
            |(_, session): &&(SessionId, Session)| !session.findings(losses_allowed).is_empty();
        Self {
            ledger,
            losses_allowed,
            witnesses,
            broken: ledger.sessions().iter().filter(is_broken).count(),
        }
    }

    /// Whether nothing was found.
    pub(crate) fn is_whole(&self) -> bool {
        self.broken == 0 && self.ledger.findings().is_empty()
    }

    /// Writes it for a person: a table, what was found, and a line that sums it up.
    pub(crate) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let sessions = self.ledger.sessions();
        let mut table = Builder::default();
        table.push_record([
            "session", "recorded", "written", "lost", "trail", "upstream", "kernel", "",
        ]);
        let mut rows = 0;
        for (id, session) in sessions {
            let findings = session.findings(self.losses_allowed);
            if !findings.is_empty() || rows < ROWS {
                table.push_record(self.row(*id, session, findings.is_empty()));
                rows += 1;
            }
        }
        writeln!(out, "{}", table.build().with(Style::sharp()))?;
        if rows < sessions.len() {
            writeln!(
                out,
                "and {} more sessions that are whole",
                sessions.len() - rows
            )?;
        }
        self.write_findings(out)?;
        writeln!(out, "{self}")
    }

    /// Writes it for a machine: one JSON object.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    fn write_findings(&self, out: &mut impl Write) -> io::Result<()> {
        for (id, session) in self.ledger.sessions() {
            let findings = session.findings(self.losses_allowed);
            if !findings.is_empty() {
                writeln!(out, "session {id}:")?;
            }
            for finding in findings {
                writeln!(out, "  {finding}")?;
            }
        }
        let others = self.ledger.findings();
        if !others.is_empty() {
            writeln!(out, "of no session:")?;
        }
        for finding in others {
            writeln!(out, "  {finding}")?;
        }
        Ok(())
    }

    fn row(&self, id: SessionId, session: &Session, is_whole: bool) -> [String; 8] {
        let counts = session.counts();
        let upstream = session.seen_upstream();
        [
            id.to_string(),
            counts.recorded.to_string(),
            counts.written.to_string(),
            counts.lost.to_string(),
            runs(session.written()),
            if self.witnesses.upstream {
                format!("{}: {}", upstream.len(), runs(upstream))
            } else {
                "not asked".to_owned()
            },
            if self.witnesses.audit {
                kernel(session.kernel())
            } else {
                "not asked".to_owned()
            },
            if is_whole { "whole" } else { "NOT WHOLE" }.to_owned(),
        ]
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = self.ledger.sessions().len();
        write!(f, "{} of {sessions} sessions whole", sessions - self.broken)?;
        let requests = self.ledger.requests();
        if self.witnesses.upstream {
            let (stamped, unstamped) = (requests.stamped, requests.unstamped);
            write!(
                f,
                "; upstream: {stamped} requests with a stamp, {unstamped} without"
            )?;
        }
        if requests.passed_over > 0 {
            write!(f, ", {} of sessions not asked for", requests.passed_over)?;
        }
        if self.ledger.phases_apart() > 0 {
            let apart = self.ledger.phases_apart();
            write!(f, "; kernel: {apart} phases of no session")?;
        }
        Ok(())
    }
}

/// Which numbers are there, for a person.
fn runs(numbers: &Numbers) -> String {
    const SHOWN: usize = 3;

    let mut text = String::new();
    for (index, run) in numbers.runs().take(SHOWN + 1).enumerate() {
        if index == SHOWN {
            text.push_str(" ...");
            break;
        }
        let between = if index > 0 { " " } else { "" };
        text += &format!("{between}{}", Run(&run));
    }
    if text.is_empty() {
        "none".to_owned()
    } else {
        text
    }
}

fn kernel(kernel: &Kernel) -> String {
    let mut seen = Vec::new();
    if kernel.opened {
        seen.push("open".to_owned());
    }
    if kernel.phases > 0 {
        seen.push(format!("{} phases", kernel.phases));
    }
    if kernel.closed.is_some() {
        seen.push("close".to_owned());
    }
    if seen.is_empty() {
        return "none".to_owned();
    }
    seen.join(", ")
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 5)?;
        report.serialize_field("whole", &self.is_whole())?;
        report.serialize_field("sessions", &Sessions(self))?;
        report.serialize_field("findings", self.ledger.findings())?;
        if self.witnesses.upstream {
            report.serialize_field("upstream", &self.ledger.requests())?;
        }
        if self.witnesses.audit {
            report.serialize_field("phases_of_no_session", &self.ledger.phases_apart())?;
        }
        report.end()
    }
}

struct Sessions<'a>(&'a Report<'a>);

impl Serialize for Sessions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sessions = self.0.ledger.sessions();
        let mut list = serializer.serialize_seq(Some(sessions.len()))?;
        for (id, session) in sessions {
            let findings = session.findings(self.0.losses_allowed);
            list.serialize_element(&SessionEntry {
                session: id.to_string(),
                whole: findings.is_empty(),
                counts: session.counts(),
                ended: session.has_end(),
                trail: Seen::of(session.written()),
                upstream: (self.0.witnesses.upstream).then(|| Seen::of(session.seen_upstream())),
                kernel: (self.0.witnesses.audit).then(|| *session.kernel()),
                findings,
            })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct SessionEntry {
    session: String,
    whole: bool,
    #[serde(flatten)]
    counts: Counts,
    ended: bool,
    trail: Seen,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<Kernel>,
    findings: Vec<Finding>,
}

/// Which numbers a witness saw.
#[derive(Serialize)]
struct Seen {
    count: u32,
    /// First and last of each run, in order.
    runs: Vec<(u32, u32)>,
    /// Whether there are more runs than these.
    more: bool,
}

impl Seen {
    const RUNS: usize = 1000;

    fn of(numbers: &Numbers) -> Self {
        let all = numbers.runs();
        let mut runs: Vec<_> = all
            .take(Self::RUNS + 1)
            .map(|run| (*run.start(), *run.end()))
            .collect();
        let more = runs.len() > Self::RUNS;
        runs.truncate(Self::RUNS);
        Self {
            count: numbers.len(),
            runs,
            more,
        }
    }
}

/// Sessions that are shown though they are whole (count).
const ROWS: usize = 20;
