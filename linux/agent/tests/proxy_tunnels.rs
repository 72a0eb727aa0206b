//! What a tunnel may carry: TLS and clear HTTP, read; nothing else, unless its host is passed unread.

mod rig;
mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use rig::{Rig, Talk, requests, tls};
use serde_json::Value;
use support::{has, lines, stderr, throughline};
use throughline_testkit::Site;

fn denied<'l>(lines: &'l [Value], method: &str) -> Vec<&'l Value> {
    let is = |line: &&Value| line["decision"] == "deny" && line["method"] == method;
    lines.iter().filter(is).collect()
}

fn target(site: &Site) -> String {
    format!("localhost:{}", site.address().port())
}

#[test]
fn clear_text_in_a_tunnel_is_decided_on_and_stamped_like_any_request() {
    let site = Site::http().unwrap();
    let rig = Rig::for_site(&site);
    let target = site.address().to_string();
    let mut talk = Talk::new(rig.tunnel(&target));
    assert_eq!(
        talk.get("/open/a").status,
        421,
        "another host than the tunnel's"
    );
    let ask = |talk: &mut Talk, method: &str, path: &str| {
        talk.ask(format!(
            "{method} {path} HTTP/1.1\r\nHost: {target}\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    assert_eq!(ask(&mut talk, "DELETE", "/secret").status, 403);
    assert_eq!(ask(&mut talk, "POST", "/stamped/a").status, 200);
    assert_eq!(ask(&mut talk, "CONNECT", "h:1").status, 400);
    let [head] = &site.heads()[..] else {
        panic!("{:?}", site.heads())
    };
    assert_eq!(head.values("X-Coder-Agent-Firewall-Session-Id").len(), 1);
    let lines = rig.finish();
    let told = |line: &Value| format!("{} {} {}", line["decision"], line["method"], line["url"]);
    let expected = [
        format!(r#""allow" "CONNECT" "{target}""#),
        format!(r#""deny" "GET" "http://{target}/open/a""#),
        format!(r#""deny" "DELETE" "http://{target}/secret""#),
        format!(r#""allow" "POST" "http://{target}/stamped/a""#),
        r#""deny" "CONNECT" "h:1""#.to_owned(),
    ];
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["seq"].is_number())
        .map(told)
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn what_is_neither_tls_nor_http_ends_the_tunnel_and_is_recorded() {
    let site = Site::http().unwrap();
    let rig = Rig::for_site(&site);
    let openings: [&[u8]; 6] = [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x80\x2e\x01\x03\x01",
        b"\0\0\0\x2a",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\x16\x03\x01\xff\xff nonsense",
        b"HELO example\r\n",
    ];
    for opening in openings {
        let mut stream = rig.tunnel(&site.address().to_string());
        stream.write_all(opening).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = answer.escape_ascii().to_string();
        assert!(!text.contains("200 OK"), "{text}");
    }
    assert_eq!(site.heads(), []);
    let lines = rig.finish();
    let denials = lines
        .iter()
        .filter(|line| line["decision"] == "deny")
        .count();
    assert_eq!(denials, openings.len(), "{lines:#?}");
}

#[test]
fn a_client_that_does_not_trust_the_session_is_recorded() {
    let site = Site::https().unwrap();
    let rig = Rig::for_site(&site);
    let own = tempfile::NamedTempFile::new().unwrap();
    fs::write(own.path(), site.authority_pem().unwrap()).unwrap();
    let stream = rig.tunnel(&target(&site));
    let mut talk = Talk::new(tls(stream, "localhost", own.path()));
    talk.send("GET /open/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(talk.answer().is_none());
    assert_eq!(site.heads(), []);
    let lines = rig.finish();
    let [event] = denied(&lines, "CONNECT")[..] else {
        panic!("{lines:#?}")
    };
    assert_eq!(event["url"], target(&site));
}

#[test]
fn a_tls_name_that_is_not_the_tunnels_is_refused() {
    let (site, other) = (Site::https().unwrap(), Site::https().unwrap());
    let rig = Rig::for_site(&site);
    let stream = rig.tunnel(&format!("127.0.0.1:{}", other.address().port()));
    let mut talk = Talk::new(tls(stream, "localhost", &rig.roots));
    talk.send("GET /open/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(talk.answer().is_none());
    let lines = rig.finish();
    assert_eq!(
        (denied(&lines, "CONNECT").len(), requests(&lines).len()),
        (1, 0)
    );
}

#[test]
fn an_upstream_that_nobody_vouches_for_is_a_bad_gateway_with_a_reason() {
    let site = Site::https().unwrap();
    let rig = Rig::start(&["--allow", "domain=localhost"], None);
    let answer = rig.secure(&target(&site), "localhost").get("/a");
    assert_eq!(answer.status, 502);
    assert!(
        answer.body.contains("the TLS handshake failed"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("stamp: "), "{}", answer.body);
    assert_eq!(site.heads(), []);

    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let answer = rig
        .secure(&format!("localhost:{}", gone.port()), "localhost")
        .get("/a");
    assert_eq!(answer.status, 502);
    assert!(answer.body.contains("does not accept"), "{}", answer.body);
    assert_eq!(requests(&rig.finish()).len(), 2);
}

#[test]
fn a_pinned_host_is_passed_unread_and_its_connect_recorded() {
    let site = Site::https().unwrap();
    let args = ["--allow", "domain=localhost", "--no-intercept", "LocalHost"];
    let rig = Rig::start(&args, None);
    let own = tempfile::NamedTempFile::new().unwrap();
    fs::write(own.path(), site.authority_pem().unwrap()).unwrap();
    // The site's own certificate arrives: nobody is in between.
    let stream = rig.tunnel(&target(&site));
    let answer = Talk::new(tls(stream, "localhost", own.path())).get("/unread");
    assert_eq!(answer.status, 200);
    let lines = rig.finish();
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line["seq"].is_number())
        .collect();
    let [event] = events[..] else {
        panic!("{lines:#?}")
    };
    assert_eq!(
        (&event["method"], &event["decision"]),
        (&"CONNECT".into(), &"allow".into())
    );
    assert_eq!(event["url"], target(&site));
}

#[test]
fn what_names_a_method_or_a_path_does_not_pass_a_host_unread() {
    let site = Site::https().unwrap();
    for rule in [
        "domain=localhost path=/open/*",
        "method=GET domain=localhost",
    ] {
        let rig = Rig::start(&["--allow", rule, "--no-intercept", "localhost"], None);
        let answer = rig
            .connect()
            .ask(format!("CONNECT {0} HTTP/1.1\r\n\r\n", target(&site)));
        assert_eq!(answer.status, 403);
        assert!(
            answer
                .body
                .contains("--allow 'method=CONNECT domain=localhost'"),
            "{}",
            answer.body
        );
        rig.finish();
    }
}

#[test]
fn a_tunnel_to_a_host_that_no_rule_has_is_refused() {
    let rig = Rig::start(&["--allow", "domain=a.example path=/x"], None);
    let answer = rig.connect().ask("CONNECT b.example:443 HTTP/1.1\r\n\r\n");
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.contains("--allow 'domain=b.example'"),
        "{}",
        answer.body
    );
    assert_eq!(denied(&rig.finish(), "CONNECT").len(), 1);
}

#[test]
fn http2_is_spoken_to_a_client_that_prefers_it() {
    let version = Command::new("curl").arg("--version").output();
    let speaks =
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("HTTP2"));
    if !has("curl") || !speaks {
        println!("skipped: curl speaks no HTTP/2");
        return;
    }
    let site = Site::https().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (pem, trail) = (folder.path().join("pem"), folder.path().join("trail"));
    fs::write(&pem, site.authority_pem().unwrap()).unwrap();
    let url = site.url("/stamped/a");
    let script = format!(
        "curl -sf --http2 -o /dev/null -w '%{{http_version}} ' -d body -b 'a=1; b=2' \
         -H 'x-coder-agent-firewall-session-id: forged' {url} && \
         curl -s --http2 -o /dev/null -w '%{{http_version}} %{{http_code}}' {}",
        site.url("/secret")
    );
    let output = throughline()
        .args([
            "run",
            "--allow",
            "path=/stamped/*",
            "--inject",
            "path=/stamped/*",
        ])
        .arg("--upstream-ca")
        .arg(&pem)
        .arg("--trail")
        .arg(&trail)
        .args(["--", "sh", "-c", &script])
        .output()
        .unwrap();
    let told = stderr(&output);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 2 403", "{told}");
    let [head] = &site.heads()[..] else {
        panic!("{told}")
    };
    assert_eq!(head.values("cookie"), ["a=1; b=2"]);
    assert_eq!(head.values("host"), [target(&site)]);
    let lines = lines(&trail);
    let [allowed, denied] = requests(&lines)[..] else {
        panic!("{lines:#?}")
    };
    assert_eq!(
        (&allowed["url"], &denied["url"]),
        (&url.into(), &site.url("/secret").into())
    );
    let session = allowed["session"].as_str().unwrap();
    assert_eq!(head.values("X-Coder-Agent-Firewall-Session-Id"), [session]);
}

#[test]
fn every_upstream_is_reached_through_a_proxy_if_there_is_one() {
    let (clear, secure) = (Site::http().unwrap(), Site::https().unwrap());
    let next = NextProxy::start();
    let proxy = format!("http://eve:p%40ss@{}", next.address);
    let args = ["--allow", "method=*", "--upstream-proxy", &proxy];
    let rig = Rig::start(&args, secure.authority_pem());
    let (mut talk, base) = rig.reach(&clear);
    assert_eq!(talk.get(&format!("{base}/a")).status, 200);
    let (mut talk, base) = rig.reach(&secure);
    assert_eq!(talk.get(&format!("{base}/b")).status, 200);
    drop(talk);
    rig.finish();
    let heads = next.heads();
    // base64 of "eve:p@ss"
    let credentials = "Proxy-Authorization: Basic ZXZlOnBAc3M=".to_lowercase();
    assert_eq!(heads.len(), 2, "{heads:?}");
    assert!(
        heads
            .iter()
            .all(|head| head.to_lowercase().contains(&credentials)),
        "{heads:?}"
    );
    assert!(
        heads[0].starts_with(&format!("GET {} HTTP/1.1\r\n", clear.url("/a"))),
        "{heads:?}"
    );
    assert!(
        heads[1].starts_with(&format!("CONNECT {} HTTP/1.1\r\n", target(&secure))),
        "{heads:?}"
    );
    assert_eq!((clear.heads().len(), secure.heads().len()), (1, 1));
}

#[test]
fn a_proxy_that_declines_is_a_bad_gateway_with_its_words() {
    let closed = Site::http().unwrap();
    let secure = Site::https().unwrap();
    let proxy = closed.url("");
    // A site takes a CONNECT for any request, and says 404 where it shows files.
    closed.show(&std::env::temp_dir().join("no such folder"));
    let rig = Rig::start(
        &["--allow", "method=*", "--upstream-proxy", &proxy],
        secure.authority_pem(),
    );
    let answer = rig.secure(&target(&secure), "localhost").get("/a");
    assert_eq!(answer.status, 502);
    assert!(
        answer.body.contains("HTTP/1.1 404 Not Found"),
        "{}",
        answer.body
    );
}

/// A forward proxy that does what it is told and keeps what that was.
struct NextProxy {
    address: std::net::SocketAddr,
    heads: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl NextProxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
        let log = std::sync::Arc::clone(&heads);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let log = std::sync::Arc::clone(&log);
                thread::spawn(move || pass_on(client, &log));
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn pass_on(mut client: std::net::TcpStream, log: &std::sync::Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    log.lock().unwrap().push(text.clone());
    let target = text.split(' ').nth(1).unwrap();
    let authority = target
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap();
    let mut server = std::net::TcpStream::connect(authority).unwrap();
    if text.starts_with("CONNECT ") {
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
            .unwrap();
    } else {
        let path = target
            .trim_start_matches("http://")
            .trim_start_matches(authority);
        server
            .write_all(text.replacen(target, path, 1).as_bytes())
            .unwrap();
    }
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    let _ = std::io::copy(&mut server, &mut client);
}
