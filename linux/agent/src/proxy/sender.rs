//! One connection to an upstream, of either version of HTTP.

use std::task::Context;

use http::uri::{Authority, Scheme};
use hyper::{
    Request, Response, Uri, Version,
    body::Incoming,
    client::conn::{TrySendError, http2},
    header::{self, HeaderValue},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{body::Upload, http1::Http1, settings::Settings, via::UpstreamProxy};

/// What a proxy is told beside a request.
#[derive(Clone, Debug)]
pub(super) struct Via {
    credentials: Option<HeaderValue>,
}

/// Sends requests on a connection. The connection ends with the last of its senders.
#[derive(Debug)]
pub(super) enum Sender {
    Http1 {
        connection: Http1,
        /// The other side is a proxy, to which requests are sent in absolute-form.
        via: Option<Via>,
    },
    /// Carries many requests at a time.
    Http2(http2::SendRequest<Upload>),
}

impl Sender {
    pub(super) async fn http1<S>(stream: S, via: Option<&UpstreamProxy>) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connection = Http1::open(stream).await?;
        let via = via.map(|proxy| Via {
            credentials: proxy.credentials().cloned(),
        });
        Ok(Self::Http1 { connection, via })
    }

    pub(super) async fn http2<S>(stream: S) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_header_list_size(Settings::ANSWER_HEAD_MAX)
            .initial_stream_window_size(Settings::WINDOW)
            .initial_connection_window_size(8 * Settings::WINDOW)
            .max_send_buf_size(Settings::WINDOW as usize);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self::Http2(sender))
    }

    /// Sends a request in origin-form with a `Host`.
    pub(super) async fn send(
        &mut self,
        request: Box<Request<Upload>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        match self {
            Self::Http1 {
                connection,
                via: None,
            } => connection.send(request).await,
            Self::Http1 {
                connection,
                via: Some(via),
            } => connection.send(Box::new(via.for_proxy(*request))).await,
            Self::Http2(sender) => sender.try_send_request(for_http2(*request)).await,
        }
    }

    /// Whether its connection stands still unless it is [driven](Self::drive).
    pub(super) const fn is_driven(&self) -> bool {
        match self {
            Self::Http1 { connection, .. } => connection.is_driven(),
            Self::Http2(_) => false,
        }
    }

    /// Moves its connection on, unless that goes on by itself.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Self::Http1 { connection, .. } = self {
            connection.drive(cx);
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Http1 { connection, .. } => connection.is_ready(),
            Self::Http2(sender) => sender.is_ready(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1 { connection, .. } => connection.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }

    /// Waits until it is ready; false if it never will be.
    pub(super) async fn ready(&mut self) -> bool {
        match self {
            Self::Http1 { connection, .. } => connection.ready().await,
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Lets the connection become what its other side has agreed to, whatever becomes of the sender.
    pub(super) fn switch(self) {
        if let Self::Http1 { mut connection, .. } = self {
            connection.detach();
        }
    }

    /// Closes a connection that was kept.
    pub(super) fn close(self) {
        if let Self::Http1 { connection, .. } = self {
            connection.close();
        }
    }

    /// Whether the connection can carry more than one request at a time.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// Another sender of the same connection, if that can carry more than one request at a time.
    pub(super) fn shared(&self) -> Option<Self> {
        match self {
            Self::Http1 { .. } => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }
}

impl Via {
    /// The same request in absolute-form (RFC 9112 section 3.2.2).
    fn for_proxy(&self, request: Request<Upload>) -> Request<Upload> {
        let mut request = with_authority(request, Scheme::HTTP);
        if let Some(credentials) = &self.credentials {
            let headers = request.headers_mut();
            headers.insert(header::PROXY_AUTHORIZATION, credentials.clone());
        }
        request
    }
}

/// The same request with its target in pseudo-header fields (RFC 9113 section 8.3.1).
///
/// Fields of one connection, such as `Transfer-Encoding`, hyper leaves out by itself; and those that `Connection` names,
/// of which `TE` is none here (RFC 9113 section 8.2.2).
fn for_http2(request: Request<Upload>) -> Request<Upload> {
    let mut request = with_authority(request, Scheme::HTTPS);
    request.headers_mut().remove(header::CONNECTION);
    *request.version_mut() = Version::HTTP_2;
    request
}

/// The same request with what its `Host` says in its target too. It stays, so that what comes back unsent can be sent
/// again.
fn with_authority(mut request: Request<Upload>, scheme: Scheme) -> Request<Upload> {
    let host = request.headers().get(header::HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme);
    parts.authority = authority;
    // Without an authority there is no such URI, and the other side will not take the request.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request
}
