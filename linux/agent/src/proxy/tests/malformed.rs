//! Heads that are refused before the proxy is asked: one event each, and none for a good one.

use std::time::Duration;

use super::{
    super::Settings,
    rig::{Event, Rig},
    upstream::{Echo, Played},
};

const MALFORMED: &str = "malformed request";
const INCOMPLETE: &str = "incomplete request";
const TOO_LARGE: &str = "the head of the request is too large";

#[tokio::test]
async fn a_head_that_cannot_be_read_is_an_event() {
    let cases: [(&[u8], &str, &str); 12] = [
        (
            b"GET http://h/a\xffb HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET",
            "http://h/a%FFb",
        ),
        (
            b"GET http://u:pw@h/\xff HTTP/1.1\r\n\r\n",
            "GET",
            "http://u:***@h/%FF",
        ),
        (
            b"GET http://h/ HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            "GET",
            "http://h/",
        ),
        (
            b"GET http://h/ HTTP/1.1\r\nHost : h\r\n\r\n",
            "GET",
            "http://h/",
        ),
        (
            b"GET http://h/ HTTP/1.1\r\nA: b\0c\r\n\r\n",
            "GET",
            "http://h/",
        ),
        (
            b"GET http://h/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "GET",
            "http://h/",
        ),
        (
            b"GET http://h/ HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            "GET",
            "http://h/",
        ),
        (
            b"POST http://[::1/ HTTP/1.1\r\n\r\n",
            "POST",
            "http://[::1/",
        ),
        (
            b"GET http://h/a b HTTP/1.1\r\n\r\n",
            "GET",
            "http://h/a%20b",
        ),
        (
            b"GET http://h/\x1b[2J HTTP/1.1\r\n\r\n",
            "GET",
            "http://h/%1B[2J",
        ),
        (
            b"\x16\x03\x01\x00\x05hello\r\n\r\n",
            "?",
            "%16%03%01%00%05hello",
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI", "*"),
    ];
    for (head, method, url) in cases {
        let rig = Rig::start();
        let mut client = rig.client().await;
        client.send(head).await;
        let answer = client.rest().await;
        let shown = head.escape_ascii();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "),
            "{shown}"
        );
        let events = rig.finish().await;
        assert_eq!(events, [Event::denied(method, url, MALFORMED)], "{shown}");
    }
}

#[tokio::test]
async fn a_bare_line_feed_ends_a_line() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let url = echo.url("/open/");
    let mut client = rig.client().await;
    for head in ["\n", "\nA: b\n", "\nA: b\r\n"] {
        let answer = client.ask(format!("GET {url} HTTP/1.1{head}\n")).await;
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(rig.finish().await, vec![Event::allowed("GET", &url); 3]);
}

#[tokio::test]
async fn a_bad_head_is_told_apart_from_good_ones_in_the_same_segment() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let url = echo.url("/open/");
    let good = [
        format!("GET {url} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("POST {url} HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n"),
        format!(
            "POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n"
        ),
    ];
    for good in good {
        let mut client = rig.client().await;
        let bad = b"\r\nGET http://h/\xff HTTP/1.1\r\n\r\n";
        client.send([good.as_bytes(), bad].concat()).await;
        assert_eq!(client.message().await.status(), 200, "{good}");
        assert_eq!(client.message().await.status(), 400, "{good}");
        assert!(client.rest().await.is_empty());
    }
    let refused = Event::denied("GET", "http://h/%FF", MALFORMED);
    let expected = [
        Event::allowed("GET", &url),
        refused.clone(),
        Event::allowed("POST", &url),
        refused.clone(),
        Event::allowed("POST", &url),
        refused,
    ];
    assert_eq!(rig.finish().await, expected);
}

#[tokio::test]
async fn a_bad_head_in_pieces_is_one_event() {
    let rig = Rig::start();
    let mut client = rig.client().await;
    for byte in b"GET http://h/\xff HTTP/1.1\r\nHost: h\r\n\r\n" {
        client.send([*byte]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client);
    let refused = Event::denied("GET", "http://h/%FF", MALFORMED);
    assert_eq!(rig.settled(1).await, [refused]);
}

#[tokio::test]
async fn a_silent_connection_is_no_event_and_a_broken_off_head_is_one() {
    let rig = Rig::start();
    drop(rig.client().await);
    let mut client = rig.client().await;
    client.send("\r\n\r\n").await;
    drop(client);
    let mut client = rig.client().await;
    client.send("GET http://h/x HT").await;
    drop(client);
    let incomplete = Event::denied("GET", "http://h/x%20HT", INCOMPLETE);
    assert_eq!(rig.settled(1).await, [incomplete]);
}

#[tokio::test]
async fn a_head_that_stops_arriving_is_cut_off_and_recorded() {
    let rig = Rig::with(Settings {
        head_timeout: Duration::from_millis(100),
        ..Settings::default()
    });
    let idle = rig.client().await;
    let mut client = rig.client().await;
    client.send("GET http://h/x HTTP/1.1\r\nHost:").await;
    assert!(client.rest().await.is_empty());
    assert!(idle.rest().await.is_empty());
    let incomplete = Event::denied("GET", "http://h/x", INCOMPLETE);
    assert_eq!(rig.finish().await, [incomplete]);
}

#[tokio::test]
async fn a_broken_off_body_is_no_second_event() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let url = upstream.url("/open/");
    let mut client = rig.client().await;
    client
        .send(format!(
            "POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
        ))
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    drop(client);
    assert_eq!(server.rest().await, b"abc");
    assert_eq!(rig.settled(2).await, [Event::allowed("POST", &url)]);
}

#[tokio::test]
async fn a_request_framed_twice_reaches_the_upstream_as_one() {
    let smuggled = "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n";
    for (first, second) in [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ] {
        let (rig, upstream) = (Rig::start(), Played::start().await);
        let url = upstream.url("/open/");
        let mut client = rig.client().await;
        client
            .send(format!(
                "POST {url} HTTP/1.1\r\nHost: a\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n{smuggled}"
            ))
            .await;
        let mut server = upstream.accept().await;
        let seen = server.message().await;
        assert_eq!(seen.field("content-length"), None, "{}", seen.head);
        assert_eq!(seen.field("transfer-encoding").as_deref(), Some("chunked"));
        assert_eq!(seen.body, "");
        server
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(client.message().await.status(), 200);
        assert!(client.rest().await.is_empty());
        assert!(!server.hears_within(Duration::from_millis(50)).await);
        assert_eq!(rig.finish().await, [Event::allowed("POST", &url)]);
    }
}

#[tokio::test]
async fn two_lengths_are_refused() {
    let rig = Rig::start();
    let answer = rig
        .client()
        .await
        .ask("POST http://h/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
        .await;
    assert_eq!(answer.status(), 400);
    assert_eq!(
        rig.finish().await,
        [Event::denied("POST", "http://h/", MALFORMED)]
    );
}

#[tokio::test]
async fn a_head_may_be_large_but_not_endless() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let url = echo.url("/open/");
    let with_field = |size: usize| {
        format!(
            "GET {url} HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n",
            "x".repeat(size)
        )
    };
    assert_eq!(
        rig.client().await.ask(with_field(60_000)).await.status(),
        200
    );
    assert_eq!(
        rig.client().await.ask(with_field(65_536)).await.status(),
        431
    );
    let many: String = (0..101)
        .map(|number| format!("X-{number}: 1\r\n"))
        .collect();
    let many = format!("GET {url} HTTP/1.1\r\n{many}\r\n");
    assert_eq!(rig.client().await.ask(many).await.status(), 431);
    let too_large = Event::denied("GET", &url, TOO_LARGE);
    let expected = [Event::allowed("GET", &url), too_large.clone(), too_large];
    assert_eq!(rig.finish().await, expected);
}

#[tokio::test]
async fn a_long_url_passes_whole_and_a_longer_one_is_refused() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let long = echo.url(&format!("/open/{}", "x".repeat(40_000)));
    let answer = rig
        .client()
        .await
        .ask(format!("GET {long} HTTP/1.1\r\n\r\n"))
        .await;
    assert_eq!(answer.status(), 200);
    assert!(answer.body.lines().next().unwrap().len() > 40_000);

    let longer = echo.url(&format!("/open/{}", "x".repeat(70_000)));
    let answer = rig
        .client()
        .await
        .ask(format!("GET {longer} HTTP/1.1\r\n\r\n"))
        .await;
    assert_eq!(answer.status(), 431);
    let events = rig.finish().await;
    assert_eq!(events[0], Event::allowed("GET", &long));
    assert_eq!(
        (events.len(), events[1].decision.as_str()),
        (2, format!("denied: {TOO_LARGE}").as_str())
    );
    assert!(longer.starts_with(&events[1].url) && events[1].url.len() > 60_000);
}

#[tokio::test]
async fn a_body_that_breaks_its_framing_is_no_fault_of_the_upstream() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        upstream.url("/open/")
    );
    client.send(head + "3\r\nabc\r\nno size\r\n").await;
    let server = upstream.accept().await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 400);
    assert!(
        answer.body.starts_with("the body of the request"),
        "{}",
        answer.body
    );
    let seen = String::from_utf8(server.rest().await).unwrap();
    assert!(seen.ends_with("3\r\nabc\r\n"), "no end is made up: {seen}");
}
