//! A hyper server behind the layer, and one request with a forged number.
//!
//! `cargo run -p throughline-headers --features tower --example hyper_server`

use std::{
    convert::Infallible,
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Bytes, http::request::Parts, server};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{MapInjector, Names, StampLayer};
use tower::{Layer, service_fn};
use uuid::Uuid;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = SessionId::from_uuid(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
    let next = AtomicU32::new(0);
    let recorder = move |_: &Parts| {
        let number = Sequence::new(next.fetch_add(1, Ordering::Relaxed))?;
        Some(Stamp::new(session, number))
    };
    let layer = StampLayer::new(MapInjector::new(&Names::DEFAULT, session), recorder);
    let service = TowerToHyperService::new(layer.layer(service_fn(show)));

    let (client, server) = tokio::io::duplex(4096);
    let serving =
        server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(client)).await?;
    tokio::spawn(connection);
    let asking = async move {
        let request = Request::get("/")
            .header("x-coder-agent-firewall-sequence-number", "99")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, Box<dyn Error>>(body)
    };
    let (served, answer) = tokio::join!(serving, asking);
    served?;
    print!("{}", String::from_utf8_lossy(&answer?));
    Ok(())
}

/// Answers with the headers that came.
async fn show<B>(request: Request<B>) -> Result<Response<String>, Infallible> {
    let fields = request.headers().iter();
    let lines = fields.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or("?")));
    Ok(Response::new(lines.collect()))
}
