//! The raw form of the correlation headers.

use core::hint::black_box;

use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{HeadInjector, Names, Trace};

use crate::unknown::{Unknown, show};

pub(crate) fn rewrite(bytes: &[u8], text: &str) {
    let names = Names::new(text, text).unwrap_or_else(|error| {
        show(&error);
        Names::DEFAULT
    });
    black_box((names.session(), names.sequence()));
    let session = SessionId::draw(&Unknown);
    let stamp = black_box(Some(Stamp::new(session, Sequence::ZERO)));
    let mut out = [0; 64];
    for trace in [
        Trace::Off,
        Trace::Parent,
        Trace::Baggage,
        Trace::ParentAndBaggage,
    ] {
        black_box((trace.has_parent(), trace.has_baggage()));
        let injector = HeadInjector::with_trace(&names, session, black_box(trace));
        black_box(injector.rewrite(bytes, &mut out, stamp).is_ok());
    }
    let injector = HeadInjector::new(&Names::DEFAULT, session);
    if let Err(error) = injector.rewrite(bytes, &mut out, stamp) {
        show(&error);
    }
}
