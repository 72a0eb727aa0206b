use std::collections::HashMap;

/// The text of an audit record taken apart, by a reader that accepts nothing but what is promised of
/// it.
#[derive(Debug)]
pub struct RecordText {
    /// In order, `op` first and `res` last.
    names: Vec<String>,
    values: HashMap<String, Vec<u8>>,
}

impl RecordText {
    /// Takes a text apart; panics with the reason if it breaks a promise.
    #[must_use]
    pub fn parse(body: &str) -> Self {
        assert!(
            body.bytes().all(|byte| matches!(byte, 0x20..=0x7e)),
            "{body:?}"
        );
        let mut text = Self {
            names: Vec::new(),
            values: HashMap::new(),
        };
        for field in body.split(' ') {
            let (name, value) = field.split_once('=').expect(body);
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{body}");
            let value = match name {
                "op" | "res" => word(value),
                _ => bytes(value),
            };
            let earlier = text.values.insert(name.to_owned(), value);
            assert!(earlier.is_none() || is_extra(name), "{body}");
            text.names.push(name.to_owned());
        }
        text.assert_framed(body);
        text
    }

    /// The bytes of a field; of one that is there twice, the last.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// The text of a field that has to be there.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        std::str::from_utf8(self.get(name).expect(name)).expect("text")
    }

    /// Whether values are missing or cut.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.get("trunc") == Some(b"1")
    }

    /// Asserts that the field `name` tells `given`, or the front of it in a record that says so.
    pub fn assert_told(&self, name: &str, given: &[u8]) {
        match self.get(name) {
            Some(found) if found == given => {}
            Some(found) => assert!(self.is_truncated() && given.starts_with(found), "{name}"),
            None => assert!(self.is_truncated(), "{name}"),
        }
    }

    fn assert_framed(&self, body: &str) {
        assert_eq!(self.names.first().map(String::as_str), Some("op"), "{body}");
        let tail = ["acct", "exe", "hostname", "addr", "terminal", "res"];
        assert!(self.names.ends_with(&tail.map(str::to_owned)), "{body}");
        assert_eq!(body.matches("res=").count(), 1, "{body}");
        assert!(["success", "failed"].contains(&self.text("res")), "{body}");
    }
}

/// Decodes upper-case hexadecimal digits.
fn unhex(digits: &str) -> Vec<u8> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    assert!(
        !digits.is_empty() && digits.len().is_multiple_of(2),
        "{digits}"
    );
    assert!(digits.bytes().all(is_digit), "{digits}");
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits"))
        .collect()
}

fn is_extra(name: &str) -> bool {
    ["path", "cmd", "file", "reason", "host", "rule"].contains(&name)
}

fn word(value: &str) -> Vec<u8> {
    let is_word = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    assert!(!value.is_empty() && value.bytes().all(is_word), "{value}");
    value.as_bytes().to_vec()
}

fn bytes(value: &str) -> Vec<u8> {
    if value == "?" {
        return Vec::new();
    }
    if let Some(quoted) = value.strip_prefix('"') {
        let inner = quoted.strip_suffix('"').expect(value);
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'=,\\".contains(&byte);
        assert!(!inner.is_empty() && inner.bytes().all(is_plain), "{value}");
        return inner.as_bytes().to_vec();
    }
    unhex(value)
}
