//! Shows a trail as it grows.

mod filter;
mod follow;
mod show;
mod start;

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write},
    process,
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use anstream::{AutoStream, ColorChoice};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use throughline_socket::Waker;

use self::{
    filter::Filter,
    follow::{Follower, Step},
    show::Show,
};
use crate::{
    advice::Advised,
    cli::{Lines, TailArgs},
    exit,
    out::{self, errln},
    signals,
};

/// Shows the last lines of a trail, and with `-f` those that come.
pub(crate) fn tail(args: &TailArgs) -> ExitCode {
    match show(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Output(error)) => match out::written(Err(error)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Err(Trouble::Trail(error)) => {
            let trail = args.trail.display();
            fail(&format_args!("cannot show {trail}: {}", Advised(&error)))
        }
    }
}

fn fail(why: &dyn fmt::Display) -> ExitCode {
    errln!("throughline tail: {why}");
    ExitCode::from(exit::USAGE)
}

/// Why it does not go on.
enum Trouble {
    /// The trail cannot be read.
    Trail(io::Error),
    /// The standard output takes no more.
    Output(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Trail(error)
    }
}

fn show(args: &TailArgs) -> Result<(), Trouble> {
    if args.follow {
        exit_when_told()?;
    }
    let filter = Filter::new(args);
    let file = File::open(&args.trail)?;
    let start = match args.lines {
        Lines::Last(count) => start::of_last(&file, count, |line| filter.admits(line))?,
        Lines::All => 0,
    };
    let mut follower = Follower::new(&args.trail, file, start)?;
    let show = how(args);
    let mut out = BufWriter::new(io::stdout().lock());
    loop {
        match follower.next()? {
            Step::Line(line) if filter.admits(line) => {
                show.line(line, &mut out).map_err(Trouble::Output)?;
            }
            Step::Line(_) => {}
            Step::Moved(how) => errln!("throughline tail: {} {how}", args.trail.display()),
            Step::Quiet if args.follow => {
                out.flush().map_err(Trouble::Output)?;
                if is_unread().map_err(Trouble::Output)? {
                    return Ok(());
                }
            }
            Step::Quiet => {
                let rest = follower.rest();
                if !rest.is_empty() && filter.admits(rest) {
                    show.line(rest, &mut out).map_err(Trouble::Output)?;
                }
                return out.flush().map_err(Trouble::Output);
            }
        }
    }
}

fn how(args: &TailArgs) -> Show {
    if args.json {
        Show::Raw
    } else if AutoStream::choice(&io::stdout()) == ColorChoice::Never {
        Show::Plain
    } else {
        Show::Colour
    }
}

/// Ends the process well at SIGTERM or SIGINT, even if it is held by whoever reads its output.
fn exit_when_told() -> io::Result<()> {
    let told = Arc::new(Waker::new()?);
    told.arm();
    signals::wake_at_end(Arc::clone(&told))?;
    thread::Builder::new()
        .name("end".to_owned())
        .spawn(move || {
            while poll(&mut [PollFd::new(&*told, PollFlags::IN)], None) == Err(Errno::INTR) {}
            process::exit(0);
        })?;
    Ok(())
}

/// Waits a moment; returns whether nobody can read the output any more.
fn is_unread() -> io::Result<bool> {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let moment = Timespec::try_from(MOMENT).ok();
    match poll(&mut fds, moment.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How often a file is looked at.
const MOMENT: Duration = Duration::from_millis(100);
