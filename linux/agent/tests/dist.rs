//! What a package installs beside the program works with the program.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use support::{has, stderr, throughline};

fn dist(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("dist")
        .join(name)
}

#[test]
fn every_option_of_the_sample_configuration_is_one() {
    let sample = fs::read_to_string(dist("throughline.toml")).unwrap();
    // An option that is not in force is there right behind a #, and a sentence behind a space.
    let is_option = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let all = sample.lines().map(|line| {
        line.strip_prefix('#')
            .filter(|rest| is_option(rest))
            .unwrap_or(line)
    });
    let all: Vec<_> = all.collect();
    assert!(all.iter().filter(|line| is_option(line)).count() > 18);

    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("sample", &sample), ("all", &all.join("\n"))] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let output = throughline()
            .arg("config")
            .arg("--config")
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", stderr(&output));
    }
}

#[test]
fn the_sample_configuration_has_every_option() {
    let sample = fs::read_to_string(dist("throughline.toml")).unwrap();
    let output = throughline().args(["config", "--json"]).output().unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(rows.len() > 18, "{rows:?}");
    for row in rows {
        let option = row["option"].as_str().unwrap();
        let is_it = |line: &str| {
            let line = line.strip_prefix('#').unwrap_or(line);
            line.strip_prefix(option)
                .is_some_and(|rest| rest.starts_with(" ="))
        };
        // Its file would have to be there.
        let is_told = option == "upstream-ca" && sample.contains("upstream-ca, a path");
        assert!(is_told || sample.lines().any(is_it), "there is no {option}");
    }
}

#[test]
fn the_units_are_understood_by_systemd() {
    if !has("systemd-analyze") {
        return;
    }
    // It looks whether what is started is there, and that is where this program happens to be.
    let folder = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(dist("throughline-collect.service")).unwrap();
    assert!(unit.contains("/usr/bin/throughline collect "));
    let unit = unit.replace("/usr/bin/throughline", env!("CARGO_BIN_EXE_throughline"));
    let path = folder.path().join("throughline-collect.service");
    fs::write(&path, unit).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(
        output.status.success() && !said.contains("throughline-collect"),
        "{said}"
    );
}

#[test]
fn each_shell_gets_completions_that_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = throughline().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for command in ["collect", "verify", "completions"] {
            assert!(script.contains(command), "{shell} has no {command}");
        }
        assert!(
            !script.contains("demo-client"),
            "{shell} has what is hidden"
        );
        if ["bash", "zsh", "fish"].contains(&shell)
            && Command::new(shell).arg("--version").output().is_ok()
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("script");
            fs::write(&path, script).unwrap();
            let output = Command::new(shell).arg("-n").arg(&path).output().unwrap();
            assert!(output.status.success(), "{shell}: {}", stderr(&output));
        }
    }
}

#[test]
fn there_is_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = throughline()
        .args(["man", "--out"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for page in ["throughline", "throughline-run", "throughline-man"] {
        let text = fs::read_to_string(folder.path().join(format!("{page}.1"))).unwrap();
        assert!(
            text.contains(".SH NAME") && text.contains("Examples:") || page == "throughline",
            "{page}"
        );
    }
    // An example that is filled like a sentence is none that can be copied.
    let text = fs::read_to_string(folder.path().join("throughline-txn.1")).unwrap();
    assert!(
        text.contains(".SH EXTRA\n.nf\nExample:\n  throughline txn "),
        "{text}"
    );
    assert!(text.ends_with(".fi\n"), "{text}");
    assert!(!folder.path().join("throughline-audit-sender.1").exists());
    let output = throughline().arg("man").output().unwrap();
    let main = fs::read(folder.path().join("throughline.1")).unwrap();
    assert!(
        output.stdout == main,
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn the_trail_in_the_readme_is_one_and_whole() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let lines: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    assert_eq!(lines.len(), 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let output = throughline().arg("verify").arg(&path).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
