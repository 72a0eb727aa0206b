//! The `throughline` command: one session, one sequence number, every witness.
#![deny(unsafe_code)]

mod advice;
mod apart;
mod bridge;
mod bundle;
mod check;
mod child;
mod cli;
mod collect;
mod command_line;
mod config;
mod demo;
mod doctor;
mod files;
mod kernel;
mod log;
mod manual;
mod out;
mod own_collector;
mod policy;
mod proxy;
mod recording;
mod run;
mod signals;
mod stderr;
mod tail;
mod trail;
mod txn;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(&args),
        Command::Config(args) => config::config(&args),
        Command::Collect(args) => collect::collect(&args),
        Command::Bridge(args) => bridge::bridge(&args),
        Command::Txn(args) => txn::txn(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Verify(args) => verify::verify(&args),
        Command::Tail(args) => tail::tail(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::AuditProbe => apart::apart(doctor::audit_probe),
        Command::AuditSender => apart::apart(throughline_audit::helper::run),
        Command::DemoClient(args) => demo::client(&args),
    }
}

/// Exit codes that more than one command uses.
mod exit {
    /// The command line or the configuration cannot be used, as clap has it too.
    pub(crate) const USAGE: u8 = 2;
    /// The command was found and could not be run, as shells have it.
    pub(crate) const NOT_EXECUTABLE: u8 = 126;
    /// The command was not found, as shells have it.
    pub(crate) const NOT_FOUND: u8 = 127;
    /// Added to the number of the signal that ended the command, as shells have it.
    pub(crate) const SIGNALLED: u8 = 128;
}
