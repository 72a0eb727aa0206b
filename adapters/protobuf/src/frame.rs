use core::fmt;

/// What a frame on the agent socket carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tag {
    /// A bare request, which older agents read; it cannot carry a status.
    V1,
    /// A request or a status, in an envelope.
    #[default]
    V2,
}

impl Tag {
    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// The four bytes in front of each message: the tag, and the length of the message.
///
/// ```text
///   | tag: 8 bits | length: 24 bits |   big-endian
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub tag: Tag,
    /// The length of what follows (bytes, 0..=[`Header::PAYLOAD_MAX`]).
    pub len: usize,
}

impl Header {
    /// The length of a header (bytes).
    pub const LEN: usize = 4;

    /// The greatest length that a message may have (bytes, inclusive).
    pub const PAYLOAD_MAX: usize = 32_768;

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if nothing that follows can be trusted; the public receiver closes the
    /// connection then.
    pub fn parse(bytes: [u8; Self::LEN]) -> Result<Self, FrameError> {
        let [tag, high, middle, low] = bytes;
        let tag = match tag {
            1 => Tag::V1,
            2 => Tag::V2,
            tag => return Err(FrameError::UnknownTag { tag }),
        };
        let len = u32::from_be_bytes([0, high, middle, low]);
        match usize::try_from(len) {
            Ok(len) if len <= Self::PAYLOAD_MAX => Ok(Self { tag, len }),
            _ => Err(FrameError::TooLong { len }),
        }
    }

    /// The header as bytes, or `None` if the length is over the limit.
    #[must_use]
    pub fn to_bytes(self) -> Option<[u8; Self::LEN]> {
        if self.len > Self::PAYLOAD_MAX {
            return None;
        }
        let [_, high, middle, low] = u32::try_from(self.len).ok()?.to_be_bytes();
        Some([self.tag.value(), high, middle, low])
    }
}

/// Asks the receiver to answer each frame of this connection, this one first, with an
/// [`ACKNOWLEDGEMENT`] once it has kept it.
///
/// It is a whole frame: a status that says nothing but that, in a field which the public receiver
/// skips. That receiver never answers, so a sender that hears nothing takes a finished write for
/// all that it will know.
pub const ACKNOWLEDGE: [u8; 9] = [2, 0, 0, 5, 0x12, 3, 0xd8, 0x3e, 1];

/// The oldest frame of this connection that was not answered is kept.
///
/// It is a frame without a message, under a tag that goes this way only.
pub const ACKNOWLEDGEMENT: [u8; Header::LEN] = [3, 0, 0, 0];

/// A sender that does not speak this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The tag is neither 1 nor 2.
    ///
    /// The sender speaks another protocol, or a later one: look what it is.
    UnknownTag {
        /// The tag that was found.
        tag: u8,
    },
    /// The message would be longer than [`Header::PAYLOAD_MAX`].
    ///
    /// The sender does not keep to the limit, or the stream is out of step.
    TooLong {
        /// The length that was found (bytes).
        len: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTag { tag } => {
                write!(f, "a frame has tag {tag}; only 1 and 2 are known")
            }
            Self::TooLong { len } => write!(
                f,
                "a frame claims {len} bytes; at most {} are allowed",
                Header::PAYLOAD_MAX
            ),
        }
    }
}

impl core::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    #[test]
    fn headers_are_read_as_they_are_written() {
        for (tag, len) in [(Tag::V1, 0), (Tag::V2, 1), (Tag::V2, Header::PAYLOAD_MAX)] {
            let header = Header { tag, len };
            assert_eq!(Header::parse(header.to_bytes().unwrap()), Ok(header));
        }
    }

    #[test]
    fn the_request_for_answers_is_a_status_that_says_so() {
        let (header, payload) = ACKNOWLEDGE.split_first_chunk().unwrap();
        let header = Header::parse(*header).unwrap();
        assert_eq!(header.len, payload.len());
        let Ok(Message::Status(status)) = Message::decode(header.tag, payload) else {
            panic!("a status")
        };
        assert!(status.acknowledge && status.session_id.is_empty());
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        let len = Header::PAYLOAD_MAX + 1;
        assert_eq!(Header { tag: Tag::V2, len }.to_bytes(), None);
        assert_eq!(
            Header::parse([2, 0, 0x80, 1]),
            Err(FrameError::TooLong { len: 32_769 })
        );
        assert_eq!(
            Header::parse([2, 0xff, 0xff, 0xff]),
            Err(FrameError::TooLong { len: 0xff_ffff })
        );
        assert_eq!(
            Header::parse([b'G', b'E', b'T', b' ']),
            Err(FrameError::UnknownTag { tag: b'G' })
        );
    }
}
