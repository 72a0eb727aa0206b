use std::{
    fmt,
    io::{self, Write},
    process,
};

/// Writes a line to the standard output, which somebody may have closed, or which may be a full disk.
///
/// There is nothing left to do for a command that nobody listens to: it ends.
macro_rules! outln {
    ($($line:tt)*) => { $crate::out::line(format_args!($($line)*)) };
}

pub(crate) use outln;

/// See [`outln`].
pub(crate) fn line(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let written = out.write_fmt(line).and_then(|()| out.write_all(b"\n"));
    if let Err(error) = written {
        if error.kind() != io::ErrorKind::BrokenPipe {
            eprintln!("cannot write to the standard output: {error}");
        }
        process::exit(1);
    }
}
