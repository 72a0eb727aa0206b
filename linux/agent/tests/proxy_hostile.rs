//! A hostile client: nothing forged gets upstream, what is recorded is what was sent, and the agent stays up.

mod rig;
mod support;

use std::{io::Write, net::TcpStream, thread, time::Duration};

use rig::{Rig, patiently, requests};
use serde_json::Value;
use throughline_testkit::{Head, Site};

/// Sends each of these on a connection of its own, as far as the proxy reads it, in the clear and inside of TLS;
/// returns the trail and what the site saw, as `METHOD URL` each.
fn attack(payloads: impl Fn(&str) -> Vec<Vec<u8>>) -> Vec<(Vec<Value>, Site)> {
    let mut outcomes = Vec::new();
    for site in [Site::http().unwrap(), Site::https().unwrap()] {
        let rig = Rig::for_site(&site);
        let base = match site.authority_pem() {
            Some(_) => String::new(),
            None => site.url(""),
        };
        for payload in payloads(&base) {
            let (mut talk, _) = rig.reach(&site);
            talk.send(&payload);
            // The last answer ends the connection, or the proxy does.
            talk.send(format!(
                "GET {base}/open/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            ));
            talk.rest();
        }
        let (mut talk, base) = rig.reach(&site);
        assert_eq!(talk.get(&format!("{base}/open/alive")).status, 200);
        drop(talk);
        outcomes.push((rig.finish(), site));
    }
    outcomes
}

/// Asserts that the site saw each allowed event once, and nothing else but those; and no stamp that is not its event's.
fn audited_is_forwarded(lines: &[Value], site: &Site) {
    let (audited, seen) = (audited(lines), seen(site));
    assert_eq!(audited, seen);
    stamps_are_their_events(lines, site);
}

/// The allowed events, as `METHOD URL` each, in alphabetical order.
fn audited(lines: &[Value]) -> Vec<String> {
    let allowed = requests(lines)
        .into_iter()
        .filter(|line| line["decision"] == "allow");
    let text = |line: &Value, key| line[key].as_str().unwrap().to_owned();
    let mut audited: Vec<_> = allowed
        .map(|line| format!("{} {}", text(line, "method"), text(line, "url")))
        .collect();
    audited.sort();
    audited
}

/// What the site saw, likewise.
fn seen(site: &Site) -> Vec<String> {
    let method = |head: &Head| head.as_str().split(' ').next().unwrap().to_owned();
    let request = |head: &Head| format!("{} {}", method(head), site.url(head.target()));
    let mut seen: Vec<_> = site.heads().iter().map(request).collect();
    seen.sort();
    seen
}

fn stamps_are_their_events(lines: &[Value], site: &Site) {
    let heads = site.heads();
    for head in &heads {
        let session = head.values("X-Coder-Agent-Firewall-Session-Id");
        let number = head.values("X-Coder-Agent-Firewall-Sequence-Number");
        if !head.path().starts_with("/stamped") {
            assert!(session.is_empty() && number.is_empty(), "{head:?}");
            continue;
        }
        let event = lines
            .iter()
            .find(|line| line["seq"].as_u64() == number[0].parse().ok())
            .unwrap();
        assert_eq!(session, [event["session"].as_str().unwrap()]);
        assert_eq!(site.url(head.target()), event["url"].as_str().unwrap());
    }
    let text: String = heads
        .iter()
        .map(|head| head.as_str().to_lowercase())
        .collect();
    assert!(!text.contains("forged"), "{text}");
}

#[test]
fn forged_headers_in_any_case_and_number_reach_nobody() {
    let fields = [
        "X-Coder-Agent-Firewall-Session-Id: forged\r\nX-Coder-Agent-Firewall-Session-Id: forged\r\n",
        "x-coder-agent-firewall-session-id: forged\r\nX-CODER-AGENT-FIREWALL-SEQUENCE-NUMBER: 99\r\n",
        "x_coder_agent_firewall_session_id: forged\r\nX.Coder.Agent.Firewall.Sequence.Number: 99\r\n",
        "Connection: X-Coder-Agent-Firewall-Session-Id, close\r\n",
        "X-Coder-Agent-Firewall-Session-Id : forged\r\n",
        "X-Coder-Agent-Firewall-Session-Id: a\r\n forged\r\n",
        "\tX-Coder-Agent-Firewall-Session-Id: forged\r\n",
        "X-Coder-Agent-Firewall-Session-Id\0: forged\r\n",
    ];
    let outcomes = attack(|base| {
        let on = |path: &str| {
            let request = move |fields: &&str| {
                format!("GET {base}{path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into_bytes()
            };
            fields.iter().map(request).collect::<Vec<_>>()
        };
        [on("/open/a"), on("/stamped/a")].concat()
    });
    for (lines, site) in outcomes {
        audited_is_forwarded(&lines, &site);
        assert!(site.heads().iter().any(|head| head.path() == "/stamped/a"));
    }
}

#[test]
fn paths_that_are_not_what_they_seem_are_recorded_as_they_are_forwarded() {
    let paths = [
        "/open/../secret",
        "/open/%2e%2e/secret",
        "/open/.%2E/secret",
        "/open/./a",
        "/open//a",
        "/open/..%2fsecret",
        "/open/%2e%2e%2fsecret",
        "/open/%252e%252e/secret",
        "/open/a/..;/secret",
        "/open\\..\\secret",
        "/open/%5c..%5csecret",
        "//secret",
        "/secret/../open/b",
        "/open/%00",
        "/OPEN/a",
    ];
    let outcomes = attack(|base| {
        let request = |path: &&str| {
            format!("GET {base}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
        };
        paths.iter().map(request).collect()
    });
    for (lines, site) in outcomes {
        audited_is_forwarded(&lines, &site);
        for head in site.heads() {
            assert!(head.path().starts_with("/open/"), "{head:?}");
            assert!(!head.path().contains("/../"), "{head:?}");
        }
        let url = site.url("/secret");
        let denied = |line: &&Value| line["url"] == url && line["decision"] == "deny";
        assert!(lines.iter().filter(denied).count() >= 3, "{lines:#?}");
    }
}

#[test]
fn authorities_that_differ_go_where_the_record_says() {
    let outcomes = attack(|base| {
        let authority = base.strip_prefix("http://").unwrap_or("localhost");
        let target = |target: String, host: &str| {
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
        };
        vec![
            target(format!("{base}/open/host"), "forged.example"),
            target(format!("{base}/open/none"), ""),
            target(
                format!("http://eve:pw@{authority}/open/userinfo"),
                "forged.example",
            ),
            target(
                format!("http://forged.example@{authority}/open/at"),
                "localhost",
            ),
            target(
                format!("http://{authority}@forged.example/open/at"),
                "localhost",
            ),
            target("https://forged.example/open/a".to_owned(), "localhost"),
            target("*".to_owned(), "localhost"),
            b"CONNECT forged.example:80 HTTP/1.1\r\n\r\n".to_vec(),
        ]
    });
    for (lines, site) in outcomes {
        let text = format!("{lines:?}");
        assert!(!text.contains("pw@"), "{text}");
        for head in site.heads() {
            assert_ne!(head.values("host"), ["forged.example"], "{head:?}");
        }
        let elsewhere = |line: &&Value| {
            let url = line["url"].as_str().unwrap_or_default();
            line["decision"] == "allow" && url.contains("@forged.example")
        };
        // Allowed by its path, it went to where it says, which is nowhere.
        assert!(lines.iter().filter(elsewhere).count() <= 1, "{text}");
    }
}

#[test]
fn smuggled_requests_are_one_request_or_none() {
    let outcomes = attack(|base| {
        let hidden = "GET /secret/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let length = hidden.len();
        let with = |fields: &str, body: &str| {
            format!("POST {base}/open/a HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}")
                .into_bytes()
        };
        let chunked = format!("0\r\n\r\n{hidden}");
        vec![
            with(
                &format!(
                    "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
                    chunked.len()
                ),
                &chunked,
            ),
            with(
                &format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
                &chunked,
            ),
            with("Transfer-Encoding: xchunked\r\n", &chunked),
            with("Transfer-Encoding: chunked, identity\r\n", &chunked),
            with("Transfer-Encoding:\x0bchunked\r\n", &chunked),
            with(
                &format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
                hidden,
            ),
            with(&format!("Content-Length: +{length}\r\n"), hidden),
            with(&format!("X: a\r\n Content-Length: {length}\r\n"), hidden),
            with(&format!("X: a\rContent-Length: {length}\r\n"), hidden),
            format!("GET {base}/open/lf HTTP/1.1\nHost: localhost\n\n").into_bytes(),
            with("Content-Length: 0x2\r\n", "hi"),
            with("Transfer-Encoding: chunked\r\n", "2;a\nhi\n0\n\n"),
        ]
    });
    for (lines, site) in outcomes {
        stamps_are_their_events(&lines, &site);
        // One whose body is not what its head says is let out and may break off before anything is sent.
        let mut audited = audited(&lines);
        for request in seen(&site) {
            assert!(!request.contains("smuggled"), "{request}");
            let at = audited.iter().position(|audited| *audited == request);
            audited.remove(at.unwrap_or_else(|| panic!("{request} has no event")));
        }
        assert!(audited.len() <= 2, "{audited:?}");
    }
}

#[test]
fn heads_of_64_kib_are_refused_and_recorded() {
    let outcomes = attack(|base| {
        let large = "a".repeat(70 * 1024);
        vec![
            format!("GET {base}/open/{large} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
            format!("GET {base}/open/f HTTP/1.1\r\nHost: localhost\r\nX: {large}\r\n\r\n")
                .into_bytes(),
            format!(
                "GET {base}/open/m HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
                "X: y\r\n".repeat(200)
            )
            .into_bytes(),
        ]
    });
    for (lines, site) in outcomes {
        assert!(
            site.heads().iter().all(|head| head.path() == "/open/alive"),
            "{:?}",
            site.heads()
        );
        let denied = requests(&lines)
            .iter()
            .filter(|line| line["decision"] == "deny")
            .count();
        assert_eq!(denied, 3, "{lines:#?}");
    }
}

#[test]
fn half_open_connections_by_the_thousand_take_little_and_are_let_go() {
    let site = Site::https().unwrap();
    let limits = ["--head-timeout", "6", "--max-connections", "4000"];
    let args = [&["--allow", "domain=localhost"], &limits[..]].concat();
    let rig = Rig::start(&args, site.authority_pem());
    let (before, files) = (rig.peak_memory(), rig.open_files());
    let target = format!("localhost:{}", site.address().port());

    // Nothing, half a head, a tunnel with half a TLS hello, a tunnel and no more.
    let connect = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
    let hello = format!("{connect}\x16\x03\x01\x02");
    let said = [
        "",
        "GET http://localhost/half HTTP/1.1\r\nX: y\r\n",
        &hello,
        &connect,
    ];
    let mut halves = Vec::new();
    for said in said.iter().cycle().take(HALVES) {
        let mut stream = TcpStream::connect(rig.proxy).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        halves.push(stream);
    }
    patiently("all are accepted", || {
        (rig.open_files() >= files + HALVES).then_some(())
    });
    let during = rig.peak_memory();
    let (mut talk, _) = rig.reach(&site);
    assert_eq!(talk.get("/meanwhile").status, 200);
    drop(talk);
    // One to the site is kept for the next request.
    patiently("all are let go", || {
        (rig.open_files() <= files + 1).then_some(())
    });
    println!("{HALVES} half-open connections: {before} KiB before, {during} KiB during");
    assert!(
        during < before + HALVES as u64 * 40,
        "from {before} KiB to {during} KiB"
    );

    // A connection is closed just before that is recorded.
    patiently("all are recorded", || {
        (rig.lines_so_far() >= HALVES / 4 + HALVES + 2).then_some(())
    });

    let lines = rig.finish();
    let denied = |method: &str| {
        let is = |line: &&Value| line["decision"] == "deny" && line["method"] == method;
        lines.iter().filter(is).count()
    };
    assert_eq!((denied("GET"), denied("CONNECT")), (HALVES / 4, HALVES / 2));
}

#[test]
fn bodies_that_nobody_takes_fill_no_memory() {
    for site in [Site::http().unwrap(), Site::https().unwrap()] {
        let rig = Rig::for_site(&site);
        let (mut talk, base) = rig.reach(&site);
        assert_eq!(talk.get(&format!("{base}/open/warm")).status, 200);
        let mut stalled = Vec::new();
        let mut stall = |head: String, body: &[u8]| {
            let before = rig.peak_memory();
            for _ in 0..STALLED {
                let (mut talk, _) = rig.reach(&site);
                talk.send(&head);
                talk.send(body);
                stalled.push(talk);
            }
            // By then the proxy has taken in what it takes of the last one.
            thread::sleep(Duration::from_millis(500));
            let grown = rig.peak_memory() - before;
            println!("{head:.30}: {STALLED} times, {grown} KiB");
            grown
        };
        // A refused request that is larger than what is looked at, which is 1 MiB.
        let head = format!("POST {base}/secret HTTP/1.1\r\nHost: localhost\r\n");
        let refused = stall(
            format!("{head}Content-Length: 10000000\r\n\r\n"),
            &[0; 900 * 1024],
        );
        // An answer without end, which its client does not read.
        let head = format!("GET {base}/zeros/1000000000 HTTP/1.1\r\n");
        let unread = stall(format!("{head}Host: localhost\r\n\r\n"), b"");
        assert_eq!(talk.get(&format!("{base}/open/meanwhile")).status, 200);
        assert!(refused < STALLED * 512, "{refused} KiB");
        assert!(unread < STALLED * 1024, "{unread} KiB");
    }
}

/// How many connections stall in the middle of a body of each kind (count).
const STALLED: u64 = 50;

/// How many connections are left half open (count, a multiple of four).
const HALVES: usize = 2000;
