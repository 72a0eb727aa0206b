//! Bodies that pass through as they come, trailers cleaned.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http_body_util::{BodyExt, Limited};
use hyper::{
    Error, Request,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header,
};
use throughline_headers::MapInjector;
use tokio::time::timeout;

use super::{hop, pool::Lease};

/// A request's body on its way to the upstream.
#[derive(Debug)]
pub(super) struct Upload {
    /// None if the body is empty.
    incoming: Option<Incoming>,
    injector: Arc<MapInjector>,
    /// There for as long as there is something left of a body that is not empty.
    rest: Option<Arc<()>>,
}

impl Upload {
    pub(super) fn new(incoming: Incoming, injector: Arc<MapInjector>) -> Self {
        let incoming = Some(incoming).filter(|incoming| !incoming.is_end_stream());
        Self {
            rest: incoming.as_ref().map(|_| Arc::default()),
            incoming,
            injector,
        }
    }

    /// The same body once more; None if it can be read only once, as it is not empty.
    pub(super) fn again(&self) -> Option<Self> {
        self.rest.is_none().then(|| Self {
            incoming: None,
            injector: Arc::clone(&self.injector),
            rest: None,
        })
    }

    /// Has a strong count until the whole body is sent; None if it is empty.
    pub(super) fn rest(&self) -> Option<Weak<()>> {
        self.rest.as_ref().map(Arc::downgrade)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| cleaned(frame, &self.injector))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.incoming.as_ref().map(Body::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

/// A response's body on its way to the client; at its end the upstream's connection is given back.
///
/// If it is dropped before its end, the connection is closed.
#[derive(Debug)]
pub(super) struct Download {
    incoming: Incoming,
    injector: Arc<MapInjector>,
    lease: Option<Lease>,
}

impl Download {
    pub(super) fn new(incoming: Incoming, injector: Arc<MapInjector>, lease: Lease) -> Self {
        let mut download = Self {
            incoming,
            injector,
            lease: Some(lease),
        };
        download.give_back_at_end();
        download
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut incoming = Pin::new(&mut self.incoming);
        let Some(lease) = self.lease.as_mut().filter(|lease| lease.is_driven()) else {
            return incoming.poll_frame(cx);
        };
        // What is there; what has come since; and if that is nothing, to be woken when something does. Only to drive
        // the connection brings a frame about, so no frame has to wake anybody.
        for waker in [None, Some(Waker::noop()), Some(cx.waker())] {
            if let Some(waker) = waker {
                lease.drive(&mut Context::from_waker(waker));
            }
            let polled = incoming
                .as_mut()
                .poll_frame(&mut Context::from_waker(Waker::noop()));
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }

    fn give_back_at_end(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(self.poll_incoming(cx));
        match &frame {
            None => {
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
            }
            Some(Ok(_)) => self.give_back_at_end(),
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(frame.map(|frame| frame.map(|frame| cleaned(frame, &self.injector))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn cleaned(mut frame: Frame<Bytes>, injector: &MapInjector) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        hop::strip(trailers);
        injector.strip(trailers);
    }
    frame
}

/// Takes in the body of a request that goes no further, so that the answer finds a client that has stopped sending.
///
/// A client that waits for `100 Continue` is not made to send it.
pub(super) async fn drain(request: Request<impl Body<Error = Error> + Unpin>) {
    if request.headers().contains_key(header::EXPECT) || request.body().is_end_stream() {
        return;
    }
    let mut body = Limited::new(request.into_body(), DRAIN_MAX);
    // Each piece is dropped as it comes, so that refused requests fill no memory.
    let to_its_end = async { while let Some(Ok(_)) = body.frame().await {} };
    // What is left of it ends with the connection.
    let _ = timeout(DRAIN_TIME, to_its_end).await;
}

/// How much of a body is taken in before its request is refused (bytes).
const DRAIN_MAX: usize = 1024 * 1024;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);
