use std::fmt;

/// The number that a record is filed under (`include/uapi/linux/audit.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordType {
    /// 1111, `USYS_CONFIG`: a change of the system's configuration. The only one of the three with
    /// which the log's tools show the operation as the action.
    #[default]
    SystemConfig,
    /// 1005, `USER`: a message of a program. Its own dictionary calls it deprecated.
    User,
    /// 1121, `TRUSTED_APP`: a message in a program's own format.
    TrustedApp,
}

impl RecordType {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::SystemConfig => 1111,
            Self::User => 1005,
            Self::TrustedApp => 1121,
        }
    }

    /// The type with this number, if it is one that is sent here.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1111 => Some(Self::SystemConfig),
            1005 => Some(Self::User),
            1121 => Some(Self::TrustedApp),
            _ => None,
        }
    }
}

/// The text of one audit record, in a fixed buffer with room for the netlink header in front.
///
/// ```text
/// op=txn-commit txn="7d9c.." session="0c4e.." at="17" name="motd" step="4" phase="committed"
/// seq="12" drop="0" path="/etc/motd" acct="root" exe="/usr/bin/throughline" hostname=? addr=?
/// terminal=? res=success
/// ```
///
/// (In one line.) Whatever the values hold, the text is ASCII without control characters, has one
/// `res=` and nothing after it, and each value can be had back: `"..."` as it stands, digits by
/// decoding, `?` as empty. A value that did not fit is cut, or left out, and `trunc="1"` says so.
#[derive(Clone)]
pub struct Record {
    pub(crate) record_type: RecordType,
    pub(crate) truncated: bool,
    /// Where the text ends.
    pub(crate) end: usize,
    pub(crate) bytes: [u8; Self::DATAGRAM_MAX],
}

impl Record {
    /// The greatest length of the text (bytes, inclusive).
    ///
    /// Where no audit daemon runs the kernel prints records, in lines of about 1024 bytes with
    /// its own fields in front; what is longer loses its result there.
    pub const BODY_MAX: usize = 800;

    pub(crate) const HEADER: usize = 16;
    pub(crate) const DATAGRAM_MAX: usize = Self::HEADER + Self::BODY_MAX + 1;

    /// A record without text.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            record_type: RecordType::SystemConfig,
            truncated: false,
            end: Self::HEADER,
            bytes: [0; Self::DATAGRAM_MAX],
        }
    }

    /// The number that it is filed under.
    #[must_use]
    pub const fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// The text, without the NUL that ends it on the wire.
    #[must_use]
    pub fn body(&self) -> &str {
        // Only ASCII is ever written, so the fallback is never seen.
        std::str::from_utf8(&self.bytes[Self::HEADER..self.end]).unwrap_or_default()
    }

    /// Whether a value was cut or left out.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The netlink message, header and NUL included.
    ///
    /// The NUL is needed: the kernel overwrites the last byte of what it is given with one.
    pub(crate) fn datagram(&mut self, sequence: u32) -> &[u8] {
        const REQUEST: u16 = 1; // NLM_F_REQUEST

        let length = u32::try_from(self.end + 1).unwrap_or(u32::MAX);
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[4..6].copy_from_slice(&self.record_type.number().to_ne_bytes());
        self.bytes[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes[12..16].fill(0);
        self.bytes[self.end] = 0;
        &self.bytes[..=self.end]
    }

    /// Takes over a message that [`datagram`](Self::datagram) made, in another process.
    pub(crate) fn read_datagram(&mut self, datagram: &[u8]) -> bool {
        let Some((header, text)) = datagram.split_first_chunk::<{ Self::HEADER }>() else {
            return false;
        };
        let number = u16::from_ne_bytes([header[4], header[5]]);
        let Some(record_type) = RecordType::from_number(number) else {
            return false;
        };
        let [body @ .., 0] = text else {
            return false;
        };
        if body.len() > Self::BODY_MAX || !body.iter().all(|byte| matches!(byte, 0x20..=0x7e)) {
            return false;
        }
        self.record_type = record_type;
        self.truncated = false;
        self.end = Self::HEADER + body.len();
        self.bytes[Self::HEADER..self.end].copy_from_slice(body);
        true
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("record_type", &self.record_type)
            .field("truncated", &self.truncated)
            .field("body", &self.body())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Identity, Numbering, SessionClose, Template};

    fn record() -> Record {
        let close = SessionClose {
            session: throughline_core::SessionId::from_uuid(uuid::Uuid::nil()),
            recorded: 3,
            written: 2,
            lost: 1,
        };
        let template = Template::new(RecordType::default(), &Identity::default());
        template.record(&Entry::SessionClose(close), Numbering::default())
    }

    #[test]
    fn a_message_ends_in_one_nul_that_its_length_counts() {
        let mut record = record();
        let body = record.body().to_owned();
        let datagram = record.datagram(7);
        assert_eq!(
            u32::from_ne_bytes(datagram[0..4].try_into().unwrap()),
            u32::try_from(16 + body.len() + 1).unwrap()
        );
        assert_eq!(u16::from_ne_bytes(datagram[4..6].try_into().unwrap()), 1111);
        assert_eq!(datagram[16..], [body.as_bytes(), b"\0"].concat());
    }

    #[test]
    fn another_process_takes_over_only_what_was_made_here() {
        let mut record = record();
        let datagram = record.datagram(7).to_vec();
        let mut copy = Record::empty();
        assert!(copy.read_datagram(&datagram));
        assert_eq!(copy.body(), record.body());

        let mut login = datagram.clone();
        login[4..6].copy_from_slice(&1112_u16.to_ne_bytes());
        let mut control = datagram.clone();
        control[40] = b'\n';
        for bad in [
            &login[..],
            &control,
            &datagram[..15],
            &datagram[..datagram.len() - 1],
        ] {
            assert!(!Record::empty().read_datagram(bad));
        }
    }
}
