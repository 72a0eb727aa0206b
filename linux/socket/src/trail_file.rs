use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// A file that is appended to, and that never keeps half of a write.
///
/// When the disk is full in the middle of a write, what was written of it is taken back, so that the
/// last line of a trail is always whole.
#[derive(Debug)]
pub struct TrailFile(File);

impl TrailFile {
    /// Opens the file at `path` to append to; a new one is its owner's alone (mode 0600).
    ///
    /// A last line that is not whole is what a process left that was killed while it wrote. Nobody was
    /// told that it is kept, and it is taken away, so that the next line is not spoilt by it.
    ///
    /// # Errors
    ///
    /// What open(2) says, and what reading and truncating say.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() {
            let whole = end_of_lines(&file, metadata.len())?;
            if whole < metadata.len() {
                let torn = metadata.len() - whole;
                tracing::warn!(
                    "took away a torn last line of {torn} bytes from {}",
                    path.display()
                );
                file.set_len(whole)?;
            }
        }
        Ok(Self(file))
    }
}

/// The length of the front of a file of `len` bytes that ends with a line's end.
fn end_of_lines(file: &File, len: u64) -> io::Result<u64> {
    let mut end = len;
    let mut chunk = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(chunk.len() as u64);
        let bytes = chunk.get_mut(..(end - start) as usize).unwrap_or_default();
        file.read_exact_at(bytes, start)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

impl Write for TrailFile {
    /// Writes all of `bytes`, or nothing of it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let metadata = self.0.metadata()?;
        let written = self.0.write_all(bytes);
        if written.is_err() && metadata.is_file() {
            // If this fails as well, the line is torn, and a reader of the trail will say so.
            let _ = self.0.set_len(metadata.len());
        }
        written.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_torn_last_line_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        let long = "x".repeat(10_000);
        for (found, left) in [
            ("", String::new()),
            ("one\n", "one\n".to_owned()),
            ("one\ntor", "one\n".to_owned()),
            ("torn", String::new()),
            (&*format!("{long}\n{long}"), format!("{long}\n")),
        ] {
            fs::write(&path, found).unwrap();
            let mut file = TrailFile::open(&path).unwrap();
            file.write_all(b"next\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), left + "next\n");
        }
    }
}
