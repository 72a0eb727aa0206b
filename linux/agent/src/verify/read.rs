use std::{
    error::Error,
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    audit,
    ledger::{At, Ledger, TooScattered},
    upstream,
};
use crate::{
    advice::Advised,
    trail::{Line, Lines},
};

/// A kind of file, and what takes one of its lines in.
pub(crate) struct Format {
    name: &'static str,
    take: fn(&mut Ledger, &[u8], At<'_>) -> Result<(), Trouble>,
}

/// Why a line is not taken in.
enum Trouble {
    /// It is none of the format; the rest of the file may be.
    Malformed(String),
    /// It says nothing of whether the file is of the format.
    Foreign,
    TooScattered(TooScattered),
}

/// Why files cannot be judged.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// A file is not of the format that it was given for: not one line of it is.
    Unusable(PathBuf, &'static str),
    /// The files hold more than is kept of them.
    TooScattered(TooScattered),
}

impl Format {
    /// Trails, NDJSON of version 1.
    pub(crate) const TRAIL: Self = Self {
        name: "a trail",
        take: |ledger, line, at| {
            let line = Line::parse(line).map_err(Trouble::malformed)?;
            ledger.trail_line(&line, at).map_err(Trouble::TooScattered)
        },
    };

    /// The log of whatever the requests went to.
    pub(crate) const UPSTREAM: Self = Self {
        name: "an upstream's log",
        take: |ledger, line, at| {
            let request = upstream::parse(line).map_err(Trouble::malformed)?;
            ledger.request(request, at).map_err(Trouble::TooScattered)
        },
    };

    /// The kernel's audit log.
    pub(crate) const AUDIT: Self = Self {
        name: "the kernel's audit log",
        take: |ledger, line, at| {
            match audit::parse(line).map_err(Trouble::malformed)? {
                Some(line) => ledger.record(&line, at),
                None if audit::is_record(line) => {}
                None => return Err(Trouble::Foreign),
            }
            Ok(())
        },
    };

    /// Reads a file of this format into `ledger`; `-` is the standard input.
    ///
    /// Lines that are malformed are noted there, and blank lines passed over.
    ///
    /// # Errors
    ///
    /// If the file cannot be read to its end, or nothing in it is of the format.
    pub(crate) fn read(&self, path: &Path, ledger: &mut Ledger) -> Result<(), ReadError> {
        let failed = |error| ReadError::File(path.to_owned(), error);
        let file: Rc<str> = path.to_string_lossy().into();
        let input = BufReader::with_capacity(BUFFER, open(path).map_err(failed)?);
        let (mut good, mut bad) = (0_u64, 0_u64);
        let mut lines = Lines::new(input);
        while let Some(raw) = lines.next().map_err(failed)? {
            if raw.bytes.trim_ascii().is_empty() {
                continue;
            }
            let at = At {
                file: &file,
                line: raw.number,
            };
            match (self.take)(ledger, raw.bytes, at) {
                Ok(()) => good += 1,
                Err(Trouble::TooScattered(error)) => return Err(ReadError::TooScattered(error)),
                Err(Trouble::Malformed(why)) => {
                    ledger.malformed(why, at);
                    bad += 1;
                }
                Err(Trouble::Foreign) => bad += 1,
            }
        }
        if good == 0 && bad > 0 {
            return Err(ReadError::Unusable(path.to_owned(), self.name));
        }
        Ok(())
    }
}

impl Trouble {
    fn malformed(error: impl Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => {
                write!(f, "cannot read {}: {}", path.display(), Advised(error))
            }
            Self::Unusable(path, name) => write!(
                f,
                "{} is not {name}: no line of it is understood; check which file it is, and unpack it first if it is compressed",
                path.display()
            ),
            Self::TooScattered(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {}

/// Whether a path stands for the standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(File::open(path)?))
}

/// Bytes that are asked for at a time.
const BUFFER: usize = 128 << 10;
