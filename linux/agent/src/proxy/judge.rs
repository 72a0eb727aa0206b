//! From a request's target to a recorded decision.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use http::{
    HeaderMap, Method, Request, Uri,
    header::{self, HeaderValue},
    uri::{Authority, PathAndQuery},
};
use throughline_core::{Decision, HttpRequest, MatchedRule, Stamp};
use throughline_rules::Url;

use super::{
    dial::Origin,
    gate::Gate,
    hint,
    refusal::{Reason, Refusal},
    scope::Scope,
};

/// A request that was let out: its event is recorded, and this is all that is left to do.
///
/// Made from the URL that was matched and logged, so that nothing else can be sent.
pub(super) struct Passage {
    pub(super) stamp: Stamp,
    /// Whether it carries its stamp.
    pub(super) inject: bool,
    pub(super) origin: Origin,
    /// The URL's authority without userinfo, if the request has another `Host`.
    pub(super) host: Option<HeaderValue>,
    /// In origin-form, dot segments resolved; None for a `CONNECT`.
    pub(super) path: Option<PathAndQuery>,
    /// For a `CONNECT`: what to look into once the tunnel is open, if anything is to be read in it.
    pub(super) intercept: Option<Authority>,
}

/// Decides on a request and records it.
///
/// # Errors
///
/// What to tell the client of a request that is held back, which is recorded too.
pub(super) fn judge(
    gate: &Gate,
    own: SocketAddr,
    scope: &Scope,
    request: &Request<impl Sized>,
) -> Result<Passage, Refusal> {
    let method = request.method();
    let refuse = |url: &[u8], reason, hint: Option<String>| {
        let stamp = record_denied(gate, method.as_str(), url, reason);
        let line = hint.map(|rule| gate.allowing(&rule));
        Refusal::denied(stamp, reason, line.as_deref())
    };
    let uri = scope.url(method, request.uri(), request.headers());
    let uri = uri.map_err(|reason| {
        let target = text_of(request.uri()).into_bytes();
        refuse(&scope.lenient_url(target), reason, None)
    })?;
    let uri = without_dots(&uri);
    let text = text_of(&uri);
    let stop = |reason, hint| refuse(text.as_bytes(), reason, hint);
    let url = Url::parse(&text).map_err(|error| stop(Reason::Url(error), None))?;
    let origin = origin(&url, scope);
    if is_proxy(&origin, own) {
        return Err(stop(Reason::Itself, None));
    }
    let host = other_host(&uri, request.headers()).map_err(|reason| stop(reason, None))?;
    let ruling = Ruling::on(gate, method, &url);
    let rule = match ruling.decision {
        Decision::Allowed(rule) => rule,
        Decision::Denied(words) => {
            return Err(stop(Reason::Policy(words), ruling.hint(method, &url)));
        }
    };
    Ok(Passage {
        stamp: record_allowed(gate, method.as_str(), text.as_bytes(), rule),
        inject: gate.policy.injects(method.as_str(), &url),
        origin,
        host,
        path: uri.path_and_query().cloned(),
        intercept: ruling.reads.then(|| uri.authority().cloned()).flatten(),
    })
}

/// What the policy says to a request.
struct Ruling<'p> {
    decision: Decision<'p>,
    /// It is a `CONNECT`, and its tunnel is to be read.
    reads: bool,
}

impl<'p> Ruling<'p> {
    fn on(gate: &'p Gate, method: &Method, url: &Url<'_>) -> Self {
        let reads = method == Method::CONNECT && !gate.policy.is_pinned(url);
        let decision = match reads {
            true => gate.policy.decide_host(url),
            false => gate.policy.decide(method.as_str(), url),
        };
        Self { decision, reads }
    }

    /// A rule that would have let the request out.
    fn hint(&self, method: &Method, url: &Url<'_>) -> Option<String> {
        match self.reads {
            true => hint::allowing_host(url),
            false => hint::allowing(method.as_str(), url),
        }
    }
}

/// Refuses a request for which there is no room, and records it.
pub(super) fn turn_away(gate: &Gate, request: &Request<impl Sized>) -> Refusal {
    let (method, url) = (request.method().as_str(), text_of(request.uri()));
    let stamp = record_denied(gate, method, url.as_bytes(), Reason::Crowded);
    Refusal::denied(stamp, Reason::Crowded, None)
}

/// Records a request that is held back.
pub(super) fn record_denied(gate: &Gate, method: &str, url: &[u8], reason: Reason<'_>) -> Stamp {
    let url = redacted(gate, url);
    let words = reason.to_string();
    let event = HttpRequest::denied(method, url.as_ref(), &words);
    gate.recorder.record(&event)
}

fn record_allowed(gate: &Gate, method: &str, url: &[u8], rule: MatchedRule<'_>) -> Stamp {
    let url = redacted(gate, url);
    gate.recorder
        .record(&HttpRequest::allowed(method, url.as_ref(), rule))
}

fn redacted<'u>(gate: &Gate, url: &'u [u8]) -> Cow<'u, [u8]> {
    let redacted = gate.redaction.redact(url);
    let mut pieces = redacted.pieces();
    match (pieces.next(), pieces.next()) {
        (Some(whole), None) => Cow::Borrowed(whole),
        _ => Cow::Owned(redacted.pieces().flatten().copied().collect()),
    }
}

fn origin(url: &Url<'_>, scope: &Scope) -> Origin {
    let tls = scope.tls();
    let implied = match tls {
        Some(_) => HTTPS_PORT,
        None => HTTP_PORT,
    };
    Origin::new(url.host(), url.port().unwrap_or(implied), tls)
}

/// The same as its `Display`, which takes longer.
fn text_of(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", Authority::as_str);
    let path = uri.path_and_query().map_or("", PathAndQuery::as_str);
    // An absolute URL without a path is shown with one.
    let root = match uri.scheme() {
        Some(_) if !path.starts_with('/') => "/",
        _ => "",
    };
    let after = if scheme.is_empty() { "" } else { "://" };
    [scheme, after, authority, root, path].concat()
}

/// The `Host` that the URL asks for, if it is not the one that is there (RFC 9112 section 3.2.2).
fn other_host(uri: &Uri, headers: &HeaderMap) -> Result<Option<HeaderValue>, Reason<'static>> {
    let authority = uri.authority().map_or("", Authority::as_str);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let mut present = headers.get_all(header::HOST).iter();
    match (present.next(), present.next()) {
        (Some(present), None) if present == host => Ok(None),
        _ => HeaderValue::from_str(host)
            .map(Some)
            .map_err(|_| Reason::Malformed),
    }
}

/// Whether a connection to `origin` would come back. A name that only resolves to here is found when it is dialled.
fn is_proxy(origin: &Origin, own: SocketAddr) -> bool {
    origin.port() == own.port()
        && match origin.host().parse::<IpAddr>() {
            Ok(address) => {
                let address = address.to_canonical();
                address == own.ip() || address.is_unspecified()
            }
            Err(_) => origin.host().eq_ignore_ascii_case("localhost"),
        }
}

/// The same URI with the dot segments of its path resolved, as rules compare it.
///
/// A path on which readers disagree stays as it is: no `path=` matches it.
fn without_dots(uri: &Uri) -> Cow<'_, Uri> {
    let may_be_dots = |start: &[u8]| matches!(start, b"/." | b"/%");
    if !uri.path().as_bytes().windows(2).any(may_be_dots) {
        return Cow::Borrowed(uri);
    }
    resolved(uri).map_or(Cow::Borrowed(uri), Cow::Owned)
}

fn resolved(uri: &Uri) -> Option<Uri> {
    let text = text_of(uri);
    let mut path = Vec::with_capacity(text.len());
    for segment in Url::parse(&text).ok()?.segments().ok()? {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    if let Some(query) = uri.query() {
        path.push(b'?');
        path.extend_from_slice(query.as_bytes());
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path).ok()?);
    Uri::from_parts(parts).ok()
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
