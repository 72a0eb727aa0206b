//! A minimal forward proxy on hyper: a server, a pooled client, and nothing in between.

use std::net::TcpListener;

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};

/// Forwards what comes to `listener`, for as long as the process runs, on as many threads as the agent
/// has for it.
///
/// # Panics
///
/// If the threads cannot be started.
pub fn serve(listener: TcpListener) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let client: Client<HttpConnector, Incoming> =
            Client::builder(TokioExecutor::new()).build_http();
        while let Ok((stream, _)) = listener.accept().await {
            // What else would be measured is Nagle's delay.
            let _ = stream.set_nodelay(true);
            let client = client.clone();
            tokio::spawn(async move {
                let forward = service_fn(|request: Request<Incoming>| client.request(request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), forward);
                // A client that goes away is no news.
                let _ = connection.await;
            });
        }
    });
}
