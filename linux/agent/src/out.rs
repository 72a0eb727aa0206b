use std::{
    fmt,
    io::{self, Write},
    process,
};

use crate::{advice::Advised, exit};

/// Writes a line to the standard output, which somebody may have closed, or which may be a full disk.
///
/// There is nothing left to do for a command whose answer cannot be written: it ends, with a code that
/// no answer has.
macro_rules! outln {
    ($($line:tt)*) => { $crate::out::line(format_args!($($line)*)) };
}

/// Writes a line to the standard error, which may be gone, or full: that nobody is told is no reason to
/// fail, and `eprintln` would.
macro_rules! errln {
    ($($line:tt)*) => { $crate::out::error_line(format_args!($($line)*)) };
}

pub(crate) use {errln, outln};

/// See [`outln`].
pub(crate) fn line(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let result = out.write_fmt(line).and_then(|()| out.write_all(b"\n"));
    if let Err(error) = written(result) {
        errln!("{error}");
        process::exit(exit::USAGE.into());
    }
}

/// See [`errln`].
pub(crate) fn error_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// What writing to the standard output came to, told by its name. That whoever reads has seen enough is
/// no error: what was found, and the code that says so, stay what they are.
pub(crate) fn written(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let told = format!("cannot write to the standard output: {}", Advised(&error));
            Err(io::Error::new(error.kind(), told))
        }
        Ok(()) => Ok(()),
    }
}
