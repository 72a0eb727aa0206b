use core::fmt;

use crate::Text;

/// The rule that allowed a request: its source text, never empty.
///
/// Receivers take an event without a matched rule for a denied one, so an empty rule must not be
/// sent with an allowed event, and cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchedRule<'a>(Text<'a>);

impl<'a> MatchedRule<'a> {
    /// The rule with this source text, or `None` if it is empty.
    #[must_use]
    pub fn new(source: &'a str) -> Option<Self> {
        (!source.is_empty()).then(|| Self(Text::from(source)))
    }

    /// The source text.
    #[must_use]
    pub const fn text(&self) -> Text<'a> {
        self.0
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It was let out by a rule.
    Allowed(MatchedRule<'a>),
    /// It was held back; why, in words, for the local log.
    Denied(&'a str),
}

impl Decision<'_> {
    /// Whether the request was held back.
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(rule) => write!(f, "allowed by {}", rule.text()),
            Self::Denied(reason) => write!(f, "denied: {reason}"),
        }
    }
}

/// An act: a request that a confined program made, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRequest<'a> {
    method: Text<'a>,
    url: Text<'a>,
    decision: Decision<'a>,
}

impl<'a> HttpRequest<'a> {
    /// A request that was let out by `rule`.
    pub fn allowed(
        method: impl Into<Text<'a>>,
        url: impl Into<Text<'a>>,
        rule: MatchedRule<'a>,
    ) -> Self {
        Self::new(method.into(), url.into(), Decision::Allowed(rule))
    }

    /// A request that was held back, for the reason given in words.
    pub fn denied(method: impl Into<Text<'a>>, url: impl Into<Text<'a>>, reason: &'a str) -> Self {
        Self::new(method.into(), url.into(), Decision::Denied(reason))
    }

    /// The request method, such as `GET` (RFC 9110 section 9).
    #[must_use]
    pub const fn method(&self) -> Text<'a> {
        self.method
    }

    /// The URL that was asked for, or `host:port` of a tunnel.
    #[must_use]
    pub const fn url(&self) -> Text<'a> {
        self.url
    }

    /// What became of it.
    #[must_use]
    pub const fn decision(&self) -> Decision<'a> {
        self.decision
    }

    /// Whether a field was cut.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        let rule_is_cut = match self.decision {
            Decision::Allowed(rule) => rule.0.is_cut(),
            Decision::Denied(_) => false,
        };
        self.method.is_cut() || self.url.is_cut() || rule_is_cut
    }

    /// The request with its fields cut, the URL first, then the rule, then the method, until its
    /// texts are `excess` bytes shorter. No field is cut below [`Self::LEAST_FIELD`] bytes.
    #[must_use]
    pub fn shortened(&self, excess: usize) -> Self {
        let (url, excess) = shorten(self.url, excess);
        let (decision, excess) = match self.decision {
            Decision::Allowed(rule) => {
                let (rule, excess) = shorten(rule.0, excess);
                (Decision::Allowed(MatchedRule(rule)), excess)
            }
            denied @ Decision::Denied(_) => (denied, excess),
        };
        let (method, _) = shorten(self.method, excess);
        Self::new(method, url, decision)
    }

    /// What is left of each text of a request that is cut as far as it goes (bytes, at most).
    pub const LEAST_FIELD: usize = 64;

    const fn new(method: Text<'a>, url: Text<'a>, decision: Decision<'a>) -> Self {
        Self {
            method,
            url,
            decision,
        }
    }
}

/// Cuts `text` by `excess` bytes if it can, and returns what is still to be cut elsewhere.
fn shorten(text: Text<'_>, excess: usize) -> (Text<'_>, usize) {
    let room = text
        .len()
        .saturating_sub(excess)
        .max(HttpRequest::LEAST_FIELD);
    let cut = text.cut(room);
    let saved = text.len().saturating_sub(cut.len());
    (cut, excess.saturating_sub(saved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_request_has_a_rule() {
        assert_eq!(MatchedRule::new(""), None);
    }

    #[test]
    fn the_url_gives_way_first() {
        let long = "x".repeat(500);
        let rule = MatchedRule::new(&long).unwrap();
        let request = HttpRequest::allowed("GET", long.as_str(), rule);

        let cut = request.shortened(300);
        assert!(cut.url().len() <= 200 && cut.is_cut());
        assert_eq!(cut.decision(), request.decision());

        let cut = request.shortened(700);
        let Decision::Allowed(rule) = cut.decision() else {
            panic!("still allowed")
        };
        assert_eq!(cut.url().len(), HttpRequest::LEAST_FIELD);
        assert!(rule.text().len() <= 500 - (700 - 436));
        assert_eq!(cut.method(), Text::from("GET"));
    }

    #[test]
    fn every_field_gives_way_in_the_end() {
        let long = "x".repeat(500);
        let rule = MatchedRule::new(&long).unwrap();
        let request = HttpRequest::allowed(long.as_str(), long.as_str(), rule);
        let cut = request.shortened(usize::MAX);
        assert_eq!(cut.method().len(), HttpRequest::LEAST_FIELD);
        assert_eq!(cut.url().len(), HttpRequest::LEAST_FIELD);
    }
}
