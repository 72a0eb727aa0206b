//! What the kernel hands out while a command runs.

use std::time::{Duration, Instant};

use throughline_audit::{Reader, RecordType};
use throughline_testkit::KernelAudit;

/// Auditing, switched on, and a reader of it; says why not.
pub(crate) fn kernel() -> Option<(KernelAudit, Reader)> {
    let opened = KernelAudit::enable().and_then(|audit| match Reader::open() {
        Ok(reader) => Ok((audit, reader)),
        Err(why) => Err(format!("the kernel's audit log cannot be read: {why}")),
    });
    opened.map_err(|why| println!("skipped: {why}")).ok()
}

/// The next `count` messages that hold `token`, or as many as come.
pub(crate) fn messages(reader: &mut Reader, token: &str, count: usize) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(5);
    let mut found = Vec::new();
    while found.len() < count && Instant::now() < end {
        let wait = Duration::from_millis(200);
        if let Some(record) = reader.next_of(RecordType::SystemConfig, wait).unwrap() {
            let text = String::from_utf8_lossy(record.message().unwrap_or_default()).into_owned();
            if text.contains(token) {
                found.push(text);
            }
        }
    }
    found
}

/// The value of a quoted field.
pub(crate) fn field<'a>(record: &'a str, name: &str) -> &'a str {
    let start = record
        .split_once(&format!(" {name}=\""))
        .unwrap_or_default()
        .1;
    start.split('"').next().unwrap_or_default()
}

/// What ends each record of the command under test, but for the result.
pub(crate) fn tail() -> String {
    let exe = env!("CARGO_BIN_EXE_throughline");
    format!("acct=\"root\" exe=\"{exe}\" hostname=? addr=? terminal=? res=")
}

/// Text as a field's value where it has to be escaped.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}
