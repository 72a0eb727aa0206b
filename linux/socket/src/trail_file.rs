use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use crate::locked::Locked;

/// A file that is appended to, and that never keeps half of a write.
///
/// When the disk is full in the middle of a write, what was written of it is taken back, so that the
/// last line of a trail is always whole.
///
/// When the file is moved away or deleted, the next write begins a new one in its place. So a trail is
/// rotated by renaming it, and no write is split between the two.
///
/// Many processes may write to one file: each locks it while it does (flock(2)).
#[derive(Debug)]
pub struct TrailFile {
    file: File,
    /// The device and the inode of the file.
    id: (u64, u64),
    /// Whether it is a regular file, and not a pipe or a device.
    is_regular: bool,
    /// Where it lies, with no symbolic link on the way, if it has a place that it can be moved away from.
    place: Option<PathBuf>,
    /// Whether somebody else has had it locked for too long to wait for again.
    is_held: bool,
}

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
        let mut file = Self::of(open(path, OFlags::empty(), OWNERS_ALONE)?)?;
        if file.is_regular {
            // One without a name, such as memfd_create(2) makes, has no place.
            file.place = fs::canonicalize(path).ok();
            file.mend(path)?;
        }
        Ok(file)
    }

    /// The standard output, which may be a file too, and is written to from where it is.
    ///
    /// # Errors
    ///
    /// If the process or the system has no file descriptor left.
    pub fn stdout() -> io::Result<Self> {
        Self::of(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }

    fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            file,
            id: id(&metadata),
            is_regular: metadata.is_file(),
            place: None,
            is_held: false,
        })
    }

    /// Takes a torn last line away, unless it may be one that is being written.
    fn mend(&mut self, path: &Path) -> io::Result<()> {
        let locked = Locked::wait(&self.file);
        self.is_held = !locked.is_alone;
        if self.is_held {
            tracing::warn!("{} is locked by another program", path.display());
            return Ok(());
        }
        let len = self.file.metadata()?.len();
        let whole = end_of_lines(&self.file, len)?;
        if whole < len {
            let torn = len - whole;
            tracing::warn!(
                "took away a torn last line of {torn} bytes from {}",
                path.display()
            );
            self.file.set_len(whole)?;
        }
        Ok(())
    }

    /// Begins a new file if this one no longer lies in its place.
    ///
    /// A symbolic link that somebody has put there in the meantime is not followed.
    fn follow(&mut self) -> io::Result<()> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        match fs::symlink_metadata(place) {
            Ok(there) if id(&there) == self.id => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let mode = self.file.metadata()?.mode() & MODE_BITS;
        let mut next = Self::of(open(place, OFlags::NOFOLLOW, mode)?)?;
        if !next.is_regular {
            let text = format!("{} is not a regular file any more", place.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        tracing::info!("{} was moved away: it is begun anew", place.display());
        next.mend(place)?;
        next.place = self.place.take();
        *self = next;
        Ok(())
    }

    /// Writes to a regular file, from which what was written is taken back if it is not all.
    fn write_regular(&mut self, bytes: &[u8]) -> io::Result<()> {
        let locked = match self.is_held {
            false => Locked::wait(&self.file),
            true => Locked::now(&self.file),
        };
        self.is_held = !locked.is_alone;
        let len = self.file.metadata()?.len();
        let mut file = &self.file;
        let written = file.write_all(bytes);
        if written.is_err() {
            // If this fails as well, the line is torn, and a reader of the trail will say so.
            let _ = file.set_len(len);
            // A file that is not opened to append to would have a hole there.
            let _ = file.seek(SeekFrom::End(0));
        }
        written
    }
}

/// Opens what is at `path`, or makes a file of this mode.
fn open(path: &Path, flags: OFlags, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(mode)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
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
        if self.is_regular {
            self.follow()?;
            self.write_regular(bytes)?;
        } else {
            self.file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The mode of a new trail.
const OWNERS_ALONE: u32 = 0o600;

/// What of a mode is for whom (inode(7)).
const MODE_BITS: u32 = 0o777;

#[cfg(test)]
mod tests {
    use std::{
        os::{
            fd::AsRawFd,
            unix::fs::{PermissionsExt, symlink},
        },
        thread,
        time::{Duration, Instant},
    };

    use rustix::fs::MemfdFlags;

    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_trail_that_is_moved_away_is_begun_anew_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("trail"), folder.path().join("trail.1"));
        let mut file = TrailFile::open(&path).unwrap();
        file.write_all(b"one\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::rename(&path, &moved).unwrap();
        file.write_all(b"two\n").unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(
            (text(&moved), text(&path)),
            ("one\n".into(), "two\nthree\n".into())
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & MODE_BITS, 0o640);

        fs::remove_file(&path).unwrap();
        file.write_all(b"four\n").unwrap();
        assert_eq!(text(&path), "four\n");
    }

    #[test]
    fn what_is_put_in_its_place_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("trail"), folder.path().join("other"));
        fs::write(&other, "").unwrap();
        let mut file = TrailFile::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&other, &path).unwrap();
        file.write_all(b"one\n").unwrap_err();
        assert_eq!(text(&other), "");

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        file.write_all(b"two\n").unwrap_err();
        fs::remove_dir(&path).unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(text(&path), "three\n");
    }

    #[test]
    fn a_link_that_was_there_at_first_is_followed_to_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("trail"), folder.path().join("link"));
        fs::write(&path, "").unwrap();
        symlink(&path, &link).unwrap();
        let mut file = TrailFile::open(&link).unwrap();
        fs::rename(&path, folder.path().join("trail.1")).unwrap();
        file.write_all(b"one\n").unwrap();
        assert_eq!(text(&path), "one\n");
    }

    #[test]
    fn a_file_without_a_name_is_written_to() {
        let file = rustix::fs::memfd_create("trail", MemfdFlags::CLOEXEC).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut trail = TrailFile::open(Path::new(&path)).unwrap();
        trail.write_all(b"one\n").unwrap();
        trail.write_all(b"two\n").unwrap();
        assert_eq!(text(Path::new(&path)), "one\ntwo\n");
    }

    /// What is being written looks like a torn line to who opens the file in that moment.
    #[test]
    fn who_opens_a_trail_takes_nothing_away_from_who_writes_it() {
        const FRAMES: u64 = 400;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        // No whole number of them fits into a page.
        let line = "x".repeat(999) + "\n";
        let frame = line.repeat(256);
        let mut file = TrailFile::open(&path).unwrap();
        thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for _ in 0..FRAMES {
                    file.write_all(frame.as_bytes()).unwrap();
                }
            });
            while !writer.is_finished() {
                TrailFile::open(&path).unwrap();
            }
        });
        assert_eq!(fs::metadata(&path).unwrap().len(), FRAMES * 256 * 1000);
    }

    #[test]
    fn a_trail_that_another_program_holds_is_written_to_without_waiting_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        fs::write(&path, "one\ntor").unwrap();
        let holder = File::open(&path).unwrap();
        holder.lock().unwrap();
        let mut file = TrailFile::open(&path).unwrap();
        let before = Instant::now();
        file.write_all(b"n\n").unwrap();
        assert!(before.elapsed() < Duration::from_millis(500));
        assert_eq!(text(&path), "one\ntorn\n");
    }

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
