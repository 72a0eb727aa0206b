//! A tool that sets a file's text as a transaction, each phase of it in the kernel's audit log; a file
//! of anything but `key = value` lines is put back as it was.
//!
//! `cargo run -p throughline-audit --example config-tool -- FILE TEXT`
//! and then, as root, `ausearch -m USYS_CONFIG -i`.

use std::{env, fs, io, process::Command, process::ExitCode, time::Duration};

use throughline_audit::{AuditEmitter, Options, helper};
use throughline_core::{Change, Transaction, TransactionId};
use throughline_socket::Host;

fn main() -> Result<ExitCode, io::Error> {
    let args: Vec<String> = env::args().skip(1).collect();
    if args == ["audit-sender"] {
        return Ok(helper::run());
    }
    let [path, text] = &*args else {
        return Err(io::Error::other("usage: config-tool FILE TEXT"));
    };
    // The kernel may keep a sender waiting, so that is another process: the same program.
    let mut sender = Command::new(env::current_exe()?);
    sender.arg("audit-sender");
    let emitter = Options::new().start_helper(sender)?;
    let kept = set(&emitter, path, text);
    let counters = emitter.close(Duration::from_secs(2));
    println!("{counters:?}");
    Ok(ExitCode::from(u8::from(!kept?)))
}

/// Returns whether the text was kept. Each `?` drops the transaction, whose outcome is then `errored`.
fn set(emitter: &AuditEmitter, path: &str, text: &str) -> io::Result<bool> {
    let change = Change {
        transaction: TransactionId::draw(&Host::new(0)?),
        name: path,
        position: None,
    };
    let started = Transaction::start(emitter, change);

    let before = fs::read(path)?;
    let captured = started.captured();
    fs::write(path, text)?;
    let applied = captured.applied();
    let text = fs::read_to_string(path)?;
    if text.lines().all(|line| line.contains(" = ")) {
        applied.validated().committed();
        return Ok(true);
    }
    let broken = applied.validate_failed();
    match fs::write(path, before) {
        Ok(()) => broken.rolled_back(),
        Err(_) => broken.rollback_failed(),
    }
    Ok(false)
}
