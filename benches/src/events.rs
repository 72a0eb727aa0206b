//! The events that are measured: requests to a few APIs, about 114 bytes each once encoded.

use std::sync::LazyLock;

use throughline_core::{HttpRequest, MatchedRule, ProcessName, Session, SessionId, Timestamp};
use uuid::Uuid;

/// What is known of a request before it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    /// The request method.
    pub method: &'static str,
    /// The URL that was asked for.
    pub url: &'static str,
    /// The rule that let it out.
    pub rule: &'static str,
}

impl Act {
    /// The request as a trail takes it.
    ///
    /// # Panics
    ///
    /// Never: no rule here is empty.
    #[inline]
    #[must_use]
    pub fn request(&self) -> HttpRequest<'static> {
        let rule = MatchedRule::new(self.rule).expect("a rule");
        HttpRequest::allowed(self.method, self.url, rule)
    }
}

/// The act with this number; they come round.
#[inline]
#[must_use]
pub fn act(number: usize) -> &'static Act {
    &ACTS[number % ACTS.len()]
}

/// A batch of ten.
pub const ACTS: [Act; 10] = [
    get("https://api.example.com/v1/models/large-2?full=1"),
    get("https://api.example.com/v1/threads/4711/messages"),
    post("https://api.example.com/v1/threads/4711/runs?s=1"),
    get("https://registry.example.com/serde/1.0.228/meta"),
    get("https://registry.example.com/tokio/1.54.0/meta?"),
    post("https://api.example.com/v1/embeddings?model=small"),
    get("https://git.example.com/group/project/info/refs"),
    get("https://api.example.com/v1/files/0c4e1111/content"),
    post("https://api.example.com/v1/threads/4711/cancel"),
    get("https://api.example.com/v1/models/small-1?full=0"),
];

/// The session that everything here belongs to.
#[must_use]
pub const fn session() -> Session {
    Session::new(session_id(), TIME)
}

/// Its identifier.
#[must_use]
pub const fn session_id() -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(0x0c4e_1111_2222_4333_8444_5555_6666_7777))
}

/// Its identifier as text.
pub const SESSION_TEXT: &str = "0c4e1111-2222-4333-8444-555566667777";

/// The confined program.
#[must_use]
pub fn process() -> &'static ProcessName {
    static NAME: LazyLock<ProcessName> = LazyLock::new(|| ProcessName::of_command(PROCESS));
    &NAME
}

/// Its name.
pub const PROCESS: &str = "agent";

/// A time of day, where the clock is not what is measured.
pub const TIME: Timestamp = Timestamp::new(1_790_000_000, 123_456_789);

const fn get(url: &'static str) -> Act {
    act_of("GET", url)
}

const fn post(url: &'static str) -> Act {
    act_of("POST", url)
}

const fn act_of(method: &'static str, url: &'static str) -> Act {
    Act {
        method,
        url,
        rule: "domain=*.example.com path=/v1/*",
    }
}
