use std::time::Duration;

use super::via::UpstreamProxy;

/// The limits of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How many clients are served at a time (count); more wait to be accepted. Over HTTP/2 also how many requests may
    /// be under way on all connections together; more are answered 503.
    pub(crate) connections: u32,
    /// How long a client may be silent between requests, and how long a head may take to arrive whole.
    pub(crate) head_timeout: Duration,
    /// How long one address of an upstream may take to accept a connection.
    pub(crate) connect_timeout: Duration,
    /// How long an unread tunnel may carry no byte, and HTTP/2 no request; it ends after one to two times this.
    pub(crate) tunnel_idle: Duration,
    /// The size of a request's head at most (bytes, URL included, at least [`Settings::HEAD_FLOOR`]): more is answered
    /// 431.
    pub(crate) head_max: u32,
    /// The proxy that every upstream is reached through.
    pub(crate) via: Option<UpstreamProxy>,
}

impl Settings {
    /// The least that the greatest size of a head may be (bytes).
    pub(crate) const HEAD_FLOOR: u32 = 8 * 1024;

    /// The size of an upstream's head at most (bytes, over HTTP/2 as RFC 9113 section 6.5.2 counts).
    pub(crate) const ANSWER_HEAD_MAX: u32 = 256 * 1024;

    /// How much of a body is held at most, on its way between two sides of which one does not read (bytes, on each
    /// side). With the other limits it bounds the memory of a proxy, whatever its clients and upstreams do.
    pub(crate) const WINDOW: u32 = 256 * 1024;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            tunnel_idle: Duration::from_secs(15 * 60),
            head_max: 64 * 1024,
            via: None,
        }
    }
}
