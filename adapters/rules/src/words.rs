//! Cutting text at one-byte separators while keeping count of where each piece began.

/// Whether a character separates the words of a rule.
pub(crate) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

/// The words of a rule with their offsets (bytes, from the start of `text`).
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    pieces(0, text, is_space).filter(|(_, word)| !word.is_empty())
}

/// The pieces between separators, empty ones included, each with its offset counted from `start`.
///
/// `is_separator` may accept characters of one byte only.
pub(crate) fn pieces(
    start: usize,
    text: &str,
    is_separator: fn(char) -> bool,
) -> impl Iterator<Item = (usize, &str)> {
    let mut next = start;
    text.split(is_separator).map(move |piece| {
        let at = next;
        next = at.saturating_add(piece.len()).saturating_add(1);
        (at, piece)
    })
}

/// The values of one key: the first is at hand, later ones are looked up in the text, which has been checked by then.
#[derive(Clone, Debug)]
pub(crate) struct Values<'a> {
    key: &'static str,
    first: &'a str,
    /// The rule's text from the second use of the key on; empty when there is none.
    more: &'a str,
}

impl<'a> Values<'a> {
    /// `key` includes its `=`.
    pub(crate) const fn new(key: &'static str, first: &'a str) -> Self {
        Self {
            key,
            first,
            more: "",
        }
    }

    /// Notes that the key is used again in `text`, the rest of the rule from that use on.
    pub(crate) const fn add(&mut self, text: &'a str) {
        if self.more.is_empty() {
            self.more = text;
        }
    }

    pub(crate) const fn key(&self) -> &'static str {
        self.key
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let key = self.key;
        let more = words(self.more).filter_map(move |(_, word)| word.strip_prefix(key));
        core::iter::once(self.first).chain(more)
    }

    /// Whether `is` holds for any member of the comma lists.
    ///
    /// Nearly every rule has a key once only, so the first value is looked at before the rule's text is read again.
    pub(crate) fn any_member(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        let any = |value: &str| value.as_bytes().split(|&byte| byte == b',').any(&is);
        any(self.first) || (self.is_repeated() && self.iter().skip(1).any(any))
    }

    pub(crate) const fn is_repeated(&self) -> bool {
        !self.more.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Values, words};
    use std::vec::Vec;

    #[test]
    fn words_keep_their_offsets_across_runs_of_separators() {
        let found: Vec<_> = words(" ab\t\ncd ").collect();
        assert_eq!(found, [(1, "ab"), (5, "cd")]);
    }

    #[test]
    fn later_values_of_the_same_key_are_found_and_other_keys_skipped() {
        let mut values = Values::new("path=", "/a,/b");
        values.add("path=/c method=GET path=/d");
        values.add("path=/d");
        let found: Vec<_> = values.iter().collect();
        assert_eq!(found, ["/a,/b", "/c", "/d"]);
        assert!(values.any_member(|member| member == b"/b"));
        assert!(values.any_member(|member| member == b"/d"));
        assert!(!values.any_member(|member| member == b"GET"));
    }
}
