//! Real programs behind `throughline run`, each before a real server, in the clear and over TLS.
//!
//! Each makes a request that is allowed (`/open`), one that is denied (`/secret`), and one that is stamped
//! (`/stamped`); what the server saw has to be what the trail says.

mod support;

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use support::{has, lines, stderr, throughline};
use throughline_testkit::{Head, Site};

const SESSION: &str = "X-Coder-Agent-Firewall-Session-Id";
const SEQUENCE: &str = "X-Coder-Agent-Firewall-Sequence-Number";

/// Runs a shell script, which finds the server in `$BASE`, before both kinds of server.
fn witness(script: &str, files: impl Fn(&Path)) {
    for site in [Site::http().unwrap(), Site::https().unwrap()] {
        let folder = tempfile::tempdir().unwrap();
        files(&folder.path().join("www"));
        if folder.path().join("www").is_dir() {
            site.show(&folder.path().join("www"));
        }
        let trail = folder.path().join("trail.ndjson");
        let output = confined(&site, folder.path())
            .arg("--trail")
            .arg(&trail)
            .args(["--", "sh", "-e", "-c", script])
            .output()
            .unwrap();
        let told = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            stderr(&output)
        );
        assert!(output.status.success(), "{}: {told}", site.url(""));
        agree(&site, &lines(&trail), &told);
    }
}

/// `throughline run` up to its trail, with nothing of this machine's settings for its command.
fn confined(site: &Site, folder: &Path) -> Command {
    let mut command = throughline();
    command
        .args(["run", "--allow", "domain=127.0.0.1 path=/open/*,/stamped/*"])
        .args(["--allow", "domain=localhost path=/open/*,/stamped/*"])
        .args(["--inject", "path=/stamped/*"])
        .env("BASE", site.url(""))
        .env("HOME", folder)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("npm_config_cache", folder.join("npm"))
        .env("npm_config_update_notifier", "false")
        .env("npm_config_fetch_retries", "0")
        .current_dir(folder);
    if let Some(pem) = site.authority_pem() {
        let file = folder.join("upstream.pem");
        fs::write(&file, pem).unwrap();
        command.arg("--upstream-ca").arg(file);
    }
    command
}

/// Asserts that the server saw what the trail says, and nothing else.
fn agree(site: &Site, lines: &[Value], told: &str) {
    let heads = site.heads();
    let on = |start: &str| {
        heads
            .iter()
            .filter(|head| head.path().starts_with(start))
            .count()
    };
    assert!(on("/open") > 0 && on("/stamped") > 0, "{told}");
    assert_eq!(on("/open") + on("/stamped"), heads.len(), "{told}");
    for head in &heads {
        let stamp = (head.values(SESSION), head.values(SEQUENCE));
        if head.path().starts_with("/open") {
            assert_eq!(stamp, (vec![], vec![]), "{head:?}");
            continue;
        }
        let event = event_of(site, lines, head);
        let session = event["session"].as_str().unwrap();
        assert_eq!(stamp, (vec![session], vec![&*event["seq"].to_string()]));
    }
    let requests = |decision: &str| {
        let of = |line: &&Value| line["decision"] == decision && line["method"] != "CONNECT";
        lines.iter().filter(of).count()
    };
    assert_eq!(requests("allow"), heads.len(), "{told}");
    let secret = site.url("/secret");
    let is_secret = |line: &&Value| {
        line["url"]
            .as_str()
            .is_some_and(|url| url.starts_with(&secret))
    };
    let denied: Vec<_> = lines.iter().filter(is_secret).collect();
    assert!(!denied.is_empty(), "{told}");
    assert!(
        denied.iter().all(|line| line["decision"] == "deny"),
        "{denied:?}"
    );
}

/// The event with the number that a request carries.
fn event_of<'l>(site: &Site, lines: &'l [Value], head: &Head) -> &'l Value {
    let number: u64 = head.values(SEQUENCE)[0].parse().unwrap();
    let mut found = lines.iter().filter(|line| line["seq"] == number);
    let event = found.next().unwrap();
    assert!(found.next().is_none(), "number {number} is there twice");
    assert_eq!(event["url"], site.url(head.target()));
    assert_eq!(event["decision"], "allow");
    event
}

fn no_files(_: &Path) {}

#[test]
fn curl() {
    if !has("curl") {
        return;
    }
    witness(
        r#"curl -sf "$BASE/open/a?b=c" >&2
           test "$(curl -s -o /dev/null -w '%{http_code}' "$BASE/secret")" = 403
           curl -sf -d body "$BASE/stamped/b" >&2
           curl -sf --http1.1 -T /dev/null "$BASE/stamped/c" >&2"#,
        no_files,
    );
}

#[test]
fn python_requests() {
    // A Python that somebody put before the system's need not have what the system's has.
    let mut pythons = ["python3", "/usr/bin/python3"].into_iter();
    let Some(python) = pythons.find(|python| answers(python, &["-c", "import requests"])) else {
        return println!("skipped: Python has no requests");
    };
    let program = r#"
import os, requests
base = os.environ["BASE"]
with requests.Session() as session:
    assert session.get(base + "/open/a").status_code == 200
    denied = session.get(base + "/secret/key")
    assert denied.status_code == 403 and "--allow" in denied.text, denied.text
    assert session.post(base + "/stamped/b", json={"a": 1}).status_code == 200
"#;
    witness(&format!("{python} -c '{program}'"), no_files);
}

#[test]
fn node_fetch() {
    if !has("node") {
        return;
    }
    let version = Command::new("node")
        .args(["-p", "process.versions.node.split('.')[0]"])
        .output();
    let major = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().parse());
    if !matches!(major, Ok(Ok(24_u32..))) {
        println!("skipped: the fetch of this Node.js takes no proxy from its environment");
        return;
    }
    let program = r#"
const base = process.env.BASE;
const status = async (path) => (await fetch(base + path)).status;
const seen = [await status("/open/a"), await status("/secret"), await status("/stamped/b")];
if (seen.join() !== "200,403,200") throw new Error(seen.join());
"#;
    witness(
        &format!("node --input-type=module -e '{program}'"),
        no_files,
    );
}

#[test]
fn npm_ping() {
    if !has("npm") {
        return;
    }
    witness(
        r#"npm ping --registry "$BASE/open/" >&2
           if npm ping --registry "$BASE/secret/" >&2; then exit 1; fi
           npm ping --registry "$BASE/stamped/" >&2"#,
        no_files,
    );
}

#[test]
fn git_clone() {
    if !has("git") {
        return;
    }
    witness(
        r#"git clone -q "$BASE/open/repo.git" open
           test "$(cat open/file)" = text
           if git clone -q "$BASE/secret/repo.git" secret; then exit 1; fi
           git clone -q "$BASE/stamped/repo.git" stamped
           test "$(cat stamped/file)" = text"#,
        repositories,
    );
}

/// A repository under each of the three paths, for clients that read it as files.
fn repositories(www: &Path) {
    let script = r#"
        mkdir -p "$0/open" "$0/stamped" "$0/secret"
        git init -q -b main "$0/../work"
        echo text > "$0/../work/file"
        cd "$0/../work"
        git add file
        git -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false commit -q -m first
        for path in open stamped secret; do
            git clone -q --bare . "$0/$path/repo.git"
            git -C "$0/$path/repo.git" update-server-info
        done"#;
    let home = www.parent().unwrap();
    let made = Command::new("sh")
        .args(["-e", "-c", script])
        .arg(www)
        .env("HOME", home)
        .status();
    assert!(made.unwrap().success());
}

#[test]
fn pip_download() {
    if !answers("pip", &["download", "--help"]) || !has("python3") {
        println!("skipped: pip does not run");
        return;
    }
    witness(
        r#"get() { pip download -q --no-cache-dir --disable-pip-version-check --no-deps \
               --retries 0 --index-url "$BASE/$1/simple" -d "$1" demo >&2; }
           get open
           test -f open/demo-1.0-py3-none-any.whl
           if get secret; then exit 1; fi
           get stamped
           test -f stamped/demo-1.0-py3-none-any.whl"#,
        index,
    );
}

/// A package index under each of the three paths, with the smallest package there is.
fn index(www: &Path) {
    let program = r#"
import pathlib, sys, zipfile
name = "demo-1.0-py3-none-any.whl"
meta = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
for path in ["open", "stamped", "secret"]:
    folder = pathlib.Path(sys.argv[1], path, "simple", "demo")
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(f"<a href=\"{name}\">{name}</a>")
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("demo.py", "")
        file.writestr("demo-1.0.dist-info/METADATA", meta)
        file.writestr("demo-1.0.dist-info/WHEEL", wheel)
        file.writestr("demo-1.0.dist-info/RECORD", "")
"#;
    let made = Command::new("python3")
        .args(["-c", program])
        .arg(www)
        .status();
    assert!(made.unwrap().success());
}

/// Whether a tool runs to a good end with these arguments.
fn answers(tool: &str, args: &[&str]) -> bool {
    let output = Command::new(tool).args(args).output();
    output.is_ok_and(|output| output.status.success())
}
