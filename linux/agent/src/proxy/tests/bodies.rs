//! Bodies pass as they come, under any framing.

use std::time::Duration;

use super::{
    super::Settings,
    rig::{Event, Rig},
    upstream::{Echo, Played},
};

#[tokio::test]
async fn bodies_arrive_whole_whatever_the_method_and_the_framing() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let mut client = rig.client().await;
    for method in ["GET", "POST", "DELETE", "QUERY"] {
        let line = format!("{method} {} HTTP/1.1\r\nHost: a\r\n", echo.url("/open/"));
        for body in [
            "Content-Length: 5\r\n\r\nhello",
            "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        ] {
            let answer = client.ask(format!("{line}{body}")).await;
            assert_eq!(answer.status(), 200);
            assert!(
                answer.body.ends_with("\n\nhello"),
                "{method}: {}",
                answer.body
            );
        }
    }
    assert_eq!(echo.connections(), 1);
    assert_eq!(rig.finish().await.len(), 8);
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let mut first = rig.client().await;
    let mut second = rig.client().await;
    let request = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", echo.url("/open/"));
    for _ in 0..20 {
        assert_eq!(first.ask(&request).await.status(), 200);
        assert_eq!(second.ask(&request).await.status(), 200);
    }
    assert_eq!((echo.requests(), echo.connections()), (40, 1));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let mut client = rig.client().await;
    let sent: String = (0..20)
        .map(|number| match number % 3 {
            0 => format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", echo.url(&format!("/open/{number}"))),
            1 => format!(
                "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
                echo.url(&format!("/open/{number}"))
            ),
            _ => format!(
                "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                echo.url(&format!("/open/{number}"))
            ),
        })
        .collect();
    client.send(&sent).await;
    for number in 0..20 {
        let answer = client.message().await;
        let line = answer.body.lines().next().unwrap();
        assert!(line.ends_with(&format!(" /open/{number}")), "{line}");
    }
    assert_eq!(rig.finish().await.len(), 20);
}

#[tokio::test]
async fn an_event_stream_arrives_as_it_is_sent() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!(
            "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
            upstream.url("/open/")
        ))
        .await;
    let mut server = upstream.accept().await;
    server.message().await;
    server
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    client.head().await;
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        server
            .send(format!("{:x}\r\n{event}\r\n", event.len()))
            .await;
        let chunk = String::from_utf8(client.until(b"\n\n\r\n").await).unwrap();
        assert!(chunk.contains(&event), "{chunk}");
    }
    server.send("0\r\n\r\n").await;
    assert_eq!(client.until(b"\r\n\r\n").await, b"0\r\n\r\n");
}

#[tokio::test]
async fn an_upload_reaches_the_upstream_before_it_is_whole() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc",
            upstream.url("/open/")
        ))
        .await;
    let mut server = upstream.accept().await;
    server.head().await;
    assert_eq!(server.exactly(3).await, b"abc");
    client.send("def").await;
    assert_eq!(server.exactly(3).await, b"def");
    server.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.message().await.status(), 204);
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection_and_reaches_the_client_whole() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    let request = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", upstream.url("/open/"));
    for _ in 0..2 {
        client.send(&request).await;
        let mut server = upstream.accept().await;
        server.message().await;
        server.send("HTTP/1.0 200 OK\r\n\r\nto the end").await;
        drop(server);
        let answer = client.message().await;
        assert!(answer.head.starts_with("HTTP/1.1 200"), "{}", answer.head);
        assert_eq!(answer.body, "to the end");
    }
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!(
            "HEAD {} HTTP/1.1\r\nHost: a\r\n\r\n",
            upstream.url("/open/")
        ))
        .await;
    let mut server = upstream.accept().await;
    server.message().await;
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        .await;
    assert_eq!(
        client.head().await.field("content-length").as_deref(),
        Some("12")
    );
    client
        .send(format!(
            "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
            upstream.url("/open/")
        ))
        .await;
    server.message().await;
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    assert_eq!(client.message().await.body, "hi");
}

#[tokio::test]
async fn an_answer_framed_twice_is_framed_once() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!(
            "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
            upstream.url("/open/")
        ))
        .await;
    let mut server = upstream.accept().await;
    server.message().await;
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;
    let answer = client.message().await;
    assert_eq!(
        (answer.body.as_str(), answer.field("content-length")),
        ("hello", None)
    );
}

#[tokio::test]
async fn an_old_client_is_served_and_the_upstream_spoken_to_in_http_1_1() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!("GET {} HTTP/1.0\r\n\r\n", upstream.url("/open/")))
        .await;
    let mut server = upstream.accept().await;
    let seen = server.message().await;
    assert!(
        seen.head.starts_with("GET /open/ HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.field("via").as_deref(), Some("1.0 throughline"));
    server
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        .await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_told_to_go_on_only_if_allowed() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let head = |path| {
        format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
            echo.url(path)
        )
    };
    let mut client = rig.client().await;
    assert_eq!(client.ask(head("/open/")).await.status(), 100);
    assert!(client.ask("hi").await.body.ends_with("\n\nhi"));
    assert_eq!(client.ask(head("/secret")).await.status(), 403);
}

#[tokio::test]
async fn a_refused_upload_is_answered_and_the_connection_kept() {
    let rig = Rig::start();
    let mut client = rig.client().await;
    let body = "x".repeat(300_000);
    let request = format!(
        "POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..2 {
        assert_eq!(client.ask(&request).await.status(), 403);
    }
    let denied = Event::denied("POST", "http://h/", "no rule allows it");
    assert_eq!(rig.finish().await, [denied.clone(), denied]);
}

#[tokio::test]
async fn an_upstream_that_is_slow_to_answer_is_waited_for() {
    let (rig, upstream) = (
        Rig::with(Settings {
            head_timeout: Duration::from_millis(100),
            ..Settings::default()
        }),
        Played::start().await,
    );
    let mut client = rig.client().await;
    client
        .send(format!(
            "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
            upstream.url("/open/")
        ))
        .await;
    let mut server = upstream.accept().await;
    server.message().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    assert_eq!(client.message().await.body, "hi");
}

#[tokio::test]
async fn an_upload_refused_by_its_head_is_answered_in_the_words_of_the_upstream() {
    // Whether the upstream has hung up when the next piece is sent is a matter of microseconds.
    for _ in 0..30 {
        let (rig, upstream) = (Rig::start(), Played::start().await);
        let mut client = rig.client().await;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n",
            upstream.url("/open/")
        );
        let server = async {
            let mut server = upstream.accept().await;
            server.head().await;
            server
                .send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
                .await;
        };
        tokio::join!(
            client.send([head.as_bytes(), &[b'x'; 500_000]].concat()),
            server
        );
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.body.as_str()), (413, "big"));
    }
}

#[tokio::test]
async fn a_head_of_old_ways_is_mended() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!(
            "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
            upstream.url("/open/")
        ))
        .await;
    let mut server = upstream.accept().await;
    server.message().await;
    let head = "HTTP/1.1 200 OK\r\nSpaced : a\r\nFolded: b\r\n  c\r\nContent-Length : 2\r\n\r\nok";
    server.send(head).await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 200, "{}", answer.body);
    assert_eq!(answer.field("spaced").as_deref(), Some("a"));
    assert_eq!(answer.field("folded").as_deref(), Some("b c"));
    assert_eq!(answer.body, "ok");
}
