//! The whole story on one machine: a gateway, a proxy, a confined client, a transaction, a trail.

mod client;
mod gateway;
mod kernel;
mod story;
mod table;

use std::{error::Error, process::ExitCode, time::Duration};

use crate::{
    cli::{DemoArgs, DemoClientArgs, LogArgs},
    log::{self, Level},
    out::{errln, outln},
};

/// Tells the story and shows who saw what.
pub(crate) fn demo(_: &DemoArgs) -> ExitCode {
    log::start(LogArgs {
        log_level: Level::Error,
        quiet: false,
    });
    match tell() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            tracing::error!("the witnesses do not agree");
            ExitCode::FAILURE
        }
        Err(error) => {
            tracing::error!("the demo cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the confined program.
pub(crate) fn client(args: &DemoClientArgs) -> ExitCode {
    match client::run(args.upstream) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("demo client: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo and prints its table; returns whether all witnesses agree.
fn tell() -> Result<bool, Box<dyn Error>> {
    let story = story::play(DRAIN)?;
    let table = table::Table::of(&story);
    outln!("{table}");
    outln!("{}", story.summary_line());
    outln!("kernel audit log: {}", story.kernel);
    Ok(table.agrees() && story.is_whole())
}

/// How long the trail may take to be written.
const DRAIN: Duration = Duration::from_secs(5);
