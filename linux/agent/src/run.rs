use std::{
    env,
    error::Error,
    ffi::OsString,
    io,
    net::{Ipv4Addr, TcpListener},
    process::{ExitCode, ExitStatus},
    sync::Arc,
    time::Duration,
};

use throughline_audit::SessionOpen;
use throughline_headers::{MapInjector, Names};
use throughline_rules::Redaction;
use tokio::runtime::{Builder, Runtime};

use crate::{
    bundle::Bundle,
    child::{self, SpawnError},
    cli::RunArgs,
    command_line::CommandLine,
    config::Config,
    exit, files,
    kernel::Emitter,
    log::{self, Level},
    proxy::{Authority, AuthorityError, Gate, Policy, Proxy, Settings, Trust},
    recording::Recording,
};

/// Runs a command with its requests recorded, and ends with its exit code.
pub(crate) fn run(args: RunArgs) -> ExitCode {
    let RunArgs {
        config,
        quiet,
        command,
    } = args;
    let config = Config::load(config);
    let said = config.as_ref().map_or(Level::Info, Config::log_level);
    log::start_at(if quiet { Level::Error } else { said });
    match config
        .map_err(Into::into)
        .and_then(|config| confine(&config, &command))
    {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn confine(config: &Config, command: &[OsString]) -> Result<u8, Box<dyn Error>> {
    let policy = config.policy()?;
    let trust = config.trust()?;
    for problem in trust.problems() {
        tracing::warn!("some of the system's certificates cannot be used: {problem}");
    }
    let process = command.first().map(|name| name.to_string_lossy());
    let recording = Recording::start(&process.unwrap_or_default(), &config.destinations())?;
    let session = recording.session();
    tracing::info!("session {session}");

    let runtime = runtime()?;
    let gate = Gate {
        injector: Arc::new(MapInjector::new(&config.names(), session)),
        redaction: config.redaction(),
        trust,
        command_line: CommandLine::of(env::args_os()),
        ..gate(policy, &recording)?
    };
    let bundle = Bundle::write(session, &gate.authority, &gate.trust)?;
    let kernel = Emitter::start_quietly();
    kernel.session_open(&SessionOpen {
        session,
        process: recording.process().as_str(),
    });
    let outcome = runtime.block_on(supervise(gate, config.settings(), command, &bundle));
    runtime.shutdown_timeout(GRACE);
    finish(recording, config.drain(), kernel);

    match outcome? {
        Ok(status) => Ok(child::code(status)),
        Err(error) => {
            tracing::error!("{error}");
            Ok(error.code())
        }
    }
}

/// Serves the command for as long as it runs.
async fn supervise(
    gate: Gate,
    settings: Settings,
    command: &[OsString],
    bundle: &Bundle,
) -> Result<Result<ExitStatus, SpawnError>, Box<dyn Error>> {
    let proxy = start_proxy(gate, settings)?;
    let mut child = match child::spawn(command, proxy.address(), Some(bundle)) {
        Ok(child) => child,
        Err(error) => return Ok(Err(error)),
    };
    files::raise_limit();
    let status = child::wait(&mut child).await?;
    proxy.shutdown(GRACE).await;
    Ok(Ok(status))
}

/// Writes out what there is, and says what became of it, to the kernel's audit log too.
fn finish(recording: Recording, drain: Duration, kernel: Emitter) {
    let summary = recording.finish(drain);
    kernel.session_close(&summary.close());
    kernel.close(KERNEL);
    if summary.is_whole() {
        tracing::info!("{summary}");
    } else {
        tracing::error!("{summary}");
    }
}

/// What serves the proxy; its work is copying, so a few threads are enough.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// A gate that records to `recording`, and trusts no upstream that has a certificate.
pub(crate) fn gate(policy: impl Policy, recording: &Recording) -> Result<Gate, AuthorityError> {
    let session = recording.session();
    Ok(Gate {
        policy: Box::new(policy),
        recorder: Box::new(recording.recorder()),
        injector: Arc::new(MapInjector::new(&Names::DEFAULT, session)),
        redaction: Redaction::default(),
        authority: Arc::new(Authority::new(session)?),
        trust: Trust::default(),
        command_line: None,
    })
}

/// Starts a proxy on a free port of the loopback interface.
pub(crate) fn start_proxy(gate: Gate, settings: Settings) -> Result<Proxy, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(Proxy::start(listener, gate, settings)?)
}

/// How long requests that are under way may take once the command has ended.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How long to wait for the kernel to take the session's records. They are sent if it takes longer,
/// but not waited for.
const KERNEL: Duration = Duration::from_millis(500);
