//! Reaching an upstream.

use std::{collections::VecDeque, error::Error, fmt, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};

use super::{
    tls::Alpn,
    via::{UpstreamProxy, ViaError},
};

/// Whom a request is for, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    host: String,
    port: u16,
    tls: Option<Alpn>,
}

impl Origin {
    /// The upstream at this host (a name, or an address without brackets) and port, over TLS if `tls` says what to
    /// speak in it.
    pub(super) fn new(host: &str, port: u16, tls: Option<Alpn>) -> Self {
        let host = host.to_ascii_lowercase();
        Self { host, port, tls }
    }

    /// `host:port`, brackets around an IPv6 address.
    pub(super) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    pub(super) const fn tls(&self) -> Option<Alpn> {
        self.tls
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

/// Opens connections to upstreams, never to the proxy.
#[derive(Clone, Debug)]
pub(super) struct Dialler {
    own: SocketAddr,
    /// For each address that a name has.
    limit: Duration,
    via: Option<UpstreamProxy>,
}

impl Dialler {
    pub(super) const fn new(own: SocketAddr, limit: Duration, via: Option<UpstreamProxy>) -> Self {
        Self { own, limit, via }
    }

    /// The proxy that is asked for clear requests in an upstream's place, if there is one.
    pub(super) const fn via(&self) -> Option<&UpstreamProxy> {
        self.via.as_ref()
    }

    /// Connects to `origin`, so that every byte is between it and the caller.
    pub(super) async fn dial(&self, origin: &Origin) -> Result<TcpStream, DialError> {
        let Some(via) = &self.via else {
            return self.connect(origin.host(), origin.port()).await;
        };
        let mut stream = self.connect(via.host(), via.port()).await?;
        let opened = timeout(self.limit, via.open_tunnel(&mut stream, origin)).await;
        opened
            .map_err(|_| DialError::Via(ViaError::TimedOut))?
            .map_err(DialError::Via)?;
        Ok(stream)
    }

    /// Connects to whom a clear request to `origin` is to be sent: itself, or the proxy.
    pub(super) async fn dial_next(&self, origin: &Origin) -> Result<TcpStream, DialError> {
        match &self.via {
            None => self.connect(origin.host(), origin.port()).await,
            Some(via) => self.connect(via.host(), via.port()).await,
        }
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = lookup_host((host, port)).await.map_err(DialError::Name)?;
        let stream = connect_first(addresses.collect(), self.limit).await?;
        self.checked(stream)
    }

    /// Many addresses and names lead here; where a connection came out tells them all.
    fn checked(&self, stream: TcpStream) -> Result<TcpStream, DialError> {
        let peer = stream.peer_addr().map_err(DialError::Lost)?;
        if peer.port() == self.own.port() && peer.ip().to_canonical() == self.own.ip() {
            return Err(DialError::Itself);
        }
        stream.set_nodelay(true).map_err(DialError::Lost)?;
        Ok(stream)
    }
}

/// Connects to the address that accepts first.
///
/// The next address is tried when those before it have failed, or have been silent for a moment (RFC 8305 section 5): a
/// host has addresses of a kind that leads nowhere on many a network.
async fn connect_first(
    addresses: VecDeque<SocketAddr>,
    limit: Duration,
) -> Result<TcpStream, DialError> {
    let mut left = addresses;
    let mut tries = JoinSet::new();
    let mut failure = DialError::NoAddress;
    loop {
        match left.pop_front() {
            Some(address) => drop(tries.spawn(connect_to(address, limit))),
            None if tries.is_empty() => return Err(failure),
            None => (),
        }
        // A try ends by itself.
        let patience = if left.is_empty() {
            Duration::MAX
        } else {
            MOMENT
        };
        match timeout(patience, tries.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => failure = error,
            _ => (),
        }
    }
}

async fn connect_to(address: SocketAddr, limit: Duration) -> Result<TcpStream, DialError> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(DialError::Refused(address, error)),
        Err(_) => Err(DialError::TimedOut(address)),
    }
}

/// How long an address may be silent before the next is tried too.
const MOMENT: Duration = Duration::from_millis(250);

/// Why an upstream cannot be reached.
#[derive(Debug)]
#[non_exhaustive]
pub(super) enum DialError {
    /// Its name cannot be resolved.
    Name(io::Error),
    /// Its name has no address.
    NoAddress,
    /// The address that failed last does not accept.
    Refused(SocketAddr, io::Error),
    /// The address that failed last does not answer.
    TimedOut(SocketAddr),
    /// The connection was gone as soon as it was there.
    Lost(io::Error),
    /// Its name leads back to the proxy.
    Itself,
    /// The proxy in between opens no tunnel to it.
    Via(ViaError),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => write!(f, "the name cannot be resolved, {error}"),
            Self::NoAddress => f.write_str("the name has no address"),
            Self::Refused(address, error) => write!(f, "{address} does not accept, {error}"),
            Self::TimedOut(address) => write!(f, "{address} does not answer"),
            Self::Lost(error) => write!(f, "the connection was lost, {error}"),
            Self::Itself => f.write_str("the name leads back to the proxy"),
            Self::Via(error) => error.fmt(f),
        }
    }
}

impl Error for DialError {}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Instant};

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// An address that does not answer for as long as what comes with it is held: its queue is full.
    async fn silent() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        let moment = Duration::from_millis(200);
        while let Ok(stream) = timeout(moment, TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
            assert!(queue.len() < 16, "the queue is never full");
        }
        (address, listener, queue)
    }

    async fn open() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        (listener.local_addr().unwrap(), listener)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_holds_nobody_up() {
        let (silent, _held, _queue) = silent().await;
        let (open, _listener) = open().await;
        let begun = Instant::now();
        let stream = connect_first([silent, open].into(), LIMIT).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over_at_once() {
        let (closed, listener) = open().await;
        drop(listener);
        let (open, _listener) = open().await;
        let begun = Instant::now();
        let stream = connect_first([closed, open].into(), LIMIT).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(begun.elapsed() < MOMENT, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn what_failed_last_is_told() {
        let (closed, listener) = open().await;
        drop(listener);
        let (silent, _held, _queue) = silent().await;
        let limit = Duration::from_millis(100);
        let failed = connect_first([closed, silent].into(), limit).await;
        assert!(matches!(failed, Err(DialError::TimedOut(address)) if address == silent));
        let none = connect_first(VecDeque::new(), limit).await;
        assert!(matches!(none, Err(DialError::NoAddress)));
    }
}
