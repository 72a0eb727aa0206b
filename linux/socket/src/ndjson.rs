use std::io::{self, Write};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::Serialize;
use throughline_core::{End, SessionId};
use throughline_protobuf::{Log, WireLoss, WireTime};

use crate::Sink;

/// A trail as NDJSON: one JSON object a line (version 1 of the format).
///
/// ```text
/// {"session":U,"seq":N,"time":T,"decision":"allow","method":M,"url":L,"rule":R}
/// {"session":U,"seq":N,"time":T,"decision":"deny","method":M,"url":L}
/// {"session":U,"loss":{"first":N,"last":N,"count":N,"cause":C}}
/// {"session":U,"end":{"recorded":N,"written":N,"lost":N}}
/// ```
///
/// `U` is a UUID, `N` a number, `T` a time as in RFC 3339 with nanoseconds in UTC, `C` one of
/// `store_full`, `deadline`, `spool_full`, `unknown`.
#[derive(Debug)]
pub struct Ndjson<W> {
    out: W,
    /// The lines of the frame that is being taken.
    lines: Vec<u8>,
}

impl<W: Write> Ndjson<W> {
    /// A trail that is written to `out`, a frame's lines at a time.
    pub const fn new(out: W) -> Self {
        Self {
            out,
            lines: Vec::new(),
        }
    }

    fn line(&mut self, line: &impl Serialize) {
        // Memory takes every byte, and none of these types refuses to be written.
        let _ = serde_json::to_writer(&mut self.lines, line);
        self.lines.push(b'\n');
    }
}

impl<W: Write> Sink for Ndjson<W> {
    fn event(&mut self, session: SessionId, log: &Log<'_>) {
        // By hand, as this is the most of what a collector does.
        let lines = &mut self.lines;
        lines.extend_from_slice(b"{\"session\":\"");
        lines.extend_from_slice(session.to_text().as_bytes());
        lines.extend_from_slice(b"\",\"seq\":");
        lines.extend_from_slice(itoa::Buffer::new().format(log.sequence_number).as_bytes());
        lines.extend_from_slice(b",\"time\":\"");
        // Memory takes every byte.
        let _ = TIME.print_timestamp(&time(log.time.unwrap_or_default()), &mut *lines);
        lines.extend_from_slice(match log.allowed {
            true => b"\",\"decision\":\"allow\",\"method\":",
            false => b"\",\"decision\":\"deny\",\"method\":",
        });
        push_text(lines, log.method);
        lines.extend_from_slice(b",\"url\":");
        push_text(lines, log.url);
        if log.allowed {
            lines.extend_from_slice(b",\"rule\":");
            push_text(lines, log.matched_rule);
        }
        lines.extend_from_slice(b"}\n");
    }

    fn loss(&mut self, session: SessionId, loss: &WireLoss) {
        self.line(&LossLine {
            session: *session.as_uuid(),
            loss: LossBody {
                first: loss.first,
                last: loss.last,
                count: loss.count,
                cause: loss.cause.map_or("unknown", |cause| cause.as_str()),
            },
        });
    }

    fn end(&mut self, session: SessionId, end: &End) {
        self.line(&EndLine {
            session: *session.as_uuid(),
            end: EndBody {
                recorded: end.recorded,
                written: end.written,
                lost: end.lost,
            },
        });
    }

    fn commit(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.lines);
        self.lines.clear();
        written?;
        self.out.flush()
    }
}

#[derive(Serialize)]
struct LossLine {
    session: uuid::Uuid,
    loss: LossBody,
}

#[derive(Serialize)]
struct LossBody {
    first: i32,
    last: i32,
    count: u32,
    cause: &'static str,
}

#[derive(Serialize)]
struct EndLine {
    session: uuid::Uuid,
    end: EndBody,
}

#[derive(Serialize)]
struct EndBody {
    recorded: u32,
    written: u32,
    lost: u32,
}

/// Writes a JSON string. Most texts hold nothing that JSON escapes, which is seen at a glance.
fn push_text(lines: &mut Vec<u8>, text: &str) {
    let escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Not `any`, which looks at one byte at a time.
    if text.bytes().fold(false, |any, byte| any | escaped(byte)) {
        // Memory takes every byte, and a text can always be written.
        let _ = serde_json::to_writer(lines, text);
    } else {
        lines.push(b'"');
        lines.extend_from_slice(text.as_bytes());
        lines.push(b'"');
    }
}

/// A time that no calendar has is the sender's mistake; the nearest that one has is shown.
fn time(time: WireTime) -> Timestamp {
    let nearest = if time.seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::new(time.seconds, time.nanos).unwrap_or(nearest)
}

const TIME: DateTimePrinter = DateTimePrinter::new();

#[cfg(test)]
mod tests {
    use throughline_core::Cause;

    use super::*;

    const SESSION: SessionId = SessionId::from_uuid(uuid::Uuid::from_u128(0xabc));

    fn written(write: impl Fn(&mut Ndjson<Vec<u8>>)) -> String {
        let mut sink = Ndjson::new(Vec::new());
        write(&mut sink);
        sink.commit().unwrap();
        String::from_utf8(sink.out).unwrap()
    }

    #[test]
    fn an_allowed_event_has_its_rule() {
        let log = Log {
            allowed: true,
            time: Some(WireTime {
                seconds: 1_790_000_000,
                nanos: 5,
            }),
            is_http_request: true,
            method: "GET",
            url: "http://a/\"\n",
            matched_rule: "domain=a",
            sequence_number: 7,
        };
        assert_eq!(
            written(|sink| sink.event(SESSION, &log)),
            concat!(
                r#"{"session":"00000000-0000-0000-0000-000000000abc","seq":7,"#,
                r#""time":"2026-09-21T14:13:20.000000005Z","decision":"allow","#,
                r#""method":"GET","url":"http://a/\"\n","rule":"domain=a"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_denied_event_has_none() {
        let line = written(|sink| sink.event(SESSION, &Log::default()));
        assert!(line.contains(r#""decision":"deny""#) && !line.contains("rule"));
    }

    #[test]
    fn a_loss_and_an_end_are_lines_of_their_own() {
        let loss = WireLoss {
            first: 3,
            last: 5,
            count: 3,
            cause: Some(Cause::StoreFull),
        };
        assert_eq!(
            written(|sink| sink.loss(SESSION, &loss)),
            concat!(
                r#"{"session":"00000000-0000-0000-0000-000000000abc","#,
                r#""loss":{"first":3,"last":5,"count":3,"cause":"store_full"}}"#,
                "\n"
            )
        );
        let end = End {
            recorded: 9,
            written: 6,
            lost: 3,
        };
        let line = written(|sink| sink.end(SESSION, &end));
        assert!(line.ends_with("\"end\":{\"recorded\":9,\"written\":6,\"lost\":3}}\n"));
    }
}
