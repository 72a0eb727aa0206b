//! The kernel's audit log, looked at by another process.
//!
//! The kernel can hold whoever asks for its state, for up to a minute and beyond any signal, just when
//! something is wrong. So a process is asked that is left behind if it is held.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{ChildStdout, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use throughline_audit::Probe;

use super::finding::{Area, Finding, Verdict};

/// What another process finds.
pub(super) fn findings() -> Vec<Finding> {
    ask().unwrap_or_else(|error| {
        vec![Finding::new(
            Area::KernelAudit,
            "probe",
            Verdict::Unknown,
            format!("it cannot be looked at, {error}"),
            "ask as root: auditctl -s",
        )]
    })
}

/// Plays that process.
pub(crate) fn audit_probe() -> ExitCode {
    let findings = Probe::run(PATIENCE).findings();
    let findings: Vec<_> = findings.into_iter().map(told).collect();
    let told = serde_json::to_string(&findings)
        .map_err(io::Error::from)
        .and_then(|line| writeln!(io::stdout(), "{line}"));
    ExitCode::from(u8::from(told.is_err()))
}

fn ask() -> io::Result<Vec<Finding>> {
    let mut child = Command::new("/proc/self/exe")
        .arg("audit-probe")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let line = child.stdout.take().map(first_line);
    // It has said all that it has to say; if the kernel holds it, it dies when it is let go.
    let _ = child.kill();
    let line = line.ok_or(io::ErrorKind::BrokenPipe)??;
    Ok(serde_json::from_str(&line)?)
}

/// Reads a line, without waiting for the other side to end.
fn first_line(output: ChildStdout) -> io::Result<String> {
    let (sender, lines) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        // Nobody listens any more if this took too long.
        let _ = sender.send(read.map(|_| line));
    })?;
    lines
        .recv_timeout(2 * PATIENCE)
        .map_err(|_| io::ErrorKind::TimedOut)?
}

fn told(finding: throughline_audit::Finding) -> Finding {
    Finding {
        area: Area::KernelAudit,
        subject: finding.subject.to_owned(),
        verdict: match finding.verdict {
            throughline_audit::Verdict::Good => Verdict::Good,
            throughline_audit::Verdict::Doubtful => Verdict::Doubtful,
            throughline_audit::Verdict::Bad => Verdict::Bad,
            throughline_audit::Verdict::Unknown => Verdict::Unknown,
        },
        detail: finding.detail,
        remedy: finding.remedy.map(str::to_owned),
    }
}

/// How long the kernel may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
