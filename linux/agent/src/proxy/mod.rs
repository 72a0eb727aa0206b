//! The explicit proxy that a confined program speaks to: HTTP in the clear, and in tunnels, in the clear or over TLS.
//!
//! Every request is decided on, recorded, and only then sent or refused:
//!
//! ```text
//!   client ---> Tap ---> hyper ---> judge ---> Policy      allowed by a rule, or denied, and why
//!     ^          |                    |
//!     |          |                    +------> Recorder    one event, which gives the stamp
//!     |          |                    |
//!     |          |                    +------> refusal     403, 400, 421: the stamp, why, what would allow it
//!     |          |                    |
//!     |          |                    +------> forward     strip, inject, pooled upstream, body as it comes
//!     |          |                    |
//!     |          |                    +------> tunnel      bytes both ways: a WebSocket, a CONNECT to a pinned host
//!     |          |                    |
//!     +-------------------------------+------- intercept   any other CONNECT: TLS in the host's name, or clear HTTP
//!                |
//!                +--> a head that hyper refuses by itself: one denied event too
//! ```
//!
//! # What holds
//!
//! - One event a request, before anything leaves. A head that cannot be read, or never ends, is an event as well.
//! - What was matched is what is logged and what the upstream sees: the URL is read once, and its dot segments are
//!   resolved before all three. A `Host` that differs from the URL is replaced (RFC 9112 section 3.2.2).
//! - Both correlation headers are stripped from every request, trailers included, and set on inject targets only. No
//!   answer shows them.
//! - A request is sent once. One with a safe method and no body is sent once more, with the stamp that it has, if a
//!   connection that was kept is lost before it is answered.
//! - Userinfo is dropped before sending and its password is hidden in the event.
//! - The framing of a message is never copied, it is made anew: `Transfer-Encoding` and `Content-Length` in one
//!   request reach the upstream as one chunked request, and the client's connection ends after it.
//!
//! # Tunnels
//!
//! - A `CONNECT` is an event of its own. It is let out if any rule has its host; what is asked for inside of it has to
//!   match that rule, or another, in full. Nothing reaches the upstream before that.
//! - The first byte inside tells TLS from clear text. Both are served as HTTP, and what is none ends the tunnel and is
//!   a denied event: an unknown protocol, a client that waits for the server to speak first, a TLS handshake that
//!   fails. No byte passes unread.
//! - Inside, a URL begins with what the `CONNECT` named. A request for another host is refused with 421, a TLS name of
//!   another host ends the handshake: the upstream would see one host where the record says another.
//! - The upstream is spoken to over TLS if the client was, and has to prove who it is.
//! - A `CONNECT` to a pinned host is decided on as a request with the method `CONNECT`, and is all that is recorded.
//!
//! # What it does not do
//!
//! - Inside of a WebSocket, and of a tunnel to a pinned host, nothing is read.
//! - Over HTTP/2 a head that the library refuses (malformed, or too large: 431) is answered and is no event: the
//!   library does not tell. Nothing of it leaves. A connection that breaks the protocol as a whole is an event.
//! - HTTP/2 in clear text is refused, and so is `CONNECT` over HTTP/2, with it WebSocket over HTTP/2 (RFC 8441).
//! - `Upgrade` is passed on for WebSocket alone. An upgrade to `h2c` would open a way for requests that no rule sees.
//! - A rule without `path=` does not look at the path: then one that upstreams read in different ways (`..%2f`, a
//!   backslash) is forwarded as it was sent. Every rule with `path=` refuses it.
//! - Interim answers (1xx) of an upstream are not relayed; `100 Continue` is the proxy's own.
//! - A head of more than 100 fields is refused over HTTP/1, either way.
//! - A client that ends its side of a connection has left: its request is cut off, answered or not.
//! - There is no limit to how long an upstream may take to answer, nor to how long a body may take either way: whoever
//!   stops in the middle of one holds a connection, and no more memory than [`Settings::WINDOW`] a side.
//! - `OPTIONS` and `TRACE` are forwarded without regard to `Max-Forwards`.

mod alarm;
mod attentive;
mod body;
mod chunks;
mod client;
mod dial;
mod forward;
mod gate;
mod hint;
mod hop;
mod http1;
mod intercept;
mod judge;
mod lenient;
mod pool;
mod refusal;
mod rewound;
mod rules;
mod scope;
mod sender;
mod server;
mod settings;
mod tap;
mod tls;
mod tunnel;
mod uses;
mod via;

#[cfg(test)]
mod tests;

pub(crate) use gate::{Gate, Policy, Recorder};
pub(crate) use rules::RulePolicy;
pub(crate) use server::Proxy;
pub(crate) use settings::Settings;
pub(crate) use tls::{Authority, AuthorityError, Trust, TrustError};
pub(crate) use via::UpstreamProxy;
