//! Connections to upstreams, kept for the next request.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::{Request, Response, body::Incoming};

use super::{
    body::Upload,
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
    idle: Mutex<HashMap<Origin, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    pub(super) fn new(dialler: Dialler, tls: Upstreams) -> Arc<Self> {
        let idle = Mutex::new(HashMap::new());
        Arc::new(Self { dialler, tls, idle })
    }

    /// Sends a request on a kept connection, or on a new one.
    ///
    /// A request is sent once: if a kept connection turns out to be closed before anything was written, the next is
    /// tried; what was written and not answered is an error (RFC 9110 section 9.2.2).
    pub(super) async fn send(
        self: &Arc<Self>,
        origin: Origin,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        while let Some(mut sender) = self.take(&origin) {
            match sender.send(request).await {
                Ok(response) => return Ok((response, self.lease(sender, origin))),
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(UpstreamError::Exchange(refused.into_error())),
                },
            }
        }
        // Boxed, so that the many requests that need no new connection do not carry the room for it.
        let mut sender = Box::pin(self.connect(&origin)).await?;
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
        self.lock().clear();
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
    fn take(&self, origin: &Origin) -> Option<Sender> {
        let mut idle = self.lock();
        let kept = idle.get_mut(origin)?;
        while let Some(Idle { sender, since }) = kept.pop() {
            if since.elapsed() > IDLE_MAX {
                kept.clear();
                return None;
            }
            if sender.is_ready() {
                kept.extend(sender.shared().map(Idle::now));
                return Some(sender);
            }
        }
        None
    }

    /// Lets others use a new connection too, if it can carry more than one request at a time.
    fn share(&self, origin: &Origin, sender: &Sender) {
        if let Some(shared) = sender.shared() {
            self.keep(origin.clone(), shared);
        }
    }

    fn keep(&self, origin: Origin, sender: Sender) {
        let mut idle = self.lock();
        if idle.len() >= ORIGINS_MAX && !idle.contains_key(&origin) {
            idle.retain(|_, kept| kept.last().is_some_and(Idle::is_fresh));
            if idle.len() >= ORIGINS_MAX {
                return;
            }
        }
        let kept = idle.entry(origin).or_default();
        if kept.len() >= IDLE_PER_ORIGIN {
            kept.remove(0);
        }
        kept.push(Idle::now(sender));
    }

    fn lease(self: &Arc<Self>, sender: Sender, origin: Origin) -> Lease {
        Lease {
            pool: Arc::clone(self),
            origin,
            sender,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Vec<Idle>>> {
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
}

/// A connection whose answer is being read. Dropping it closes the connection, unless others use it too.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    origin: Origin,
    sender: Sender,
}

impl Lease {
    /// Keeps the connection for the next request, once it is ready for one.
    pub(super) fn give_back(mut self) {
        if self.sender.is_shared() {
            return;
        }
        if self.sender.is_ready() {
            self.pool.keep(self.origin, self.sender);
            return;
        }
        // Its task has yet to notice the end of the answer, or is still sending the request.
        tokio::spawn(async move {
            if self.sender.ready().await {
                self.pool.keep(self.origin, self.sender);
            }
        });
    }
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

/// How many upstreams connections are kept for (count); those without a live one are forgotten when it is reached.
const ORIGINS_MAX: usize = 256;
