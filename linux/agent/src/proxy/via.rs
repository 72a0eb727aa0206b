//! A proxy between this one and the upstreams.

use std::{error::Error, fmt, io, str::FromStr};

use http::{
    HeaderValue, Uri,
    uri::{Authority, Scheme},
};
use serde::Deserialize;
use throughline_rules::Redaction;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{dial::Origin, tls::base64};

/// A proxy that every upstream is reached through.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct UpstreamProxy {
    host: String,
    port: u16,
    /// What its `Proxy-Authorization` is to be.
    credentials: Option<HeaderValue>,
    /// The URL without its password.
    shown: String,
}

impl UpstreamProxy {
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) const fn credentials(&self) -> Option<&HeaderValue> {
        self.credentials.as_ref()
    }

    /// Asks for a tunnel to `origin` on a new connection (RFC 9110 section 9.3.6), and reads no byte of what is in it.
    pub(super) async fn open_tunnel(
        &self,
        stream: &mut TcpStream,
        origin: &Origin,
    ) -> Result<(), ViaError> {
        let authority = origin.authority();
        let mut head =
            format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
        if let Some(credentials) = &self.credentials {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(credentials.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await.map_err(ViaError::Lost)?;
        let answer = read_head(stream).await?;
        let line = answer
            .split(|&byte| byte == b'\r')
            .next()
            .unwrap_or_default();
        let status = line.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        if line.starts_with(b"HTTP/1.") && matches!(status, [b'2', _, _]) {
            return Ok(());
        }
        Err(ViaError::Declined(line.escape_ascii().to_string()))
    }
}

/// Reads up to the end of a head and not a byte further.
async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>, ViaError> {
    let mut head = Vec::new();
    let mut seen = [0; 1024];
    while head.len() < HEAD_MAX {
        let count = stream.peek(&mut seen).await.map_err(ViaError::Lost)?;
        if count == 0 {
            return Err(ViaError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        let before = head.len();
        head.extend_from_slice(&seen[..count]);
        let end = head
            .windows(HEAD_END.len())
            .position(|bytes| bytes == HEAD_END);
        head.truncate(end.map_or(head.len(), |at| at + HEAD_END.len()));
        let taken = &mut seen[..head.len() - before];
        stream.read_exact(taken).await.map_err(ViaError::Lost)?;
        if end.is_some() {
            return Ok(head);
        }
    }
    Err(ViaError::TooLarge)
}

/// Why a proxy opens no tunnel.
#[derive(Debug)]
pub(super) enum ViaError {
    /// It says no, with this status line.
    Declined(String),
    /// It does not answer.
    TimedOut,
    /// The connection was lost.
    Lost(io::Error),
    /// Its answer does not end.
    TooLarge,
}

impl fmt::Display for ViaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upstream proxy opens no tunnel, ")?;
        match self {
            Self::Declined(line) => write!(f, "it says {line}"),
            Self::TimedOut => f.write_str("it does not answer"),
            Self::Lost(error) => error.fmt(f),
            Self::TooLarge => f.write_str("its answer does not end"),
        }
    }
}

impl Error for ViaError {}

impl FromStr for UpstreamProxy {
    type Err = UpstreamProxyError;

    fn from_str(text: &str) -> Result<Self, UpstreamProxyError> {
        let uri: Uri = text.parse().map_err(|_| UpstreamProxyError::Form)?;
        let host = uri.host().ok_or(UpstreamProxyError::Form)?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(UpstreamProxyError::Scheme);
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(UpstreamProxyError::Form);
        }
        let userinfo = uri.authority().and_then(|authority| {
            let (userinfo, _) = authority.as_str().rsplit_once('@')?;
            Some(userinfo)
        });
        let shown = Redaction::new().redact(text);
        let shown: Vec<u8> = shown.pieces().flatten().copied().collect();
        Ok(Self {
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: uri.authority().map_or(Ok(HTTP_PORT), port)?,
            credentials: userinfo.map(basic).transpose()?,
            shown: String::from_utf8_lossy(&shown).into_owned(),
        })
    }
}

impl TryFrom<String> for UpstreamProxy {
    type Error = UpstreamProxyError;

    fn try_from(text: String) -> Result<Self, UpstreamProxyError> {
        text.parse()
    }
}

impl fmt::Display for UpstreamProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Why a text names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamProxyError {
    /// It is not `http://host:port`.
    Form,
    /// It is to be spoken to in another way than HTTP in the clear.
    Scheme,
    /// A `%` in its userinfo without two hexadecimal digits, or what they say is no text.
    Userinfo,
}

impl fmt::Display for UpstreamProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "expected http://host:port or http://user:password@host:port",
            Self::Scheme => "a proxy is spoken to over http:// only",
            Self::Userinfo => "bad percent-encoding in the user or the password",
        })
    }
}

impl Error for UpstreamProxyError {}

/// Where it listens. One that is out of range is no port at all to [`Uri`], which would make it the usual one.
fn port(authority: &Authority) -> Result<u16, UpstreamProxyError> {
    let text = authority.as_str();
    let text = text.rsplit_once('@').map_or(text, |(_, text)| text);
    match text.strip_prefix(authority.host()) {
        None | Some("" | ":") => Ok(HTTP_PORT),
        Some(port) => {
            let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
            port.ok_or(UpstreamProxyError::Form)
        }
    }
}

/// Credentials by RFC 7617.
fn basic(userinfo: &str) -> Result<HeaderValue, UpstreamProxyError> {
    let mut plain = decoded(userinfo)?;
    if !plain.contains(&b':') {
        plain.push(b':');
    }
    let mut value = HeaderValue::try_from(format!("Basic {}", base64(&plain)))
        .map_err(|_| UpstreamProxyError::Userinfo)?;
    value.set_sensitive(true);
    Ok(value)
}

fn decoded(text: &str) -> Result<Vec<u8>, UpstreamProxyError> {
    let mut pieces = text.split('%');
    let mut plain = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(byte.ok_or(UpstreamProxyError::Userinfo)?);
        plain.extend_from_slice(&piece.as_bytes()[2..]);
    }
    Ok(plain)
}

const HTTP_PORT: u16 = 80;
const HEAD_END: &[u8] = b"\r\n\r\n";
/// How much of an answer is read (bytes, and a buffer more).
const HEAD_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_shown_without_its_password() {
        let proxy: UpstreamProxy = "http://eve:p%40ss@[::1]:3128/".parse().unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("::1", 3128));
        assert_eq!(proxy.to_string(), "http://eve:***@[::1]:3128/");
        // base64 of "eve:p@ss"
        assert_eq!(proxy.credentials().unwrap(), "Basic ZXZlOnBAc3M=");
        let proxy: UpstreamProxy = "http://proxy".parse().unwrap();
        assert_eq!((proxy.port(), proxy.credentials()), (80, None));
        for (text, port) in [("http://h:", 80), ("http://1:11", 11), ("http://[::1]", 80)] {
            assert_eq!(
                text.parse::<UpstreamProxy>().unwrap().port(),
                port,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        let cases = [
            ("proxy", UpstreamProxyError::Scheme),
            ("", UpstreamProxyError::Form),
            ("http://h/path", UpstreamProxyError::Form),
            ("http://h:99999", UpstreamProxyError::Form),
            ("http://u:1@h:65536", UpstreamProxyError::Form),
            ("http://[::1]:99999", UpstreamProxyError::Form),
            ("https://h:1", UpstreamProxyError::Scheme),
            ("socks5://h:1", UpstreamProxyError::Scheme),
            ("http://a%4@h", UpstreamProxyError::Userinfo),
            ("http://a%+4@h", UpstreamProxyError::Userinfo),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<UpstreamProxy>(), Err(error), "{text}");
        }
    }
}
