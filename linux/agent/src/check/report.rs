//! What becomes of a request, for people and for machines.

use serde_json::{Value, json};

use super::finding::{Finding, Verdict};
use crate::{log::Clean, out::outln};

/// What becomes of a request.
pub(super) struct Report {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) rules: Vec<Finding>,
    pub(super) targets: Vec<Finding>,
    /// What else there is to say.
    pub(super) notes: Vec<String>,
}

impl Report {
    pub(super) fn is_allowed(&self) -> bool {
        self.decider().is_some()
    }

    pub(super) fn print(&self, as_json: bool) {
        if as_json {
            outln!("{}", self.json());
        } else {
            self.print_text();
        }
    }

    fn decider(&self) -> Option<&Finding> {
        self.rules.iter().find(|finding| finding.decides())
    }

    /// The target by which the request carries its stamp; None if it does not.
    fn target(&self) -> Option<&Finding> {
        let target = self.targets.iter().find(|finding| finding.decides());
        target.filter(|_| self.is_allowed())
    }

    fn json(&self) -> Value {
        let list = |findings: &[Finding]| findings.iter().map(Finding::json).collect::<Vec<_>>();
        json!({
            "method": self.method,
            "url": self.url,
            "decision": if self.is_allowed() { "allow" } else { "deny" },
            "rule": self.decider().map(|finding| &finding.rule),
            "rules": list(&self.rules),
            "target": self.target().map(|finding| &finding.rule),
            "targets": list(&self.targets),
            "notes": self.notes,
        })
    }

    fn print_text(&self) {
        let request = Clean(format_args!("{} {}", self.method, self.url)).to_string();
        match self.decider() {
            Some(rule) => outln!("allowed: {request}\n  by rule {}", rule.number),
            None if self.rules.is_empty() => outln!("denied: {request}\n  there is no rule"),
            None => outln!("denied: {request}\n  no rule allows it"),
        }
        print_all("rules", &self.rules);
        match self.target() {
            Some(target) => outln!("stamped: yes, by target {}", target.number),
            None => outln!("stamped: no"),
        }
        print_all("targets", &self.targets);
        for note in &self.notes {
            outln!("note: {}", Clean(note));
        }
    }
}

fn print_all(title: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    outln!("{title}:");
    for finding in findings {
        let (number, rule) = (finding.number, Clean(&finding.rule));
        let verdict = match &finding.verdict {
            Verdict::Decides => "matches",
            Verdict::TooLate => "matches too, and comes later",
            Verdict::Mismatch { why, .. } => why,
        };
        outln!("  {number}  {rule}  ({})", Clean(&finding.source));
        outln!("     {}", Clean(verdict));
    }
}
