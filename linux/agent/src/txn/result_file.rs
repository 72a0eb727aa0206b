use std::{
    error::Error,
    fmt,
    fs::{self, File, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

use crate::advice::Advised;

/// The file that is to hold the result: all of it, or what was there before.
///
/// It is written beside its place and then moved there, and counts as written once both the file
/// and the folder's entry for it are on the disk.
#[derive(Debug)]
pub(super) struct ResultFile {
    path: PathBuf,
    folder: PathBuf,
    beside: NamedTempFile,
}

impl ResultFile {
    /// Makes sure that there can be such a file.
    ///
    /// # Errors
    ///
    /// If there is something else at `path`, or no file can be made in its folder.
    pub(super) fn prepare(path: &Path) -> Result<Self, ResultError> {
        let fail = |error| ResultError {
            path: path.to_owned(),
            error,
        };
        // A device or a pipe would be replaced by a file.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let told = "there is something else there";
            return Err(fail(io::Error::new(ErrorKind::AlreadyExists, told)));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        // Else the name that is missing is one that nobody gave.
        fs::metadata(&folder).map_err(fail)?;
        let beside = Builder::new()
            .prefix(".throughline-result-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(&folder)
            .map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            folder,
            beside,
        })
    }

    /// Writes it, and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// If it is not; then the file has not got this text.
    pub(super) fn write(self, text: &impl fmt::Display) -> Result<(), ResultError> {
        let Self {
            path,
            folder,
            mut beside,
        } = self;
        let written = writeln!(beside, "{text}")
            .and_then(|()| beside.as_file().sync_all())
            .and_then(|()| Ok(beside.persist(&path)?))
            .and_then(|_| {
                File::open(folder)?
                    .sync_all()
                    .inspect_err(|_| forget(&path))
            });
        written.map_err(|error| ResultError { path, error })
    }
}

/// The text is in its place and may not last: better none than one that the record gainsays.
fn forget(path: &Path) {
    let _ = fs::remove_file(path);
}

/// Why there is no result file.
#[derive(Debug)]
pub(super) struct ResultError {
    path: PathBuf,
    error: io::Error,
}

impl ResultError {
    /// What the system said.
    pub(super) const fn cause(&self) -> &io::Error {
        &self.error
    }
}

impl Error for ResultError {}

impl fmt::Display for ResultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let error = Advised(&self.error);
        write!(f, "the result cannot be written to {path}: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_result_takes_the_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        fs::write(&path, "older").unwrap();
        let file = ResultFile::prepare(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "older");
        file.write(&"newer").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer\n");
        assert_eq!(names(folder.path()), ["result.json"]);
    }

    #[test]
    fn what_is_prepared_and_not_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(ResultFile::prepare(&folder.path().join("result.json")).unwrap());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn neither_a_device_nor_a_folder_is_replaced() {
        for path in ["/dev/null", "/tmp"] {
            let error = ResultFile::prepare(Path::new(path)).unwrap_err();
            assert!(error.to_string().contains("something else"), "{error}");
        }
        assert!(ResultFile::prepare(Path::new("/no/such/folder/result")).is_err());
    }

    #[test]
    fn a_folder_that_goes_away_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = ResultFile::prepare(&inner.join("result.json")).unwrap();
        fs::remove_dir_all(&inner).unwrap();
        assert!(file.write(&"text").is_err());
    }
}
