//! What the command says to a person: each help text, and what it answers to the likeliest mistakes.
//!
//! The texts are kept in `tests/words`. A change of one shows in the difference, to be read as a
//! stranger would: does it say what happened, to what, and what to do next? To write them anew:
//!
//! ```text
//! THROUGHLINE_WORDS=write cargo test -p throughline --test words
//! ```

mod support;

use std::{
    env, fs,
    path::Path,
    process::{Output, Stdio},
};

use support::throughline;

/// The likeliest mistakes, each of which has to be told from the others by its text alone. They are made
/// in a folder with the files of [`lay_out`].
const MISTAKES: [&[&str]; 55] = [
    &[],
    &["rn"],
    &["demo", "now"],
    &["run"],
    &["run", "--alow", "domain=a", "--", "true"],
    &["run", "--allow", "domian=a", "--", "true"],
    &["run", "--allow", "domain=a_b", "--", "true"],
    &["run", "--allow", "", "--", "true"],
    &["run", "--no-intercept", "a:443", "--", "true"],
    &["run", "--socket", "folder", "--", "true"],
    &["run", "--trail", "nowhere/trail.ndjson", "--", "true"],
    &["run", "--trail", "folder", "--", "true"],
    &["run", "--spool", "folder", "--", "true"],
    &["run", "--spool", "text", "--socket", "s", "--", "true"],
    &["run", "--upstream-ca", "nowhere", "--", "true"],
    &["run", "--upstream-ca", "text", "--", "true"],
    &["run", "--upstream-proxy", "ftp://a", "--", "true"],
    &["run", "--upstream-proxy", "http://a:99999", "--", "true"],
    &[
        "run",
        "--collector-uid",
        "root",
        "--socket",
        "s",
        "--",
        "true",
    ],
    &["run", "--drain", "soon", "--", "true"],
    &["run", "--max-head", "big", "--", "true"],
    &["run", "--max-head", "1", "--", "true"],
    &["run", "--session-header", "a b", "--", "true"],
    &["run", "--enable-session-correlation", "--", "true"],
    &["run", "--log-level", "loud", "--", "true"],
    &["run", "--quiet", "--", "./nowhere"],
    &["run", "--quiet", "--", "./text"],
    &["config", "--config", "nowhere"],
    &["config", "--config", "folder"],
    &["config", "--config", "junk"],
    &["config", "--config", "broken.toml"],
    &["config", "--config", "unknown.toml"],
    &["THROUGHLINE_DRAIN=soon", "config"],
    &["check", "GET"],
    &["check", "GET", "no url"],
    &["collect"],
    &["collect", "--socket", "folder"],
    &["collect", "--socket", "nowhere/socket"],
    &["collect", "--socket", "s", "--out", "folder"],
    &["collect", "--socket", "s", "--max-connections", "0"],
    &["bridge", "--device", "text"],
    &["bridge", "--device", "/dev/ttyUSB0", "--baud", "fast"],
    &["bridge", "--listen", "folder"],
    &["txn", "--op", "motd"],
    &["txn", "--op", "motd", "--apply", ""],
    &[
        "txn", "--op", "motd", "--apply", "true", "--result", "folder",
    ],
    &[
        "txn",
        "--op",
        "motd",
        "--apply",
        "true",
        "--result",
        "nowhere/r",
    ],
    &["verify", "nowhere"],
    &["verify", "text"],
    &["verify", "empty"],
    &["verify", "trail", "--audit", "text"],
    &["verify", "-", "--audit", "-"],
    &["verify", "--session", "1234", "text"],
    &["tail", "-n", "many", "text"],
    &["completions", "tcsh"],
];

/// A trail that is whole.
const TRAIL: &str = r#"{"session":"0c4e0000-1111-4222-8333-abcdefabcdef","end":{"recorded":0,"written":0,"lost":0}}
"#;

/// What the words begin with that set a variable.
const VARIABLE: &str = "THROUGHLINE_";

#[test]
fn each_help_text_is_as_it_was_read() {
    let mut commands = vec![];
    for line in said(&["--help"])
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
    {
        match line.split_whitespace().next() {
            Some(name) => commands.push(name.to_owned()),
            None => break,
        }
    }
    assert!(commands.len() > 8, "{commands:?}");
    compare("throughline.help", &said(&["--help"]));
    for command in commands.iter().filter(|name| *name != "help") {
        let text = said(&[command, "--help"]);
        assert!(text.contains("\nUsage: throughline "), "{text}");
        compare(&format!("{command}.help"), &text);
    }
}

#[test]
fn each_mistake_is_told_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let mut told = String::new();
    for mistake in MISTAKES {
        let output = make(mistake, folder.path());
        let text = answer(&output);
        assert_ne!(output.status.code(), Some(0), "{mistake:?}: {text}");
        assert!(output.status.code().is_some(), "{mistake:?}: {text}");
        assert!(says_what_next(&text), "{mistake:?}: {text}");
        let is_variable = |word: &&&str| word.starts_with(VARIABLE);
        let mut command: Vec<_> = mistake
            .iter()
            .take_while(is_variable)
            .copied()
            .map(quoted)
            .collect();
        command.push("throughline".to_owned());
        command.extend(mistake.iter().skip_while(is_variable).copied().map(quoted));
        told += &format!("$ {}\n{text}\n", command.join(" "));
    }
    compare("mistakes", &told);
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort_unstable();
    let laid_out = [
        "broken.toml",
        "empty",
        "folder",
        "junk",
        "text",
        "trail",
        "unknown.toml",
    ];
    assert_eq!(left, laid_out);
}

fn lay_out(folder: &Path) {
    fs::create_dir(folder.join("folder")).unwrap();
    fs::write(folder.join("text"), "text\n").unwrap();
    fs::write(folder.join("junk"), b"\xff\xfe\n").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("trail"), TRAIL).unwrap();
    fs::write(folder.join("broken.toml"), "allow = [\n").unwrap();
    fs::write(folder.join("unknown.toml"), "alow = ['domain=a']\n").unwrap();
}

fn make(mistake: &[&str], folder: &Path) -> Output {
    let mut command = throughline();
    command.current_dir(folder).stdin(Stdio::null());
    for word in mistake {
        match word.split_once('=') {
            Some((name, value)) if name.starts_with(VARIABLE) => command.env(name, value),
            _ => command.arg(word),
        };
    }
    command.output().unwrap()
}

/// A part that tells what to do next: an order, or the help with the usage.
fn says_what_next(text: &str) -> bool {
    let orders = [
        "; ",
        "expected ",
        "Usage: ",
        "[possible values: ",
        "try '--help'",
        "write \"",
    ];
    orders.iter().any(|order| text.contains(order))
}

/// What was said, without what differs from run to run.
fn answer(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let mut lines = String::new();
    for line in text.lines() {
        let line = match line.split_once("Z ") {
            Some((time, rest)) if time.starts_with("20") => rest.trim_start(),
            _ => line.trim_end(),
        };
        lines += line;
        lines.push('\n');
    }
    lines
}

/// As a person would write it in a shell.
fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains([' ', '\'']) {
        return format!("'{word}'");
    }
    word.to_owned()
}

fn said(args: &[&str]) -> String {
    let output = throughline()
        .args(args)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that `text` is what is kept as `name`, or keeps it.
fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/words")
        .join(name);
    if env::var_os("THROUGHLINE_WORDS").is_some_and(|wish| wish == "write") {
        return fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{name} is not as it was; read it, and if it is good: \
         THROUGHLINE_WORDS=write cargo test -p throughline --test words\n{text}"
    );
}
