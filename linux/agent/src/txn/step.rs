use std::{
    fmt, io,
    io::IsTerminal,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    process::{Child, Command},
    signal::unix::SignalKind,
    time::{sleep, sleep_until},
};

use crate::signals::Signals;

/// A step of a transaction, as the command line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Capture,
    Apply,
    Validate,
    Rollback,
}

impl Step {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Apply => "apply",
            Self::Validate => "validate",
            Self::Rollback => "rollback",
        }
    }
}

/// A step that was run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) step: Step,
    pub(super) end: End,
    pub(super) took: Duration,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was not given, which counts as done.
    NotGiven,
    Exited(ExitStatus),
    NotStarted(io::Error),
}

impl Ran {
    pub(super) fn is_done(&self) -> bool {
        match &self.end {
            End::NotGiven => true,
            End::Exited(status) => status.success(),
            End::NotStarted(_) => false,
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = self.step.as_str();
        match &self.end {
            End::NotGiven => write!(f, "{step}: not given"),
            End::Exited(status) => write!(f, "{step}: {status}"),
            End::NotStarted(error) => write!(f, "{step}: /bin/sh cannot be run, {error}"),
        }
    }
}

/// Runs steps one after another, and ends the one that runs when the program is asked to end.
pub(super) struct Runner {
    interrupts: Signals<&'static str>,
    interrupted: Option<&'static str>,
    /// Keep the standard output for what is told at the end.
    spare_stdout: bool,
}

impl Runner {
    /// To be called in a runtime.
    pub(super) fn new(spare_stdout: bool) -> io::Result<Self> {
        Ok(Self {
            interrupts: Signals::listen(INTERRUPTS)?,
            interrupted: None,
            spare_stdout,
        })
    }

    /// The signal that asked for the end, if one did before the rollback.
    pub(super) const fn interrupted(&self) -> Option<&'static str> {
        self.interrupted
    }

    /// Takes note of a signal that came between two steps.
    pub(super) async fn look_for_signals(&mut self) {
        if self.interrupted.is_none() {
            self.interrupted = self.interrupts.arrived().await;
        }
    }

    /// Runs a step to its end. Only a rollback goes on when the program is asked to end.
    pub(super) async fn run(&mut self, step: Step, script: Option<&str>) -> Ran {
        let start = Instant::now();
        let end = match script.map(|script| self.spawn(script)) {
            None => End::NotGiven,
            Some(Ok(child)) => self
                .wait(step, child)
                .await
                .map_or_else(End::NotStarted, End::Exited),
            Some(Err(error)) => End::NotStarted(error),
        };
        let took = match &end {
            End::NotGiven => Duration::ZERO,
            End::Exited(_) | End::NotStarted(_) => start.elapsed(),
        };
        Ran { step, end, took }
    }

    /// Starts the shell in a process group of its own, so that a signal from the terminal finds this
    /// program alone, and what it then sends finds all that the step has started.
    fn spawn(&self, script: &str) -> io::Result<Child> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).process_group(0);
        // In such a group, whoever reads from the terminal would be stopped for good.
        if io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        if self.spare_stdout {
            command.stdout(io::stderr());
        }
        command.spawn()
    }

    async fn wait(&mut self, step: Step, mut child: Child) -> io::Result<ExitStatus> {
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let mut kill_at = None;
        loop {
            tokio::select! {
                status = child.wait() => {
                    if kill_at.is_some() && let Some(group) = group {
                        end_group(group).await;
                    }
                    return status;
                }
                name = self.interrupts.next() => {
                    let step_name = step.as_str();
                    if step == Step::Rollback {
                        tracing::warn!("{name}: waiting for the rollback to end");
                        continue;
                    }
                    tracing::warn!("{name}: ending {step_name}");
                    self.interrupted.get_or_insert(name);
                    signal(group, Signal::TERM);
                    // One that is stopped would not hear it.
                    signal(group, Signal::CONT);
                    kill_at.get_or_insert_with(|| tokio::time::Instant::now() + GRACE);
                }
                () = sleep_until(kill_at.unwrap_or_else(tokio::time::Instant::now)),
                    if kill_at.is_some() =>
                {
                    tracing::warn!("{} does not end, killing it", step.as_str());
                    signal(group, Signal::KILL);
                    kill_at = Some(tokio::time::Instant::now() + GRACE);
                }
            }
        }
    }
}

/// Waits for what a step has left behind, and ends it at last, so that it does not go on while it is
/// rolled back.
async fn end_group(group: Pid) {
    let start = Instant::now();
    // Those that have ended and that nobody has waited for are there as well, and nothing helps.
    while test_kill_process_group(group).is_ok() && start.elapsed() < 2 * GRACE {
        if start.elapsed() >= GRACE {
            signal(Some(group), Signal::KILL);
        }
        sleep(TICK).await;
    }
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // It may just have ended.
        let _ = kill_process_group(group, signal);
    }
}

/// What asks a transaction to end, SIGHUP when a terminal goes.
const INTERRUPTS: [(&str, SignalKind); 3] = [
    ("SIGHUP", SignalKind::hangup()),
    ("SIGINT", SignalKind::interrupt()),
    ("SIGTERM", SignalKind::terminate()),
];

/// How long a step may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

const TICK: Duration = Duration::from_millis(10);
