use std::{
    error::Error,
    fmt::Write as _,
    io::{self, Write},
    process::{Command, Stdio},
};

use serde_json::json;

use super::{result_file::ResultFile, step::Step};
use crate::{cli::TxnArgs, log::Clean};

/// Shows what would be done, and does none of it.
///
/// # Errors
///
/// If it could not be done: a step is no shell command, or the result has nowhere to go.
pub(super) fn show(args: &TxnArgs) -> Result<(), Box<dyn Error>> {
    let steps = steps(args);
    for (step, script) in steps {
        if let Some(script) = script {
            check(step, script)?;
        }
    }
    if let Some(path) = &args.result {
        drop(ResultFile::prepare(path)?);
    }
    let text = if args.json {
        json_of(args, steps)
    } else {
        text_of(args, steps)?
    };
    Ok(writeln!(io::stdout(), "{text}")?)
}

type Steps<'a> = [(Step, Option<&'a str>); 4];

fn steps(args: &TxnArgs) -> Steps<'_> {
    [
        (Step::Capture, args.capture.as_deref()),
        (Step::Apply, Some(args.apply.as_str())),
        (Step::Validate, args.validate.as_deref()),
        (Step::Rollback, args.rollback.as_deref()),
    ]
}

/// Has the shell read a script without running any of it.
fn check(step: Step, script: &str) -> Result<(), Box<dyn Error>> {
    let output = Command::new("/bin/sh")
        .args(["-n", "-c", script])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("/bin/sh cannot be run, {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let (step, said) = (step.as_str(), Clean(said.trim()));
    Err(format!("--{step} is no shell command: {said}").into())
}

fn json_of(args: &TxnArgs, steps: Steps<'_>) -> String {
    let list = steps.map(|(step, script)| {
        json!({
            "step": step.as_str(),
            "script": script,
        })
    });
    json!({
        "op": args.op,
        "dry_run": true,
        "steps": list,
        "result": args.result.as_ref().map(|path| path.to_string_lossy()),
    })
    .to_string()
}

fn text_of(args: &TxnArgs, steps: Steps<'_>) -> Result<String, std::fmt::Error> {
    let mut text = format!("{}: nothing is run or recorded (dry run)", Clean(&args.op));
    for (step, script) in steps {
        let then = otherwise(step, args.rollback.is_some());
        let script = Clean(script.unwrap_or("not given, counts as done"));
        match (step, &args.rollback) {
            (Step::Rollback, None) => {}
            _ => write!(
                text,
                "\n  {:<9} {script}\n            {then}",
                step.as_str()
            )?,
        }
    }
    if let Some(path) = &args.result {
        let path = Clean(path.display());
        write!(
            text,
            "\n  result    {path}\n            then the outcome is recorded"
        )?;
    }
    Ok(text)
}

/// What follows if a step fails.
const fn otherwise(step: Step, has_rollback: bool) -> &'static str {
    match (step, has_rollback) {
        (Step::Capture, _) => "or else errored",
        (Step::Apply | Step::Validate, true) => "or else roll back",
        (Step::Apply | Step::Validate, false) => "or else partially applied: there is no rollback",
        (Step::Rollback, _) => {
            "only if one of the two fails; then rolled back, or else rollback failed"
        }
    }
}
