//! The authority of a URL: userinfo, host and port (RFC 3986 section 3.2).

use core::str;

use crate::ipv6::is_ipv6;
use crate::url::{UrlError, UrlErrorKind};

/// A host as rules compare it, and the port beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host<'a> {
    /// ASCII, without brackets and without the dot that may end a name.
    pub(crate) name: &'a [u8],
    /// The [`tail`] of the name.
    pub(crate) tail: u64,
    /// How many labels the name has; 0 for an IPv6 address, which has none.
    pub(crate) labels: usize,
    pub(crate) port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Parses `[userinfo@]host[:port]`, which stands `at` bytes into the URL.
    pub(crate) fn parse(at: usize, authority: &'a [u8]) -> Result<Self, UrlError> {
        // Most are a name alone: then there is nothing to look for.
        if let Ok(host) = Self::of_name(at, authority, None) {
            return Ok(host);
        }
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
        let Some(address) = host.strip_prefix(b"[") else {
            return Self::of_name(at, host, port);
        };
        let name = parse_address(at, address)?;
        Ok(Self {
            name,
            tail: tail(name),
            labels: 0,
            port,
        })
    }

    fn of_name(at: usize, text: &'a [u8], port: Option<u16>) -> Result<Self, UrlError> {
        let (name, labels) = parse_name(at, text)?;
        Ok(Self {
            name,
            tail: tail(name),
            labels,
            port,
        })
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
fn parse_address(at: usize, text: &[u8]) -> Result<&[u8], UrlError> {
    let address = text.strip_suffix(b"]").filter(|address| is_ipv6(address));
    address.ok_or(UrlErrorKind::Address.at(at))
}

/// A name and its count of labels.
fn parse_name(at: usize, text: &[u8]) -> Result<(&[u8], usize), UrlError> {
    let name = text.strip_suffix(b".").unwrap_or(text);
    let (mut count, mut before, mut empty) = (1_usize, b'.', false);
    for (place, &byte) in (0..).zip(name) {
        if !is_host_byte(byte) {
            return Err(UrlErrorKind::Host.at(at.saturating_add(place)));
        }
        empty |= byte == b'.' && before == b'.';
        count = count.wrapping_add(usize::from(byte == b'.'));
        before = byte;
    }
    if empty || before == b'.' {
        return Err(UrlErrorKind::Host.at(at));
    }
    Ok((name, count))
}

/// The last eight bytes of a name, the last one highest, without the bit that tells a letter's case. Names that
/// differ in it are not the same.
pub(crate) fn tail(name: &[u8]) -> u64 {
    const CASE: u64 = u64::from_le_bytes([0x20; 8]);
    match name.last_chunk() {
        Some(last) => u64::from_le_bytes(*last) | CASE,
        None => name
            .iter()
            .fold(0, |tail, &byte| tail >> 8 | u64::from(byte | 0x20) << 56),
    }
}

/// Names in use, and no more: a host with another byte (percent-encoding, "*", ",") is read differently by different clients.
fn is_host_byte(byte: u8) -> bool {
    HOST_BYTES.get(usize::from(byte)) == Some(&true)
}

static HOST_BYTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut rest: &[u8] = b"-_.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    while let [byte, tail @ ..] = rest {
        // Evaluated by the compiler, where an index out of range would not compile.
        #[allow(clippy::indexing_slicing, clippy::as_conversions)]
        {
            bytes[*byte as usize] = true;
        }
        rest = tail;
    }
    bytes
};
