//! A rule: what it was parsed from, and which requests it matches.

use core::fmt;

use crate::domain::Domain;
use crate::error::RuleError;
use crate::explain::{Mismatch, Part};
use crate::parse;
use crate::path;
use crate::url::Url;
use crate::words::Values;

/// What is accepted as a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grammar {
    /// Nothing that reads like one thing and means another.
    #[default]
    Strict,
    /// Also the forms below, for rule files written for programs that took them. A URL is read as under `Strict`.
    ///
    /// | text | means |
    /// |---|---|
    /// | a rule of nothing but spaces | `method=*`, which is also its [`Rule::as_str`]: everything matches |
    /// | `path=/`, `path=`, `path=/a,`, `path=,/a` | every clear path matches, as with `path=*` |
    /// | `path=/adomain=x` | one segment, `adomain=x`; there is no `domain=` in it |
    /// | `domain=a.b domain=c` | one host, `a.b.c`; `domain=* domain=x` is `*.x` |
    Compatible,
}

/// An allow rule or an inject target; borrows the text it was parsed from.
///
/// A rule is checked when it is parsed, so that matching cannot fail, and takes no memory beside its own.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    pub(crate) text: &'a str,
    pub(crate) method: Option<Values<'a>>,
    /// Has the bits of all methods that match, see [`method_bit`].
    pub(crate) method_bits: u64,
    pub(crate) domain: Option<Domain<'a>>,
    pub(crate) path: Option<Values<'a>>,
    /// What the first segment of each path that matches begins with, where that is one text: see [`path::first`].
    pub(crate) path_first: Option<u64>,
}

impl<'a> Rule<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            method: None,
            method_bits: u64::MAX,
            domain: None,
            path: None,
            path_first: None,
        }
    }

    /// Parses a rule by the strict grammar.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub fn parse(text: &'a str) -> Result<Self, RuleError> {
        Self::parse_as(text, Grammar::Strict)
    }

    /// Parses a rule by the grammar of your choice.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub fn parse_as(text: &'a str, grammar: Grammar) -> Result<Self, RuleError> {
        parse::parse(text, grammar)
    }

    /// The rule's whole text without the space around it: what is logged as the matched rule. Never empty.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the rule matches a request. Methods are case-sensitive.
    #[must_use]
    pub fn matches(&self, method: &str, url: &Url<'_>) -> bool {
        self.matches_bit(method_bit(method.as_bytes()), method, url)
    }

    /// As [`Rule::matches`], with the bit of the method. Most rules end at one of the integers that come first.
    #[inline]
    fn matches_bit(&self, bit: u64, method: &str, url: &Url<'_>) -> bool {
        self.method_bits & bit != 0
            && self
                .domain
                .as_ref()
                .is_none_or(|domain| domain.may_match(url))
            && self
                .path_first
                .is_none_or(|first| url.first().is_none_or(|of_url| of_url == first))
            && self.first_mismatch(method, url).is_none()
    }

    /// Whether the rule's `domain=` matches the URL's host, whatever its `method=` and `path=` say.
    ///
    /// For a `CONNECT` that is to be intercepted: a URL in authority form has no path, so a rule with `path=` does not
    /// match it, although it may match the requests inside.
    #[must_use]
    pub fn matches_host(&self, url: &Url<'_>) -> bool {
        self.domain
            .as_ref()
            .is_none_or(|domain| domain.matches(url))
    }

    /// Says which part of the rule does not match a request, in the order method, domain, path.
    ///
    /// # Errors
    ///
    /// The first part that does not match, with what was compared.
    pub fn explain<'r>(
        &'r self,
        method: &'r str,
        url: &'r Url<'r>,
    ) -> Result<(), Mismatch<'r, 'a>> {
        match self.first_mismatch(method, url) {
            None => Ok(()),
            Some(part) => Err(Mismatch::new(self, part, method, url)),
        }
    }

    fn first_mismatch(&self, method: &str, url: &Url<'_>) -> Option<Part> {
        if !self.matches_method(method) {
            return Some(Part::Method);
        }
        if !self.matches_host(url) {
            return Some(Part::Domain);
        }
        if !self.matches_path(url) {
            return Some(Part::Path);
        }
        None
    }

    fn matches_method(&self, method: &str) -> bool {
        self.method.as_ref().is_none_or(|methods| {
            methods.any_member(|member| member == method.as_bytes() || member == b"*")
        })
    }

    fn matches_path(&self, url: &Url<'_>) -> bool {
        self.path
            .as_ref()
            .is_none_or(|patterns| path::matches(patterns, url))
    }
}

/// Displays the rule's text.
impl fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl<'a> TryFrom<&'a str> for Rule<'a> {
    type Error = RuleError;

    fn try_from(text: &'a str) -> Result<Self, RuleError> {
        Self::parse(text)
    }
}

/// The first rule that matches a request, with its index from 0; None means that the request is denied.
#[must_use]
pub fn first_match<'r, 'a>(
    rules: &'r [Rule<'a>],
    method: &str,
    url: &Url<'_>,
) -> Option<(usize, &'r Rule<'a>)> {
    let bit = method_bit(method.as_bytes());
    rules
        .iter()
        .enumerate()
        .find(|(_, rule)| rule.matches_bit(bit, method, url))
}

/// One of 64 bits for a method; methods that differ in it are not the same. Those in use differ from each other.
pub(crate) fn method_bit(method: &[u8]) -> u64 {
    let first = method.first().copied().unwrap_or_default();
    let len = u32::try_from(method.len() & 63).unwrap_or_default();
    1_u64.wrapping_shl(u32::from(first & 31).wrapping_add(len.wrapping_mul(9)))
}
