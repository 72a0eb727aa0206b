//! Holds the witnesses of sessions against each other.

mod audit;
mod faults;
mod finding;
mod ledger;
mod losses;
mod numbers;
mod read;
mod report;
mod session;
mod upstream;

use std::{
    error::Error,
    fmt,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use throughline_core::SessionId;

use self::{
    ledger::Ledger,
    read::{Format, is_stdin},
    report::{Report, Witnesses},
};
use crate::{
    cli::VerifyArgs,
    exit,
    out::{self, errln},
};

/// Reads what the witnesses wrote and says what is missing.
pub(crate) fn verify(args: &VerifyArgs) -> ExitCode {
    match read(args).and_then(|ledger| Ok(judge(args, &ledger)?)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            errln!("throughline verify: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// The trails come first: whether a stamp of another witness is good depends on them.
fn read(args: &VerifyArgs) -> Result<Ledger, Box<dyn Error>> {
    let files = [&args.trails, &args.upstream, &args.audit];
    if files
        .into_iter()
        .flatten()
        .filter(|path| is_stdin(path))
        .count()
        > 1
    {
        return Err(StdinTwice.into());
    }
    let sessions = args.session.iter().copied().map(SessionId::from_uuid);
    let mut ledger = Ledger::of(sessions.collect());
    for (format, paths) in [
        (Format::TRAIL, &args.trails),
        (Format::UPSTREAM, &args.upstream),
        (Format::AUDIT, &args.audit),
    ] {
        for path in paths {
            format.read(path, &mut ledger)?;
        }
    }
    if ledger.sessions().is_empty() {
        return Err(match args.session.as_slice() {
            [] => NoSession::AtAll.into(),
            _ => NoSession::AskedFor.into(),
        });
    }
    Ok(ledger)
}

/// Says what was found; returns whether that is nothing.
fn judge(args: &VerifyArgs, ledger: &Ledger) -> io::Result<bool> {
    let witnesses = Witnesses {
        upstream: !args.upstream.is_empty(),
        audit: !args.audit.is_empty(),
    };
    let report = Report::new(ledger, !args.no_losses, witnesses);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = if args.json {
        report.write_json(&mut out)
    } else {
        report.write_text(&mut out)
    };
    out::written(written.and_then(|()| out.flush()))?;
    Ok(report.is_whole())
}

/// There is nothing to judge.
#[derive(Debug)]
enum NoSession {
    AtAll,
    AskedFor,
}

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtAll => "there is nothing in the trails, no line at all; check which files they are",
            Self::AskedFor => {
                "there is no session in the trails that was asked for; give another trail, or another --session"
            }
        })
    }
}

impl Error for NoSession {}

/// Who reads second finds nothing there, and nothing is what would be said of it.
#[derive(Debug)]
struct StdinTwice;

impl fmt::Display for StdinTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the standard input is given more than once; give - once, and else the paths of files",
        )
    }
}

impl Error for StdinTwice {}
