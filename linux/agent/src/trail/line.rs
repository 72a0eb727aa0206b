use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::Deserialize;
use throughline_core::{End, Sequence, SessionId};
use uuid::Uuid;

/// One line of a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) session: SessionId,
    pub(crate) body: Body<'a>,
}

/// What a line tells of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// A request was recorded.
    Event(Event<'a>),
    /// `count` of the numbers `first..=last` are lost; the rest of them was written.
    Loss {
        first: u32,
        last: u32,
        count: u32,
        cause: Cow<'a, str>,
    },
    /// Nothing will follow.
    End(End),
}

/// A request, and what was decided on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub(crate) sequence: u32,
    pub(crate) time: Timestamp,
    pub(crate) allowed: bool,
    pub(crate) method: Cow<'a, str>,
    pub(crate) url: Cow<'a, str>,
    pub(crate) rule: Option<Cow<'a, str>>,
}

/// Why a line is none of a trail's. The file is at fault.
#[derive(Debug)]
pub(crate) enum LineError {
    /// It is not a JSON object with the fields of one.
    Json(serde_json::Error),
    /// The session is no UUID.
    Session,
    /// It is neither an event, nor a loss, nor an end, or more than one of them.
    Kind,
    /// An event lacks a field.
    Lacks(&'static str),
    /// The time is none of RFC 3339.
    Time,
    /// The decision is neither `allow` nor `deny`.
    Decision,
    /// A number is greater than 2^31-1.
    Number(u32),
    /// A loss names no number, or more than lie in its range.
    Loss,
}

impl<'a> Line<'a> {
    /// Reads one line.
    ///
    /// Fields that are not known are passed over.
    ///
    /// # Errors
    ///
    /// If it is none of a trail's.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, LineError> {
        let mut wire: Wire<'a> = serde_json::from_slice(bytes).map_err(LineError::Json)?;
        let session: Uuid = wire.session.0.parse().map_err(|_| LineError::Session)?;
        let body = match (wire.seq, wire.loss.take(), wire.end.take()) {
            (Some(sequence), None, None) => Body::Event(wire.event(sequence)?),
            (None, Some(loss), None) => loss.body()?,
            (None, None, Some(end)) => end.body()?,
            _ => return Err(LineError::Kind),
        };
        Ok(Self {
            session: SessionId::from_uuid(session),
            body,
        })
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) if error.is_eof() => f.write_str("it breaks off"),
            Self::Json(error) => write!(f, "not the JSON of a trail: {error}"),
            Self::Session => f.write_str("its session is not a UUID"),
            Self::Kind => f.write_str("not one of an event, a loss and an end"),
            Self::Lacks(field) => write!(f, "an event without \"{field}\""),
            Self::Time => f.write_str("its time is not as in RFC 3339"),
            Self::Decision => f.write_str("its decision is neither allow nor deny"),
            Self::Number(number) => {
                write!(f, "{number} is over the greatest number, {}", Sequence::MAX)
            }
            Self::Loss => f.write_str("a loss of no number, or of more than its range holds"),
        }
    }
}

impl std::error::Error for LineError {}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    session: Text<'a>,
    seq: Option<u32>,
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    decision: Option<Text<'a>>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    rule: Option<Text<'a>>,
    #[serde(borrow)]
    loss: Option<WireLoss<'a>>,
    end: Option<WireEnd>,
}

/// Text that is borrowed unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct WireLoss<'a> {
    first: u32,
    last: u32,
    count: u32,
    #[serde(borrow)]
    cause: Text<'a>,
}

#[derive(Deserialize)]
struct WireEnd {
    recorded: u32,
    written: u32,
    lost: u32,
}

impl<'a> Wire<'a> {
    fn event(self, sequence: u32) -> Result<Event<'a>, LineError> {
        let time = self.time.ok_or(LineError::Lacks("time"))?;
        let decision = self.decision.ok_or(LineError::Lacks("decision"))?;
        Ok(Event {
            sequence: number(sequence)?,
            time: time.0.parse().map_err(|_| LineError::Time)?,
            allowed: match &*decision.0 {
                "allow" => true,
                "deny" => false,
                _ => return Err(LineError::Decision),
            },
            method: self.method.ok_or(LineError::Lacks("method"))?.0,
            url: self.url.ok_or(LineError::Lacks("url"))?.0,
            rule: self.rule.map(|rule| rule.0),
        })
    }
}

impl<'a> WireLoss<'a> {
    fn body(self) -> Result<Body<'a>, LineError> {
        let (first, last) = (self.first, number(self.last)?);
        let span = last.checked_sub(first).ok_or(LineError::Loss)? + 1;
        if !(1..=span).contains(&self.count) {
            return Err(LineError::Loss);
        }
        Ok(Body::Loss {
            first,
            last,
            count: self.count,
            cause: self.cause.0,
        })
    }
}

impl WireEnd {
    fn body(self) -> Result<Body<'static>, LineError> {
        // What was recorded is a count, and so may be one more than the greatest number.
        number(self.recorded.saturating_sub(1))?;
        Ok(Body::End(End {
            recorded: self.recorded,
            written: self.written,
            lost: self.lost,
        }))
    }
}

fn number(value: u32) -> Result<u32, LineError> {
    match Sequence::new(value) {
        Some(sequence) => Ok(sequence.value()),
        None => Err(LineError::Number(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000abc";

    fn parse(rest: &str) -> Result<String, String> {
        let text = format!("{{\"session\":\"{ID}\",{rest}}}");
        Line::parse(text.as_bytes())
            .map(|line| format!("{:?}", line.body))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_of_line_is_read() {
        let text = format!(
            r#"{{"session":"{ID}","seq":7,"time":"2026-09-21T14:13:20.000000005Z","decision":"allow","method":"GET","url":"http://a/\"\n","rule":"domain=a","later":[1]}}"#
        );
        let line = Line::parse(text.as_bytes()).unwrap();
        assert_eq!(line.session.to_string(), ID);
        let Body::Event(event) = line.body else {
            panic!("an event")
        };
        assert_eq!((event.sequence, event.allowed), (7, true));
        assert_eq!(event.time.subsec_nanosecond(), 5);
        assert_eq!(event.url, "http://a/\"\n");
        assert_eq!(event.rule.as_deref(), Some("domain=a"));

        assert!(parse(r#""loss":{"first":3,"last":5,"count":2,"cause":"store_full"}"#).is_ok());
        assert!(parse(r#""end":{"recorded":9,"written":6,"lost":3}"#).is_ok());
    }

    #[test]
    fn what_is_none_says_why() {
        let event = r#""time":"2026-09-21T14:13:20Z","decision":"deny","method":"GET""#;
        for (rest, why) in [
            (r#""seq":1"#.to_owned(), "an event without \"time\""),
            (format!("\"seq\":1,{event}"), "an event without \"url\""),
            (
                format!("\"seq\":2147483648,{event},\"url\":\"\""),
                "2147483648 is over the greatest number, 2147483647",
            ),
            (
                r#""loss":{"first":3,"last":5,"count":4,"cause":"x"}"#.to_owned(),
                "a loss of no number, or of more than its range holds",
            ),
            (
                r#""loss":{"first":5,"last":3,"count":1,"cause":"x"}"#.to_owned(),
                "a loss of no number, or of more than its range holds",
            ),
            (
                r#""x":1"#.to_owned(),
                "not one of an event, a loss and an end",
            ),
        ] {
            assert_eq!(parse(&rest), Err(why.to_owned()));
        }
        assert_eq!(
            Line::parse(b"{\"session\":\"1").unwrap_err().to_string(),
            "it breaks off"
        );
        assert!(Line::parse(b"\xff").is_err());
    }
}
