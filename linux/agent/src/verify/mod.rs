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
    read::Format,
    report::{Report, Witnesses},
};
use crate::{cli::VerifyArgs, exit};

/// Reads what the witnesses wrote and says what is missing.
pub(crate) fn verify(args: &VerifyArgs) -> ExitCode {
    match read(args).and_then(|ledger| Ok(judge(args, &ledger)?)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("throughline verify: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// The trails come first: whether a stamp of another witness is good depends on them.
fn read(args: &VerifyArgs) -> Result<Ledger, Box<dyn Error>> {
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
        return Err(NoSession.into());
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
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(report.is_whole())
}

/// There is nothing to judge.
#[derive(Debug)]
struct NoSession;

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no session in the trails that was asked for; give another trail, or another --session")
    }
}

impl Error for NoSession {}
