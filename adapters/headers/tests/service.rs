//! The layer around a service.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Request, request::Parts};
use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{MapInjector, Names, StampLayer};
use tower::{Layer, ServiceExt, service_fn};
use uuid::Uuid;

const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(7));

/// Sends one request with a forged field through the layer; what the recorder and the service see.
async fn seen(stamp: Option<Stamp>) -> (HeaderMap, HeaderMap) {
    let recorded = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&recorded);
    let recorder = move |parts: &Parts| {
        *kept.lock().unwrap() = Some(parts.headers.clone());
        stamp
    };
    let layer = StampLayer::new(MapInjector::new(&Names::DEFAULT, SESSION), recorder);
    let inner = service_fn(|request: Request<&'static str>| async move {
        assert_eq!(*request.body(), "body");
        Ok::<_, Infallible>(request.headers().clone())
    });
    let mut request = Request::new("body");
    let forged = http::HeaderValue::from_static("1");
    request
        .headers_mut()
        .insert("x_coder_agent_firewall_sequence_number", forged);
    let served = layer.clone().layer(inner).clone().oneshot(request).await;
    let recorded = recorded.lock().unwrap().take().unwrap();
    (recorded, served.unwrap())
}

#[tokio::test]
async fn a_stamped_request_carries_the_pair_and_nothing_forged() {
    let (recorded, served) = seen(Some(Stamp::new(SESSION, Sequence::ZERO))).await;
    assert!(recorded.is_empty(), "the recorder sees what is passed on");
    assert_eq!(served.len(), 2);
    assert_eq!(served[Names::DEFAULT.session()], SESSION.to_string());
    assert_eq!(served[Names::DEFAULT.sequence()], "0");
}

#[tokio::test]
async fn a_request_without_a_stamp_is_stripped_all_the_same() {
    let (_, served) = seen(None).await;
    assert!(served.is_empty());
}
