//! A soak: real processes, a collector on a bad day, and books that have to balance to the event.
//!
//! A recorder with four threads writes to a collector that is killed, stopped, restarted and has its
//! disk filled all the while. At the end every number is either in the trail or in a reported loss,
//! never both; what came twice is counted.
//!
//! ```text
//! cargo run --release -p throughline-testkit --bin soak -- --events 10000000 --seed 1
//! ```

mod chaos;
mod collector;
mod options;
mod recorder;
mod verdict;

use std::{
    error::Error,
    process::{Child, Command, ExitCode, Stdio},
    time::Instant,
};

use crate::{chaos::Chaos, options::Options, verdict::Verdict};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(mistake) => {
            eprintln!("{mistake}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = match options.role.as_str() {
        "record" => recorder::record(&options),
        "collect" => collector::collect(&options),
        _ => soak(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", options.role);
            ExitCode::FAILURE
        }
    }
}

/// Starts the recorder, makes its collector's life hard, and holds the books against each other.
fn soak(options: &Options) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let options = options.within(folder.path());
    let begun = Instant::now();
    let mut recorder = options.spawn("record", Stdio::piped())?;
    let mut chaos = Chaos::new(&options)?;
    while recorder.try_wait()?.is_none() {
        chaos.act()?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let report = report(recorder)?;
    // A quiet day at the end, and a run that records nothing takes what the spool still has.
    chaos.calm()?;
    let mut quiet = options.clone();
    quiet.events = 0;
    let drained = self::report(quiet.spawn("record", Stdio::piped())?)?;
    let collector_peak_kib = chaos.finish()?;

    let verdict = Verdict::of(&options, &report, &drained)?;
    println!("{verdict}");
    println!(
        "{:.0} events/s over {seconds:.1} s; peak memory: recorder {} KiB, collector {collector_peak_kib} KiB",
        report.recorded as f64 / seconds,
        report.peak_kib,
    );
    println!("{chaos}");
    if verdict.balances() {
        Ok(())
    } else {
        Err("the books do not balance".into())
    }
}

fn report(recorder: Child) -> Result<recorder::Report, Box<dyn Error>> {
    let output = recorder.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("the recorder failed: {}", output.status).into());
    }
    recorder::Report::parse(&String::from_utf8(output.stdout)?)
}

impl Options {
    /// Starts another process of this program in a role.
    fn spawn(&self, role: &str, stdout: Stdio) -> std::io::Result<Child> {
        // A write beyond the file size limit, by which the disk is filled, fails instead of killing.
        Command::new("/bin/sh")
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .arg(std::env::current_exe()?)
            .args(self.arguments(role))
            .stdin(Stdio::null())
            .stdout(stdout)
            .spawn()
    }
}
