//! What a package installs beside the program, made from the help that the program gives.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::{
    cli::{Cli, CompletionsArgs, ManArgs},
    exit,
    out::{self, errln},
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
        None => page(visible()).and_then(|page| print(page.as_bytes())),
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

fn page(command: Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    let page = String::from_utf8(page);
    Ok(unfilled(&page.map_err(io::Error::other)?))
}

/// The page with its examples line by line as they are: filled like sentences they could not be copied.
fn unfilled(page: &str) -> String {
    let Some((front, examples)) = page.split_once(EXAMPLES) else {
        return page.to_owned();
    };
    let (examples, rest) = match examples.split_once("\n.SH ") {
        Some((examples, rest)) => (examples, format!(".SH {rest}")),
        None => (examples, String::new()),
    };
    format!("{front}{EXAMPLES}.nf\n{}\n.fi\n{rest}", examples.trim_end())
}

/// A page for each command, and one for the program.
fn pages(folder: &Path) -> io::Result<()> {
    let mut all = visible();
    all.build();
    for command in all.get_subcommands().chain([&all]).cloned() {
        let path = folder.join(Man::new(command.clone()).get_filename());
        fs::write(path, page(command)?)?;
    }
    Ok(())
}

fn write_all(folder: &Path) -> io::Result<()> {
    pages(folder).map_err(|error| {
        let text = format!(
            "cannot write to the folder {}: {error}; make it first, or give another with --out",
            folder.display()
        );
        io::Error::new(error.kind(), text)
    })
}

fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out::written(out.write_all(text).and_then(|()| out.flush()))
}

fn ended(command: &str, written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("{NAME} {command}: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// What the section of the examples begins with.
const EXAMPLES: &str = "\n.SH EXTRA\n";

const NAME: &str = "throughline";
