//! Upstreams: one that echoes, served by hyper, and one that is played by hand.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::wire::{Wire, bounded};

/// Answers every request with its own head and body, and tries to show its stamp to the client.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Echo {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let counted = (Arc::clone(&connections), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.0.fetch_add(1, Ordering::Relaxed);
                let requests = Arc::clone(&counted.1);
                let service = service_fn(move |request| echo(request, Arc::clone(&requests)));
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(served);
            }
        });
        Self {
            address,
            connections,
            requests,
        }
    }

    /// How many connections were made to it.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many requests it has answered.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn echo(
    request: Request<Incoming>,
    requests: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    requests.fetch_add(1, Ordering::Relaxed);
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap_or("?")));
    }
    let mut response = Response::builder()
        .header("Keep-Alive", "timeout=5")
        .header("Connection", "keep-alive, X-Hop")
        .header("X-Hop", "1")
        .header("X-End", "1");
    for name in [
        "x-coder-agent-firewall-session-id",
        "x-coder-agent-firewall-sequence-number",
    ] {
        if let Some(value) = request.headers().get(name) {
            response = response.header(name, value);
        }
    }
    if let Ok(body) = request.into_body().collect().await {
        let trailers = body.trailers().cloned().unwrap_or_default();
        text.push_str(&format!("\n{}", String::from_utf8_lossy(&body.to_bytes())));
        for (name, value) in &trailers {
            text.push_str(&format!(
                "\ntrailer {name}: {}",
                value.to_str().unwrap_or("?")
            ));
        }
    }
    Ok(response.body(Full::from(text)).unwrap())
}

/// An upstream whose every byte is the test's.
pub(super) struct Played {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Played {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// The next connection that is made to it.
    pub(super) async fn accept(&self) -> Wire {
        Wire::new(bounded(self.listener.accept()).await.unwrap().0)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
