//! What is wrong with a rule, where, and how it is shown.

use core::error::Error;
use core::fmt::{self, Write};

use crate::segment::MAX_SEGMENTS;

/// What is wrong with a rule's text, and where.
///
/// Displays as `column 12: expected a label of letters, digits or "-", found "_"`; columns count bytes from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleError {
    kind: RuleErrorKind,
    offset: usize,
    found: Option<char>,
}

impl RuleError {
    pub(crate) fn new(kind: RuleErrorKind, text: &str, offset: usize) -> Self {
        let found = text.get(offset..).and_then(|rest| rest.chars().next());
        Self {
            kind,
            offset,
            found,
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> RuleErrorKind {
        self.kind
    }

    /// Where it is wrong (bytes from the start of the text that was parsed, at most its length).
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Displays the rule with a caret under the offending character, on two lines without a last line feed.
    ///
    /// `rule` is the text that was parsed. Tabs, line feeds and other control characters are shown as spaces.
    ///
    /// ```
    /// use throughline_rules::Rule;
    ///
    /// let text = "domain=foo_bar.com";
    /// let error = Rule::parse(text).unwrap_err();
    /// assert_eq!(error.caret(text).to_string(), "domain=foo_bar.com\n          ^");
    /// ```
    #[must_use]
    pub const fn caret<'a>(&self, rule: &'a str) -> Caret<'a> {
        Caret {
            rule,
            offset: self.offset,
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.offset.saturating_add(1);
        write!(f, "column {column}: {}", self.kind.text())?;
        if self.kind == RuleErrorKind::TooManySegments {
            write!(f, " of {MAX_SEGMENTS}")?;
        }
        if !self.kind.is_syntax() {
            return Ok(());
        }
        match self.found {
            None => f.write_str(", found the end of the rule"),
            Some(' ') => f.write_str(", found a space"),
            Some(found) => write!(f, ", found \"{}\"", found.escape_default()),
        }
    }
}

impl Error for RuleError {}

/// The ways in which a rule's text can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleErrorKind {
    /// Nothing but spaces: it would match everything, and have no text to log. Write `method=*` for that.
    Empty,
    /// A word that does not begin with `method`, `domain` or `path`; keys are lower-case.
    Key,
    /// A key without `=` straight after it.
    Equals,
    /// A method that is empty or has a byte that RFC 9110 section 5.6.2 does not allow in a token.
    Method,
    /// A label that is empty or has a character other than letters, digits and `-`: also a scheme, a port, a bracket,
    /// a comma or a dot at the end.
    Label,
    /// A label that begins or ends with `-`.
    LabelHyphen,
    /// `*` beside other characters of a label.
    LabelWildcard,
    /// `*` as the last label of more than one.
    LastLabelWildcard,
    /// A second `domain=`. Write one rule for each domain.
    RepeatedDomain,
    /// A character that no segment may have, such as `?` and `#`: query and fragment play no part. Percent-encode it.
    Segment,
    /// A `%` without two hexadecimal digits.
    Escape,
    /// A segment that begins with `*` and goes on.
    SegmentWildcard,
    /// `//` in a pattern.
    EmptySegment,
    /// A pattern that is empty or `/`, which reads like the root and would match every path. Write `path=*` for that.
    EveryPath,
    /// A key inside a path, as in `path=/adomain=x`. Put a space before it; where `=` is meant, write `%3D`.
    GluedKey,
    /// A segment that can never match: dot segments of a URL are resolved, and a path with a backslash, a NUL or a
    /// hidden dot segment is never clear.
    DeadSegment,
    /// More than [`MAX_SEGMENTS`] segments in a pattern: it can never match.
    TooManySegments,
}

impl RuleErrorKind {
    /// Whether the message names what was found; the others say it all.
    const fn is_syntax(self) -> bool {
        matches!(
            self,
            Self::Key | Self::Equals | Self::Method | Self::Label | Self::Segment | Self::Escape
        )
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Empty => {
                "the rule is empty and would match everything; write \"method=*\" for that"
            }
            Self::Key => "expected \"method=\", \"domain=\" or \"path=\"",
            Self::Equals => "expected \"=\" straight after the key",
            Self::Method => "expected a method of letters, digits or any of !#$%&'*+-.^_`|~",
            Self::Label => "expected a label of letters, digits or \"-\"",
            Self::LabelHyphen => "a label neither begins nor ends with \"-\"; remove it",
            Self::LabelWildcard => "\"*\" stands for a whole label; remove what is beside it",
            Self::LastLabelWildcard => "the last label cannot be \"*\"; write it out",
            Self::RepeatedDomain => {
                "a second \"domain=\" in the same rule; write one rule for each domain"
            }
            Self::Segment => {
                "expected a letter, a digit, %XX or any of -._~!$&'()*+;=:@ in a path segment"
            }
            Self::Escape => "expected two hexadecimal digits after this \"%\"",
            Self::SegmentWildcard => {
                "a segment that begins with \"*\" is \"*\" alone; write %2A for a literal one"
            }
            Self::EmptySegment => "an empty segment (\"//\"); remove one slash",
            Self::EveryPath => "an empty pattern would match every path; write \"path=*\" for that",
            Self::GluedKey => {
                "a key inside a path; put a space before it, or write %3D where \"=\" is meant"
            }
            Self::DeadSegment => {
                "this segment can never match: dot segments are resolved before matching, and a path with a backslash, a NUL or hidden dots is refused"
            }
            Self::TooManySegments => {
                "the pattern can never match: it has more segments than the limit"
            }
        }
    }
}

/// Displays a rule with a caret under one character; see [`RuleError::caret`].
#[derive(Clone, Copy, Debug)]
pub struct Caret<'a> {
    rule: &'a str,
    offset: usize,
}

impl fmt::Display for Caret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.rule.chars() {
            f.write_char(if c.is_control() { ' ' } else { c })?;
        }
        f.write_char('\n')?;
        for _ in self
            .rule
            .char_indices()
            .take_while(|&(at, _)| at < self.offset)
        {
            f.write_char(' ')?;
        }
        f.write_char('^')
    }
}

#[cfg(test)]
mod tests {
    use super::{RuleError, RuleErrorKind};
    use std::string::ToString;

    #[test]
    fn the_message_names_what_was_expected_and_what_was_found() {
        let cases = [
            ("domain=a_b", 8, "found \"_\""),
            ("domain=a b", 8, "found a space"),
            ("domain=a", 8, "found the end of the rule"),
        ];
        for (text, offset, found) in cases {
            let error = RuleError::new(RuleErrorKind::Label, text, offset);
            let expected =
                std::format!("column 9: expected a label of letters, digits or \"-\", {found}");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn the_caret_counts_characters_and_keeps_to_one_line() {
        let text = "path=/\u{e9}\nx=?";
        let error = RuleError::new(RuleErrorKind::Segment, text, 11);
        let expected = "path=/\u{e9} x=?\n          ^";
        assert_eq!(error.caret(text).to_string(), expected);
    }

    #[test]
    fn the_caret_may_stand_behind_the_last_character() {
        let error = RuleError::new(RuleErrorKind::Label, "domain=", 7);
        assert_eq!(error.caret("domain=").to_string(), "domain=\n       ^");
    }
}
