//! What belongs to one connection and not to the message (RFC 9110 section 7.6.1).

use hyper::{
    HeaderMap, Version,
    header::{self, HeaderName, HeaderValue},
};

/// Removes the fields of one connection: those that `Connection` names, and those that are always so.
pub(super) fn strip(headers: &mut HeaderMap) {
    let found = found(headers);
    strip_found(headers, found);
}

/// Those of the fields that are always of one connection which are there.
pub(super) fn found(headers: &HeaderMap) -> Vec<HeaderName> {
    // A pass over the few fields there are costs less than looking up each of these names.
    let names = headers.keys().filter(|name| ALWAYS.contains(name));
    names.cloned().collect()
}

/// The same as [`strip`], once it is known which are there.
pub(super) fn strip_found(headers: &mut HeaderMap, found: Vec<HeaderName>) {
    if found.contains(&header::CONNECTION) {
        for name in nominated(headers) {
            headers.remove(name);
        }
    }
    for name in found {
        headers.remove(name);
    }
}

/// Whether the message asks to go on as a WebSocket (RFC 6455 section 4.1).
///
/// No other upgrade is passed on: `h2c` would carry requests that no rule sees.
pub(super) fn is_websocket(version: Version, headers: &HeaderMap, found: &[HeaderName]) -> bool {
    let asks = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes());
    version == Version::HTTP_11
        && found.contains(&header::UPGRADE)
        && headers.get(header::UPGRADE).is_some_and(asks)
        && has_token(headers, &header::CONNECTION, "upgrade")
}

/// Asks the other side, or agrees with it, to go on as a WebSocket.
pub(super) fn set_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

/// Whether the sender takes trailers (RFC 9110 section 10.1.4).
pub(super) fn takes_trailers(headers: &HeaderMap, found: &[HeaderName]) -> bool {
    found.contains(&header::TE) && has_token(headers, &header::TE, "trailers")
}

/// Tells the other side that trailers are taken.
pub(super) fn set_takes_trailers(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.append(header::CONNECTION, HeaderValue::from_static("te"));
}

/// Adds this hop to the path that the message took (RFC 9110 section 7.6.3).
pub(super) fn add_via(headers: &mut HeaderMap, received: Version) {
    let hop = match received {
        Version::HTTP_10 => "1.0 throughline",
        Version::HTTP_2 => "2 throughline",
        _ => "1.1 throughline",
    };
    headers.append(header::VIA, HeaderValue::from_static(hop));
}

/// Puts a `Cookie` together that HTTP/2 let its client split (RFC 9113 section 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap, received: Version) {
    if received != Version::HTTP_2 {
        return;
    }
    let cookies: Vec<&[u8]> = values(headers, &header::COOKIE).collect();
    if cookies.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, whole);
    }
}

fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        // It is for every recipient; without it the upstream would choose whom the request is for.
        .filter(|name| name != header::HOST)
        .collect()
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    values(headers, name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

const WEBSOCKET: &str = "websocket";

static ALWAYS: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn every_list_of_nominations_counts() {
        let mut map = headers(&[
            ("Connection", "close, X-One"),
            ("Connection", " x-two ,, \"odd\""),
            ("X-One", "1"),
            ("X-Two", "2"),
            ("X-Three", "3"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authorization", "Basic x"),
        ]);
        strip(&mut map);
        assert_eq!(map, headers(&[("X-Three", "3")]));
    }

    #[test]
    fn a_split_cookie_is_put_together() {
        let split = [("Cookie", "a=1"), ("Cookie", "b=2; c=3")];
        let mut map = headers(&split);
        join_cookies(&mut map, Version::HTTP_11);
        assert_eq!(map, headers(&split));
        join_cookies(&mut map, Version::HTTP_2);
        assert_eq!(map, headers(&[("Cookie", "a=1; b=2; c=3")]));
    }

    #[test]
    fn only_a_websocket_is_an_upgrade_that_passes() {
        let asks = |version, connection, upgrade| {
            let map = headers(&[("Connection", connection), ("Upgrade", upgrade)]);
            is_websocket(version, &map, &found(&map))
        };
        assert!(asks(Version::HTTP_11, "keep-alive, Upgrade", "WebSocket"));
        assert!(!asks(Version::HTTP_11, "upgrade, http2-settings", "h2c"));
        assert!(!asks(Version::HTTP_11, "upgrade", "h2c, websocket"));
        assert!(!asks(Version::HTTP_11, "keep-alive", "websocket"));
        assert!(!asks(Version::HTTP_10, "upgrade", "websocket"));
    }
}
