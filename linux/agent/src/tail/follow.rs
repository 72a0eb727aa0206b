use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::MetadataExt,
    path::Path,
};

use memchr::memchr;

use crate::trail::LINE_MAX;

/// The lines of a file that grows, and of those that take its place.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    path: &'a Path,
    file: File,
    /// What has been read and not given out, and in front of it what has.
    bytes: Vec<u8>,
    given: usize,
    /// Whether the path names another file by now, so that this one is read for the last time.
    is_replaced: bool,
    /// Whether the rest of a line that was too long is passed over.
    is_skipping: bool,
}

/// What a file has to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A line, without its line feed.
    Line(&'a [u8]),
    /// The file is not what it was, and is read from its beginning.
    Moved(&'static str),
    /// Nothing for now.
    Quiet,
}

/// What has become of a file that was read to its end.
enum Change {
    None,
    /// Something may have been written to it before it was replaced.
    ReadAgain,
    Moved(&'static str),
}

impl<'a> Follower<'a> {
    /// Follows `file`, which `path` names, from `start` (bytes) on.
    pub(super) fn new(path: &'a Path, mut file: File, start: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Self {
            path,
            file,
            bytes: Vec::new(),
            given: 0,
            is_replaced: false,
            is_skipping: false,
        })
    }

    /// The next line that is whole, or what has become of the file.
    pub(super) fn next(&mut self) -> io::Result<Step<'_>> {
        loop {
            if let Some(line) = self.line() {
                return Ok(Step::Line(self.bytes.get(line).unwrap_or_default()));
            }
            if self.read()? {
                continue;
            }
            match self.change()? {
                Change::None => return Ok(Step::Quiet),
                Change::Moved(how) => return Ok(Step::Moved(how)),
                Change::ReadAgain => {}
            }
        }
    }

    /// What there is of a line that is not whole yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.given..).unwrap_or_default()
    }

    /// Where the next line lies in what was read.
    fn line(&mut self) -> Option<Range<usize>> {
        loop {
            let start = self.given;
            let rest = self.rest();
            let Some(len) = memchr(b'\n', rest) else {
                if rest.len() < LINE_MAX {
                    return None;
                }
                // The front of it is all that is shown.
                self.given = self.bytes.len();
                let is_front = !std::mem::replace(&mut self.is_skipping, true);
                return is_front.then_some(start..self.given);
            };
            self.given = start + len + 1;
            if !std::mem::take(&mut self.is_skipping) {
                return Some(start..start + len);
            }
        }
    }

    /// Reads on; returns whether there was anything.
    fn read(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.given);
        self.given = 0;
        let filled = self.bytes.len();
        self.bytes.resize(filled + BLOCK, 0);
        let read = self.file.read(&mut self.bytes[filled..]);
        let read = match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            other => other,
        };
        let len = *read.as_ref().unwrap_or(&0);
        self.bytes.truncate(filled + len);
        read.map(|len| len > 0)
    }

    /// Looks whether the file was cut or replaced.
    fn change(&mut self) -> io::Result<Change> {
        let own = self.file.metadata()?;
        if own.is_file() && own.len() < self.file.stream_position()? {
            self.file.rewind()?;
            self.forget();
            return Ok(Change::Moved("was cut; it is shown from its beginning"));
        }
        let Ok(named) = fs::metadata(self.path) else {
            // It is gone, or between two names: wait.
            return Ok(Change::None);
        };
        if (named.dev(), named.ino()) == (own.dev(), own.ino()) {
            return Ok(Change::None);
        }
        if !std::mem::replace(&mut self.is_replaced, true) {
            return Ok(Change::ReadAgain);
        }
        let Ok(file) = File::open(self.path) else {
            return Ok(Change::None);
        };
        self.file = file;
        self.forget();
        Ok(Change::Moved("was replaced; the new one is shown"))
    }

    fn forget(&mut self) {
        self.bytes.clear();
        self.given = 0;
        self.is_replaced = false;
        self.is_skipping = false;
    }
}

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(follower: &mut Follower<'_>) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match follower.next().unwrap() {
                Step::Line(line) => all.push(String::from_utf8_lossy(line).into_owned()),
                Step::Moved(how) => all.push(how.split(';').next().unwrap().to_uppercase()),
                Step::Quiet => return all,
            }
        }
    }

    fn append(path: &Path, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_is_given_out_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        append(&path, "zero\none\ntw");
        let mut follower = Follower::new(&path, File::open(&path).unwrap(), 5).unwrap();
        assert_eq!(all(&mut follower), ["one"]);
        assert_eq!(follower.rest(), b"tw");
        append(&path, "o\n");
        assert_eq!(all(&mut follower), ["two"]);
    }

    #[test]
    fn a_file_that_is_cut_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        append(&path, "one\ntwo\nthr");
        let mut follower = Follower::new(&path, File::open(&path).unwrap(), 0).unwrap();
        all(&mut follower);
        File::create(&path).unwrap();
        assert_eq!(all(&mut follower), ["WAS CUT"]);
        append(&path, "new\n");
        assert_eq!(all(&mut follower), ["new"]);
    }

    #[test]
    fn a_file_that_is_replaced_is_read_to_its_end_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        let old = folder.path().join("trail.1");
        append(&path, "one\n");
        let mut follower = Follower::new(&path, File::open(&path).unwrap(), 0).unwrap();
        assert_eq!(all(&mut follower), ["one"]);
        fs::rename(&path, &old).unwrap();
        append(&old, "two\n");
        assert_eq!(all(&mut follower), ["two"]);
        append(&old, "three\n");
        append(&path, "four\n");
        assert_eq!(all(&mut follower), ["three", "WAS REPLACED", "four"]);
    }

    #[test]
    fn of_a_line_without_an_end_the_front_is_given_out_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        append(&path, &format!("{}\nnext\n", "x".repeat(3 * LINE_MAX)));
        let mut follower = Follower::new(&path, File::open(&path).unwrap(), 0).unwrap();
        let lines = all(&mut follower);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].len() < 2 * LINE_MAX && lines[1] == "next");
    }
}
