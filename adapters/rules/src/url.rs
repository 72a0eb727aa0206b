//! A request's URL, parsed once for all rules.

use core::error::Error;
use core::{fmt, str};

use crate::host::Host;
use crate::segment::{PathProblem, Segments, start};

/// A request's URL, split and resolved as rules compare it; borrows the bytes it was parsed from.
///
/// Two forms are read: absolute (`http://user:pw@host:8080/a/../b?x#y`) and authority (`host:port`, the target of a
/// `CONNECT`). Bytes from 0x80 on are taken as they are, valid UTF-8 or not, outside of the host.
#[derive(Clone, Debug)]
pub struct Url<'a> {
    scheme: Option<&'a [u8]>,
    host: Host<'a>,
    path: &'a [u8],
    segments: Segments<'a>,
    problem: Option<PathProblem>,
    /// The [`start`] of the first segment of a clear path.
    first: Option<u64>,
}

impl<'a> Url<'a> {
    /// Splits a URL and resolves the dot segments of its path.
    ///
    /// A path that is not clear is no error here: rules without `path=` still decide on its host. See [`Url::segments`].
    ///
    /// # Errors
    ///
    /// [`UrlError`] when clients would disagree on the host, or when there is none. Deny such a request.
    pub fn parse<T: AsRef<[u8]> + ?Sized>(url: &'a T) -> Result<Self, UrlError> {
        let url = url.as_ref();
        let is_bad = |byte: u8| byte <= b' ' || byte == 0x7f;
        // Without an early exit, so that the compiler tests many bytes at once.
        if url.iter().fold(false, |found, &byte| found | is_bad(byte)) {
            let at = url.iter().position(|&byte| is_bad(byte));
            return Err(UrlErrorKind::Byte.at(at.unwrap_or_default()));
        }
        match split_scheme(url) {
            Some((scheme, rest)) => Self::parse_absolute(scheme, rest),
            None => Self::parse_authority(url),
        }
    }

    fn parse_absolute(scheme: &'a [u8], rest: &'a [u8]) -> Result<Self, UrlError> {
        if !matches!(scheme, b"https" | b"http") && !is_scheme(scheme) {
            return Err(UrlErrorKind::Form.at(0));
        }
        let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(end).unwrap_or_default();
        let at = scheme.len().saturating_add(SCHEME_END.len());
        let host = Host::parse(at, authority)?;
        let end = memchr::memchr2(b'?', b'#', tail).unwrap_or(tail.len());
        let path = tail.get(..end).unwrap_or_default();
        let mut url = Self {
            scheme: Some(scheme),
            host,
            path,
            segments: Segments::none(),
            problem: None,
            first: None,
        };
        // In place: a kilobyte is not to be moved about.
        url.problem = url.segments.resolve(path).err();
        if url.problem.is_none() {
            url.first = url
                .segments
                .as_slice()
                .first()
                .and_then(|first| start(first));
        }
        Ok(url)
    }

    fn parse_authority(authority: &'a [u8]) -> Result<Self, UrlError> {
        if let Some(at) = authority.iter().position(|byte| b"/?#@".contains(byte)) {
            return Err(UrlErrorKind::Form.at(at));
        }
        let host = Host::parse(0, authority)?;
        // Without its port a bare word would pass for a host: "index.html" is more likely a mistake.
        if host.port.is_none() {
            return Err(UrlErrorKind::Form.at(authority.len()));
        }
        Ok(Self {
            scheme: None,
            host,
            path: &[],
            segments: Segments::none(),
            problem: Some(PathProblem::Absent),
            first: None,
        })
    }

    /// The scheme as written, without `://`; None in authority form.
    #[must_use]
    pub const fn scheme(&self) -> Option<&'a [u8]> {
        self.scheme
    }

    /// The host as written, never empty, without the brackets of an IPv6 address and without a name's last dot.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        match str::from_utf8(self.host.name) {
            Ok(name) => name,
            // It is ASCII, so this is never seen.
            Err(_) => "",
        }
    }

    /// The bytes of [`Url::host`].
    pub(crate) const fn host_bytes(&self) -> &'a [u8] {
        self.host.name
    }

    /// The [`tail`](crate::host::tail) of the host.
    pub(crate) const fn host_tail(&self) -> u64 {
        self.host.tail
    }

    /// Whether the host is an IPv6 address, which of all domains only `domain=*` matches.
    #[must_use]
    pub const fn is_ipv6(&self) -> bool {
        self.host.labels == 0
    }

    /// The port, where the URL names one.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.host.port
    }

    /// The path as written, without query and fragment; empty where there is none.
    #[must_use]
    pub const fn path(&self) -> &'a [u8] {
        self.path
    }

    /// The segments that a `path=` is compared with: 1 to [`MAX_SEGMENTS`](crate::MAX_SEGMENTS) of them, dot segments
    /// resolved, percent-encoding as written. A path that ends in `/` has an empty last segment.
    ///
    /// # Errors
    ///
    /// Why the path matches no `path=` at all.
    pub fn segments(&self) -> Result<&[&'a [u8]], PathProblem> {
        match self.problem {
            Some(problem) => Err(problem),
            None => Ok(self.segments.as_slice()),
        }
    }

    /// The [`start`] of the first segment, where the path is clear and nothing is encoded there.
    pub(crate) const fn first(&self) -> Option<u64> {
        self.first
    }

    /// How many labels the host has; None for an IPv6 address.
    pub(crate) fn label_count(&self) -> Option<usize> {
        Some(self.host.labels).filter(|&count| count > 0)
    }
}

/// What is wrong with a URL, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UrlError {
    kind: UrlErrorKind,
    offset: usize,
}

impl UrlError {
    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> UrlErrorKind {
        self.kind
    }

    /// Where it is wrong (bytes from the start of the URL, at most its length).
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.offset.saturating_add(1);
        write!(f, "column {column}: {}", self.kind.text())
    }
}

impl Error for UrlError {}

/// The ways in which a URL can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlErrorKind {
    /// Neither `scheme://host...` nor `host:port`.
    Form,
    /// A space or a control byte; percent-encode it.
    Byte,
    /// A second `@` or a backslash before the host; percent-encode it.
    Userinfo,
    /// The host is empty, has an empty label, or has a byte other than letters, digits, `-`, `_` and `.`.
    Host,
    /// What stands in brackets is no IPv6 address, or the bracket is not closed.
    Address,
    /// The port is not a number from 0 to 65535.
    Port,
}

impl UrlErrorKind {
    pub(crate) const fn at(self, offset: usize) -> UrlError {
        UrlError { kind: self, offset }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Form => "expected a URL of the form scheme://host/path or host:port",
            Self::Byte => "a space or control byte in the URL; percent-encode it",
            Self::Userinfo => {
                "a second \"@\" or a backslash before the host; percent-encode the one in the userinfo"
            }
            Self::Host => {
                "expected a host of non-empty labels of letters, digits, \"-\" or \"_\"; write other names in ASCII (xn--...)"
            }
            Self::Address => "expected an IPv6 address in brackets",
            Self::Port => "expected a port from 0 to 65535",
        }
    }
}

const SCHEME_END: &[u8] = b"://";

fn split_scheme(url: &[u8]) -> Option<(&[u8], &[u8])> {
    for usual in [b"https", &b"http"[..]] {
        if let Some(rest) = url.strip_prefix(usual)
            && let Some(rest) = rest.strip_prefix(SCHEME_END)
        {
            return Some((usual, rest));
        }
    }
    let (scheme, rest) = url.split_at_checked(memchr::memchr(b':', url)?)?;
    Some((scheme, rest.strip_prefix(SCHEME_END)?))
}

fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::{Url, UrlErrorKind};
    use crate::segment::PathProblem;
    use std::string::ToString;

    #[test]
    fn an_absolute_url_is_split_into_what_rules_compare() {
        let url = Url::parse("http://user:pw@Host.example.:8080/a/../b?x=/y#z").unwrap();
        assert_eq!(url.scheme(), Some(&b"http"[..]));
        assert_eq!((url.host(), url.port()), ("Host.example", Some(8080)));
        assert_eq!(url.path(), b"/a/../b");
        assert_eq!(url.segments().unwrap(), [b"b"]);
    }

    #[test]
    fn an_authority_has_a_host_and_no_path() {
        let url = Url::parse("example.com:443").unwrap();
        assert_eq!((url.host(), url.port()), ("example.com", Some(443)));
        assert_eq!(url.segments(), Err(PathProblem::Absent));
        let url = Url::parse("[2001:db8::1]:443").unwrap();
        assert_eq!((url.host(), url.is_ipv6()), ("2001:db8::1", true));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_taken_outside_of_the_host() {
        let url = Url::parse(&b"http://h/\xff\xfe?\xc3"[..]).unwrap();
        assert_eq!(url.segments().unwrap(), [b"\xff\xfe"]);
    }

    #[test]
    fn what_clients_read_in_different_ways_is_refused_where_it_stands() {
        let cases: [(&str, UrlErrorKind, usize); 22] = [
            ("", UrlErrorKind::Host, 0),
            ("/path", UrlErrorKind::Form, 0),
            ("example.com", UrlErrorKind::Form, 11),
            ("u@h:1", UrlErrorKind::Form, 1),
            ("1http://h/", UrlErrorKind::Form, 0),
            ("//h/", UrlErrorKind::Form, 0),
            ("http:///a", UrlErrorKind::Host, 7),
            ("http://./", UrlErrorKind::Host, 7),
            ("http://a..b/", UrlErrorKind::Host, 7),
            ("http://a%2eb/", UrlErrorKind::Host, 8),
            ("http://h\u{e9}/", UrlErrorKind::Host, 8),
            ("http://a@b@c/", UrlErrorKind::Userinfo, 8),
            ("http://evil\\@good/", UrlErrorKind::Userinfo, 11),
            ("http://good\\evil/", UrlErrorKind::Host, 11),
            ("http://h/a b", UrlErrorKind::Byte, 10),
            ("http://h/\r", UrlErrorKind::Byte, 9),
            ("http://[::1/", UrlErrorKind::Address, 7),
            ("http://[1.2.3.4]/", UrlErrorKind::Address, 7),
            ("http://[::1]x/", UrlErrorKind::Port, 12),
            ("http://h:+1/", UrlErrorKind::Port, 8),
            ("http://h:65536/", UrlErrorKind::Port, 8),
            ("http://h:1:2/", UrlErrorKind::Port, 8),
        ];
        for (url, kind, offset) in cases {
            let error = Url::parse(url).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (kind, offset), "{url}");
        }
    }

    #[test]
    fn the_message_counts_columns_from_one() {
        let error = Url::parse("http://h:x/").unwrap_err();
        assert_eq!(
            error.to_string(),
            "column 9: expected a port from 0 to 65535"
        );
    }
}
