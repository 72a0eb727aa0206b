//! A device's trail from its UART to a file, over a line that damages it, and whether the books
//! balance.
//!
//! ```text
//!   QEMU firmware -> serial port -> noise -> throughline bridge -> agent socket -> throughline collect -> NDJSON
//! ```
//!
//! Exits with 0 only if every act that the device issued is written or reported as lost, and not
//! both; with 77 if the firmware cannot be built or run here, and says why.
#![forbid(unsafe_code)]

mod books;
mod noise;

use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use throughline_testkit::build_release;

use crate::{books::Books, noise::Noise};

fn main() -> ExitCode {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return ExitCode::from(SKIPPED);
    }
    match run() {
        Ok(books) => {
            println!("{books}");
            match books.check() {
                Ok(()) => {
                    println!("written and lost are what was issued");
                    ExitCode::SUCCESS
                }
                Err(wrong) => {
                    println!("the books do not balance: {wrong}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What this machine lacks, if anything.
fn missing() -> Option<String> {
    if Command::new(QEMU).arg("--version").output().is_err() {
        return Some(format!("{QEMU} is not installed"));
    }
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let output = rustc.output().ok()?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!Path::new(&folder).is_dir()).then(|| format!("the target {TARGET} is not installed"))
}

fn run() -> Result<Books, Box<dyn Error>> {
    let tools = Tools::build()?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let (line, port) = (path("line.sock"), path("port.sock"));
    let (socket, trail) = (path("audit.sock"), path("trail.ndjson"));

    let mut collect = tools.throughline();
    collect.arg("collect").arg("--socket").arg(&socket);
    let collect = Process::start("collect", collect.arg("--out").arg(&trail))?;
    wait_for(&socket)?;
    let mut bridge = tools.throughline();
    bridge.arg("bridge").arg("--listen").arg(&line);
    let bridge = Process::start("bridge", bridge.arg("--socket").arg(&socket))?;
    wait_for(&line)?;

    let seed = env::args().nth(1).map_or(Ok(SEED), |seed| seed.parse())?;
    let noise = Noise::start(&port, &line, seed)?;
    let console = Process::start("device", &mut tools.device(&port))?.wait()?;
    let damage = noise.finish()?;
    let said = bridge.end()?;
    print!("{said}");
    print!("{}", collect.end()?);
    Books::open(&console, &fs::read_to_string(trail)?, damage)
}

/// The programs under test.
struct Tools {
    throughline: PathBuf,
    firmware: PathBuf,
}

impl Tools {
    /// Builds both, beside this program.
    fn build() -> Result<Self, Box<dyn Error>> {
        let here = env::current_exe()?;
        let target = here.ancestors().nth(2).ok_or("no target folder")?;
        let testkit = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = testkit.parent().ok_or("no workspace")?;
        build_release(workspace, "throughline", target)?;
        let firmware = target.join("firmware");
        build_release(&testkit.join("firmware"), "device", &firmware)?;
        Ok(Self {
            throughline: target.join("release/throughline"),
            firmware: firmware.join(TARGET).join("release/device"),
        })
    }

    fn throughline(&self) -> Command {
        Command::new(&self.throughline)
    }

    /// The board, its serial port connected to the socket at `port`.
    fn device(&self, port: &Path) -> Command {
        let mut command = Command::new(QEMU);
        command
            .args(["-machine", "lm3s6965evb", "-cpu", "cortex-m3", "-nographic"])
            .args(["-monitor", "none", "-semihosting-config"])
            .args(["enable=on,target=native", "-serial"])
            .arg(format!("unix:{},server=off", port.display()))
            .arg("-kernel")
            .arg(&self.firmware);
        command
    }
}

/// A program that was started, and is killed if it is left behind.
struct Process {
    name: &'static str,
    child: Option<Child>,
}

impl Process {
    fn start(name: &'static str, command: &mut Command) -> io::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self {
            name,
            child: Some(child),
        })
    }

    /// Waits until it ends, for a while, and returns what it said.
    fn wait(mut self) -> Result<String, Box<dyn Error>> {
        let deadline = Instant::now() + PATIENCE;
        let mut child = self.child.take().ok_or("it was waited for")?;
        while child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                return Err(format!("{} did not end in time", self.name).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(format!("{} ended with {}: {said}", self.name, output.status).into())
    }

    /// Has it end, and returns what it said.
    fn end(self) -> Result<String, Box<dyn Error>> {
        let child = self.child.as_ref().ok_or("it was waited for")?;
        let pid = Pid::from_raw(child.id().try_into()?).ok_or("no process")?;
        kill_process(pid, Signal::TERM)?;
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for(path: &Path) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !path.exists() {
        if Instant::now() >= deadline {
            return Err(format!("nobody listens at {}", path.display()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

const QEMU: &str = "qemu-system-arm";
const TARGET: &str = "thumbv7m-none-eabi";

/// How long the device may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the noise comes from unless the command line says otherwise.
const SEED: u64 = 7;

/// The exit code of a check that could not be made.
const SKIPPED: u8 = 77;
