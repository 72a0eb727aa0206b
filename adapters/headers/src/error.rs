use core::fmt;

/// A head was not rewritten; no buffer was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RewriteError {
    /// What is there may begin a head, and its blank line is not there yet.
    ///
    /// Read more and try again; the caller's limit on the length of a head ends the attempts.
    Incomplete,
    /// No strict reader takes this for a head, and readers differ in what they make of it.
    ///
    /// Answer 400 and close the connection: where the next request begins is unknown.
    Malformed {
        /// What is wrong.
        defect: Defect,
        /// Where it is (bytes from the start of the head).
        at: usize,
    },
    /// The head is good and its new form does not fit. Try again with more room.
    NoRoom {
        /// The length that the buffer must have (bytes).
        needed: usize,
    },
}

impl fmt::Display for RewriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => {
                f.write_str("the request head has no blank line yet, read more and try again")
            }
            Self::Malformed { defect, at } => {
                write!(
                    f,
                    "the request head has {defect} at byte {at}, refuse the request"
                )
            }
            Self::NoRoom { needed } => {
                write!(
                    f,
                    "the rewritten head needs a buffer of {needed} bytes, lend a larger one"
                )
            }
        }
    }
}

impl core::error::Error for RewriteError {}

/// What keeps bytes from being a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// The first line is not `method SP target SP HTTP/1.0` or `HTTP/1.1` (RFC 9112 section 3).
    RequestLine,
    /// A line begins with something that is no field name (RFC 9110 section 5.1).
    FieldName,
    /// There is whitespace before a colon, or within a field name (RFC 9112 section 5.1).
    SpaceBeforeColon,
    /// A line has no colon (RFC 9112 section 5).
    MissingColon,
    /// A line begins with whitespace, as if it continued the one before (RFC 9112 section 5.2).
    FoldedLine,
    /// A carriage return is not followed by a line feed (RFC 9112 section 2.2).
    BareCarriageReturn,
    /// A line feed does not follow a carriage return (RFC 9112 section 2.2).
    BareLineFeed,
    /// There is a NUL or another control byte (RFC 9110 section 5.5).
    ControlByte,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestLine => "no http/1.x request line",
            Self::FieldName => "a byte that no field name may hold",
            Self::SpaceBeforeColon => "whitespace before a colon",
            Self::MissingColon => "a line without a colon",
            Self::FoldedLine => "a folded line",
            Self::BareCarriageReturn => "a carriage return without a line feed",
            Self::BareLineFeed => "a line feed without a carriage return",
            Self::ControlByte => "a control byte",
        })
    }
}
