use throughline_core::{SessionId, Stamp};

use crate::{
    Names, RewriteError, Trace,
    fields::{Fields, Stamped},
    keep::{Counted, keep_line, keep_lines},
    line::{CRLF, Field, Lines},
    owned::Owned,
    text::Room,
};

/// Strips and injects on the raw head of an HTTP/1.x request.
///
/// Made once a session, it holds the text of everything but the sequence number. A stamp of another
/// session, which a rotation brings, is written just as well and takes a little longer.
///
/// A call reads the head once, from its first byte to its blank line, and is strict: what it
/// lets pass has one meaning to every reader. The new lines go right before the blank line, so that
/// `Host` stays where clients put it.
#[derive(Clone, Debug)]
pub struct HeadInjector {
    owned: Owned,
    fields: Fields,
}

/// What a rewriting did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewritten {
    /// The length of the head that was read, with its blank line (bytes). The body begins there.
    pub consumed: usize,
    /// The length of the new head, with its blank line (bytes).
    pub written: usize,
    /// How many fields, options of `Connection` and members of `baggage` were dropped (count). A
    /// client that sends none of ours gives zero.
    pub dropped: usize,
}

impl HeadInjector {
    /// The injector of `session` with these names and without tracing fields.
    #[must_use]
    pub fn new(names: &Names<'_>, session: SessionId) -> Self {
        Self::with_trace(names, session, Trace::Off)
    }

    /// The injector of `session` with these names and tracing fields.
    #[must_use]
    pub fn with_trace(names: &Names<'_>, session: SessionId, trace: Trace) -> Self {
        let owned = Owned::new(names, trace);
        let fields = Fields::new(&owned, session);
        Self { owned, fields }
    }

    /// Writes the head that `input` begins with into `output`, without what a client may not set,
    /// and with the fields of `stamp` if there is one.
    ///
    /// What follows the head in `input` is not read; it goes on at [`Rewritten::consumed`].
    ///
    /// ```
    /// use throughline_core::{Sequence, SessionId, Stamp};
    /// use throughline_headers::{HeadInjector, Names};
    ///
    /// # let session = SessionId::from_uuid(uuid::Uuid::from_u128(7));
    /// let injector = HeadInjector::new(&Names::DEFAULT, session);
    /// let input = b"GET / HTTP/1.1\r\nHost: a\r\nX-Coder-Agent-Firewall-Session-Id: forged\r\n\r\nbody";
    /// let mut output = [0; 512];
    ///
    /// let done = injector.rewrite(input, &mut output, None)?;
    /// assert_eq!(&output[..done.written], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    /// assert_eq!(&input[done.consumed..], b"body");
    /// assert_eq!(done.dropped, 1);
    /// # Ok::<(), throughline_headers::RewriteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RewriteError`] if the head is not whole, not good or its new form is longer than `output`.
    /// `output` is as it was then.
    pub fn rewrite(
        &self,
        input: &[u8],
        output: &mut [u8],
        stamp: Option<Stamp>,
    ) -> Result<Rewritten, RewriteError> {
        let survey = self.survey(input)?;
        let (mut number, mut other) = (itoa::Buffer::new(), None);
        let lines = self.lines(stamp, &mut number, &mut other);
        let done = survey.rewritten(lines.as_ref());
        let needed = done.written;
        let buffer = output.get_mut(..needed);
        let mut room = Room::new(buffer.ok_or(RewriteError::NoRoom { needed })?);
        room.put(input.get(..survey.untouched).unwrap_or_default());
        if survey.dropped > 0 {
            keep_lines(&self.owned, input, survey.untouched, &mut room);
        }
        if let Some(lines) = lines {
            lines.put(&mut room);
        }
        room.put(CRLF);
        Ok(done)
    }

    /// Reads the head through and measures what stays of it.
    fn survey(&self, input: &[u8]) -> Result<Survey, RewriteError> {
        let mut lines = Lines::of(input)?;
        let mut survey = Survey::default();
        while let Some(field) = lines.field()? {
            if self.owned.may_be_long(field.name_len) {
                self.look(input, field, &mut survey)?;
            }
        }
        survey.fields_end = lines.end();
        if survey.dropped == 0 {
            survey.untouched = survey.fields_end;
        }
        Ok(survey)
    }

    /// Takes in a field that may be ours.
    #[inline(never)]
    fn look(&self, input: &[u8], field: Field, survey: &mut Survey) -> Result<(), RewriteError> {
        let first = input.get(field.start).copied().unwrap_or_default();
        if self.owned.may_begin(first) {
            let line = field.line(input)?;
            let mut kept = Counted::default();
            let dropped = keep_line(&self.owned, input, line, &mut kept);
            if dropped > 0 {
                survey.note(line.start, dropped, line.len().saturating_sub(kept.0));
            }
        }
        Ok(())
    }

    /// The lines of `stamp`, for which `number` and `other` lend their room.
    #[inline]
    fn lines<'a>(
        &'a self,
        stamp: Option<Stamp>,
        number: &'a mut itoa::Buffer,
        other: &'a mut Option<Fields>,
    ) -> Option<Stamped<'a>> {
        let stamp = stamp?;
        let fields = if stamp.session() == self.fields.session() {
            &self.fields
        } else {
            other.insert(Fields::new(&self.owned, stamp.session()))
        };
        Some(Stamped::new(fields, stamp, number))
    }
}

/// What is known of a good head before a byte of it is copied.
#[derive(Clone, Copy, Debug, Default)]
struct Survey {
    /// Where the first line begins of which something goes; the end of the fields if there is none.
    untouched: usize,
    /// Where the blank line begins.
    fields_end: usize,
    /// How many bytes go.
    cut: usize,
    /// How many fields and elements go.
    dropped: usize,
}

impl Survey {
    /// Takes in a line from `start` on of which `dropped` fields or elements, `cut` bytes in all, go.
    const fn note(&mut self, start: usize, dropped: usize, cut: usize) {
        if self.dropped == 0 {
            self.untouched = start;
        }
        self.dropped = self.dropped.saturating_add(dropped);
        self.cut = self.cut.saturating_add(cut);
    }

    // No more goes than there is, and what is there with what is added fits in memory.
    fn rewritten(&self, lines: Option<&Stamped<'_>>) -> Rewritten {
        let consumed = self.fields_end.wrapping_add(CRLF.len());
        let added = lines.map_or(0, Stamped::len);
        Rewritten {
            consumed,
            written: consumed.wrapping_sub(self.cut).wrapping_add(added),
            dropped: self.dropped,
        }
    }
}
