use std::{env, path::Path, process::Command};

/// The example `name` of the package whose tests run, built as they are.
///
/// # Panics
///
/// If it is not built, which `cargo test` does unless it is told which targets to build.
#[must_use]
pub fn example(name: &str) -> Command {
    let program = env::current_exe().expect("this program's path");
    // target/debug/deps/test-0123 is beside target/debug/examples/name.
    let folder = program
        .ancestors()
        .nth(2)
        .map(|folder| folder.join("examples"));
    let path = folder.as_deref().unwrap_or(Path::new(".")).join(name);
    assert!(
        path.exists(),
        "{} is not there: cargo build --examples makes it",
        path.display()
    );
    Command::new(path)
}
