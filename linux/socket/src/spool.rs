use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use crate::segment::Segment;

/// Frames that wait on disk for a collector to come back, this run's and those of earlier ones.
///
/// Frames are kept as they will be sent, under their own sessions. They survive the end of the process
/// at any point: a record that was torn by it is dropped and counted. The end of the machine is
/// survived as far as its file system promises; the spool does not wait for the disk.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    bytes_max: u64,
    /// Those of earlier processes, and those of this one that are full, oldest first.
    older: VecDeque<Segment>,
    own: Option<Segment>,
    /// The time in the last name of a file (ns since 1970).
    last_name: i128,
    front: Vec<u8>,
    counts: SpoolCounts,
}

/// What a spool has done (counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolCounts {
    /// Frames that were put in.
    pub spooled: u64,
    /// Frames that have left.
    pub replayed: u64,
    /// Records that were torn or damaged, and are gone with what lay behind them.
    pub torn: u64,
    /// Files that were found and are not to be trusted; they are left alone.
    pub refused: u64,
}

impl Spool {
    /// What a spool holds at most unless the operator says otherwise (bytes).
    pub const BYTES_MAX: u64 = 64 << 20;

    /// Opens the spool in `folder`, which is made if it is not there, for `bytes_max` bytes of this
    /// run's frames, and takes over what earlier runs have left in it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or read, or if it is not this user's own: whoever may write to it
    /// could put frames into the trail.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let metadata = fs::symlink_metadata(folder)?;
        if !metadata.is_dir()
            || metadata.uid() != geteuid().as_raw()
            || metadata.mode() & 0o022 != 0
        {
            let reason = "the spool's folder is not this user's own, or others may write to it";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        let mut spool = Self {
            folder: folder.to_owned(),
            bytes_max,
            older: VecDeque::new(),
            own: None,
            last_name: 0,
            front: Vec::new(),
            counts: SpoolCounts::default(),
        };
        spool.inherit()?;
        Ok(spool)
    }

    /// What was done so far.
    #[must_use]
    pub const fn counts(&self) -> SpoolCounts {
        self.counts
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.older.is_empty() && self.own.as_ref().is_none_or(Segment::is_empty)
    }

    /// Puts a frame in, behind all others.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] if the spool holds as much as it may, or what the file system
    /// says. The frame is not in then, and nothing else is changed.
    pub fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let held = self.older.iter().chain(&self.own).map(Segment::len);
        if held.sum::<u64>() + frame.len() as u64 > self.bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the spool is full",
            ));
        }
        // A file is given back when all of it has left, so many small ones hold less than one.
        let full = self.bytes_max / SEGMENTS;
        self.older.extend(self.own.take_if(|own| own.len() > full));
        let segment = match &mut self.own {
            Some(segment) => segment,
            None => {
                let now = jiff::Timestamp::now().as_nanosecond();
                self.last_name = now.max(self.last_name.saturating_add(1));
                self.own.insert(Segment::create(&self.new_path())?)
            }
        };
        segment.append(frame)?;
        self.counts.spooled += 1;
        Ok(())
    }

    /// The frame that leaves next, if one waits.
    ///
    /// # Errors
    ///
    /// If a file cannot be read. It is left as it is.
    pub fn front(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let segment = match (self.older.front_mut(), &mut self.own) {
                (Some(segment), _) | (None, Some(segment)) if !segment.is_empty() => segment,
                (Some(_), _) => {
                    self.remove_oldest()?;
                    continue;
                }
                (None, _) => return Ok(None),
            };
            if segment.read_front(&mut self.front)? {
                return Ok(Some(&self.front));
            }
            self.counts.torn += 1;
        }
    }

    /// The frame that [`front`](Self::front) gave has left.
    ///
    /// # Errors
    ///
    /// If that cannot be written down: it may leave again after the end of this process.
    pub fn pop_front(&mut self) -> io::Result<()> {
        let len = self.front.len();
        let segment = self.older.front_mut().or(self.own.as_mut());
        if let Some(segment) = segment {
            segment.pop_front(len)?;
            self.counts.replayed += 1;
        }
        if self.older.front().is_some_and(Segment::is_empty) {
            self.remove_oldest()?;
        }
        Ok(())
    }

    /// A name that sorts behind those of all files made before, though the clock may have been set back.
    fn new_path(&self) -> PathBuf {
        let (time, process) = (self.last_name, std::process::id());
        self.folder
            .join(format!("{time:020}-{process}.{EXTENSION}"))
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        self.older.pop_front().map_or(Ok(()), Segment::remove)
    }

    /// Takes over the files of processes that are gone, in the order of their names, which is that
    /// of their making.
    fn inherit(&mut self) -> io::Result<()> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == EXTENSION)
            {
                paths.push(path);
            }
        }
        paths.sort();
        self.last_name = paths.last().and_then(|path| time_in(path)).unwrap_or(0);
        for path in paths {
            match Segment::adopt(&path) {
                Ok(segment) if segment.is_empty() => segment.remove()?,
                Ok(segment) => self.older.push_back(segment),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::warn!("left {} alone: {error}", path.display());
                    self.counts.refused += 1;
                }
            }
        }
        Ok(())
    }
}

fn time_in(path: &Path) -> Option<i128> {
    let name = path.file_name()?.to_str()?;
    name.split('-').next()?.parse().ok()
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some(own) = self.own.take()
            && own.is_empty()
        {
            // An empty file is of no use to the next run, and does no harm either.
            let _ = own.remove();
        }
    }
}

const EXTENSION: &str = "spool";

/// Files that a full spool is made of (count).
const SEGMENTS: u64 = 8;
