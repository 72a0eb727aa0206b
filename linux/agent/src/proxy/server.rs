//! Accepting clients, and stopping.

use std::{
    error::Error,
    fmt, io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::{
    client::{Client, Shared},
    dial::Dialler,
    gate::Gate,
    pool::Pool,
    scope::Scope,
    settings::Settings,
    tls::Upstreams,
};

/// A proxy that is running; dropping it cuts its connections.
///
/// ```ignore
/// let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
/// let proxy = Proxy::start(listener, gate, Settings::default())?;
/// command.env("HTTP_PROXY", format!("http://{}", proxy.address()));
/// // ... the command runs ...
/// proxy.shutdown(Duration::from_secs(2)).await;
/// ```
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    slots: Arc<Semaphore>,
    connections: u32,
}

impl Proxy {
    /// Serves the clients of `listener`. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the listener is not on loopback or cannot be used.
    pub(crate) fn start(
        listener: StdListener,
        gate: Gate,
        settings: Settings,
    ) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(StartError::Listener)?;
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        listener
            .set_nonblocking(true)
            .map_err(StartError::Listener)?;
        // Clients that come all at once would be made to try again a second later by the queue that there is.
        rustix::net::listen(&listener, QUEUE)
            .map_err(|error| StartError::Listener(error.into()))?;
        let listener = TcpListener::from_std(listener).map_err(StartError::Listener)?;
        let connections = settings.connections;
        let slots = Arc::new(Semaphore::new(connections as usize));
        let (phase, phases) = watch::channel(Phase::Serving);
        let acceptor = Acceptor {
            listener,
            slots: Arc::clone(&slots),
            shared: shared(gate, address, settings)?,
        };
        tokio::spawn(acceptor.run(phases));
        Ok(Self {
            address,
            phase,
            slots,
            connections,
        })
    }

    /// Where clients find it.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests and tunnels that are under way end within `grace`, then cuts the rest.
    ///
    /// Every request that was read, whole or in part, is recorded when this returns.
    pub(crate) async fn shutdown(self, grace: Duration) -> Drained {
        self.phase.send_replace(Phase::Draining);
        if timeout(grace, self.all_slots()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.connections as usize - self.slots.available_permits();
        self.phase.send_replace(Phase::Cut);
        self.all_slots().await;
        Drained { cut }
    }

    /// Waits until no connection is left.
    async fn all_slots(&self) {
        // Fails if the semaphore is closed, which nobody does.
        let _ = self.slots.acquire_many(self.connections).await;
    }
}

/// How a proxy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drained {
    /// How many connections had to be cut (count).
    pub(crate) cut: usize,
}

/// Why a proxy cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum StartError {
    /// The listener is open to other machines; bind it to 127.0.0.1 or `[::1]`.
    NotLoopback(SocketAddr),
    /// The listener cannot be used.
    Listener(io::Error),
    /// There is no TLS to be had.
    Tls(rustls::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback(address) => write!(
                f,
                "the proxy would listen on {address}; bind it to a loopback address"
            ),
            Self::Listener(error) => write!(f, "the proxy cannot use its listener, {error}"),
            Self::Tls(error) => write!(f, "the proxy cannot speak TLS, {error}"),
        }
    }
}

impl Error for StartError {}

/// What a proxy is doing, as its connections are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Ends each connection after the request that it is at.
    Draining,
    Cut,
}

impl Phase {
    /// The next phase.
    pub(super) async fn next(phases: &mut watch::Receiver<Self>) -> Self {
        match phases.changed().await {
            Ok(()) => *phases.borrow_and_update(),
            Err(_) => Self::Cut,
        }
    }

    /// Waits for the last phase.
    pub(super) async fn cut(phases: &mut watch::Receiver<Self>) {
        // Fails if the proxy is gone, which comes to the same.
        let _ = phases.wait_for(|phase| *phase == Self::Cut).await;
    }
}

struct Acceptor {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Acceptor {
    async fn run(self, mut phases: watch::Receiver<Phase>) {
        // A connection that comes after the phase was changed would not see the change.
        let for_clients = phases.clone();
        tokio::select! {
            _ = Phase::next(&mut phases) => (),
            () = self.accept_all(&for_clients) => (),
        }
        self.shared.pool.clear();
    }

    async fn accept_all(&self, phases: &watch::Receiver<Phase>) {
        // A slot is taken first: when there is none, clients wait in the listener's queue.
        while let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await {
            let stream = self.accept().await;
            let client = Client::new(Arc::clone(&self.shared), Scope::Proxy);
            let served = client.serve(stream, phases.clone());
            tokio::spawn(holding(slot, served));
        }
    }

    async fn accept(&self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if stream.set_nodelay(true).is_ok() => return stream,
                // It was closed before it was served.
                Ok(_) => (),
                // Out of file descriptors, most likely: some will be closed.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn holding(_slot: OwnedSemaphorePermit, served: impl Future<Output = ()>) {
    served.await;
}

fn shared(gate: Gate, own: SocketAddr, settings: Settings) -> Result<Arc<Shared>, StartError> {
    let mut http1 = http1::Builder::new();
    http1
        .header_read_timeout(settings.head_timeout)
        .max_header_size(settings.head_max as usize)
        .max_buf_size(settings.head_max as usize);
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_header_list_size(settings.head_max)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(Settings::WINDOW)
        .max_send_buf_size(Settings::WINDOW as usize)
        .keep_alive_interval(settings.head_timeout);
    let limit = settings.connect_timeout;
    let tls = Upstreams::new(&gate.trust, limit).map_err(StartError::Tls)?;
    Ok(Arc::new(Shared {
        gate,
        own,
        pool: Pool::new(Dialler::new(own, limit, settings.via.clone()), tls),
        http1,
        http2,
        streams: Arc::new(Semaphore::new(settings.connections as usize)),
        settings,
    }))
}

/// How many clients wait to be accepted (count; the kernel may know a lower limit).
const QUEUE: i32 = 4096;

/// How many requests one connection may have under way over HTTP/2 (count).
const STREAMS_MAX: u32 = 128;

/// How long accepting rests after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
