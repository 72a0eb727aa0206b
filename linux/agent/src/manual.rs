//! What a package installs beside the program, made from the help that the program gives.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::{Command, CommandFactory};

use crate::{
    cli::{Cli, CompletionsArgs, ManArgs},
    exit,
};

/// Prints what a shell completes the command line with.
pub(crate) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut visible(), NAME, &mut script);
    ended("completions", print(&script))
}

/// Prints the manual page of the program, or writes those of all its commands.
pub(crate) fn man(args: &ManArgs) -> ExitCode {
    let written = match &args.out {
        Some(folder) => write_all(folder),
        None => main_page().and_then(|page| print(&page)),
    };
    ended("man", written)
}

/// The command line without what only this program itself uses, which a shell would offer too.
fn visible() -> Command {
    let all = Cli::command();
    let commands = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let visible = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .args(all.get_arguments().cloned())
        .subcommands(commands.cloned())
        .disable_help_subcommand(true);
    let visible = match all.get_about() {
        Some(about) => visible.about(about.clone()),
        None => visible,
    };
    match all.get_after_help() {
        Some(examples) => visible.after_help(examples.clone()),
        None => visible,
    }
}

fn main_page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(visible()).render(&mut page)?;
    Ok(page)
}

fn write_all(folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(visible(), folder).map_err(|error| {
        let text = format!(
            "cannot write to the folder {}: {error}; make it first, or give another with --out",
            folder.display()
        );
        io::Error::new(error.kind(), text)
    })
}

fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn ended(command: &str, written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME} {command}: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

const NAME: &str = "throughline";
