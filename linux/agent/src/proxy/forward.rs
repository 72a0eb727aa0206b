//! A request that was let out, to its upstream and back.

use std::sync::Arc;

use http_body_util::Either;
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri, Version,
    body::{Body, Incoming},
    header::{self, HeaderValue},
    upgrade::OnUpgrade,
};
use throughline_core::Stamp;
use throughline_headers::MapInjector;

use super::{
    body::{Download, Upload},
    client::Client,
    dial::Origin,
    hop,
    judge::Passage,
    pool::{Lease, UpstreamError},
    refusal::{Answer, Refusal},
    tunnel::{After, Unread},
};

/// A request on its way.
///
/// Made by what is not a future: futures that hand a request to each other copy it each time.
pub(super) struct Outgoing {
    stamp: Stamp,
    origin: Origin,
    request: Box<Request<Upload>>,
    /// The client's connection, if it is to go on as a WebSocket.
    switch: Option<OnUpgrade>,
}

impl Outgoing {
    /// The request as the upstream sees it, and which upstream that is.
    ///
    /// # Errors
    ///
    /// What to tell the client if it has too many fields.
    pub(super) fn new(
        client: &Client,
        mut request: Request<Incoming>,
        passage: Passage,
    ) -> Result<Self, Refusal> {
        let stamp = passage.stamp;
        let found = hop::found(request.headers());
        let switch = hop::is_websocket(request.version(), request.headers(), &found)
            .then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        let headers = &mut parts.headers;
        let takes_trailers = hop::takes_trailers(headers, &found);
        hop::strip_found(headers, found);
        if let Some(host) = passage.host {
            headers.insert(header::HOST, host);
        }
        hop::add_via(headers, parts.version);
        hop::join_cookies(headers, parts.version);
        set_framing(headers, &body);
        if switch.is_some() {
            hop::set_websocket(headers);
        }
        if takes_trailers {
            hop::set_takes_trailers(headers);
        }
        client
            .injector()
            .rewrite(headers, passage.inject.then_some(stamp))
            .map_err(|error| Refusal::failed(stamp, &error))?;
        parts.uri = passage.path.map(Uri::from).unwrap_or_default();
        parts.version = Version::HTTP_11;
        let upload = Upload::new(body, Arc::clone(client.injector()));
        Ok(Self {
            stamp,
            origin: passage.origin,
            request: Box::new(Request::from_parts(parts, upload)),
            switch,
        })
    }

    /// Sends it on and relays what comes back.
    pub(super) async fn forward(self, client: &Client) -> Answer {
        let Self { stamp, switch, .. } = self;
        match client.pool().send(self.origin, self.request).await {
            Ok((response, lease)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                lease.switch();
                switched(client, response, switch)
                    .unwrap_or_else(|| Refusal::failed(stamp, &UpstreamError::Switched).into())
            }
            Ok((response, lease)) => relayed(response, lease, client.injector()),
            Err(error) if error.is_of_client() => Refusal::unreadable(stamp).into(),
            Err(error) => Refusal::failed(stamp, &error).into(),
        }
    }
}

/// The answer as the client sees it.
fn relayed(response: Response<Incoming>, lease: Lease, injector: &Arc<MapInjector>) -> Answer {
    let (mut parts, body) = response.into_parts();
    let headers = &mut parts.headers;
    hop::strip(headers);
    injector.strip(headers);
    hop::add_via(headers, parts.version);
    // Chunked, whatever else the upstream may have said of its length (RFC 9112 section 6.3).
    if body.size_hint().exact().is_none() {
        headers.remove(header::CONTENT_LENGTH);
    }
    parts.version = Version::HTTP_11;
    let body = Download::new(body, Arc::clone(injector), lease);
    Answer(Response::from_parts(parts, Either::Right(body)))
}

/// The upstream's consent to another protocol, if the client asked for it.
fn switched(
    client: &Client,
    mut response: Response<Incoming>,
    switch: Option<OnUpgrade>,
) -> Option<Answer> {
    let side = switch?;
    client.go_on_as(After::Unread(Unread::Switched {
        client: side,
        upstream: hyper::upgrade::on(&mut response),
    }));
    let mut answer = Answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.0.headers_mut();
    *headers = std::mem::take(response.headers_mut());
    hop::strip(headers);
    client.injector().strip(headers);
    hop::set_websocket(headers);
    Some(answer)
}

/// A body of unknown length is chunked under every method; left alone, hyper would drop that of a `GET`.
fn set_framing(headers: &mut HeaderMap, body: &Incoming) {
    if body.size_hint().exact().is_none() {
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
    }
}
