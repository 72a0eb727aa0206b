//! Why a request goes no further, and how its client is told.

use std::fmt;

use http_body_util::{Either, Full};
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{self, HeaderValue},
};
use throughline_core::Stamp;
use throughline_rules::UrlError;

use super::body::Download;

/// Why a request is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason<'p> {
    /// The policy's own words.
    Policy(&'p str),
    /// The target is not of the form that a proxy is asked in (RFC 9112 section 3.2).
    NotProxied,
    /// Neither `http://` nor a `CONNECT`.
    Scheme,
    /// Upstream and rules might read the URL in different ways.
    Url(UrlError),
    /// The target is the proxy.
    Itself,
    /// In a tunnel, and for another host than it leads to.
    Misdirected,
    /// In a tunnel, and for another tunnel.
    Nested,
    /// In a tunnel, and for the server as a whole: there is no URL to decide on (RFC 9112 section 3.2.4).
    Asterisk,
    /// What the client says in a tunnel is neither TLS nor HTTP.
    Unreadable,
    /// The client waits for the server to speak first in a tunnel, which TLS and HTTP never do.
    Silent,
    /// There is no TLS with the client, in the words of the library.
    Handshake(&'p str),
    /// The client asked for another TLS name than the tunnel's host.
    ServerName(&'p str),
    /// What is said in the tunnel is no HTTP/2, in the words of the library.
    Http2(&'p str),
    /// As many requests as may be are under way over HTTP/2.
    Crowded,
    /// The head is no HTTP/1 head.
    Malformed,
    /// The head is larger than the limit.
    TooLarge,
    /// The client stopped, or was stopped, before the head was whole.
    Incomplete,
}

impl Reason<'_> {
    const fn status(self) -> StatusCode {
        match self {
            Self::Policy(_) | Self::Itself => StatusCode::FORBIDDEN,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Crowded => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(words) => f.write_str(words),
            Self::NotProxied => f.write_str("not a proxy request"),
            Self::Scheme => f.write_str("not a URL of http; use CONNECT for https"),
            Self::Url(error) => write!(f, "ambiguous URL, {error}"),
            Self::Itself => f.write_str("the target is the proxy itself"),
            Self::Misdirected => f.write_str("the tunnel leads to another host"),
            Self::Nested => f.write_str("a CONNECT inside of a tunnel"),
            Self::Asterisk => f.write_str("the target is no URL"),
            Self::Unreadable => f.write_str(
                "neither TLS nor HTTP inside of the tunnel; --no-intercept passes it unread",
            ),
            Self::Silent => f.write_str(
                "the client said nothing inside of the tunnel; --no-intercept passes it unread",
            ),
            Self::Handshake(error) => write!(
                f,
                "the TLS handshake with the client failed, {error}; --no-intercept passes a host unread"
            ),
            Self::ServerName(name) => {
                write!(
                    f,
                    "the tunnel leads to another host than the TLS name {name}"
                )
            }
            Self::Http2(error) => write!(f, "the HTTP/2 inside of the tunnel broke, {error}"),
            Self::Crowded => {
                f.write_str("too many requests at a time; --max-connections allows more")
            }
            Self::Malformed => f.write_str("malformed request"),
            Self::TooLarge => f.write_str("the head of the request is too large"),
            Self::Incomplete => f.write_str("incomplete request"),
        }
    }
}

/// What the proxy says in place of an upstream.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    /// To a request that was held back; with the command line that would let it out, if there is one.
    pub(super) fn denied(stamp: Stamp, reason: Reason<'_>, allowing: Option<&str>) -> Self {
        let mut text = format!("denied: {reason}\nstamp: {stamp}\n");
        if let Some(line) = allowing {
            text.extend(["to allow it: ", line, "\n"]);
        }
        let status = reason.status();
        Self { status, text }
    }

    /// To a request that was let out, and whose body ended before its time or broke its framing.
    pub(super) fn unreadable(stamp: Stamp) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text: format!("the body of the request cannot be read to its end\nstamp: {stamp}\n"),
        }
    }

    /// To a request that was let out and came to nothing.
    pub(super) fn failed(stamp: Stamp, error: &impl fmt::Display) -> Self {
        Self {
            status: StatusCode::BAD_GATEWAY,
            text: format!("upstream failed: {error}\nstamp: {stamp}\n"),
        }
    }
}

/// What a client is sent: a text of the proxy, or an upstream's answer.
pub(super) struct Answer(pub(super) Response<Either<Full<Bytes>, Download>>);

impl Answer {
    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        let mut response = Response::new(Either::Left(Full::default()));
        *response.status_mut() = status;
        Self(response)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut response = Response::new(Either::Left(Full::from(refusal.text)));
        *response.status_mut() = refusal.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PLAIN);
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        Self(response)
    }
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
