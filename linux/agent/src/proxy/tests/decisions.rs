//! What is let out, what is recorded, and what the upstream then sees.

use super::{
    rig::{DISGUISED, Event, Rig, session},
    upstream::Echo,
};

fn get(url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
}

#[tokio::test]
async fn an_allowed_request_is_recorded_once_and_forwarded() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let url = echo.url("/open/x?q=1");
    let answer = rig.client().await.ask(get(&url)).await;
    assert_eq!(answer.status(), 200);
    assert!(
        answer.body.starts_with("GET /open/x?q=1\n"),
        "{}",
        answer.body
    );
    assert_eq!(rig.finish().await, [Event::allowed("GET", &url)]);
}

#[tokio::test]
async fn a_denied_request_is_told_its_stamp_why_and_what_would_help() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let url = echo.url("/secret");
    let mut client = rig.client().await;
    for number in 0..2 {
        let answer = client.ask(get(&url)).await;
        let expected = format!(
            "denied: no rule allows it\nstamp: {}/{number}\nto allow it: --allow 'method=GET domain=127.0.0.1 path=/secret'\n",
            session()
        );
        assert_eq!((answer.status(), answer.body), (403, expected));
    }
    assert_eq!(echo.requests(), 0);
    let denied = Event::denied("GET", &url, "no rule allows it");
    assert_eq!(rig.finish().await, [denied.clone(), denied]);
}

#[tokio::test]
async fn the_url_wins_over_the_host_header() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let same = format!("Host: {}\r\nConnection: Host", echo.address);
    for sent in ["Host: one", "Host: one\r\nHost: two", "X: y", &same] {
        let request = format!("GET {} HTTP/1.1\r\n{sent}\r\n\r\n", echo.url("/open/"));
        let answer = rig.client().await.ask(request).await;
        let hosts: Vec<_> = answer
            .body
            .lines()
            .filter(|line| line.starts_with("host: "))
            .collect();
        assert_eq!(hosts, [format!("host: {}", echo.address)], "{sent}");
    }
}

#[tokio::test]
async fn userinfo_is_not_forwarded_and_secrets_are_not_logged() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let url = format!("http://eve:pw@{}/open/x?token=t0p&a=b", echo.address);
    let answer = rig.client().await.ask(get(&url)).await;
    assert!(
        answer.body.starts_with("GET /open/x?token=t0p&a=b\n"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("eve") && !answer.body.contains("authorization"));
    let logged = format!("http://eve:***@{}/open/x?token=***&a=b", echo.address);
    assert_eq!(rig.finish().await, [Event::allowed("GET", &logged)]);
}

#[tokio::test]
async fn dot_segments_are_resolved_before_matching_logging_and_forwarding() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let cases = [
        ("/secret/../open/a?b=/../c", "/open/a?b=/../c", 200),
        ("/open/x/%2E%2e/./y", "/open/y", 200),
        ("/open/../secret", "/secret", 403),
        ("/open/%2e%2E/secret/.", "/secret/", 403),
    ];
    let mut events = Vec::new();
    for (sent, seen, status) in cases {
        let answer = rig.client().await.ask(get(&echo.url(sent))).await;
        assert_eq!(answer.status(), status, "{sent}");
        if status == 200 {
            assert!(
                answer.body.starts_with(&format!("GET {seen}\n")),
                "{}",
                answer.body
            );
            events.push(Event::allowed("GET", &echo.url(seen)));
        } else {
            events.push(Event::denied("GET", &echo.url(seen), "no rule allows it"));
        }
    }
    assert_eq!(rig.finish().await, events);
}

#[tokio::test]
async fn a_path_that_upstreams_read_in_different_ways_matches_no_path_rule() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    for path in [
        "/open/..%2f../secret",
        "/open/x\\..\\secret",
        "/open//../x",
        "/open/%00",
    ] {
        let answer = rig.client().await.ask(get(&echo.url(path))).await;
        assert_eq!(answer.status() / 100, 4, "{path}");
    }
    assert_eq!(echo.requests(), 0);
    assert_eq!(rig.finish().await.len(), 4);
}

#[tokio::test]
async fn what_is_no_request_to_a_proxy_is_refused_and_recorded() {
    let rig = Rig::start();
    let scheme = "not a URL of http; use CONNECT for https";
    let cases = [
        ("GET", "/x", "not a proxy request"),
        ("OPTIONS", "*", "not a proxy request"),
        ("GET", "127.0.0.1:80", "not a proxy request"),
        ("CONNECT", "http://127.0.0.1/", "not a proxy request"),
        ("GET", "https://127.0.0.1/open/", scheme),
        ("GET", "ftp://127.0.0.1/open/", scheme),
    ];
    let mut client = rig.client().await;
    for (method, target, reason) in cases {
        let answer = client
            .ask(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        assert_eq!(answer.status(), 400, "{target}");
        assert!(
            answer
                .body
                .starts_with(&format!("denied: {reason}\nstamp: "))
        );
    }
    let expected = cases.map(|(method, url, reason)| Event::denied(method, url, reason));
    assert_eq!(rig.finish().await, expected);
}

#[tokio::test]
async fn a_host_that_readers_disagree_on_is_refused_with_the_place() {
    let rig = Rig::start();
    let answer = rig.client().await.ask(get("http://a..b/")).await;
    assert_eq!(answer.status(), 400);
    let events = rig.finish().await;
    assert_eq!(events.len(), 1);
    assert!(
        events[0]
            .decision
            .starts_with("denied: ambiguous URL, column 8: "),
        "{events:?}"
    );
}

#[tokio::test]
async fn the_proxy_is_no_upstream_of_its_own() {
    let rig = Rig::start();
    let port = rig.address().port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "LocalHost.",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ];
    for host in hosts {
        let answer = rig
            .client()
            .await
            .ask(get(&format!("http://{host}:{port}/open/")))
            .await;
        assert_eq!(answer.status(), 403, "{host}");
    }
    let events = rig.finish().await;
    assert_eq!(events.len(), hosts.len());
    for event in events {
        assert_eq!(event.decision, "denied: the target is the proxy itself");
    }
}

#[tokio::test]
async fn a_name_that_leads_back_to_the_proxy_is_found_when_it_is_dialled() {
    let rig = Rig::start();
    let target = format!("2130706433:{}", rig.address().port());
    let url = format!("http://{target}/");
    for request in [get(&url), format!("CONNECT {target} HTTP/1.1\r\n\r\n")] {
        let answer = rig.client().await.ask(request).await;
        assert_eq!(answer.status(), 502);
        assert!(
            answer.body.contains("leads back to the proxy"),
            "{}",
            answer.body
        );
    }
    let by_rule = |event| Event {
        decision: format!("allowed by {DISGUISED}"),
        ..event
    };
    let expected = [
        by_rule(Event::allowed("GET", &url)),
        by_rule(Event::allowed("CONNECT", &target)),
    ];
    assert_eq!(rig.finish().await, expected);
}
