use std::fmt;

use memchr::memmem;
use throughline_core::SessionId;

use super::session::Counts;

/// A record of this project's in the kernel's log, as `audit.log` and `ausearch --raw` have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuditLine {
    /// The session that it is of; a phase may be of none.
    pub(crate) session: Option<SessionId>,
    pub(crate) record: Record,
}

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The session began.
    Open,
    /// The session ended, with these counts.
    Close(Counts),
    /// A phase of a transaction ended when the session had so many events.
    Phase { position: u32 },
}

/// Why a record that has one of this project's operations is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuditError {
    /// The record breaks off.
    Torn,
    /// A field is not there, or not what it should be.
    Field(&'static str),
}

/// Reads one line of the log; `None` if it is somebody else's.
///
/// # Errors
///
/// If it is this project's by its operation, and its fields are not.
pub(crate) fn parse(line: &[u8]) -> Result<Option<AuditLine>, AuditError> {
    let Some((kernel, message)) = split(line, b" msg='op=") else {
        return Ok(None);
    };
    if !TYPES.iter().any(|kind| split(kernel, kind).is_some()) {
        return Ok(None);
    }
    // The kernel's fields stand in front of the message, the daemon's own behind it.
    let (message, is_torn) = match split(message, b"'") {
        Some((message, _)) => (message, false),
        None => (message, true),
    };
    let Some((operation, fields)) = split(message, b" ") else {
        return Ok(None);
    };
    let read = match operation {
        b"session-open" => open,
        b"session-close" => close,
        _ if operation.starts_with(b"txn-") => phase,
        _ => return Ok(None),
    };
    if is_torn {
        return Err(AuditError::Torn);
    }
    read(fields).map(Some)
}

/// Whether a line is a record of the log, whosever it is.
pub(crate) fn is_record(line: &[u8]) -> bool {
    split(line, b" msg=audit(").is_some_and(|(kind, _)| split(kind, b"type=").is_some())
}

fn open(fields: &[u8]) -> Result<AuditLine, AuditError> {
    Ok(AuditLine {
        session: Some(session(fields)?.ok_or(AuditError::Field("session"))?),
        record: Record::Open,
    })
}

fn close(fields: &[u8]) -> Result<AuditLine, AuditError> {
    let counts = Counts {
        recorded: number(fields, "recorded")?,
        written: number(fields, "written")?,
        lost: number(fields, "lost")?,
    };
    Ok(AuditLine {
        session: Some(session(fields)?.ok_or(AuditError::Field("session"))?),
        record: Record::Close(counts),
    })
}

fn phase(fields: &[u8]) -> Result<AuditLine, AuditError> {
    let session = session(fields)?;
    let position = match session {
        Some(_) => number(fields, "at")?,
        None => 0,
    };
    let position = u32::try_from(position).map_err(|_| AuditError::Field("at"))?;
    Ok(AuditLine {
        session,
        record: Record::Phase { position },
    })
}

fn session(fields: &[u8]) -> Result<Option<SessionId>, AuditError> {
    let Some(text) = quoted(fields, "session") else {
        return Ok(None);
    };
    match text.parse() {
        Ok(uuid) => Ok(Some(SessionId::from_uuid(uuid))),
        Err(_) => Err(AuditError::Field("session")),
    }
}

fn number(fields: &[u8], name: &'static str) -> Result<u64, AuditError> {
    let text = quoted(fields, name).ok_or(AuditError::Field(name))?;
    text.parse().map_err(|_| AuditError::Field(name))
}

/// The value of a field that is always written in quotes.
fn quoted<'a>(fields: &'a [u8], name: &str) -> Option<&'a str> {
    let mut fields = fields.split(|byte| *byte == b' ');
    let value = fields.find_map(|field| {
        let value = field.strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    })?;
    let value = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    std::str::from_utf8(value).ok()
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = memmem::find(text, at)?;
    Some((text.get(..start)?, text.get(start + at.len()..)?))
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn => f.write_str("a record breaks off"),
            Self::Field(name) => write!(f, "a record without a good {name}="),
        }
    }
}

impl std::error::Error for AuditError {}

/// The types that such a record may be filed under.
const TYPES: [&[u8]; 3] = [b"type=USYS_CONFIG ", b"type=USER ", b"type=TRUSTED_APP "];

#[cfg(test)]
mod tests {
    use throughline_audit::{
        Entry, Extra, Field, Identity, Numbering, RecordType, SessionClose, SessionOpen, Template,
    };
    use throughline_core::{Change, Phase, PhaseRecord, Position, TransactionId};
    use uuid::Uuid;

    use super::*;

    const ID: SessionId = SessionId::from_uuid(Uuid::from_u128(7));

    /// A line as the daemon writes it.
    fn line(entry: &Entry<'_>) -> Vec<u8> {
        let template = Template::new(RecordType::default(), &Identity::new("it's", "/usr/bin/x"));
        let record = template.record(entry, Numbering::default());
        let front =
            "type=USYS_CONFIG msg=audit(1795386199.182:294912): pid=4149 uid=0 auid=4294967295";
        let body = record.body();
        format!("{front} ses=4294967295 msg='{body}'\u{1d}UID=\"root\" AUID=\"unset\"").into_bytes()
    }

    fn phase(position: Option<Position>) -> Vec<u8> {
        let change = Change {
            transaction: TransactionId::from_uuid(Uuid::from_u128(9)),
            name: "a session=\"x\" at=\"9\"",
            position,
        };
        let record = PhaseRecord {
            change,
            step: 1,
            phase: Phase::Apply,
            success: true,
        };
        let extras = [Extra {
            field: Field::Reason,
            value: b"' msg='op=session-close",
        }];
        line(&Entry::Phase(record, &extras))
    }

    #[test]
    fn what_the_emitter_writes_is_read_again() {
        let open = line(&Entry::SessionOpen(SessionOpen {
            session: ID,
            process: "curl",
        }));
        let expected = |record| {
            Ok(Some(AuditLine {
                session: Some(ID),
                record,
            }))
        };
        assert_eq!(parse(&open), expected(Record::Open));

        let close = line(&Entry::SessionClose(SessionClose {
            session: ID,
            recorded: 9,
            written: 7,
            lost: 2,
        }));
        let counts = Counts {
            recorded: 9,
            written: 7,
            lost: 2,
        };
        assert_eq!(parse(&close), expected(Record::Close(counts)));

        let at = phase(Some(Position {
            session: ID,
            recorded: 17,
        }));
        assert_eq!(parse(&at), expected(Record::Phase { position: 17 }));
        let apart = Ok(Some(AuditLine {
            session: None,
            record: Record::Phase { position: 0 },
        }));
        assert_eq!(parse(&phase(None)), apart);
    }

    #[test]
    fn the_records_of_others_are_passed_over() {
        for other in [
            &b"----"[..],
            b"type=SYSCALL msg=audit(1.2:3): arch=c000003e syscall=59",
            b"type=USYS_CONFIG msg=audit(1.2:3): pid=1 msg='op=change-system-time exe=\"/sbin/hwclock\"'",
            b"type=USER_CMD msg=audit(1.2:3): pid=1 msg='op=session-open session=\"x\"'",
            b"type=USYS_CONFIG msg=audit(1.2:3): pid=1 msg='op=session-open",
            b"\xff\xfe",
        ] {
            assert_eq!(parse(other), Ok(None));
        }
    }

    #[test]
    fn a_record_that_is_damaged_says_where() {
        let front = "type=USYS_CONFIG msg=audit(1.2:3): pid=1 msg='op=session-close";
        let parse = |rest: &str| parse(format!("{front}{rest}").as_bytes());
        assert_eq!(parse(" session=\"00000000"), Err(AuditError::Torn));
        assert_eq!(parse(" res=success'"), Err(AuditError::Field("recorded")));
        assert_eq!(
            parse(" session=\"x\" recorded=\"1\" written=\"1\" lost=\"0\"'"),
            Err(AuditError::Field("session"))
        );
    }
}
