use core::fmt;

use crate::scan;

/// The names of the two header fields that carry a stamp.
///
/// ```
/// use throughline_headers::Names;
///
/// let own = Names::new("X-Run", "X-Run-Act")?;
/// assert_eq!(own.session(), "X-Run");
/// assert!(Names::new("X-Run", "x_run").is_err());
/// # Ok::<(), throughline_headers::NamesError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    session: &'a str,
    sequence: &'a str,
}

impl Names<'static> {
    /// The names that the public gateway reads.
    pub const DEFAULT: Self = Self {
        session: "X-Coder-Agent-Firewall-Session-Id",
        sequence: "X-Coder-Agent-Firewall-Sequence-Number",
    };
}

impl<'a> Names<'a> {
    /// The greatest length of a name (bytes, inclusive).
    pub const MAX_LEN: usize = 63;

    /// Takes the names `session` and `sequence`.
    ///
    /// # Errors
    ///
    /// If a name is no field name (RFC 9110 section 5.1), is too long, belongs to HTTP itself or to
    /// tracing, or if both are one name to a server that folds separators.
    pub fn new(session: &'a str, sequence: &'a str) -> Result<Self, NamesError> {
        check(session, Role::Session)?;
        check(sequence, Role::Sequence)?;
        if same_name(session.as_bytes(), sequence.as_bytes()) {
            return Err(NamesError::Same);
        }
        Ok(Self { session, sequence })
    }

    /// The name of the field that carries the session's identifier.
    #[must_use]
    pub const fn session(&self) -> &'a str {
        self.session
    }

    /// The name of the field that carries the sequence number.
    #[must_use]
    pub const fn sequence(&self) -> &'a str {
        self.sequence
    }
}

impl Default for Names<'static> {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which of the two names is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The name of the session's field.
    Session,
    /// The name of the sequence number's field.
    Sequence,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Sequence => "sequence",
        })
    }
}

/// Two names were not taken. The settings are at fault, never a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamesError {
    /// A name has no byte.
    Empty {
        /// Which name.
        role: Role,
    },
    /// A name has more than [`Names::MAX_LEN`] bytes.
    TooLong {
        /// Which name.
        role: Role,
        /// Its length (bytes).
        len: usize,
    },
    /// A name holds a byte that no field name may hold.
    NotAToken {
        /// Which name.
        role: Role,
        /// The place of the first such byte (bytes from the name's start).
        at: usize,
    },
    /// A name has a meaning of its own in HTTP or in W3C tracing.
    Reserved {
        /// Which name.
        role: Role,
    },
    /// The names differ in letter case or separators only.
    Same,
}

impl fmt::Display for NamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { role } => write!(f, "the {role} header's name is empty, give one"),
            Self::TooLong { role, len } => write!(
                f,
                "the {role} header's name has {len} bytes, shorten it to {} or fewer",
                Names::MAX_LEN
            ),
            Self::NotAToken { role, at } => write!(
                f,
                "byte {at} of the {role} header's name is not allowed there; use letters, digits and hyphens"
            ),
            Self::Reserved { role } => write!(
                f,
                "the {role} header's name already has a meaning in http, choose another"
            ),
            Self::Same => f.write_str(
                "both headers have one name, choose two that differ in letters or digits",
            ),
        }
    }
}

impl core::error::Error for NamesError {}

/// Whether a server may take two field names for one.
///
/// Letter case never counts (RFC 9110 section 5.1). Servers that hand fields on as environment
/// variables write `_` for every separator (RFC 3875 section 4.1.18), so separators do not count either.
pub(crate) fn same_name(one: &[u8], other: &[u8]) -> bool {
    // Without an early exit, so that the compiler compares many bytes at once.
    one.len() == other.len()
        && one.iter().zip(other).fold(true, |same, (one, other)| {
            same & (folded(*one) == folded(*other))
        })
}

#[inline]
const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

fn check(name: &str, role: Role) -> Result<(), NamesError> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Err(NamesError::Empty { role });
    }
    let len = bytes.len();
    if len > Names::MAX_LEN {
        return Err(NamesError::TooLong { role, len });
    }
    let at = scan::token_end(bytes, 0);
    if at < len {
        return Err(NamesError::NotAToken { role, at });
    }
    if RESERVED.iter().any(|reserved| same_name(bytes, reserved)) {
        return Err(NamesError::Reserved { role });
    }
    Ok(())
}

const RESERVED: [&[u8]; 14] = [
    b"Connection",
    b"Content-Length",
    b"Content-Type",
    b"Host",
    b"Keep-Alive",
    b"Proxy-Connection",
    b"TE",
    b"Trailer",
    b"Transfer-Encoding",
    b"Upgrade",
    b"Authorization",
    b"traceparent",
    b"tracestate",
    b"baggage",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_names_would_be_taken() {
        let names = Names::DEFAULT;
        assert_eq!(Names::new(names.session, names.sequence), Ok(names));
    }

    #[test]
    fn letter_case_and_separators_make_no_difference() {
        assert!(same_name(b"X-Run-Id", b"x_RUN.iD"));
        assert!(!same_name(b"X-Run-Id", b"X-Run-Ie"));
        assert!(!same_name(b"X-Run-Id", b"X-Run-I"));
    }

    #[test]
    fn a_bad_name_is_refused_with_its_cause() {
        let role = Role::Session;
        let cause = |name| Names::new(name, "X-Act").unwrap_err();
        assert_eq!(cause(""), NamesError::Empty { role });
        assert_eq!(cause("X Run"), NamesError::NotAToken { role, at: 1 });
        assert_eq!(cause("X-Läuf"), NamesError::NotAToken { role, at: 3 });
        assert_eq!(cause("content_length"), NamesError::Reserved { role });
        assert_eq!(cause("x_act"), NamesError::Same);
        let long = "x".repeat(Names::MAX_LEN + 1);
        assert_eq!(cause(&long), NamesError::TooLong { role, len: 64 });
        let role = Role::Sequence;
        assert_eq!(
            Names::new("X-Run", "baggage"),
            Err(NamesError::Reserved { role })
        );
    }
}
