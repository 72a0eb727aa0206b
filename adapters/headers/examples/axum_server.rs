//! An axum router behind the layer: only requests to `/ai` get a stamp, all are stripped.
//!
//! `cargo run -p throughline-headers --features tower --example axum_server`

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::{Router, body::Body, http::request::Parts, routing::get};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{MapInjector, Names, Recorder, StampLayer};
use tower::ServiceExt;
use uuid::Uuid;

/// Stamps what goes to the targets, in the order of arrival.
struct Targets {
    session: SessionId,
    next: AtomicU32,
}

impl Recorder for Targets {
    fn record(&self, request: &Parts) -> Option<Stamp> {
        if !request.uri.path().starts_with("/ai") {
            return None;
        }
        let number = Sequence::new(self.next.fetch_add(1, Ordering::Relaxed))?;
        Some(Stamp::new(self.session, number))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = SessionId::from_uuid(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
    let next = AtomicU32::new(0);
    let injector = MapInjector::new(&Names::DEFAULT, session);
    let router = Router::new()
        .route("/ai", get(show))
        .route("/", get(show))
        .layer(StampLayer::new(injector, Targets { session, next }));
    for path in ["/ai", "/", "/ai"] {
        let request = Request::get(path)
            .header("X_Coder_Agent_Firewall_Session_Id", "forged")
            .body(Body::empty())?;
        let response = router.clone().oneshot(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        println!("{path}\n{}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

/// Answers with the headers that came.
async fn show(headers: HeaderMap) -> String {
    let fields = headers.iter();
    let lines = fields.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or("?")));
    lines.collect()
}
