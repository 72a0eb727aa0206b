//! From a rule's text to a checked [`Rule`]: what passes here cannot fail when it is matched.

use crate::domain::Domain;
use crate::error::{RuleError, RuleErrorKind};
use crate::path;
use crate::percent::bad_escape;
use crate::rule::{Grammar, Rule, method_bit};
use crate::segment::{MAX_SEGMENTS, Reading, read};
use crate::words::{Values, is_space, pieces, words};

/// What an empty rule means where it is accepted: an event with an empty rule would be taken for a denied one.
const EVERYTHING: &str = "method=*";

pub(crate) fn parse(text: &str, grammar: Grammar) -> Result<Rule<'_>, RuleError> {
    let trimmed = text.trim_matches(is_space);
    if trimmed.is_empty() {
        return match grammar {
            Grammar::Strict => Err(RuleError::new(RuleErrorKind::Empty, text, 0)),
            Grammar::Compatible => Ok(Rule::new(EVERYTHING)),
        };
    }
    let parser = Parser { text, grammar };
    let mut rule = Rule::new(trimmed);
    for (at, word) in words(text) {
        parser.parse_word(&mut rule, at, word)?;
    }
    Ok(rule)
}

struct Parser<'a> {
    text: &'a str,
    grammar: Grammar,
}

impl<'a> Parser<'a> {
    fn parse_word(&self, rule: &mut Rule<'a>, at: usize, word: &'a str) -> Result<(), RuleError> {
        let Some(key) = KEYS.into_iter().find(|key| word.starts_with(key)) else {
            return Err(self.missing_key(at, word));
        };
        let value = word.strip_prefix(key).unwrap_or_default();
        let value_at = at.saturating_add(key.len());
        let here = self.text.get(at..).unwrap_or_default();
        match key {
            METHOD => {
                self.check_methods(value_at, value)?;
                let before = rule.method.as_ref().map_or(0, |_| rule.method_bits);
                rule.method_bits = before | method_bits(value);
                add(&mut rule.method, key, value, here);
            }
            DOMAIN => {
                let labels = self.check_domain(value_at, value)?;
                self.add_domain(rule, at, value, labels)?;
            }
            _ => {
                self.check_paths(value_at, value)?;
                rule.path_first = match rule.path {
                    None => path::first(value),
                    Some(_) => None,
                };
                add(&mut rule.path, key, value, here);
            }
        }
        Ok(())
    }

    fn missing_key(&self, at: usize, word: &str) -> RuleError {
        let bare = KEYS
            .into_iter()
            .filter_map(|key| key.strip_suffix('='))
            .find(|key| *key == word);
        match bare {
            Some(key) => self.error(RuleErrorKind::Equals, at.saturating_add(key.len())),
            None => self.error(RuleErrorKind::Key, at),
        }
    }

    fn add_domain(
        &self,
        rule: &mut Rule<'a>,
        at: usize,
        value: &'a str,
        labels: usize,
    ) -> Result<(), RuleError> {
        match &mut rule.domain {
            None => rule.domain = Some(Domain::new(Values::new(DOMAIN, value), value, labels)),
            Some(_) if self.grammar == Grammar::Strict => {
                return Err(self.error(RuleErrorKind::RepeatedDomain, at));
            }
            Some(domain) => domain.add(self.text.get(at..).unwrap_or_default(), labels),
        }
        Ok(())
    }

    fn check_methods(&self, at: usize, value: &str) -> Result<(), RuleError> {
        for (at, method) in pieces(at, value, |c| c == ',') {
            if let Some(bad) = method.bytes().position(|byte| !is_token_byte(byte)) {
                return Err(self.error(RuleErrorKind::Method, at.saturating_add(bad)));
            }
            if method.is_empty() {
                return Err(self.error(RuleErrorKind::Method, at));
            }
        }
        Ok(())
    }

    /// Returns how many labels the pattern has.
    fn check_domain(&self, at: usize, value: &str) -> Result<usize, RuleError> {
        let (mut count, mut last) = (0_usize, (at, value));
        for (at, label) in pieces(at, value, |c| c == '.') {
            self.check_label(at, label)?;
            count = count.saturating_add(1);
            last = (at, label);
        }
        if count > 1 && last.1 == "*" {
            return Err(self.error(RuleErrorKind::LastLabelWildcard, last.0));
        }
        Ok(count)
    }

    fn check_label(&self, at: usize, label: &str) -> Result<(), RuleError> {
        if label == "*" {
            return Ok(());
        }
        let bad = label
            .bytes()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'*'));
        if let Some(bad) = bad {
            return Err(self.error(RuleErrorKind::Label, at.saturating_add(bad)));
        }
        if let Some(star) = label.bytes().position(|byte| byte == b'*') {
            return Err(self.error(RuleErrorKind::LabelWildcard, at.saturating_add(star)));
        }
        if label.is_empty() {
            return Err(self.error(RuleErrorKind::Label, at));
        }
        if label.starts_with('-') {
            return Err(self.error(RuleErrorKind::LabelHyphen, at));
        }
        if label.ends_with('-') {
            let last = at.saturating_add(label.len()).saturating_sub(1);
            return Err(self.error(RuleErrorKind::LabelHyphen, last));
        }
        Ok(())
    }

    fn check_paths(&self, at: usize, value: &str) -> Result<(), RuleError> {
        if self.grammar == Grammar::Strict
            && let Some(glued) = find_key(value)
        {
            return Err(self.error(RuleErrorKind::GluedKey, at.saturating_add(glued)));
        }
        pieces(at, value, |c| c == ',').try_for_each(|(at, pattern)| self.check_path(at, pattern))
    }

    fn check_path(&self, at: usize, pattern: &str) -> Result<(), RuleError> {
        if matches!(pattern, "" | "/") {
            return match self.grammar {
                Grammar::Strict => Err(self.error(RuleErrorKind::EveryPath, at)),
                Grammar::Compatible => Ok(()),
            };
        }
        let at = at.saturating_add(usize::from(pattern.starts_with('/')));
        let body = pattern.strip_prefix('/').unwrap_or(pattern);
        let body = body.strip_suffix('/').unwrap_or(body);
        let mut count = 0_usize;
        for (at, segment) in pieces(at, body, |c| c == '/') {
            self.check_segment(at, segment)?;
            count = count.saturating_add(1);
        }
        if count > MAX_SEGMENTS {
            return Err(self.error(RuleErrorKind::TooManySegments, at));
        }
        Ok(())
    }

    fn check_segment(&self, at: usize, segment: &str) -> Result<(), RuleError> {
        if segment.is_empty() {
            return Err(self.error(RuleErrorKind::EmptySegment, at));
        }
        if segment.len() > 1 && segment.starts_with('*') {
            return Err(self.error(RuleErrorKind::SegmentWildcard, at.saturating_add(1)));
        }
        if let Some(bad) = segment.bytes().position(|byte| !is_segment_byte(byte)) {
            return Err(self.error(RuleErrorKind::Segment, at.saturating_add(bad)));
        }
        if let Some(bad) = bad_escape(segment.as_bytes()) {
            return Err(self.error(RuleErrorKind::Escape, at.saturating_add(bad)));
        }
        match read(segment.as_bytes()) {
            Reading::Name | Reading::Slashed => Ok(()),
            _ => Err(self.error(RuleErrorKind::DeadSegment, at)),
        }
    }

    fn error(&self, kind: RuleErrorKind, offset: usize) -> RuleError {
        RuleError::new(kind, self.text, offset)
    }
}

fn add<'a>(values: &mut Option<Values<'a>>, key: &'static str, value: &'a str, here: &'a str) {
    match values {
        None => *values = Some(Values::new(key, value)),
        Some(values) => values.add(here),
    }
}

/// The bits of the methods of a comma list.
fn method_bits(value: &str) -> u64 {
    let bits = value.split(',').map(|method| match method {
        "*" => u64::MAX,
        _ => method_bit(method.as_bytes()),
    });
    bits.fold(0, |all, bit| all | bit)
}

/// Where the first key stands in a value.
fn find_key(value: &str) -> Option<usize> {
    let begins_key = |at| {
        let rest = value.get(at..).unwrap_or_default();
        KEYS.into_iter().any(|key| rest.starts_with(key))
    };
    value
        .char_indices()
        .map(|(at, _)| at)
        .find(|&at| begins_key(at))
}

/// RFC 9110 section 5.6.2, tchar.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 3986 section 3.3, pchar without the comma, which separates patterns here; `%` is checked on its own.
fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:@%".contains(&byte)
}

const METHOD: &str = "method=";
const DOMAIN: &str = "domain=";
const PATH: &str = "path=";
const KEYS: [&str; 3] = [METHOD, DOMAIN, PATH];
