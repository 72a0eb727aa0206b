//! The log of whatever the requests went to: which stamps reached it.

mod combined;
mod json;

use std::fmt;

use throughline_core::{Sequence, SessionId, Stamp};

/// What a line of the log says of the stamp of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// It had neither of the two headers.
    Unstamped,
    /// It had both, and they are a stamp.
    Stamped(Stamp),
    /// It had one, or both and they are none: whatever sent it, a recorder it was not.
    Forged(NoStamp),
}

/// Why two header values are no stamp, as the public gateway judges them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoStamp {
    /// There is no session.
    NoSession,
    /// There is no number.
    NoNumber,
    /// The session is no UUID.
    Session(String),
    /// The number is none of 0..=2^31-1.
    Number(String),
}

/// Why a line is none of a log's.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// It begins as JSON does, and is none.
    Json(serde_json::Error),
    /// It is not in the combined format with the two values behind it.
    Combined(&'static str),
}

/// Reads one line: JSON if it begins with a brace, the extended combined format otherwise.
pub(crate) fn parse(line: &[u8]) -> Result<Request, RequestError> {
    let (session, number) = if line.trim_ascii_start().starts_with(b"{") {
        json::pair(line).map_err(RequestError::Json)?
    } else {
        combined::pair(line).map_err(RequestError::Combined)?
    };
    Ok(judge(
        present(session.as_deref()),
        present(number.as_deref()),
    ))
}

/// A value, unless it stands for one that was not there.
fn present(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty() && *value != "-")
}

fn judge(session: Option<&str>, number: Option<&str>) -> Request {
    let (session, number) = match (session, number) {
        (None, None) => return Request::Unstamped,
        (None, Some(_)) => return Request::Forged(NoStamp::NoSession),
        (Some(_), None) => return Request::Forged(NoStamp::NoNumber),
        (Some(session), Some(number)) => (session, number),
    };
    let Ok(uuid) = session.parse() else {
        return Request::Forged(NoStamp::Session(session.to_owned()));
    };
    match number.parse().ok().and_then(Sequence::new) {
        Some(sequence) => Request::Stamped(Stamp::new(SessionId::from_uuid(uuid), sequence)),
        None => Request::Forged(NoStamp::Number(number.to_owned())),
    }
}

impl fmt::Display for NoStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSession => f.write_str("has a number and no session"),
            Self::NoNumber => f.write_str("has a session and no number"),
            Self::Session(text) => write!(f, "has the session '{}', no UUID", start(text)),
            Self::Number(text) => write!(f, "has the number '{}', no 0..=2147483647", start(text)),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not a JSON object: {error}"),
            Self::Combined(why) => {
                write!(
                    f,
                    "neither JSON nor the combined format with two more values: {why}"
                )
            }
        }
    }
}

impl std::error::Error for RequestError {}

/// As much of somebody's text as there is sense in showing.
fn start(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0c4e0000-1111-4222-8333-abcdefabcdef";

    fn stamp(number: u32) -> Request {
        let session = SessionId::from_uuid(ID.parse().unwrap());
        Request::Stamped(Stamp::new(session, Sequence::new(number).unwrap()))
    }

    fn read(line: &str) -> Request {
        parse(line.replace("ID", ID).as_bytes()).unwrap()
    }

    #[test]
    fn json_has_the_pair_under_the_names_that_servers_give_it() {
        for line in [
            r#"{"session":"ID","seq":7}"#,
            r#"{"status":200,"session":"ID","seq":"7","url":"/"}"#,
            r#"{"X-Coder-Agent-Firewall-Session-Id":"ID","X-Coder-Agent-Firewall-Sequence-Number":"7"}"#,
            r#"{"http_x_coder_agent_firewall_session_id":"ID","http_x_coder_agent_firewall_sequence_number":"7"}"#,
            r#"{"request":{"uri":"/","headers":{"X-Coder-Agent-Firewall-Session-Id":["ID","x"],"X-Coder-Agent-Firewall-Sequence-Number":["7"]}}}"#,
            r#"  {"agent_firewall_session_id":"ID","agent_firewall_sequence_number":7}"#,
        ] {
            assert_eq!(read(line), stamp(7), "{line}");
        }
        for line in [
            "{}",
            r#"{"session":"","seq":null}"#,
            r#"{"request":{"session":"ID","seq":7}}"#,
            r#"{"X-Coder-Agent-Firewall-Session-Id":"-","X-Coder-Agent-Firewall-Sequence-Number":"-"}"#,
        ] {
            assert_eq!(read(line), Request::Unstamped, "{line}");
        }
    }

    #[test]
    fn the_combined_format_has_the_pair_at_its_end() {
        let front =
            r#"127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "a \"b\" c""#;
        assert_eq!(read(&format!("{front} \"ID\" \"7\"")), stamp(7));
        assert_eq!(
            read(&format!("{front} 0.003 \"x\" \"ID\" \"7\"\r")),
            stamp(7)
        );
        assert_eq!(read(&format!("{front} ID 7")), stamp(7));
        assert_eq!(read(&format!("{front} \"-\" \"-\"")), Request::Unstamped);
        assert!(parse(front.as_bytes()).is_err(), "without the two values");
        assert!(parse(b"anything else").is_err());
        assert!(parse(b"").is_err());
        assert!(parse(b"\xff \" [").is_err());
    }

    #[test]
    fn half_a_stamp_is_none() {
        let why = |line: &str| match read(line) {
            Request::Forged(why) => why.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(why(r#"{"session":"ID"}"#), "has a session and no number");
        assert_eq!(why(r#"{"seq":3}"#), "has a number and no session");
        assert_eq!(
            why(r#"{"session":"x","seq":3}"#),
            "has the session 'x', no UUID"
        );
        for number in ["-1", "2147483648", "1e3", "0x1"] {
            let line = format!("{{\"session\":\"ID\",\"seq\":\"{number}\"}}");
            assert!(why(&line).contains(number));
        }
    }
}
