//! An axum service that records each call which it makes to others, and stamps it.
//!
//! `cargo run -p throughline-headers --features tower --example outgoing_calls -- SOCKET URL`
//! with the socket of `throughline collect`, and the URL of another service.

use std::{env, error::Error, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::StatusCode, routing::get};
use http::{Request, request::Parts};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use throughline_core::{HttpRequest, MatchedRule, Settings, Trail};
use throughline_headers::{MapInjector, Names, StampLayer};
use throughline_protobuf::AgentSocket;
use throughline_socket::{FlushThread, Host, HostMutex, SocketLink};
use tokio::{net::TcpListener, signal};
use tower::{Layer, ServiceExt};

type Recorder = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, 4>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [socket, url] = <[String; 2]>::try_from(args).map_err(|_| "usage: SOCKET URL")?;

    // The trail, memory for it, and the thread that writes it to the socket.
    let trail = Arc::new(Recorder::new(Host::new(1)?, AgentSocket::default()));
    assert!((0..4).all(|_| trail.lane(0).lend(vec![0; 32 << 10].into()).is_ok()));
    let link = SocketLink::to_path(socket)?;
    let flush = FlushThread::spawn(Arc::clone(&trail), 0, link, Settings::DEFAULT)?;

    // A client: what it sends is recorded first, and carries the stamp of that record.
    let injector = MapInjector::new(&Names::DEFAULT, trail.session());
    let record = move |call: &Parts| {
        let (method, url) = (call.method.as_str(), call.uri.to_string());
        let rule = MatchedRule::new("own calls")?;
        Some(trail.record(&HttpRequest::allowed(method, &*url, rule)))
    };
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let client = StampLayer::new(injector, record).layer(client);

    // The service answers with what the other one does.
    let answer = async move || {
        let call = Request::get(url).body(Body::empty()).map_err(failed)?;
        let answer = client.oneshot(call).await.map_err(failed)?;
        Ok::<_, StatusCode>(answer.map(Body::new))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening at http://{}/", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/", get(answer)))
        .with_graceful_shutdown(async { drop(signal::ctrl_c().await) })
        .await?;
    let ended = flush.finish(Duration::from_secs(5));
    ended.map(drop).ok_or("no time to write it out".into())
}

fn failed(_: impl Error) -> StatusCode {
    StatusCode::BAD_GATEWAY
}
