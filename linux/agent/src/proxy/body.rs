//! Bodies that pass through as they come, trailers cleaned.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::{
    Error,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
};
use throughline_headers::MapInjector;

use super::{hop, pool::Lease};

/// A request's body on its way to the upstream.
#[derive(Debug)]
pub(super) struct Upload {
    incoming: Incoming,
    injector: Arc<MapInjector>,
}

impl Upload {
    pub(super) const fn new(incoming: Incoming, injector: Arc<MapInjector>) -> Self {
        Self { incoming, injector }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| cleaned(frame, &self.injector))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
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
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
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
