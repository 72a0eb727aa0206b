use std::{env, io, path::Path, process::Command};

/// Builds a program of the package or workspace in `folder`, in release, into `target`.
///
/// # Errors
///
/// If there is no cargo, or the program does not build.
pub fn build_release(folder: &Path, program: &str, target: &Path) -> io::Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--quiet", "--bin", program])
        .arg("--target-dir")
        .arg(target)
        .current_dir(folder);
    // What cargo told this program of its own package: some build scripts would run anew for it, and all
    // that needs them be built anew, here and then once more without.
    for (name, _) in env::vars_os() {
        let told = name.as_encoded_bytes();
        if told.starts_with(b"CARGO_PKG_") || told.starts_with(b"CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    if cargo.status()?.success() {
        return Ok(());
    }
    let place = folder.display();
    Err(io::Error::other(format!(
        "{program} does not build: cargo build --release --bin {program} in {place} says why"
    )))
}
