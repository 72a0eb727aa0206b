//! The cast and the course of the demo.

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{
    gateway::{Gateway, Seen},
    kernel::Kernel,
};
use crate::{
    bundle::REMEDY,
    child, policy,
    proxy::Settings,
    recording::{Destinations, Recording, Summary},
    run::{GRACE, gate, runtime, start_proxy},
};

/// What every witness saw.
pub(super) struct Story {
    pub(super) events: Vec<Value>,
    pub(super) upstream: Vec<Seen>,
    pub(super) kernel: Kernel,
    summary: Summary,
}

impl Story {
    /// Whether every event was written.
    pub(super) fn is_whole(&self) -> bool {
        self.summary.is_whole() && self.events.len() == self.summary.recorded as usize
    }

    pub(super) fn summary_line(&self) -> String {
        let written: u64 = self.summary.sinks.iter().map(|sink| sink.written).sum();
        let lost: u64 = self.summary.sinks.iter().map(|sink| sink.lost).sum();
        let (session, recorded) = (self.summary.session, self.summary.recorded);
        format!("session {session}: recorded {recorded}, written {written}, lost {lost}")
    }
}

/// Plays the story and collects what the witnesses say.
pub(super) fn play(drain: Duration) -> Result<Story, Box<dyn Error>> {
    let folder = Folder::new()?;
    let trail = folder.0.join("trail.ndjson");
    let destinations = Destinations {
        trail: Some(trail.clone()),
        ..Destinations::default()
    };
    let recording = Recording::start("demo-client", &destinations)?;

    let runtime = runtime()?;
    let upstream = runtime.block_on(confined(&recording))?;
    runtime.shutdown_timeout(GRACE);

    let kernel = Kernel::witness(recording.position());
    let summary = recording.finish(drain);
    Ok(Story {
        events: events(&trail)?,
        upstream,
        kernel,
        summary,
    })
}

/// Runs the client behind the proxy, and returns the gateway's log.
async fn confined(recording: &Recording) -> Result<Vec<Seen>, Box<dyn Error>> {
    let gateway = Gateway::start().await?;
    let allow = ["domain=127.0.0.1 path=/public/*,/api/v2/aibridge/*"];
    let inject = ["domain=127.0.0.1 path=/api/v2/aibridge/*"];
    let policy = policy::from_rules(&allow, &inject)?;
    let proxy = start_proxy(gate(policy, recording)?, Settings::default())?;
    let command: Vec<OsString> = vec![
        env::current_exe()?.into(),
        "demo-client".into(),
        gateway.address.to_string().into(),
    ];
    let status = child::wait(&mut child::spawn(&command, proxy.address(), None)?).await?;
    proxy.shutdown(GRACE).await;
    if !status.success() {
        return Err(format!("the client failed: {status}").into());
    }
    Ok(gateway.log())
}

/// The events in a trail; its other lines are not shown.
fn events(trail: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    let text = fs::read_to_string(trail)?;
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let mut events = lines?;
    events.retain(|line| line.get("seq").is_some());
    Ok(events)
}

/// A folder of the demo's own, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let name = format!("throughline-demo-{}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| {
            let told = format!(
                "cannot make the folder {}: {error}; {REMEDY}",
                path.display()
            );
            std::io::Error::new(error.kind(), told)
        })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
