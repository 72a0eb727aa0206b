//! Reaching an upstream.

use std::{error::Error, fmt, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
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

    /// Connects to the first address of `host` that accepts.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = lookup_host((host, port)).await.map_err(DialError::Name)?;
        let mut failure = DialError::NoAddress;
        for address in addresses {
            match timeout(self.limit, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.checked(stream),
                Ok(Err(error)) => failure = DialError::Refused(address, error),
                Err(_) => failure = DialError::TimedOut(address),
            }
        }
        Err(failure)
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

/// Why an upstream cannot be reached.
#[derive(Debug)]
#[non_exhaustive]
pub(super) enum DialError {
    /// Its name cannot be resolved.
    Name(io::Error),
    /// Its name has no address.
    NoAddress,
    /// The last of its addresses does not accept.
    Refused(SocketAddr, io::Error),
    /// The last of its addresses does not answer.
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
