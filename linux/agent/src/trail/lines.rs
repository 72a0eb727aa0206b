use std::io::{self, BufRead};

use memchr::memchr;

/// The lines of a file of any size, one at a time, in a buffer that does not grow past a limit.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    number: u64,
}

/// One line, without its line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    /// Which line it is, from 1.
    pub(crate) number: u64,
    /// Its bytes; the first [`LINE_MAX`] of them if it is longer.
    pub(crate) bytes: &'a [u8],
    /// Whether the file ends before the line feed.
    pub(crate) torn: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// The next line, or `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read on.
    pub(crate) fn next(&mut self) -> io::Result<Option<Raw<'_>>> {
        self.buffer.clear();
        let Some(torn) = self.fill()? else {
            return Ok(None);
        };
        self.number += 1;
        Ok(Some(Raw {
            number: self.number,
            bytes: &self.buffer,
            torn,
        }))
    }

    /// Reads to the next line feed; says whether there was none, or `None` if there is no line.
    fn fill(&mut self) -> io::Result<Option<bool>> {
        let mut any = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(any.then_some(true));
            }
            any = true;
            let end = memchr(b'\n', available);
            let part = available.get(..end.unwrap_or(available.len()));
            let part = part.unwrap_or_default();
            let room = LINE_MAX.saturating_sub(self.buffer.len());
            let kept = part.get(..room).unwrap_or(part);
            self.buffer.extend_from_slice(kept);
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(false));
            }
        }
    }
}

/// The longest line that is kept whole (bytes).
///
/// An event comes in a frame of 32 KiB at most, of which JSON makes six times as much at worst.
pub(crate) const LINE_MAX: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], capacity: usize) -> Vec<(u64, usize, bool)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(capacity, text));
        let mut all = Vec::new();
        while let Some(raw) = lines.next().unwrap() {
            all.push((raw.number, raw.bytes.len(), raw.torn));
        }
        all
    }

    #[test]
    fn lines_are_whole_whatever_the_size_of_a_read() {
        for capacity in 1..9 {
            assert_eq!(
                all(b"abc\n\nde\nf", capacity),
                [(1, 3, false), (2, 0, false), (3, 2, false), (4, 1, true)]
            );
        }
        assert_eq!(all(b"", 8), []);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_the_limit() {
        let mut text = vec![b'x'; LINE_MAX + 1000];
        text.extend_from_slice(b"\nshort\n");
        assert_eq!(all(&text, 4096), [(1, LINE_MAX, false), (2, 5, false)]);
    }
}
