//! The agent's proxy beside a minimal one, each a process of its own, under the same load in turn.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use throughline_benches::{
    load::{Load, upstream},
    peers,
    rounds::median,
};

use crate::report::Row;

const CONNECTIONS: usize = 16;
const SLICE: Duration = Duration::from_millis(400);
const ROUNDS: usize = 15;

pub(crate) fn rows() -> Vec<Row> {
    match measure() {
        Ok(rows) => rows,
        Err(why) => vec![Row::skipped("proxy, 16 connections", why)],
    }
}

fn measure() -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let agent = agent()?;
    let upstream = upstream()?;
    let folder = tempfile::tempdir()?;
    let allow = format!("domain={}", upstream.ip());
    let trail = folder.path().join("trail.ndjson");
    let mut whole = Command::new(&agent);
    whole.args(["run", "--quiet", "--allow", &allow, "--inject", &allow]);
    whole.arg("--trail").arg(&trail);
    let mut bare = Command::new(&agent);
    bare.args(["run", "--quiet", "--allow", &allow]);
    let this = env::current_exe()?;
    for command in [&mut whole, &mut bare] {
        command.arg("--").arg(&this).arg("--lend-proxy");
    }
    let mut peer = Command::new(&this);
    peer.arg("--serve-peer");
    let mut proxies = Vec::new();
    for command in [whole, bare, peer] {
        proxies.push(Proxy::start(command, upstream)?);
    }
    let mut rounds: Vec<Vec<Slice>> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(
            proxies
                .iter_mut()
                .map(Proxy::slice)
                .collect::<io::Result<_>>()?,
        );
    }
    drop(proxies);
    Ok(judge(&rounds, fs::metadata(&trail)?.len()))
}

fn judge(rounds: &[Vec<Slice>], trail_len: u64) -> Vec<Row> {
    let rate = |case: usize| median(rounds.iter().map(|round| round[case].rate));
    let ratio = median(rounds.iter().map(|round| round[0].rate / round[2].rate));
    let cpu = |case: usize| {
        let (cpu, requests) = rounds.iter().fold((0.0, 0.0), |(cpu, requests), round| {
            (cpu + round[case].cpu, requests + round[case].requests)
        });
        cpu * 1e6 / requests
    };
    let kilo = |rate: f64| format!("{:.1} k/s", rate / 1e3);
    let throughput = Row::new("proxy, 16 connections: requests")
        .ours(kilo(rate(0)))
        .peer("minimal hyper proxy", kilo(rate(2)))
        .ratio(ratio)
        .at_least(ratio, 0.9, " x peer")
        .note(format!(
            "with trail ({trail_len} bytes), rules and inject; the peer has none of them"
        ));
    let (whole, bare, peer) = (cpu(0), cpu(1), cpu(2));
    let mut differences: Vec<f64> = rounds
        .iter()
        .map(|round| round[0].each() - round[1].each())
        .collect();
    differences.sort_by(f64::total_cmp);
    let quarter = differences.len() / 4;
    let (low, high) = (
        differences[quarter],
        differences[differences.len() - 1 - quarter],
    );
    let extra = median(differences);
    let added = Row::new("  CPU a request")
        .ours(format!("{whole:.1} us"))
        .floor("without trail and inject", format!("{bare:.1} us"))
        .peer("minimal hyper proxy", format!("{peer:.1} us"))
        .ratio(whole / peer)
        .note(format!(
            "trail and inject add {extra:.1} us, quartiles {low:.1} to {high:.1}; the trail's collector is in it"
        ))
        .at_most(extra, 3.0, " us more");
    vec![throughput, added]
}

struct Slice {
    requests: f64,
    rate: f64,
    /// Processor time (seconds).
    cpu: f64,
}

impl Slice {
    /// Processor time a request (microseconds).
    fn each(&self) -> f64 {
        self.cpu * 1e6 / self.requests
    }
}

/// A proxy in a process that ends when its standard input does.
struct Proxy {
    child: Child,
    load: Load,
}

impl Proxy {
    /// Starts it and reads where it listens from the first line of its standard output.
    fn start(mut command: Command, upstream: SocketAddr) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let address = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let opened = address
            .parse()
            .map_err(|_| io::Error::other(format!("no proxy's address: {line:?}")))
            .and_then(|address| Load::open(address, upstream, CONNECTIONS));
        match opened {
            Ok(load) => Ok(Self { child, load }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn slice(&mut self) -> io::Result<Slice> {
        let before = self.cpu()?;
        let done = self.load.run(SLICE)?;
        // The collector is some way behind.
        thread::sleep(Duration::from_millis(20));
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let requests = done.requests as f64;
        Ok(Slice {
            requests,
            rate: requests / done.took.as_secs_f64(),
            cpu: self.cpu()? - before,
        })
    }

    /// What the process has used of the processors (seconds), all of its threads.
    fn cpu(&self) -> io::Result<f64> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = stat.split(' ').next().unwrap_or_default();
            nanos += first.parse::<u64>().unwrap_or_default();
        }
        #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
        let seconds = nanos as f64 / 1e9;
        Ok(seconds)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // An error means that it has ended already.
        let _ = self.child.wait();
    }
}

/// The confined command: lends its proxy to whoever holds its standard input.
pub(crate) fn lend() -> ExitCode {
    match env::var("http_proxy").or_else(|_| env::var("HTTP_PROXY")) {
        Ok(proxy) => println!("{proxy}"),
        Err(_) => return ExitCode::FAILURE,
    }
    wait_for_the_end()
}

pub(crate) fn serve_peer() -> ExitCode {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) else {
        return ExitCode::FAILURE;
    };
    let Ok(address) = listener.local_addr() else {
        return ExitCode::FAILURE;
    };
    println!("{address}");
    thread::spawn(|| peers::proxy::serve(listener));
    wait_for_the_end()
}

fn wait_for_the_end() -> ExitCode {
    // Nothing is ever written there.
    let _ = io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}

/// The agent's program: built now if cargo runs this, or else the one that lies beside this one.
fn agent() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let this = env::current_exe()?;
    let folder = this.parent().ok_or("a program lies in a folder")?;
    if let Some(cargo) = env::var_os("CARGO") {
        let target = folder
            .parent()
            .ok_or("a profile's folder lies in another")?;
        let built = Command::new(cargo)
            .args([
                "build",
                "--release",
                "--quiet",
                "-p",
                "throughline",
                "--bin",
                "throughline",
            ])
            .arg("--target-dir")
            .arg(target)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .status()?;
        if !built.success() {
            return Err("the agent does not build".into());
        }
    }
    let agent = folder.join("throughline");
    match agent.exists() {
        true => Ok(agent),
        false => Err(format!("there is no {}: cargo build --release", agent.display()).into()),
    }
}
