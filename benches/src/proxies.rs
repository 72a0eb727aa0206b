//! Proxies as processes of their own: the agent's and a minimal one.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use throughline_testkit::build_release;

use crate::{load::Load, peers};

/// What a proxy did in one slice of time.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Requests that were answered (count).
    pub requests: f64,
    /// Requests a second.
    pub rate: f64,
    /// Processor time of its process (seconds).
    pub cpu: f64,
}

impl Slice {
    /// Processor time a request (microseconds).
    #[must_use]
    pub fn each(&self) -> f64 {
        self.cpu * 1e6 / self.requests
    }
}

/// A proxy in a process that ends when its standard input does.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    load: Load,
}

impl Proxy {
    /// Starts it and reads where it listens from the first line of its standard output.
    ///
    /// # Errors
    ///
    /// If it does not start, or lends no proxy.
    pub fn start(
        mut command: Command,
        upstream: SocketAddr,
        connections: usize,
    ) -> io::Result<Self> {
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
            .and_then(|address| Load::open(address, upstream, connections));
        match opened {
            Ok(load) => Ok(Self { child, load }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The load's connections to it.
    pub const fn load(&mut self) -> &mut Load {
        &mut self.load
    }

    /// Loads it for `time`.
    ///
    /// # Errors
    ///
    /// If it does not forward what it should.
    pub fn slice(&mut self, time: Duration) -> io::Result<Slice> {
        let before = self.cpu()?;
        let done = self.load.run(time)?;
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
#[must_use]
pub fn lend() -> ExitCode {
    match env::var("http_proxy").or_else(|_| env::var("HTTP_PROXY")) {
        Ok(proxy) => println!("{proxy}"),
        Err(_) => return ExitCode::FAILURE,
    }
    wait_for_the_end()
}

/// A minimal proxy until the standard input ends.
#[must_use]
pub fn serve_peer() -> ExitCode {
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
///
/// # Errors
///
/// If it is neither there nor can be built.
pub fn agent() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let this = env::current_exe()?;
    let folder = this.parent().ok_or("a program lies in a folder")?;
    // A bench lies in a folder of its profile's, the agent in that itself.
    let folder = match folder.ends_with("deps") {
        true => folder.parent().ok_or("deps lies in a profile's folder")?,
        false => folder,
    };
    if env::var_os("CARGO").is_some() {
        let target = folder
            .parent()
            .ok_or("a profile's folder lies in another")?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("the benches lie in a workspace")?;
        build_release(workspace, "throughline", target)?;
    }
    let agent = folder.join("throughline");
    match agent.exists() {
        true => Ok(agent),
        false => Err(format!("there is no {}: cargo build --release", agent.display()).into()),
    }
}
