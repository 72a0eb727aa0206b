use core::fmt;

use heapless::String;
use uuid::{Builder, Uuid};

use crate::{Entropy, Timestamp};

/// The name of a session: a UUID, random (version 4) unless it was given.
///
/// Shown and sent in the hyphenated lower-case text form (RFC 9562 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    /// The length of the text form (bytes).
    pub const TEXT_LEN: usize = 36;

    /// Draws a new random identifier (RFC 9562 section 5.4).
    #[must_use]
    pub fn draw(entropy: &impl Entropy) -> Self {
        Self(Builder::from_random_bytes(entropy.random()).into_uuid())
    }

    /// The identifier of a session that was named elsewhere.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The identifier as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// The hyphenated lower-case text form.
    #[must_use]
    pub fn to_text(self) -> SessionText {
        let mut bytes = [0; Self::TEXT_LEN];
        self.0.hyphenated().encode_lower(&mut bytes);
        SessionText(bytes)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The text form of a [`SessionId`], kept so that it is made once a session and not once a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionText([u8; SessionId::TEXT_LEN]);

impl SessionText {
    /// The 36 ASCII bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SessionId::TEXT_LEN] {
        &self.0
    }

    /// The 36 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // A UUID's text is ASCII, so the fallback is never seen.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The base name of the confined program, as the wire carries it.
///
/// At most [`ProcessName::MAX`] bytes are kept; a longer name is cut at a character's border.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessName(String<{ Self::MAX }>);

impl ProcessName {
    /// The greatest length that is kept (bytes, inclusive).
    pub const MAX: usize = 63;

    /// No name.
    pub const NONE: Self = Self(String::new());

    /// The base name of a command: what follows its last `/`, in whole if it is short enough.
    #[must_use]
    pub fn of_command(command: &str) -> Self {
        // Read from its front: a search from the back has a path to a panic.
        let mut base = "";
        for part in command.split('/').filter(|part| !part.is_empty()) {
            base = part;
        }
        let mut name = String::new();
        for character in base.chars() {
            if name.push(character).is_err() {
                break;
            }
        }
        Self(name)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One run of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    id: SessionId,
    started: Timestamp,
}

impl Session {
    /// The session `id`, begun at `started`.
    #[must_use]
    pub const fn new(id: SessionId, started: Timestamp) -> Self {
        Self { id, started }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// When it began.
    #[must_use]
    pub const fn started(&self) -> Timestamp {
        self.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Entropy for Ones {
        fn random(&self) -> [u8; 16] {
            [0xff; 16]
        }
    }

    #[test]
    fn a_drawn_identifier_is_a_version_4_uuid() {
        let id = SessionId::draw(&Ones);
        assert_eq!(id.as_uuid().get_version_num(), 4);
        assert_eq!(
            id.to_text().as_str(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }

    #[test]
    fn a_process_name_is_a_base_name_cut_at_a_character() {
        assert_eq!(ProcessName::of_command("/usr/bin/curl").as_str(), "curl");
        assert_eq!(ProcessName::of_command("bin/").as_str(), "bin");
        assert_eq!(ProcessName::of_command("/"), ProcessName::NONE);
        let long = "ä".repeat(ProcessName::MAX);
        assert_eq!(ProcessName::of_command(&long).as_str().len(), 62);
    }
}
