//! Connections to upstreams, kept for the next request.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Waker},
    time::{Duration, Instant},
};

use hyper::{Request, Response, body::Incoming};
use tokio::time::sleep;

use super::{
    body::{Upload, drain},
    dial::{DialError, Dialler, Origin},
    sender::Sender,
    tls::{TlsError, Upstreams},
};

/// The upstreams' connections of one proxy.
///
/// A pool of its own, because each new connection has to be looked at before it is used: see [`Dialler`].
#[derive(Debug)]
pub(super) struct Pool {
    dialler: Dialler,
    tls: Upstreams,
    idle: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The connections of each upstream, in the order in which they were kept. There are too few of them to hash them.
    origins: BTreeMap<Origin, Vec<Idle>>,
    /// Whether a task closes those that have been kept for too long.
    swept: bool,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    pub(super) fn new(dialler: Dialler, tls: Upstreams) -> Arc<Self> {
        let idle = Mutex::default();
        Arc::new(Self { dialler, tls, idle })
    }

    /// Sends a request on a kept connection, or on a new one.
    ///
    /// If a kept connection turns out to be closed before anything was written, the next is tried. If it is lost once
    /// the request is written, as an upstream that closes what has been idle for too long may do at that very moment,
    /// a new connection is tried, for a safe method without a body and this once only (RFC 9110 section 9.2.2). On a
    /// new connection a request is sent once.
    pub(super) async fn send(
        self: &Arc<Self>,
        origin: Origin,
        mut request: Box<Request<Upload>>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        while let Some(mut sender) = self.take(&origin) {
            let again = again(&request);
            let mut refused = match sender.send(request).await {
                Ok(response) => return Ok((response, self.lease(sender, origin))),
                Err(refused) => refused,
            };
            if let Some(unsent) = refused.take_message() {
                request = Box::new(unsent);
                continue;
            }
            match again {
                Some(again) if is_loss(refused.error()) => request = again,
                _ => return Err(UpstreamError::Exchange(refused.into_error())),
            }
            break;
        }
        // Boxed, so that the many requests that need no new connection do not carry the room for it.
        let mut sender = match Box::pin(self.connect(&origin)).await {
            Ok(sender) => sender,
            Err(error) => {
                Box::pin(drain(*request)).await;
                return Err(error);
            }
        };
        self.share(&origin, &sender);
        let response = sender.send(request).await;
        let response = response.map_err(|error| UpstreamError::Exchange(error.into_error()))?;
        Ok((response, self.lease(sender, origin)))
    }

    pub(super) const fn dialler(&self) -> &Dialler {
        &self.dialler
    }

    /// Closes the connections that are kept.
    pub(super) fn clear(&self) {
        let kept = std::mem::take(&mut self.lock().origins);
        kept.into_values().flatten().for_each(Idle::close);
    }

    async fn connect(&self, origin: &Origin) -> Result<Sender, UpstreamError> {
        let sender = match origin.tls() {
            None => {
                let stream = self.dialler.dial_next(origin).await?;
                Sender::http1(stream, self.dialler.via()).await
            }
            Some(alpn) => {
                let stream = self.dialler.dial(origin).await?;
                let connected = self.tls.connect(origin.host(), alpn, stream).await;
                match connected.map_err(UpstreamError::Tls)? {
                    (stream, true) => Sender::http2(stream).await,
                    (stream, false) => Sender::http1(stream, None).await,
                }
            }
        };
        sender.map_err(UpstreamError::Exchange)
    }

    /// The connection that was used last, as it is the least likely to be closed by now.
    fn take(self: &Arc<Self>, origin: &Origin) -> Option<Sender> {
        loop {
            let last = self.lock().origins.get_mut(origin)?.pop();
            let last = last?;
            if last.is_fresh() {
                self.share(origin, &last.sender);
                return Some(last.sender);
            }
            last.close();
        }
    }

    /// Lets others use a new connection too, if it can carry more than one request at a time.
    fn share(self: &Arc<Self>, origin: &Origin, sender: &Sender) {
        if let Some(shared) = sender.shared() {
            self.keep(origin.clone(), shared);
        }
    }

    fn keep(self: &Arc<Self>, origin: Origin, sender: Sender) {
        let mut idle = self.lock();
        if idle.origins.len() >= ORIGINS_MAX && !idle.origins.contains_key(&origin) {
            return;
        }
        let kept = idle.origins.entry(origin).or_default();
        if kept.len() >= IDLE_PER_ORIGIN {
            kept.remove(0);
        }
        kept.push(Idle::now(sender));
        if !std::mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes what cannot be used any more; returns whether something is left.
    fn close_stale(&self) -> bool {
        let mut stale = Vec::new();
        let mut idle = self.lock();
        idle.origins.retain(|_, kept| {
            for idle in kept.iter_mut() {
                idle.sender.drive(&mut Context::from_waker(Waker::noop()));
            }
            stale.extend(kept.extract_if(.., |idle| !idle.is_fresh()));
            !kept.is_empty()
        });
        idle.swept = !idle.origins.is_empty();
        let swept = idle.swept;
        drop(idle);
        stale.into_iter().for_each(Idle::close);
        swept
    }

    fn lease(self: &Arc<Self>, sender: Sender, origin: Origin) -> Lease {
        Lease {
            pool: Arc::clone(self),
            origin,
            sender,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn now(sender: Sender) -> Self {
        let since = Instant::now();
        Self { sender, since }
    }

    fn is_fresh(&self) -> bool {
        self.since.elapsed() <= IDLE_MAX && self.sender.is_ready()
    }

    fn close(self) {
        self.sender.close();
    }
}

/// Closes connections for as long as there are some that will have been kept for too long.
///
/// Nobody reads from a connection that is kept, so nothing else would notice that its other side has closed it.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE_MAX).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_stale()) {
            return;
        }
    }
}

/// A connection whose answer is being read. Dropping it closes the connection, unless others use it too.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    origin: Origin,
    sender: Sender,
}

impl Lease {
    /// Whether its connection stands still unless it is [driven](Self::drive).
    pub(super) const fn is_driven(&self) -> bool {
        self.sender.is_driven()
    }

    /// Moves its connection on, unless that goes on by itself.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        self.sender.drive(cx);
    }

    /// Lets the connection become what its other side has agreed to.
    pub(super) fn switch(self) {
        self.sender.switch();
    }

    /// Keeps the connection for the next request, once it is ready for one.
    pub(super) fn give_back(mut self) {
        if self.sender.is_shared() {
            return;
        }
        if self.sender.is_ready() {
            self.pool.keep(self.origin, self.sender);
            return;
        }
        if self.sender.is_closed() {
            return;
        }
        // It has yet to notice the end of the answer, or is still sending the request.
        tokio::spawn(async move {
            if self.sender.ready().await {
                self.pool.keep(self.origin, self.sender);
            }
        });
    }
}

/// The same request once more, if to ask for it twice is to ask for it once.
fn again(request: &Request<Upload>) -> Option<Box<Request<Upload>>> {
    if !request.method().is_safe() {
        return None;
    }
    let mut again = Request::new(request.body().again()?);
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    again.headers_mut().clone_from(request.headers());
    Some(Box::new(again))
}

/// Whether there was no answer, rather than one that cannot be read.
fn is_loss(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}

/// Why an upstream gave no answer.
#[derive(Debug)]
pub(super) enum UpstreamError {
    /// It could not be reached.
    Dial(DialError),
    /// It was reached, and there is no TLS with it.
    Tls(TlsError),
    /// It was reached, and the exchange broke.
    Exchange(hyper::Error),
    /// It switched protocols without having been asked to.
    Switched,
}

impl UpstreamError {
    /// Whether it is for the client that there is no answer: the rest of its body cannot be read.
    pub(super) fn is_of_client(&self) -> bool {
        matches!(self, Self::Exchange(error) if error.is_user()
            && error.source().is_some_and(<dyn Error>::is::<hyper::Error>))
    }
}

impl From<DialError> for UpstreamError {
    fn from(error: DialError) -> Self {
        Self::Dial(error)
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Exchange(error) => match error.source() {
                Some(source) => write!(f, "{error}, {source}"),
                None => error.fmt(f),
            },
            Self::Switched => f.write_str("it switched protocols unasked"),
        }
    }
}

impl Error for UpstreamError {}

/// Below the keep-alive of common servers (Node.js: 5 s), so that a request seldom meets a connection that is closing.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// How many connections are kept for one upstream (count, inclusive).
const IDLE_PER_ORIGIN: usize = 64;

/// How many upstreams connections are kept for (count); those without one are forgotten as time passes.
const ORIGINS_MAX: usize = 256;
