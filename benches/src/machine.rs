//! What machine it is: a figure without one means nothing.

use std::{fs, thread};

/// The processor, how many there are, the kernel, and how busy it is.
#[must_use]
pub fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    let guest = if cpus.contains(" hypervisor") {
        " in a virtual machine"
    } else {
        ""
    };
    let count = thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    // What a builder of kernels puts behind the version says nothing of the speed.
    let version = kernel.trim().split('-').next().unwrap_or("?");
    format!("{count} x {model}{guest}, Linux {version}, load {load} before")
}
