//! What the requests of a connection are addressed to.

use std::borrow::Cow;

use http::{
    HeaderMap, Method, Uri,
    header::{self, HeaderValue},
    uri::{Authority, Scheme},
};

use super::{refusal::Reason, tls::Alpn};

/// What a request's target is completed with.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// The proxy: targets are whole.
    Proxy,
    /// The inside of a tunnel: targets are paths.
    Tunnel(Inside),
}

/// The inside of a tunnel, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    /// What a `CONNECT` named.
    tunnel: Authority,
    /// What is spoken inside of TLS; None in clear text.
    tls: Option<Alpn>,
}

impl Inside {
    pub(super) const fn new(tunnel: Authority, tls: Option<Alpn>) -> Self {
        Self { tunnel, tls }
    }
}

impl Scope {
    /// The URL that a request is for.
    ///
    /// # Errors
    ///
    /// Why it is for none, or for one that does not belong here.
    pub(super) fn url<'t>(
        &self,
        method: &Method,
        target: &'t Uri,
        headers: &HeaderMap,
    ) -> Result<Cow<'t, Uri>, Reason<'static>> {
        match self {
            Self::Proxy => proxied(method, target).map(Cow::Borrowed),
            Self::Tunnel(inside) => inside.url(method, target, headers).map(Cow::Owned),
        }
    }

    /// The URL of a request that cannot be read, as far as it can be told from its target.
    pub(super) fn lenient_url(&self, target: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Tunnel(inside) if target.starts_with(b"/") => {
                let front = format!("{}://{}", inside.scheme(), inside.authority());
                [front.into_bytes(), target].concat()
            }
            _ => target,
        }
    }

    /// What to speak to upstreams inside of TLS; None for clear text.
    pub(super) const fn tls(&self) -> Option<Alpn> {
        match self {
            Self::Proxy => None,
            Self::Tunnel(inside) => inside.tls,
        }
    }
}

impl Inside {
    fn url(
        &self,
        method: &Method,
        target: &Uri,
        headers: &HeaderMap,
    ) -> Result<Uri, Reason<'static>> {
        if method == Method::CONNECT {
            return Err(Reason::Nested);
        }
        // In absolute-form, which HTTP/2 has always, the target goes before the field (RFC 9112 section 3.2.2).
        let named = match target.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => headers.get(header::HOST).map(HeaderValue::as_bytes),
        };
        let foreign = target
            .scheme()
            .is_some_and(|scheme| *scheme != self.scheme());
        if foreign || named.is_some_and(|named| !self.is_named(named)) {
            return Err(Reason::Misdirected);
        }
        let mut parts = target.clone().into_parts();
        parts.scheme = Some(self.scheme());
        parts.authority = Some(self.authority());
        if !target.path().starts_with('/') {
            return Err(Reason::Asterisk);
        }
        Uri::from_parts(parts).map_err(|_| Reason::Malformed)
    }

    fn scheme(&self) -> Scheme {
        match self.tls {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        }
    }

    /// The tunnel's authority, without the port that the scheme implies.
    fn authority(&self) -> Authority {
        let implied = match self.tls {
            Some(_) => 443,
            None => 80,
        };
        if self.tunnel.port_u16() == Some(implied) {
            let short = Authority::try_from(self.tunnel.host());
            return short.unwrap_or_else(|_| self.tunnel.clone());
        }
        self.tunnel.clone()
    }

    /// Whether `authority` is on the tunnel's host. Ports differ too often in honest clients to mean anything.
    fn is_named(&self, authority: &[u8]) -> bool {
        Authority::try_from(authority)
            .is_ok_and(|authority| is_same_host(authority.host(), self.tunnel.host()))
    }
}

/// Whether two hosts are one, however their names are written.
pub(super) fn is_same_host(one: &str, other: &str) -> bool {
    let bare = |host: &str| -> String {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
    };
    bare(one) == bare(other)
}

/// A target of the form that a proxy is asked in (RFC 9112 section 3.2).
fn proxied<'t>(method: &Method, target: &'t Uri) -> Result<&'t Uri, Reason<'static>> {
    match (target.scheme(), target.authority()) {
        (None, Some(_)) if method == Method::CONNECT => Ok(target),
        (Some(scheme), Some(_)) if method != Method::CONNECT => {
            let is_http = scheme == &Scheme::HTTP;
            is_http.then_some(target).ok_or(Reason::Scheme)
        }
        _ => Err(Reason::NotProxied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(tls: Option<Alpn>, tunnel: &'static str) -> Scope {
        Scope::Tunnel(Inside::new(Authority::from_static(tunnel), tls))
    }

    fn url(scope: &Scope, target: &str, host: Option<&str>) -> Result<String, Reason<'static>> {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        let target = target.parse().unwrap();
        let url = scope.url(&Method::GET, &target, &headers);
        url.map(|url| url.to_string())
    }

    #[test]
    fn a_path_is_completed_with_the_tunnel() {
        let tls = inside(Some(Alpn::Http1), "Example.com:443");
        let clear = inside(None, "example.com:80");
        let other = inside(Some(Alpn::Http1), "[::1]:8443");
        let cases = [
            (&tls, "/a?b", Some("example.COM"), "https://Example.com/a?b"),
            (&tls, "/", Some("example.com.:443"), "https://Example.com/"),
            (&tls, "/", None, "https://Example.com/"),
            (&clear, "/a", Some("example.com:80"), "http://example.com/a"),
            (&other, "/a", Some("[::1]"), "https://[::1]:8443/a"),
        ];
        for (scope, target, host, expected) in cases {
            assert_eq!(url(scope, target, host).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_for_another_host_does_not_belong_in_the_tunnel() {
        let scope = inside(Some(Alpn::Http2), "example.com:443");
        let misdirected = Err(Reason::Misdirected);
        assert_eq!(url(&scope, "/a", Some("other.com")), misdirected);
        assert_eq!(
            url(&scope, "https://other.com/", Some("example.com")),
            misdirected
        );
        assert_eq!(url(&scope, "http://example.com/", None), misdirected);
        assert_eq!(url(&scope, "/", Some("not a host")), misdirected);
        let same = url(&scope, "https://example.com/a", Some("other.com"));
        assert_eq!(same.as_deref(), Ok("https://example.com/a"));
    }

    #[test]
    fn a_tunnel_has_no_other_in_it_and_no_target_that_is_no_url() {
        let scope = inside(None, "example.com:80");
        assert_eq!(url(&scope, "*", None), Err(Reason::Asterisk));
        let target = "example.com:443".parse().unwrap();
        let nested = scope.url(&Method::CONNECT, &target, &HeaderMap::new());
        assert_eq!(nested, Err(Reason::Nested));
    }
}
