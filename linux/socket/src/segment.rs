//! One file of a spool: frames one behind the other, each with its length and its checksum.
//!
//! ```text
//!   | magic: 8 | head: 8 | length: 4 | CRC-32: 4 | frame | length: 4 | CRC-32: 4 | frame | ...
//! ```
//!
//! Numbers are little-endian; `head` is where the first frame lies that has not left yet.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};
use throughline_protobuf::Header;

/// A file of frames, held under an exclusive lock for as long as it is open.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    path: PathBuf,
    head: u64,
    end: u64,
}

impl Segment {
    /// Makes an empty segment; nobody else can read it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let segment = Self {
            file: options().create_new(true).open(path)?,
            path: path.to_owned(),
            head: START,
            end: START,
        };
        let begun = lock(&segment.file)
            .and_then(|()| segment.file.write_all_at(MAGIC, 0))
            .and_then(|()| segment.write_head());
        if let Err(error) = begun {
            // On a full disk it would be one of many, as each frame asks for a new one.
            let _ = segment.remove();
            return Err(error);
        }
        Ok(segment)
    }

    /// Takes over a segment that an earlier process left behind.
    ///
    /// Fails with [`io::ErrorKind::WouldBlock`] if its process is still there.
    pub(crate) fn adopt(path: &Path) -> io::Result<Self> {
        let file = options().open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file()
            || metadata.uid() != geteuid().as_raw()
            || metadata.mode() & 0o077 != 0
        {
            let reason = "it is not this user's own file, or others may open it";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        lock(&file)?;
        if metadata.len() < START {
            // Its process ended before it had put in anything.
            return Ok(Self {
                file,
                path: path.to_owned(),
                head: START,
                end: START,
            });
        }
        let mut start = [0; 16];
        file.read_exact_at(&mut start, 0)?;
        let (magic, head) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not a spool",
            ));
        }
        let head = u64::from_le_bytes(head.try_into().unwrap_or_default());
        Ok(Self {
            file,
            path: path.to_owned(),
            head: head.max(START),
            end: metadata.len(),
        })
    }

    /// Whether every frame has left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.head >= self.end
    }

    /// The size of the file (bytes).
    pub(crate) const fn len(&self) -> u64 {
        self.end
    }

    /// Appends a frame in one write. If that fails, the file is as it was.
    pub(crate) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let mut record = Vec::with_capacity(RECORD + frame.len());
        record.extend_from_slice(&len.to_le_bytes());
        record.extend_from_slice(&CRC.checksum(frame).to_le_bytes());
        record.extend_from_slice(frame);
        if let Err(error) = self.file.write_all_at(&record, self.end) {
            // What was written of it would be taken for a torn record; better that it is not there.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += record.len() as u64;
        Ok(())
    }

    /// Reads the first frame that has not left into `frame`.
    ///
    /// `false` if what is there is no whole frame: it and what is behind it are gone then.
    pub(crate) fn read_front(&mut self, frame: &mut Vec<u8>) -> io::Result<bool> {
        frame.clear();
        let left = self.end - self.head;
        let mut start = [0; RECORD];
        if left < RECORD as u64 {
            return self.cut();
        }
        self.file.read_exact_at(&mut start, self.head)?;
        let [a, b, c, d, e, f, g, h] = start;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > FRAME_MAX || left < (RECORD + len) as u64 {
            return self.cut();
        }
        frame.resize(len, 0);
        self.file.read_exact_at(frame, self.head + RECORD as u64)?;
        if CRC.checksum(frame) != u32::from_le_bytes([e, f, g, h]) {
            return self.cut();
        }
        Ok(true)
    }

    /// The first frame, which is `len` bytes long, has left.
    pub(crate) fn pop_front(&mut self, len: usize) -> io::Result<()> {
        self.head += (RECORD + len) as u64;
        if self.is_empty() {
            self.head = START;
            self.end = START;
            self.file.set_len(START)?;
        }
        self.write_head()
    }

    /// Removes the file.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    /// Gives up what lies at the head and behind it.
    fn cut(&mut self) -> io::Result<bool> {
        self.end = self.head;
        self.file.set_len(self.end)?;
        Ok(false)
    }

    fn write_head(&self) -> io::Result<()> {
        self.file
            .write_all_at(&self.head.to_le_bytes(), MAGIC.len() as u64)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW.bits() as i32;
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(flags);
    options
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

const MAGIC: &[u8; 8] = b"TLSPOOL1";
const START: u64 = 16;
const RECORD: usize = 8;
const FRAME_MAX: usize = Header::LEN + Header::PAYLOAD_MAX;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn drained(segment: &mut Segment) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut frame = Vec::new();
        while !segment.is_empty() && segment.read_front(&mut frame).unwrap() {
            segment.pop_front(frame.len()).unwrap();
            frames.push(frame.clone());
        }
        frames
    }

    #[test]
    fn frames_leave_in_the_order_in_which_they_came() {
        let folder = folder();
        let path = folder.path().join("a");
        let mut segment = Segment::create(&path).unwrap();
        let frames: Vec<Vec<u8>> = (0..50_u8)
            .map(|byte| vec![byte; usize::from(byte)])
            .collect();
        for frame in &frames {
            segment.append(frame).unwrap();
        }
        let mut first = Vec::new();
        assert!(segment.read_front(&mut first).unwrap());
        segment.pop_front(first.len()).unwrap();
        drop(segment);

        let mut adopted = Segment::adopt(&path).unwrap();
        assert_eq!(drained(&mut adopted), frames[1..]);
        assert!(adopted.is_empty() && adopted.len() == START);
    }

    #[test]
    fn a_torn_last_record_is_dropped_and_nothing_else() {
        let folder = folder();
        let path = folder.path().join("a");
        let mut segment = Segment::create(&path).unwrap();
        segment.append(b"whole").unwrap();
        segment.append(b"torn").unwrap();
        let whole = segment.len();
        for cut in 1..RECORD as u64 + 4 {
            segment.file.set_len(whole - cut).unwrap();
            segment.end = whole - cut;
            segment.head = START;
            assert_eq!(drained(&mut segment), [b"whole"], "{cut}");
            segment = Segment::create(&folder.path().join(format!("b{cut}"))).unwrap();
            segment.append(b"whole").unwrap();
            segment.append(b"torn").unwrap();
        }
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let folder = folder();
        let path = folder.path().join("a");
        let mut segment = Segment::create(&path).unwrap();
        segment.append(b"frame").unwrap();
        segment
            .file
            .write_all_at(b"F", START + RECORD as u64)
            .unwrap();
        assert!(!segment.read_front(&mut Vec::new()).unwrap());
        assert!(segment.is_empty());
    }

    #[test]
    fn what_is_not_this_users_own_file_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = folder();
        let path = folder.path().join("a");
        drop(Segment::create(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(Segment::adopt(&link).is_err());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Segment::adopt(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);

        let other = folder.path().join("other");
        fs::write(&other, "something else of at least sixteen bytes").unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            Segment::adopt(&other).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn a_segment_of_a_living_process_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("a");
        let _living = Segment::create(&path).unwrap();
        let refused = Segment::adopt(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    }
}
