//! The inside of a tunnel: TLS or clear text, HTTP in either, and nothing else.

use std::{error::Error, io, sync::Arc};

use http::uri::Authority;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rustls::server::Acceptor;
use tokio::{io::AsyncReadExt, sync::watch, time::timeout};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{
    client::{Client, Shared},
    judge::record_denied,
    refusal::Reason,
    rewound::Rewound,
    scope::{Inside, Scope, is_same_host},
    server::Phase,
    tls::Alpn,
};

/// Serves the requests inside of a tunnel to `target`. What is no HTTP, in TLS or in the clear, ends it and is recorded.
pub(super) async fn intercept(
    shared: &Arc<Shared>,
    client: OnUpgrade,
    target: Authority,
    phase: watch::Receiver<Phase>,
) {
    let tunnel = Tunnel {
        shared,
        target,
        phase,
    };
    if let Err(fault) = tunnel.serve(client).await
        && let Some(reason) = fault.reason()
    {
        let target = tunnel.target.as_str().as_bytes();
        record_denied(&shared.gate, "CONNECT", target, reason);
    }
}

struct Tunnel<'s> {
    shared: &'s Arc<Shared>,
    target: Authority,
    phase: watch::Receiver<Phase>,
}

impl Tunnel<'_> {
    async fn serve(&self, client: OnUpgrade) -> Result<(), Fault> {
        let client = client.await.map_err(|_| Fault::Gone)?;
        match self.unless_stopped(Inner::recognise(client)).await? {
            Inner::Clear(stream) => {
                let client = self.client(None);
                client.serve_inside(stream, self.phase.clone()).await;
                Ok(())
            }
            Inner::Tls(stream) => {
                let stream = self.unless_stopped(self.accept(stream)).await?;
                self.serve_tls(stream).await
            }
        }
    }

    async fn serve_tls(&self, stream: TlsStream<Rewound>) -> Result<(), Fault> {
        let alpn = Alpn::of(stream.get_ref().1.alpn_protocol());
        let (client, phase) = (self.client(Some(alpn)), self.phase.clone());
        match alpn {
            Alpn::Http1 => {
                client.serve_inside(stream, phase).await;
                Ok(())
            }
            Alpn::Http2 => {
                let served = client.serve_http2(stream, phase).await;
                served.map_err(|error| Fault::http2(&error))
            }
        }
    }

    /// Speaks TLS with the client in the name of the tunnel's host.
    async fn accept(&self, stream: Rewound) -> Result<TlsStream<Rewound>, Fault> {
        let host = self.target.host();
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
        let hello = hello.map_err(|error| Fault::handshake(&error))?;
        if let Some(name) = hello.client_hello().server_name()
            && !is_same_host(name, host)
        {
            return Err(Fault::ServerName(name.to_owned()));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let config = self.shared.gate.authority.speak_as(bare);
        let config = config.map_err(|error| Fault::handshake(&error))?;
        let accepted = hello.into_stream(config).await;
        accepted.map_err(|error| Fault::handshake(&error))
    }

    fn client(&self, tls: Option<Alpn>) -> Arc<Client> {
        let inside = Inside::new(self.target.clone(), tls);
        Client::new(Arc::clone(self.shared), Scope::Tunnel(inside))
    }

    /// What `work` comes to, if that is in time. While nothing is asked for, a proxy that stops does not wait for it.
    async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut phase = self.phase.clone();
        tokio::select! {
            done = timeout(self.shared.settings.head_timeout, work) => {
                done.unwrap_or(Err(Fault::Silent))
            }
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => Err(Fault::Gone),
        }
    }
}

/// What a client says inside of a tunnel, its first byte included.
enum Inner {
    Clear(Rewound),
    Tls(Rewound),
}

impl Inner {
    /// Tells what a client speaks by its first byte; what begins like HTTP and is none, hyper refuses.
    async fn recognise(client: Upgraded) -> Result<Self, Fault> {
        let mut stream = TokioIo::new(client);
        let first = match stream.read_u8().await {
            Ok(first) => first,
            Err(_) => return Err(Fault::Gone),
        };
        let stream = Rewound::new(first, stream);
        match first {
            TLS_HANDSHAKE => Ok(Self::Tls(stream)),
            b'\r' | b'\n' | b'!'..=b'~' => Ok(Self::Clear(stream)),
            _ => Err(Fault::Unreadable),
        }
    }
}

/// Why nothing more is served in a tunnel.
enum Fault {
    /// The client left, or the proxy ends.
    Gone,
    Silent,
    Unreadable,
    ServerName(String),
    Handshake(String),
    Http2(String),
}

impl Fault {
    fn handshake(error: &impl ToString) -> Self {
        Self::Handshake(error.to_string())
    }

    /// A client that leaves, or does not answer, breaks no protocol.
    fn http2(error: &hyper::Error) -> Self {
        match error.source() {
            Some(cause) if !cause.is::<io::Error>() && !error.is_timeout() => {
                Self::Http2(cause.to_string())
            }
            _ => Self::Gone,
        }
    }

    fn reason(&self) -> Option<Reason<'_>> {
        match self {
            Self::Gone => None,
            Self::Silent => Some(Reason::Silent),
            Self::Unreadable => Some(Reason::Unreadable),
            Self::ServerName(name) => Some(Reason::ServerName(name)),
            Self::Handshake(error) => Some(Reason::Handshake(error)),
            Self::Http2(error) => Some(Reason::Http2(error)),
        }
    }
}

/// The content type of a TLS record that a client begins with (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
