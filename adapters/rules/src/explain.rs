//! Why a rule does not match a request.

use core::error::Error;
use core::fmt;

use crate::domain::Domain;
use crate::path;
use crate::rule::Rule;
use crate::url::Url;
use crate::words::Values;

/// The parts of a rule, in the order in which they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `method=`
    Method,
    /// `domain=`
    Domain,
    /// `path=`
    Path,
}

/// The first part of a rule that does not match a request.
///
/// Displays what was compared and, where it helps, the sentence of the grammar that decides:
///
/// ```
/// use throughline_rules::{Rule, Url};
///
/// let rule = Rule::parse("domain=*.example.com").unwrap();
/// let url = Url::parse("https://example.com/").unwrap();
/// assert_eq!(
///     rule.explain("GET", &url).unwrap_err().to_string(),
///     "domain=*.example.com does not match host example.com: a first \"*\" stands for one or more labels"
/// );
/// ```
///
/// Bytes of the request that do not print are escaped; query and userinfo are not shown.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch<'r, 'a> {
    rule: &'r Rule<'a>,
    part: Part,
    method: &'r str,
    url: &'r Url<'r>,
}

impl<'r, 'a> Mismatch<'r, 'a> {
    pub(crate) const fn new(
        rule: &'r Rule<'a>,
        part: Part,
        method: &'r str,
        url: &'r Url<'r>,
    ) -> Self {
        Self {
            rule,
            part,
            method,
            url,
        }
    }

    /// Which part does not match.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    fn method(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(methods) = &self.rule.method else {
            return Ok(());
        };
        write_values(f, methods, ",")?;
        write!(
            f,
            " does not match method {}",
            self.method.as_bytes().escape_ascii()
        )?;
        let other_case =
            methods.any_member(|member| member.eq_ignore_ascii_case(self.method.as_bytes()));
        if other_case {
            f.write_str(": methods are case-sensitive")?;
        }
        Ok(())
    }

    fn domain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(domain) = &self.rule.domain else {
            return Ok(());
        };
        write_values(f, domain.values(), ".")?;
        write!(f, " does not match host {}", self.url.host())?;
        let Some(labels) = self.url.label_count() else {
            return f.write_str(": of all domains only \"*\" matches an IPv6 address");
        };
        write_label_hint(f, domain, labels)
    }

    fn path(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(patterns) = &self.rule.path else {
            return Ok(());
        };
        write_values(f, patterns, ",")?;
        let segments = match self.url.segments() {
            Ok(segments) => segments,
            Err(problem) => return write!(f, " matches a clear path only: {problem}"),
        };
        f.write_str(" does not match path ")?;
        for segment in segments {
            write!(f, "/{}", segment.escape_ascii())?;
        }
        if patterns.any_member(|pattern| pattern.ends_with(b"/*")) {
            f.write_str(": a last \"*\" stands for one or more segments")
        } else if segments.len() > 1 && segments.last().is_some_and(|last| last.is_empty()) {
            f.write_str(": with a \"/\" at its end it is another path")
        } else {
            write_case_hint(f, patterns, segments)
        }
    }
}

impl fmt::Display for Mismatch<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Method => self.method(f),
            Part::Domain => self.domain(f),
            Part::Path => self.path(f),
        }
    }
}

impl Error for Mismatch<'_, '_> {}

/// Writes the key and all its values as if they had been written at once.
fn write_values(f: &mut fmt::Formatter<'_>, values: &Values<'_>, between: &str) -> fmt::Result {
    f.write_str(values.key())?;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        f.write_str(value)?;
    }
    Ok(())
}

fn write_label_hint(f: &mut fmt::Formatter<'_>, domain: &Domain<'_>, labels: usize) -> fmt::Result {
    let count = domain.count();
    if domain.is_open() && labels < count {
        f.write_str(": a first \"*\" stands for one or more labels")
    } else if !domain.is_open() && labels != count {
        write!(
            f,
            ": the number of labels differs, {count} in the rule and {labels} in the host"
        )
    } else {
        Ok(())
    }
}

fn write_case_hint(
    f: &mut fmt::Formatter<'_>,
    patterns: &Values<'_>,
    segments: &[&[u8]],
) -> fmt::Result {
    let other_case = patterns.any_member(|pattern| {
        let pattern = path::body(pattern).split(|&byte| byte == b'/');
        pattern.clone().count() == segments.len()
            && pattern
                .zip(segments)
                .all(|(pattern, segment)| pattern.eq_ignore_ascii_case(segment))
    });
    if other_case {
        f.write_str(": paths are case-sensitive")?;
    }
    Ok(())
}
