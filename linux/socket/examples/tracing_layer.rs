//! A tracing layer that records each request which has a span, and puts the stamp in the span, so that
//! every line that is logged within it has the stamp too.
//!
//! `cargo run -p throughline-socket --example tracing_layer -- SOCKET`
//! with the socket of `throughline collect`.

use std::{collections::HashMap, env, error::Error, fmt, fmt::Write, sync::Arc, time::Duration};

use throughline_core::{HttpRequest, Settings, Trail};
use throughline_protobuf::AgentSocket;
use throughline_socket::{FlushThread, Host, HostMutex, SocketLink};
use tracing::{Subscriber, field::Field, info, info_span, span};
use tracing_subscriber::fmt::{self as log, FormattedFields, format::DefaultFields};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

type Recorder = Trail<HostMutex, Host, AgentSocket, Box<[u8]>, 4>;

struct Recording(Arc<Recorder>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recording {
    fn on_new_span(&self, new: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let span = context.span(id);
        let Some(span) = span.filter(|span| span.name() == "request") else {
            return;
        };
        let mut fields = HashMap::new();
        new.record(&mut |field: &Field, value: &dyn fmt::Debug| {
            fields.insert(field.name(), format!("{value:?}"));
        });
        let text = |name| fields.get(name).map_or("?", String::as_str);
        let request = HttpRequest::denied(text("method"), text("url"), "no rule");
        let stamp = self.0.record(&request);
        // What the log says of the span on each line; other layers may want a type of their own here.
        if let Some(shown) = span
            .extensions_mut()
            .get_mut::<FormattedFields<DefaultFields>>()
        {
            let _ = write!(shown.fields, " stamp={stamp}");
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let socket = env::args().nth(1).ok_or("usage: tracing_layer SOCKET")?;
    let trail = Arc::new(Recorder::new(Host::new(1)?, AgentSocket::default()));
    assert!((0..4).all(|_| trail.lane(0).lend(vec![0; 32 << 10].into()).is_ok()));
    let link = SocketLink::to_path(socket)?;
    let flush = FlushThread::spawn(Arc::clone(&trail), 0, link, Settings::DEFAULT)?;
    // The log first, because the layer adds to what it has made of a span.
    let layers = tracing_subscriber::registry().with(log::layer());
    layers.with(Recording(trail)).init();

    for url in ["http://a.example/", "http://b.example/"] {
        let span = info_span!("request", method = %"GET", url = %url);
        span.in_scope(|| info!("turned away"));
    }
    let ended = flush.finish(Duration::from_secs(5));
    ended.map(drop).ok_or("no time to write it out".into())
}
