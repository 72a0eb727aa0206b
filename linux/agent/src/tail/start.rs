use std::{fs::File, io, os::unix::fs::FileExt};

use memchr::memrchr;

use crate::trail::LINE_MAX;

/// Where in `file` the last `count` lines begin that `admits` takes.
///
/// The file is read from its end, so that it takes as long as there is to show. A line that is longer
/// than any of a trail ends the search. What follows the last line feed is no line yet, and not
/// counted.
pub(super) fn of_last(file: &File, count: u64, admits: impl Fn(&[u8]) -> bool) -> io::Result<u64> {
    let mut back = Backwards::new(file)?;
    let mut start = match back.line()? {
        Some((start, _)) => start,
        None => return Ok(0),
    };
    let mut found = 0;
    while found < count {
        let Some((at, line)) = back.line()? else {
            break;
        };
        start = at;
        found += u64::from(admits(&line));
    }
    Ok(start)
}

/// The lines of a file, last first.
struct Backwards<'a> {
    file: &'a File,
    /// Where `bytes` begin.
    start: u64,
    /// What has been read and not given out.
    bytes: Vec<u8>,
    is_done: bool,
}

impl<'a> Backwards<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self {
            file,
            start: file.metadata()?.len(),
            bytes: Vec::new(),
            is_done: false,
        })
    }

    /// The line before those that were given out, and where it begins.
    fn line(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        while !self.is_done {
            if let Some(end) = memrchr(b'\n', &self.bytes) {
                let line = self.bytes.split_off(end + 1);
                self.bytes.truncate(end);
                return Ok(Some((self.start + end as u64 + 1, line)));
            }
            if self.start == 0 {
                self.is_done = true;
                return Ok(Some((0, std::mem::take(&mut self.bytes))));
            }
            if self.bytes.len() > LINE_MAX {
                return Ok(None);
            }
            self.read()?;
        }
        Ok(None)
    }

    fn read(&mut self) -> io::Result<()> {
        let len = self.start.min(BLOCK as u64);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(BLOCK)];
        self.file.read_exact_at(&mut bytes, self.start - len)?;
        self.start -= len;
        bytes.append(&mut self.bytes);
        self.bytes = bytes;
        Ok(())
    }
}

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn the_last_lines_that_count_begin_there() {
        let text = "a1\nb2\na3\nb4\nrest";
        let is_a = |line: &[u8]| line.starts_with(b"a");
        for (count, start) in [(0, 12), (1, 6), (2, 0), (9, 0)] {
            assert_eq!(of_last(&file(text), count, is_a).unwrap(), start, "{count}");
        }
        assert_eq!(of_last(&file(""), 5, is_a).unwrap(), 0);
        assert_eq!(of_last(&file("a\n"), 0, is_a).unwrap(), 2);
        assert_eq!(of_last(&file("a\n"), 1, is_a).unwrap(), 0);
    }

    #[test]
    fn a_file_of_many_blocks_is_read_only_at_its_end() {
        let line = "x".repeat(99);
        let text = format!("{line}\n").repeat(5000);
        for count in [1, 656, 1000, 5000, 6000] {
            let expected = 5000_u64.saturating_sub(count) * 100;
            let start = of_last(&file(&text), count, |_| true).unwrap();
            assert_eq!(start, expected, "{count}");
        }
    }

    #[test]
    fn a_line_that_never_ends_ends_the_search() {
        let text = format!("{}\nlast\n", "x".repeat(LINE_MAX * 2));
        let start = of_last(&file(&text), 5, |_| true).unwrap();
        assert_eq!(start, LINE_MAX as u64 * 2 + 1);
    }
}
