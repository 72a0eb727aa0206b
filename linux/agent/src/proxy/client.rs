//! One client's connection, from its first byte to its last.

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use throughline_headers::MapInjector;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, watch},
};

use super::{
    alarm::Alarm,
    body::drain,
    forward::Outgoing,
    gate::Gate,
    intercept::intercept,
    judge::{Passage, judge, record_denied, turn_away},
    lenient::request_line,
    pool::Pool,
    refusal::{Answer, Reason, Refusal},
    scope::Scope,
    server::Phase,
    settings::Settings,
    tap::{Heads, Tap},
    tunnel::{After, Unread},
    uses::{Use, Uses},
};

/// What all connections of a proxy share.
pub(super) struct Shared {
    pub(super) gate: Gate,
    pub(super) own: SocketAddr,
    pub(super) pool: Arc<Pool>,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
    /// A permit for each request over HTTP/2 that may be under way.
    pub(super) streams: Arc<Semaphore>,
    pub(super) settings: Settings,
}

/// A client that is being served, directly or inside of a tunnel.
pub(super) struct Client {
    shared: Arc<Shared>,
    scope: Scope,
    heads: Arc<Heads>,
    after: Mutex<Option<After>>,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, scope: Scope) -> Arc<Self> {
        Arc::new(Self {
            shared,
            scope,
            heads: Arc::default(),
            after: Mutex::new(None),
        })
    }

    /// Serves a new connection to its end, which `phase` may bring about.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        mut phase: watch::Receiver<Phase>,
    ) {
        self.serve_http1(stream, &mut phase).await;
        let after = self.lock_after().take();
        match after {
            Some(After::Tunnel { client, target }) => {
                intercept(&self.shared, client, target, phase).await;
            }
            Some(After::Unread(unread)) => self.carry(unread, &mut phase).await,
            None => (),
        }
    }

    /// Serves HTTP/1 inside of a tunnel to its end.
    pub(super) async fn serve_inside<S>(
        self: Arc<Self>,
        stream: S,
        mut phase: watch::Receiver<Phase>,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_http1(stream, &mut phase).await;
        let after = self.lock_after().take();
        // There is no tunnel inside of a tunnel.
        if let Some(After::Unread(unread)) = after {
            self.carry(unread, &mut phase).await;
        }
    }

    pub(super) fn injector(&self) -> &Arc<MapInjector> {
        &self.shared.gate.injector
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.shared.pool
    }

    /// Says what the connection is to be after the answer that is about to be given.
    pub(super) fn go_on_as(&self, after: After) {
        self.heads.opaque();
        *self.lock_after() = Some(after);
    }

    async fn serve_http1<S>(self: &Arc<Self>, stream: S, phase: &mut watch::Receiver<Phase>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let tap = Tap::new(stream, Arc::clone(&self.heads));
        let service = service_fn(|request: Request<Incoming>| {
            self.heads.accepted(request.body());
            let client = Arc::clone(self);
            async move { Ok::<_, Infallible>(client.answer(request).await.0) }
        });
        let mut http1 = self.shared.http1.clone();
        http1.timer(Alarm::default());
        let connection = http1.serve_connection(TokioIo::new(tap), service);
        let mut connection = pin!(connection.with_upgrades());
        let reason = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => match ended {
                    Ok(()) => return,
                    Err(error) => break reason(&error),
                },
                next = Phase::next(phase) => match next {
                    Phase::Cut => break Reason::Incomplete,
                    _ => connection.as_mut().graceful_shutdown(),
                },
            }
        };
        self.report_refused(reason);
    }

    /// Serves HTTP/2 inside of a tunnel to its end. A head that hyper refuses here is no event: it never tells.
    ///
    /// # Errors
    ///
    /// Why it ended before its time.
    pub(super) async fn serve_http2<S>(
        self: Arc<Self>,
        stream: S,
        mut phase: watch::Receiver<Phase>,
    ) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let uses = Uses::default();
        let service = service_fn(|request: Request<Incoming>| {
            let (client, using) = (Arc::clone(&self), uses.begin());
            async move { Ok::<_, Infallible>(client.answer_one_of_many(request, using).await) }
        });
        let connection = self
            .shared
            .http2
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut unused = pin!(uses.none_for(self.shared.settings.tunnel_idle));
        let mut is_used = true;
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                next = Phase::next(&mut phase) => match next {
                    Phase::Cut => return Ok(()),
                    _ => connection.as_mut().graceful_shutdown(),
                },
                () = unused.as_mut(), if is_used => {
                    is_used = false;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    async fn carry(&self, unread: Unread, phase: &mut watch::Receiver<Phase>) {
        tokio::select! {
            // How it ended is the affair of those who spoke.
            _ = unread.run(self.shared.settings.tunnel_idle) => (),
            () = Phase::cut(phase) => (),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let shared = &self.shared;
        let passage = match judge(&shared.gate, shared.own, &self.scope, &request) {
            Ok(passage) if request.method() == Method::CONNECT => {
                return Box::pin(self.connect(request, passage)).await;
            }
            Ok(passage) => passage,
            Err(refusal) => {
                Box::pin(drain(request)).await;
                return refusal.into();
            }
        };
        match Outgoing::new(self, request, passage) {
            Ok(outgoing) => outgoing.forward(self).await,
            Err(refusal) => refusal.into(),
        }
    }

    /// Answers a request of a connection that may carry many at a time.
    ///
    /// A connection is held to one request at a time by HTTP/1, and by nothing over HTTP/2: what is under way on all of
    /// them takes a permit each, until its answer is sent, and is turned away if there is none.
    async fn answer_one_of_many(
        &self,
        request: Request<Incoming>,
        using: Use,
    ) -> Response<impl Body<Data = Bytes, Error = Box<dyn Error + Send + Sync>> + use<>> {
        let permit = Arc::clone(&self.shared.streams).try_acquire_owned().ok();
        let answer = match permit {
            Some(_) => self.answer(request).await,
            None => turn_away(&self.shared.gate, &request).into(),
        };
        answer.0.map(|body| {
            body.map_frame(move |frame| {
                let _held = (&permit, &using);
                frame
            })
        })
    }

    /// Opens a tunnel: what a `CONNECT` does once it is let out.
    ///
    /// An upstream is reached at once only if its bytes are not read: else each request in the tunnel reaches its own.
    async fn connect(&self, request: Request<Incoming>, passage: Passage) -> Answer {
        if let Some(target) = passage.intercept {
            let client = hyper::upgrade::on(request);
            self.go_on_as(After::Tunnel { client, target });
            return Answer::empty(StatusCode::OK);
        }
        match self.shared.pool.dialler().dial(&passage.origin).await {
            Ok(upstream) => {
                let client = hyper::upgrade::on(request);
                self.go_on_as(After::Unread(Unread::Connect { client, upstream }));
                Answer::empty(StatusCode::OK)
            }
            Err(error) => Refusal::failed(passage.stamp, &error).into(),
        }
    }

    /// Records the head that hyper refused, if there is one: a connection that ended between requests left none.
    fn report_refused(&self, reason: Reason<'static>) {
        if let Some(head) = self.heads.refused() {
            let (method, target) = request_line(&head);
            let url = self.scope.lenient_url(target);
            record_denied(&self.shared.gate, method, &url, reason);
        }
    }

    fn lock_after(&self) -> MutexGuard<'_, Option<After>> {
        self.after.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(error: &hyper::Error) -> Reason<'static> {
    if error.is_parse_too_large() {
        Reason::TooLarge
    } else if error.is_parse() {
        Reason::Malformed
    } else {
        Reason::Incomplete
    }
}
