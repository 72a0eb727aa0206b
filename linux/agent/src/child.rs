use std::{
    ffi::OsString,
    fmt, io,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use crate::{bundle::Bundle, exit, signals::Hangup};

/// Starts the command with the proxy, and whom to trust when it speaks TLS, in its environment.
pub(crate) fn spawn(
    command: &[OsString],
    proxy: SocketAddr,
    bundle: Option<&Bundle>,
) -> Result<Child, SpawnError> {
    let (program, args) = command.split_first().ok_or(SpawnError::Nothing)?;
    let url = format!("http://{proxy}");
    let mut child = Command::new(program);
    child.args(args).stdin(Stdio::inherit()).kill_on_drop(true);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, &url).env(name.to_uppercase(), &url);
    }
    // What is exempt from the proxy would be exempt from the trail.
    for name in ["no_proxy", "NO_PROXY"] {
        child.env(name, "");
    }
    // Else the fetch of Node.js looks at none of these variables.
    child.env("NODE_USE_ENV_PROXY", "1");
    child.envs(bundle.into_iter().flat_map(Bundle::variables));
    child.spawn().map_err(|error| SpawnError::Failed {
        program: program.clone(),
        error,
    })
}

/// Waits for the command, and passes on what asks this process to end.
///
/// A terminal sends SIGINT and SIGQUIT to both, so they are not passed on; SIGHUP is, which whoever is
/// hung up on can bear twice.
pub(crate) async fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut hangup = Hangup::listen()?;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = terminate.recv() => pass_on(child, Signal::TERM),
            () = hangup.came() => pass_on(child, Signal::HUP),
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

/// The exit code that tells how the command ended, as shells have it.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    let signal = status.signal().and_then(|signal| u8::try_from(signal).ok());
    code.or_else(|| signal.map(|signal| exit::SIGNALLED.saturating_add(signal)))
        .unwrap_or(u8::MAX)
}

fn pass_on(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may just have ended, and then there is nothing to pass on.
        let _ = kill_process(pid, signal);
    }
}

/// Why a command could not be started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    Nothing,
    Failed { program: OsString, error: io::Error },
}

impl SpawnError {
    /// The exit code for it, as shells have it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Nothing => exit::USAGE,
            Self::Failed { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                exit::NOT_FOUND
            }
            Self::Failed { .. } => exit::NOT_EXECUTABLE,
        }
    }
}

impl std::error::Error for SpawnError {}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("there is no command to run; give one after --"),
            Self::Failed { program, error } => {
                let program = program.to_string_lossy();
                match error.kind() {
                    io::ErrorKind::NotFound => {
                        write!(
                            f,
                            "{program}: command not found; look at its name and at PATH"
                        )
                    }
                    io::ErrorKind::PermissionDenied => {
                        write!(f, "{program}: cannot be executed; look at its permissions")
                    }
                    _ => write!(f, "{program}: {error}"),
                }
            }
        }
    }
}
