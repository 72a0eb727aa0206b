//! Finding the userinfo of a URL that may be malformed.

use core::ops::Range;

/// What of the userinfo to hide: all of it with `user`, else the password (bytes from the start of the URL).
pub(crate) fn hidden_userinfo(url: &[u8], user: bool) -> Option<Range<usize>> {
    let start = authority_start(url)?;
    let rest = url.get(start..)?;
    let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let sign = memchr::memrchr(b'@', authority);
    let host = sign.map_or(0, |sign| sign.saturating_add(1));
    // A password with a plain "/", "?" or "#" ends the authority early and leaves a host that is none.
    let sign = if is_odd_host(authority.get(host..)?) {
        memchr::memrchr(b'@', rest)?
    } else {
        sign?
    };
    let hidden_from = if user {
        0
    } else {
        memchr::memchr(b':', rest.get(..sign)?)?.saturating_add(1)
    };
    Some(start.saturating_add(hidden_from)..start.saturating_add(sign))
}

/// Where the authority begins: behind `scheme://` or `//` (a backslash is as good as a slash, since some clients think
/// so), else at the start; None for a path alone.
fn authority_start(url: &[u8]) -> Option<usize> {
    let colon = memchr::memchr3(b':', b'/', b'\\', url).filter(|&at| url.get(at) == Some(&b':'));
    let slashes_at = colon.map_or(0, |at| at.saturating_add(1));
    let is_slash = |byte: &&u8| matches!(byte, b'/' | b'\\');
    let slashes = url.get(slashes_at..)?.iter().take_while(is_slash).count();
    match (slashes, colon) {
        (0 | 1, Some(_)) | (0, None) => Some(0),
        (1, None) => None,
        _ => Some(slashes_at.saturating_add(slashes)),
    }
}

/// Whether this is no `host` or `host:port`; an empty port is legal, and so rare that a password is more likely.
fn is_odd_host(text: &[u8]) -> bool {
    if text.starts_with(b"[") {
        return false;
    }
    let colon = memchr::memchr(b':', text);
    let port = colon.and_then(|at| text.get(at.saturating_add(1)..));
    text.is_empty()
        || port.is_some_and(|port| port.is_empty() || !port.iter().all(u8::is_ascii_digit))
}
