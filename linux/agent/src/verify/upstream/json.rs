use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The values of the two headers in a JSON object, where they are there.
///
/// They stand under the header's name at any depth, in any case and with any separators, with or
/// without something in front (`http_x_coder_agent_firewall_session_id`), as text, as a number or as
/// an array, of which the first counts; or under `session` and `seq` in the object itself.
pub(super) fn pair(line: &[u8]) -> Result<(Option<String>, Option<String>), serde_json::Error> {
    let node: Node<'_> = serde_json::from_slice(line)?;
    let Pair { session, number } = node.pair;
    Ok((
        session.or(node.own.session).map(Cow::into_owned),
        number.or(node.own.number).map(Cow::into_owned),
    ))
}

/// What is of interest in a JSON value: its text, and the pair within it.
#[derive(Default)]
struct Node<'a> {
    text: Option<Cow<'a, str>>,
    /// Under the names of the headers, here or deeper.
    pair: Pair<'a>,
    /// Under the short names, here and not deeper.
    own: Pair<'a>,
}

#[derive(Default)]
struct Pair<'a> {
    session: Option<Cow<'a, str>>,
    number: Option<Cow<'a, str>>,
}

impl<'a> Node<'a> {
    fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    fn member(&mut self, name: &str, value: Node<'a>) {
        let slot = match name {
            "session" => &mut self.own.session,
            "seq" => &mut self.own.number,
            _ if is_header(name, SESSION) => &mut self.pair.session,
            _ if is_header(name, NUMBER) => &mut self.pair.number,
            _ => {
                let Pair { session, number } = value.pair;
                self.pair.session = self.pair.session.take().or(session);
                self.pair.number = self.pair.number.take().or(number);
                return;
            }
        };
        if slot.is_none() {
            *slot = value.text;
        }
    }
}

/// Whether `name` ends in `words`, in any case and with anything for an underscore.
fn is_header(name: &str, words: &[u8]) -> bool {
    let front = name.len().checked_sub(words.len());
    let Some(end) = front.and_then(|front| name.as_bytes().get(front..)) else {
        return false;
    };
    let is_same = |(byte, word): (&u8, &u8)| {
        byte.eq_ignore_ascii_case(word) || (*word == b'_' && !byte.is_ascii_alphanumeric())
    };
    end.iter().zip(words).all(is_same)
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::text(text.to_owned()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::text(value.to_string()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::text(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let first = items.next_element()?.unwrap_or_default();
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut node = Node::default();
        while let Some(name) = members.next_key::<Name<'de>>()? {
            node.member(&name.0, members.next_value()?);
        }
        Ok(node)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

const SESSION: &[u8] = b"agent_firewall_session_id";
const NUMBER: &[u8] = b"agent_firewall_sequence_number";
