//! Rules from their texts, which live as long as the program, as the rules do.

use std::fmt;

use throughline_rules::{Grammar, Rule, RuleError};

use crate::{config::Source, proxy::RulePolicy};

/// The policy of these rules, as if they were given on the command line.
pub(crate) fn from_rules(allow: &[&str], inject: &[&str]) -> Result<RulePolicy, BadRule> {
    let parse_all = |option, texts: &[&str]| {
        let source = Source::Flag;
        let origin = Origin { option, source };
        let rules = texts
            .iter()
            .map(|text| parse(&origin, text, Grammar::Strict));
        rules.collect::<Result<Vec<_>, _>>()
    };
    Ok(RulePolicy {
        allow: parse_all("allow", allow)?,
        inject: parse_all("inject", inject)?,
        pinned: Vec::new(),
    })
}

/// Parses a rule.
pub(crate) fn parse(
    origin: &Origin,
    text: &str,
    grammar: Grammar,
) -> Result<Rule<'static>, BadRule> {
    let text: &'static str = text.to_owned().leak();
    Rule::parse_as(text, grammar).map_err(|error| BadRule {
        origin: origin.clone(),
        text,
        problem: Problem::Rule(error),
    })
}

/// Parses the domain of a rule.
pub(crate) fn parse_host(origin: &Origin, host: &str) -> Result<Rule<'static>, BadRule> {
    let text = format!("domain={host}");
    if host.contains([' ', '\t', '\n']) {
        return Err(BadRule {
            origin: origin.clone(),
            text: text.leak(),
            problem: Problem::NoHost,
        });
    }
    parse(origin, &text, Grammar::Strict)
}

/// Which option a rule was given with, and where.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) option: &'static str,
    pub(crate) source: Source,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Variable(name) => f.write_str(name),
            Source::File(path) => write!(f, "{} in {}", self.option, path.display()),
            Source::Flag | Source::Default => write!(f, "--{}", self.option),
        }
    }
}

/// A rule that cannot be understood, shown with what is wrong in it.
#[derive(Clone, Debug)]
pub(crate) struct BadRule {
    origin: Origin,
    text: &'static str,
    problem: Problem,
}

#[derive(Clone, Copy, Debug)]
enum Problem {
    Rule(RuleError),
    /// There is more than a host.
    NoHost,
}

impl BadRule {
    /// What the grammar says to it; None if it is not about the grammar.
    pub(crate) const fn error(&self) -> Option<RuleError> {
        match self.problem {
            Problem::Rule(error) => Some(error),
            Problem::NoHost => None,
        }
    }

    /// Its text.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad rule for {}: ", self.origin)?;
        match self.problem {
            Problem::Rule(error) => write!(f, "{error}\n{}", error.caret(self.text)),
            Problem::NoHost => write!(f, "expected a host alone, found {:?}", self.text),
        }
    }
}

impl std::error::Error for BadRule {}
