//! The authority of a URL: userinfo, host and port (RFC 3986 section 3.2).

use core::str;

use crate::ipv6::is_ipv6;
use crate::url::{UrlError, UrlErrorKind};

/// A host as rules compare it, and the port beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host<'a> {
    /// Without brackets and without the dot that may end a name.
    pub(crate) name: &'a str,
    /// How many labels the name has; 0 for an IPv6 address, which has none.
    pub(crate) labels: usize,
    pub(crate) port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Parses `[userinfo@]host[:port]`, which stands `at` bytes into the URL.
    pub(crate) fn parse(at: usize, authority: &'a [u8]) -> Result<Self, UrlError> {
        let Some(sign) = memchr::memrchr(b'@', authority) else {
            return Self::parse_host_and_port(at, authority);
        };
        let (userinfo, rest) = authority.split_at_checked(sign).unwrap_or_default();
        // Clients disagree on where the host begins after a second "@" or a backslash.
        if let Some(bad) = memchr::memchr2(b'@', b'\\', userinfo) {
            return Err(UrlErrorKind::Userinfo.at(at.saturating_add(bad)));
        }
        let host = rest.strip_prefix(b"@").unwrap_or(rest);
        Self::parse_host_and_port(at.saturating_add(sign).saturating_add(1), host)
    }

    fn parse_host_and_port(at: usize, text: &'a [u8]) -> Result<Self, UrlError> {
        let end = match text.first() {
            Some(b'[') => memchr::memchr(b']', text).map(|close| close.saturating_add(1)),
            _ => memchr::memchr(b':', text),
        };
        let end = end.unwrap_or(text.len());
        let (host, rest) = text.split_at_checked(end).unwrap_or_default();
        let port = parse_port(rest).ok_or(UrlErrorKind::Port.at(at.saturating_add(end)))?;
        let (name, labels) = match host.strip_prefix(b"[") {
            Some(address) => (parse_address(at, address)?, 0),
            None => parse_name(at, host)?,
        };
        Ok(Self { name, labels, port })
    }
}

/// `:port`, `:` or nothing; the outer option is None for anything else.
fn parse_port(text: &[u8]) -> Option<Option<u16>> {
    let Some(digits) = text.strip_prefix(b":") else {
        return text.is_empty().then_some(None);
    };
    if digits.is_empty() {
        return Some(None);
    }
    // `parse` alone would take a "+" in front.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok().map(Some)
}

/// An address with its closing bracket.
fn parse_address(at: usize, text: &[u8]) -> Result<&str, UrlError> {
    let address = text
        .strip_suffix(b"]")
        .filter(|address| is_ipv6(address))
        .and_then(|address| str::from_utf8(address).ok());
    address.ok_or(UrlErrorKind::Address.at(at))
}

/// A name and its count of labels.
fn parse_name(at: usize, text: &[u8]) -> Result<(&str, usize), UrlError> {
    let bad = text.iter().position(|&byte| !is_host_byte(byte));
    if let Some(bad) = bad {
        return Err(UrlErrorKind::Host.at(at.saturating_add(bad)));
    }
    let name = text.strip_suffix(b".").unwrap_or(text);
    let labels = name.split(|&byte| byte == b'.');
    let mut count = 0_usize;
    for label in labels {
        if label.is_empty() {
            return Err(UrlErrorKind::Host.at(at));
        }
        count = count.saturating_add(1);
    }
    let name = str::from_utf8(name).map_err(|_| UrlErrorKind::Host.at(at))?;
    Ok((name, count))
}

/// Names in use, and no more: a host with another byte (percent-encoding, "*", ",") is read differently by different clients.
const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
