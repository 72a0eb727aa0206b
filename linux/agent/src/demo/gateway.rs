//! The upstream of the demo, which keeps a log as a gateway does.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// What the gateway saw of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) session: Option<String>,
    pub(super) sequence: Option<String>,
}

/// A gateway that is running.
pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl Gateway {
    /// Starts a gateway on a free port of the loopback interface.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let gateway = Self {
            address: listener.local_addr()?,
            log: Arc::default(),
        };
        tokio::spawn(accept(listener, Arc::clone(&gateway.log)));
        Ok(gateway)
    }

    /// What it has seen, in order.
    pub(super) fn log(&self) -> Vec<Seen> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn accept(listener: TcpListener, log: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&log)));
    }
}

async fn serve(stream: TcpStream, log: Arc<Mutex<Vec<Seen>>>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let seen = Seen::of(&request);
        let status = seen.status();
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
        let mut response = Response::new(String::from("seen\n"));
        *response.status_mut() = status;
        async { Ok::<_, Infallible>(response) }
    });
    // A connection that breaks is the proxy's to report.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

impl Seen {
    fn of<B>(request: &Request<B>) -> Self {
        let fields = request.headers();
        Self {
            path: request.uri().path().to_owned(),
            session: field(fields, SESSION),
            sequence: field(fields, SEQUENCE),
        }
    }

    /// The public gateway takes both headers or neither.
    const fn status(&self) -> StatusCode {
        match (&self.session, &self.sequence) {
            (Some(_), Some(_)) | (None, None) => StatusCode::OK,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

fn field(fields: &HeaderMap, name: &str) -> Option<String> {
    let value = fields.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(value).into_owned())
}

const SESSION: &str = "x-coder-agent-firewall-session-id";
const SEQUENCE: &str = "x-coder-agent-firewall-sequence-number";
