//! What one rule says, and what cannot be decided on.

use serde_json::{Value, json};
use throughline_rules::{Part, Rule, Url, UrlError};

use crate::{
    config::Said,
    out::{errln, outln},
    policy::BadRule,
};

/// What a rule says to a request.
pub(super) struct Finding {
    /// Its place, from 1.
    pub(super) number: usize,
    pub(super) rule: String,
    pub(super) source: String,
    pub(super) verdict: Verdict,
}

/// Whether a rule matches.
pub(super) enum Verdict {
    /// It matches and is the first that does.
    Decides,
    /// It matches, and an earlier one decides.
    TooLate,
    /// It does not match.
    Mismatch { part: Part, why: String },
}

/// What each rule says, in their order.
pub(super) fn findings(
    rules: &[Rule<'_>],
    said: &[Said<String>],
    method: &str,
    url: &Url<'_>,
) -> Vec<Finding> {
    let mut decided = false;
    let finding = |(index, (rule, said)): (usize, (&Rule<'_>, &Said<String>))| Finding {
        number: index + 1,
        rule: rule.as_str().to_owned(),
        source: said.source.to_string(),
        verdict: match rule.explain(method, url) {
            Ok(()) if decided => Verdict::TooLate,
            Ok(()) => {
                decided = true;
                Verdict::Decides
            }
            Err(mismatch) => Verdict::Mismatch {
                part: mismatch.part(),
                why: mismatch.to_string(),
            },
        },
    };
    rules.iter().zip(said).enumerate().map(finding).collect()
}

impl Finding {
    pub(super) const fn decides(&self) -> bool {
        matches!(self.verdict, Verdict::Decides)
    }

    pub(super) fn json(&self) -> Value {
        let (verdict, part, why) = match &self.verdict {
            Verdict::Decides => ("decides", None, None),
            Verdict::TooLate => ("too late", None, None),
            Verdict::Mismatch { part, why } => {
                ("does not match", Some(part_name(*part)), Some(why))
            }
        };
        json!({
            "number": self.number,
            "rule": self.rule,
            "source": self.source,
            "verdict": verdict,
            "part": part,
            "why": why,
        })
    }
}

const fn part_name(part: Part) -> &'static str {
    match part {
        Part::Method => "method",
        Part::Domain => "domain",
        Part::Path => "path",
    }
}

/// What cannot be understood, so that nothing is decided.
pub(super) enum Trouble {
    Rule(BadRule),
    Url(UrlError),
}

impl Trouble {
    /// Prints it where a person, or a machine, looks for it.
    pub(super) fn print(&self, as_json: bool) {
        if as_json {
            outln!("{}", json!({ "error": self.json() }));
            return;
        }
        match self {
            Self::Rule(error) => errln!("{error}"),
            Self::Url(error) => errln!("bad URL: {error}"),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Rule(bad) => {
                let error = bad.error();
                json!({
                    "in": "rule",
                    "rule": bad.text(),
                    "kind": error.map(|error| format!("{:?}", error.kind())),
                    "offset": error.map(|error| error.offset()),
                    "message": bad.to_string(),
                })
            }
            Self::Url(error) => json!({
                "in": "url",
                "kind": format!("{:?}", error.kind()),
                "offset": error.offset(),
                "message": error.to_string(),
            }),
        }
    }
}
