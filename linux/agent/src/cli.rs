use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, builder::NonEmptyStringValueParser};

use crate::{
    advice::{count, session},
    config::Options,
    log::Level,
};

/// One session, one sequence number: line up what an agent did with every log that saw it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Run(RunArgs),
    Check(CheckArgs),
    Config(ConfigArgs),
    Collect(CollectArgs),
    Bridge(BridgeArgs),
    Txn(TxnArgs),
    Verify(VerifyArgs),
    Tail(TailArgs),
    Doctor(DoctorArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    /// Sends records to the kernel for another process; started by it, with a socket as stdin.
    #[command(hide = true)]
    AuditSender,
    /// Looks at the kernel's audit log for the doctor; one line of JSON.
    #[command(hide = true)]
    AuditProbe,
    /// The confined program of the demo.
    #[command(hide = true)]
    DemoClient(DemoClientArgs),
}

/// Show the whole story on this machine alone.
///
/// Starts a gateway, a collector and a proxy on the loopback interface, has a confined client make
/// requests of every kind, good and hostile, and a transaction with its phases, and prints one
/// table: each stamp and the witnesses that saw it. Needs no network and no privilege.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {}

#[derive(Args, Debug)]
pub(crate) struct DemoClientArgs {
    /// Where the gateway listens.
    pub(crate) upstream: std::net::SocketAddr,
}

/// Run a command with its requests recorded, and denied unless a rule allows them.
///
/// The command gets a proxy on the loopback interface through the usual environment variables.
/// Each request that it makes gets a number, is checked against the rules, and is recorded before
/// anything leaves; requests to the inject targets carry the session and the number in two headers.
/// Ends with the exit code of the command.
#[derive(Args, Debug)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigSource,

    /// Say nothing on the standard error but errors
    #[arg(long, short, help_heading = "Messages")]
    pub(crate) quiet: bool,

    /// The command and its arguments, after --
    #[arg(required = true, last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Tell which rule decides on a request, and why each other one does not.
///
/// Decides as `run` would with the same options. A CONNECT is decided on as for a host that is passed
/// unread; how a tunnel is opened whose requests are read is told beside.
#[derive(Args, Debug)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigSource,

    /// Write one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// The method of the request, such as GET
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,

    /// The URL of the request, or the host:port of a CONNECT
    #[arg(value_name = "URL")]
    pub(crate) url: OsString,

    #[arg(long, short, hide = true)]
    pub(crate) quiet: bool,
}

/// Show the configuration that `run` would have, and where each value was given.
#[derive(Args, Debug)]
#[command(after_help = CONFIG_HELP)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) config: ConfigSource,

    /// Write a JSON array instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    #[arg(long, short, hide = true)]
    pub(crate) quiet: bool,
}

/// The options, and the file with more of them.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigSource {
    /// Read options from FILE, in TOML and by the names of the flags [env: THROUGHLINE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) options: Options,
}

/// Receive events from recorders on this host and write them as NDJSON.
///
/// Listens until it is told to end (SIGTERM, SIGINT, SIGHUP), or until its output is closed.
#[derive(Args, Debug)]
#[command(after_help = COLLECT_EXAMPLES)]
pub(crate) struct CollectArgs {
    /// Where to listen; a socket that nobody listens at any more is replaced
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,

    /// Append the events to FILE; - is the standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,

    /// How many senders may be connected at once; more wait
    #[arg(long, value_name = "COUNT", default_value = "256", value_parser = count::<std::num::NonZeroUsize>)]
    pub(crate) max_connections: std::num::NonZeroUsize,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Forward the trail of a device from its serial line to a collector.
///
/// Reads the compact link format and writes the device's events, under the device's own session, to
/// the collector's socket or to a file. What the line damages is told by the numbers that are missing
/// then, and reported as lost. A device that is unplugged is waited for; one that was restarted has a
/// new session. Goes on until it is told to end (SIGTERM, SIGINT, SIGHUP).
#[derive(Args, Debug)]
#[command(after_help = BRIDGE_EXAMPLES)]
#[command(group = clap::ArgGroup::new("line").required(true))]
pub(crate) struct BridgeArgs {
    /// Read from the serial port at PATH, now or once it is plugged in
    #[arg(long, value_name = "PATH", group = "line")]
    pub(crate) device: Option<PathBuf>,

    /// Read from whoever connects to a socket at PATH, such as the serial port of a virtual machine
    #[arg(long, value_name = "PATH", group = "line")]
    pub(crate) listen: Option<PathBuf>,

    /// The speed of the serial port (symbols a second)
    #[arg(long, value_name = "BAUD", default_value = "115200", value_parser = count::<u32>)]
    pub(crate) baud: u32,

    /// Write the events to the collector that listens at PATH
    #[arg(long, value_name = "PATH", conflicts_with = "out")]
    pub(crate) socket: Option<PathBuf>,

    /// Append the events to FILE, as NDJSON; - is the standard output, and the default
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Write the phases of the device's transactions to the kernel's audit log of this host
    #[arg(long)]
    pub(crate) audit: bool,

    /// How long to go on writing events out after it was told to end (seconds)
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) drain: Duration,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Run a change as a transaction, with a record of each phase in the kernel's audit log.
///
/// Captures, applies, validates, and commits; or rolls back if applying or validating fails. Each
/// step is a shell command, and one that is not given counts as done. The records hold the commands.
///
/// When it is told to end (SIGTERM, SIGINT, SIGHUP) it ends the step that runs, and rolls back what
/// was applied. A rollback is waited for.
#[derive(Args, Debug)]
#[command(after_help = TXN_EXAMPLES)]
pub(crate) struct TxnArgs {
    /// What the change is called in the records
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) op: String,

    /// Keep what is there now
    #[arg(long, value_name = "SH", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) capture: Option<String>,

    /// Make the change
    #[arg(long, value_name = "SH", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) apply: String,

    /// Check the change
    #[arg(long, value_name = "SH", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) validate: Option<String>,

    /// Put back what was captured
    #[arg(long, value_name = "SH", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) rollback: Option<String>,

    /// Keep the result in FILE, as JSON; the outcome is recorded once it is on the disk
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,

    /// Show what would be done, look whether it can be, and do none of it
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Write one JSON object at the end; what the steps write goes to the standard error
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Tell whether trails are whole, and what the other witnesses say of them.
///
/// Reads the trails, and then the log of whatever the requests went to and the kernel's audit log, if
/// they are given, and looks for what is missing: numbers that are neither written nor reported as
/// lost, events that are there twice or out of order, times that go back, a session without its end,
/// requests upstream whose stamp no trail has, and records of the kernel's that say otherwise.
///
/// Several trails are read as one, in the order given, as the parts of one that was rotated.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct VerifyArgs {
    /// The trails, as NDJSON; - is the standard input
    #[arg(required = true, value_name = "TRAIL")]
    pub(crate) trails: Vec<PathBuf>,

    /// The log of whatever the requests went to; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream: Vec<PathBuf>,

    /// The kernel's audit log, such as /var/log/audit/audit.log or the output of ausearch --raw
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Vec<PathBuf>,

    /// Look at this session only; may be given more than once
    #[arg(long, value_name = "UUID", value_parser = session)]
    pub(crate) session: Vec<uuid::Uuid>,

    /// Do not take a session for whole that reported events as lost
    #[arg(long)]
    pub(crate) no_losses: bool,

    /// Write one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show the last lines of a trail, and those that come.
///
/// The filters are put together: a request is shown if it passes each kind, and one of a kind that
/// is given more than once is enough. Losses and the ends of sessions are always shown.
#[derive(Args, Debug)]
#[command(after_help = TAIL_EXAMPLES)]
pub(crate) struct TailArgs {
    /// The trail, as NDJSON
    #[arg(value_name = "TRAIL")]
    pub(crate) trail: PathBuf,

    /// Go on as the trail grows, is rotated or cut, until told to end
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// How many of the lines that are there to show, or all
    #[arg(long, short = 'n', value_name = "COUNT", default_value = "10", value_parser = lines)]
    pub(crate) lines: Lines,

    /// Only this session
    #[arg(long, value_name = "UUID", value_parser = session)]
    pub(crate) session: Vec<uuid::Uuid>,

    /// Only requests that were allowed
    #[arg(long)]
    pub(crate) allowed: bool,

    /// Only requests that were denied
    #[arg(long)]
    pub(crate) denied: bool,

    /// Only requests with this method
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Vec<String>,

    /// Only requests to a host with this in its name
    #[arg(long, value_name = "TEXT")]
    pub(crate) host: Vec<String>,

    /// Only requests with this in their URL
    #[arg(long, value_name = "TEXT")]
    pub(crate) url: Vec<String>,

    /// Show the lines as they are
    #[arg(long)]
    pub(crate) json: bool,
}

/// Tell what works on this host, and how to mend what does not.
///
/// Looks at the kernel's audit log, at where `run` would write events with the same options, and at
/// what it needs to read HTTPS. It emits no record and sends no event.
#[derive(Args, Debug)]
#[command(after_help = DOCTOR_HELP)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) config: ConfigSource,

    /// Write one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,

    #[arg(long, short, hide = true)]
    pub(crate) quiet: bool,
}

/// Print what a shell needs to complete the command line.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page, or write a page for each command.
#[derive(Args, Debug)]
#[command(after_help = MAN_HELP)]
pub(crate) struct ManArgs {
    /// Write throughline.1 and a page for each command to FOLDER
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

/// How many lines.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lines {
    All,
    Last(u64),
}

/// What is said on the standard error.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LogArgs {
    /// What to say on the standard error
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: Level,

    /// Say nothing on the standard error but errors
    #[arg(long, short, conflicts_with = "log_level")]
    pub(crate) quiet: bool,
}

fn lines(text: &str) -> Result<Lines, String> {
    if text == "all" {
        return Ok(Lines::All);
    }
    let count = text.parse().map(Lines::Last);
    count.map_err(|_| format!("'{text}' is not a number of lines; give one such as 20, or all"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("'{text}' is not a number of seconds; give one such as 5 or 0.5"))?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

const EXAMPLES: &str = "\
Examples:
  See it all on this machine, with nothing installed:
    throughline demo

  Let a command out to one host, and keep a trail of what it did:
    throughline run --allow 'domain=example.com' --trail trail.ndjson -- curl http://example.com/";

const RUN_EXAMPLES: &str = "\
Examples:
  One host may be read from; the trail goes to a file:
    throughline run --allow 'method=GET,HEAD domain=example.com' --trail trail.ndjson -- ./agent

  The gateway sees the session and the number of each request:
    throughline run --allow 'domain=gateway.internal' \\
      --inject 'domain=gateway.internal path=/api/v2/aibridge/*' --socket /run/audit.sock -- ./agent

  A host whose certificate a program pins is passed unread; its CONNECT is all that is recorded:
    throughline run --allow 'domain=pinned.example' --no-intercept pinned.example -- ./agent

Each option can be set by a variable or in a file too: see throughline config --help.

HTTPS is read: the session has a certificate authority of its own, which the command is told to
trust through SSL_CERT_FILE, CURL_CA_BUNDLE, NODE_EXTRA_CA_CERTS and the like. A program that
looks at none of them has to be told to trust the file in SSL_CERT_FILE.";

const CHECK_HELP: &str = "\
Example:
  throughline check --allow 'domain=*.example.com path=/api/*' GET https://eu.example.com/api/users

Exit codes:
  0 allowed, 1 denied, 2 a rule or the URL cannot be understood";

const CONFIG_HELP: &str = "\
A flag wins over a variable, and a variable over the file; rules, hosts and names add up.

  flag --max-head 9000, variable THROUGHLINE_MAX_HEAD=9000, in the file max-head = 9000
  a list in a variable has one entry a line; in the file it is allow = ['domain=a', 'domain=b']

Also understood: CODER_AGENT_URL, CODER_AGENT_BOUNDARY_LOG_PROXY_SOCKET_PATH, BOUNDARY_ALLOW,
BOUNDARY_SESSION_ID_INJECT_TARGET, BOUNDARY_SESSION_CORRELATION_ENABLED, BOUNDARY_LOG_LEVEL.";

const COLLECT_EXAMPLES: &str = "\
Example:
  throughline collect --socket /run/audit.sock --out /var/log/throughline.ndjson

Exit codes:
  0 all that came was written, 1 something was malformed or could not be, 2 unusable options";

const BRIDGE_EXAMPLES: &str = "\
Examples:
  A board on a USB serial port, and the collector of this host:
    throughline bridge --device /dev/ttyUSB0 --socket /run/audit.sock

  A board in QEMU, started with -serial unix:/tmp/board.sock; its trail goes to a file:
    throughline bridge --listen /tmp/board.sock --out board.ndjson

Exit codes:
  0 all that was read was handed on, 1 some of it was not, 2 unusable options";

const TXN_EXAMPLES: &str = "\
Example:
  throughline txn --op motd --capture 'cp /etc/motd /tmp/motd' --apply 'echo hello > /etc/motd' \\
    --validate 'grep -q hello /etc/motd' --rollback 'cp /tmp/motd /etc/motd'

Exit codes:
  0 committed
  1 rolled back: all is as it was
  2 wrong usage: nothing was begun
  3 partially applied: there was no rollback
  4 rollback failed
  5 errored: nothing could be captured, or the result of a commit could not be kept

The JSON object has transaction, op, outcome, success, reason, signal (what told it to end),
started, ended, steps (step, done, end, seconds) and result (file, error); on the standard output
also audit: how many records there were, and how many of them the kernel accepted.";

const VERIFY_HELP: &str = "\
Examples:
  Is this trail whole?
    throughline verify trail.ndjson

  Is one that was rotated, and packed, and goes on?
    zcat trail.ndjson.2.gz | throughline verify - trail.ndjson.1 trail.ndjson

  Do all witnesses agree? For a machine to read:
    ausearch --raw -m USYS_CONFIG |
      throughline verify trail.ndjson --upstream access.log --audit - --json

An upstream's log has one request a line, in one of two forms:
  JSON: the two header values under the headers' names, in any case, with - or _ between the words
    and anything in front, at any depth; or under 'session' and 'seq' at the top
  combined log format, with the two header values as the last two fields; nginx:
    '... \"$http_user_agent\" \"$http_x_coder_agent_firewall_session_id\"
     \"$http_x_coder_agent_firewall_sequence_number\"'

Exit codes:
  0 whole, and the witnesses agree, 1 something is missing or not as it should be, 2 unusable input";

const DOCTOR_HELP: &str = "\
Examples:
  What works here?
    throughline doctor

  Is there a collector, and does it answer?
    throughline doctor --socket /run/audit.sock

Exit codes:
  0 all is well, as far as it can be known, 1 something is to be mended, 2 unusable options";

const TAIL_EXAMPLES: &str = "\
Example:
  What is denied from now on:
    throughline tail -f -n 0 --denied trail.ndjson";

const COMPLETIONS_HELP: &str = "\
Examples:
  throughline completions bash > ~/.local/share/bash-completion/completions/throughline
  throughline completions fish > ~/.config/fish/completions/throughline.fish
  throughline completions zsh > ~/.zfunc/_throughline    # a folder of $fpath";

const MAN_HELP: &str = "\
Examples:
  throughline man | man -l -
  mkdir -p ~/.local/share/man/man1 && throughline man --out ~/.local/share/man/man1";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn no_example_is_so_long_that_it_would_be_wrapped() {
        let all = Cli::command();
        for command in all.get_subcommands().chain([&all]) {
            let examples = command.get_after_help().map(ToString::to_string);
            for line in examples.unwrap_or_default().lines() {
                assert!(line.len() <= 100, "{}: {line}", command.get_name());
            }
        }
    }
}
