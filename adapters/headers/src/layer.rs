use core::task::{Context, Poll};
use std::sync::Arc;

use http::{Request, request::Parts};
use throughline_core::Stamp;
use tower_layer::Layer;
use tower_service::Service;

use crate::MapInjector;

/// Where a request gets its stamp from: the seam behind which events are decided and stored.
///
/// `record` is called once a request, after what a client may not set was dropped and before the inner
/// service is called, on the thread that calls the service: it must not block. `None` lets
/// the request pass without a stamp. Any `Fn(&Parts) -> Option<Stamp>` is a recorder.
pub trait Recorder {
    /// Records `request` and returns the stamp that its headers are to carry.
    fn record(&self, request: &Parts) -> Option<Stamp>;
}

impl<F: Fn(&Parts) -> Option<Stamp>> Recorder for F {
    fn record(&self, request: &Parts) -> Option<Stamp> {
        self(request)
    }
}

/// Strips every request, and injects the stamps that a [`Recorder`] gives.
///
/// It makes no assumption on the body, the response or the runtime, so it serves under hyper, axum and
/// tonic, for a server as well as for a client.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use http::{Request, request::Parts};
/// use throughline_core::{Sequence, SessionId, Stamp};
/// use throughline_headers::{MapInjector, Names, StampLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let session = SessionId::from_uuid(uuid::Uuid::from_u128(7));
/// let next = AtomicU32::new(0);
/// let recorder = move |_: &Parts| {
///     let number = Sequence::new(next.fetch_add(1, Ordering::Relaxed))?;
///     Some(Stamp::new(session, number))
/// };
/// let layer = StampLayer::new(MapInjector::new(&Names::DEFAULT, session), recorder);
/// let service = layer.layer(service_fn(|request: Request<()>| async move {
///     Ok::<_, std::convert::Infallible>(request.headers().len())
/// }));
/// assert_eq!(service.oneshot(Request::new(())).await, Ok(2));
/// # }
/// ```
#[derive(Debug)]
pub struct StampLayer<R> {
    shared: Arc<Shared<R>>,
}

impl<R> StampLayer<R> {
    /// A layer that writes with `injector` what `recorder` gives.
    #[must_use]
    pub fn new(injector: MapInjector, recorder: R) -> Self {
        let shared = Arc::new(Shared { injector, recorder });
        Self { shared }
    }
}

impl<R> Clone for StampLayer<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<R, S> Layer<S> for StampLayer<R> {
    type Service = StampService<R, S>;

    fn layer(&self, inner: S) -> Self::Service {
        StampService {
            shared: Arc::clone(&self.shared),
            inner,
        }
    }
}

/// A service behind a [`StampLayer`].
///
/// A request whose header map is full, at tens of thousands of fields, passes stripped and
/// without its stamp: never with half of it.
#[derive(Debug)]
pub struct StampService<R, S> {
    shared: Arc<Shared<R>>,
    inner: S,
}

impl<R, S: Clone> Clone for StampService<R, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            inner: self.inner.clone(),
        }
    }
}

impl<R, S, B> Service<Request<B>> for StampService<R, S>
where
    R: Recorder,
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let Shared { injector, recorder } = &*self.shared;
        injector.strip(&mut parts.headers);
        if let Some(stamp) = recorder.record(&parts) {
            // A full map is left without the pair, and its sender with no way to forge one.
            let _ = injector.inject(&mut parts.headers, stamp);
        }
        self.inner.call(Request::from_parts(parts, body))
    }
}

#[derive(Debug)]
struct Shared<R> {
    injector: MapInjector,
    recorder: R,
}
