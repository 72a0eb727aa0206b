use std::{fmt::Write, ops::Range};

use throughline_core::{Encoder, Event, Origin, Report, TooLong};

/// A wire format that a person can read: a line an event, a line in front, a line behind.
///
/// Frames are small (200 bytes, 10 events), so that tests reach every limit soon.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines;

impl Encoder for Lines {
    const HEAD: usize = 2;
    const TAIL: usize = 38;
    const FRAME_MAX: usize = 400;
    const EVENTS_MAX: u32 = 10;

    fn encode(&self, event: &Event<'_>, out: &mut [u8]) -> Result<usize, TooLong> {
        let verdict = if event.request.decision().is_denied() {
            '-'
        } else {
            '+'
        };
        let (method, url) = (event.request.method(), event.request.url());
        put(out, &format!("{}{verdict}{method} {url}\n", event.sequence))
    }

    fn seal(
        &self,
        origin: Origin<'_>,
        block: &mut [u8],
        events: Range<usize>,
    ) -> Option<Range<usize>> {
        let start = events.start.checked_sub(2)?;
        block.get_mut(start..events.start)?.copy_from_slice(b"[\n");
        let tail = put(
            block.get_mut(events.end..)?,
            &format!("]{}\n", origin.session),
        );
        Some(start..events.end + tail.ok()?)
    }

    fn report(&self, origin: Origin<'_>, report: &Report, out: &mut [u8]) -> Option<usize> {
        let mut text = format!("!{}", origin.session);
        for loss in &report.losses {
            write!(text, " {}-{}:{}", loss.first, loss.last, loss.count).ok()?;
        }
        if let Some(end) = report.end {
            write!(text, " end {}={}+{}", end.recorded, end.written, end.lost).ok()?;
        }
        text.push('\n');
        put(out, &text).ok()
    }
}

fn put(out: &mut [u8], text: &str) -> Result<usize, TooLong> {
    let too_long = TooLong {
        needed: text.len(),
        available: out.len(),
    };
    let room = out.get_mut(..text.len()).ok_or(too_long)?;
    room.copy_from_slice(text.as_bytes());
    Ok(text.len())
}
