//! Flags before variables before a file, and `throughline config`, which tells what is in force and from where.

mod support;

use std::{fs, process::Command};

use serde_json::Value;
use support::{stderr, throughline};

/// The rows of an option: value and source.
fn rows(command: &mut Command, option: &str) -> Vec<(Value, String)> {
    let output = command.arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of_option = rows.iter().filter(|row| row["option"] == option);
    of_option
        .map(|row| {
            (
                row["value"].clone(),
                row["source"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn config(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = throughline();
    command
        .arg("config")
        .args(args)
        .envs(variables.iter().copied());
    command
}

/// What the command refuses, and how.
fn refused(args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = config(args, variables).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    stderr(&output)
}

#[test]
fn the_strongest_place_wins_and_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        file.path(),
        "max-head = 10000\ndrain = 1.5\nidle-timeout = 3\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let variables = [
        ("THROUGHLINE_CONFIG", path),
        ("THROUGHLINE_MAX_HEAD", "20000"),
        ("THROUGHLINE_DRAIN", "2"),
    ];
    let row = |option| rows(&mut config(&["--max-head", "30000"], &variables), option).remove(0);
    assert_eq!(row("max-head"), (30000.into(), "flag".to_owned()));
    assert_eq!(
        row("drain"),
        (2.0.into(), "variable THROUGHLINE_DRAIN".to_owned())
    );
    assert_eq!(row("idle-timeout"), (3.0.into(), format!("file {path}")));
    assert_eq!(row("max-connections"), (1024.into(), "default".to_owned()));
}

#[test]
fn lists_add_up_and_a_variable_has_one_entry_a_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "allow = ['domain=d', 'domain=e']").unwrap();
    let path = file.path().to_str().unwrap();
    let variables = [("THROUGHLINE_ALLOW", "domain=b\n\n  domain=c\n")];
    let args = ["--config", path, "--allow", "domain=a"];
    let rows = rows(&mut config(&args, &variables), "allow");
    let told: Vec<_> = rows
        .iter()
        .map(|(value, source)| (value.as_str().unwrap().trim(), &**source))
        .collect();
    let file = format!("file {path}");
    assert_eq!(
        told,
        [
            ("domain=a", "flag"),
            ("domain=b", "variable THROUGHLINE_ALLOW"),
            ("domain=c", "variable THROUGHLINE_ALLOW"),
            ("domain=d", &file),
            ("domain=e", &file),
        ]
    );
}

#[test]
fn the_public_names_are_understood() {
    let variables = [
        ("BOUNDARY_ALLOW", "domain=a\npath=/b"),
        ("CODER_AGENT_URL", "https://coder.example:8443/"),
        (
            "CODER_AGENT_BOUNDARY_LOG_PROXY_SOCKET_PATH",
            "/run/audit.sock",
        ),
        ("BOUNDARY_LOG_LEVEL", "warn"),
    ];
    let row = |option| rows(&mut config(&[], &variables), option);
    // One rule, whatever is in it: two would allow more.
    assert_eq!(
        row("allow"),
        [(
            "domain=a\npath=/b".into(),
            "variable BOUNDARY_ALLOW".to_owned()
        )]
    );
    let target = "domain=coder.example path=/api/v2/ai-gateway/*,/api/v2/aibridge/*";
    assert_eq!(
        row("inject"),
        [(target.into(), "variable CODER_AGENT_URL".to_owned())]
    );
    let source = "variable CODER_AGENT_BOUNDARY_LOG_PROXY_SOCKET_PATH".to_owned();
    assert_eq!(row("socket"), [("/run/audit.sock".into(), source)]);
    assert_eq!(row("log-level")[0].0, "warn");

    let flags = [
        "--log-proxy-socket-path",
        "/s",
        "--session-id-inject-target",
        "domain=x",
    ];
    assert_eq!(
        rows(&mut config(&flags, &[]), "socket")[0],
        ("/s".into(), "flag".to_owned())
    );
    assert_eq!(
        rows(&mut config(&flags, &variables), "inject"),
        [("domain=x".into(), "flag".to_owned())]
    );
}

#[test]
fn the_keys_of_a_public_file_are_understood() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text =
        "allowlist = ['domain=a']\nsession_id_inject_targets = ['domain=b']\nlog_level = 'debug'\n";
    fs::write(file.path(), text).unwrap();
    let args = ["--config", file.path().to_str().unwrap()];
    let value = |option| rows(&mut config(&args, &[]), option).remove(0).0;
    assert_eq!(
        [value("allow"), value("inject"), value("log-level")],
        ["domain=a", "domain=b", "debug"]
    );
}

#[test]
fn correlation_can_be_turned_off_and_insisted_on() {
    let off = ["--enable-session-correlation=false", "--inject", "domain=a"];
    assert_eq!(rows(&mut config(&off, &[]), "inject")[0].0, Value::Null);
    let variables = [("BOUNDARY_SESSION_CORRELATION_ENABLED", "true")];
    assert!(refused(&[], &variables).contains("there is no target"));
    assert_eq!(
        rows(&mut config(&["--inject", "domain=a"], &variables), "inject").len(),
        1
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let in_file = |text: &str| {
        fs::write(file.path(), text).unwrap();
        refused(&["--config", path], &[])
    };
    let told = in_file("max-head = 'many'");
    assert!(told.contains(path) && told.contains("line 1"), "{told}");
    assert!(in_file("alow = []").contains("unknown field `alow`"));
    assert!(
        in_file("allow = ['domain=a_b']")
            .contains(&format!("bad rule for allow in {path}: column 9"))
    );
    assert!(in_file("drain = -1").contains("-1"));
    assert!(refused(&["--config", "/no/such/file"], &[]).contains("/no/such/file"));
    let variable = |name, value| refused(&[], &[(name, value)]);
    let told = variable("THROUGHLINE_DRAIN", "soon");
    assert!(
        told.contains("THROUGHLINE_DRAIN") && told.contains("soon"),
        "{told}"
    );
    assert!(
        variable("BOUNDARY_ALLOW", "domain=a_b").contains("bad rule for BOUNDARY_ALLOW: column 9")
    );
    assert!(variable("THROUGHLINE_MAX_HEAD", "10").contains("has to be 8192 at least"));
    assert!(refused(&["--no-intercept", "a path=/b"], &[]).contains("expected a host alone"));
    assert!(refused(&["--session-header", "Host"], &[]).contains("names of the header fields"));
    for option in ["--spool=/tmp", "--collector-uid=0"] {
        assert!(refused(&[option], &[]).contains("give that with --socket"));
    }
    assert!(refused(&["--upstream-proxy", "socks5://h"], &[]).contains("over http:// only"));
}

#[test]
fn a_variable_that_is_set_to_nothing_is_none() {
    let variables = [
        ("THROUGHLINE_DRAIN", ""),
        ("BOUNDARY_ALLOW", ""),
        ("THROUGHLINE_CONFIG", ""),
    ];
    assert_eq!(rows(&mut config(&[], &variables), "drain")[0].1, "default");
}

#[test]
fn passwords_are_not_shown() {
    let output = config(&["--upstream-proxy", "http://eve:secret@h:1"], &[])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("http://eve:***@h:1") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn run_does_as_configured() {
    let site = throughline_testkit::Site::http().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, trail) = (folder.path().join("file.toml"), folder.path().join("trail"));
    let text = "allow = ['domain=127.0.0.1']\ninject = ['path=/a']\nredact-query = ['token']\n\
                session-header = 'X-Run'\nsequence-header = 'X-Act'\nlog-level = 'error'\n";
    fs::write(&file, format!("{text}trail = {trail:?}\n")).unwrap();
    if !support::has("curl") {
        return;
    }
    let output = throughline()
        .args(["run", "--config"])
        .arg(&file)
        .args(["--", "curl", "-sf", &site.url("/a?token=t0p&page=2")])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        stderr(&output)
    );
    let head = &site.heads()[0];
    assert_eq!(
        (head.target(), head.values("X-Act")),
        ("/a?token=t0p&page=2", vec!["0"])
    );
    let lines = support::lines(&trail);
    assert_eq!(lines[0]["url"], site.url("/a?token=***&page=2"));
    assert_eq!(
        head.values("X-Run"),
        [lines[0]["session"].as_str().unwrap()]
    );
}
