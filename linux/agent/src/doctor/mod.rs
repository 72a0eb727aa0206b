//! What works on this host, and how to mend what does not.

mod finding;
mod kernel;
mod report;
mod run;
mod socket;

use std::{io, process::ExitCode};

use crate::{
    cli::DoctorArgs,
    config::Config,
    exit,
    log::{self, Level},
    out,
};
use finding::Finding;
use report::Report;

pub(crate) use kernel::audit_probe;

/// Tells what works.
pub(crate) fn doctor(args: &DoctorArgs) -> ExitCode {
    log::start_at(Level::Error);
    let findings = Config::load(args.config.clone()).map(|config| examine(&config));
    let report = match findings {
        Ok(findings) => Report(findings),
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(exit::USAGE);
        }
    };
    match out::written(report.write(args.json, &mut io::stdout().lock())) {
        Ok(()) => ExitCode::from(u8::from(!report.is_well())),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn examine(config: &Config) -> Vec<Finding> {
    let to = config.destinations();
    let mut findings = kernel::findings();
    findings.push(socket::finding(&to));
    findings.extend(run::findings(config, &to));
    findings
}
