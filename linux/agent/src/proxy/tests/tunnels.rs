//! Connections that stop speaking HTTP to the proxy.

use std::time::Duration;

use super::{
    super::Settings,
    rig::{Event, Rig},
    upstream::Played,
    wire::Wire,
};

const RULE: &str = "allowed by method=CONNECT domain=127.0.0.1";

fn connected(target: &str) -> Event {
    Event {
        decision: RULE.into(),
        ..Event::allowed("CONNECT", target)
    }
}

async fn open(rig: &Rig, upstream: &Played) -> (Wire, Wire) {
    let mut client = rig.client().await;
    let answer = client
        .ask(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            upstream.address
        ))
        .await;
    assert_eq!(answer.status(), 200);
    (client, upstream.accept().await)
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_is_one_event() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let (mut client, mut server) = open(&rig, &upstream).await;
    client
        .send(b"GET / nothing that \xff anyone reads\r\n\r\n")
        .await;
    server.until(b"reads\r\n\r\n").await;
    server.send("\x16\x03\x01").await;
    assert_eq!(client.exactly(3).await, b"\x16\x03\x01");
    drop(server);
    assert!(client.rest().await.is_empty());
    assert_eq!(
        rig.settled(2).await,
        [connected(&upstream.address.to_string())]
    );
}

#[tokio::test]
async fn what_a_client_sends_before_it_is_answered_is_carried() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!(
            "CONNECT {} HTTP/1.1\r\n\r\nearly\r\n\r\nbird",
            upstream.address
        ))
        .await;
    let mut server = upstream.accept().await;
    assert_eq!(server.exactly(13).await, b"early\r\n\r\nbird");
    assert_eq!(client.message().await.status(), 200);
    assert_eq!(rig.finish().await.len(), 1);
}

#[tokio::test]
async fn a_denied_tunnel_is_not_opened_and_the_connection_is_kept() {
    let rig = Rig::start();
    let mut client = rig.client().await;
    let answer = client.ask("CONNECT example.com:443 HTTP/1.1\r\n\r\n").await;
    assert_eq!(answer.status(), 403);
    let hint = "--allow 'method=CONNECT domain=example.com'\n";
    assert!(answer.body.ends_with(hint), "{}", answer.body);
    assert_eq!(
        client
            .ask("CONNECT u@h:443 HTTP/1.1\r\n\r\n")
            .await
            .status(),
        400
    );
    let own = rig.address();
    let answer = client.ask(format!("CONNECT {own} HTTP/1.1\r\n\r\n")).await;
    assert_eq!(answer.status(), 403);
    let events = rig.finish().await;
    assert_eq!(
        events[0],
        Event::denied("CONNECT", "example.com:443", "no rule allows it")
    );
    assert!(
        events[1].decision.starts_with("denied: ambiguous URL"),
        "{events:?}"
    );
    let itself = "the target is the proxy itself";
    assert_eq!(
        events[2..],
        [Event::denied("CONNECT", &own.to_string(), itself)]
    );
}

#[tokio::test]
async fn an_upstream_that_does_not_accept_is_told_before_the_tunnel() {
    let rig = Rig::start();
    let target = Played::start().await.address.to_string();
    let answer = rig
        .client()
        .await
        .ask(format!("CONNECT {target} HTTP/1.1\r\n\r\n"))
        .await;
    assert_eq!(answer.status(), 502);
    assert!(answer.body.contains("does not accept") && answer.body.contains("\nstamp: "));
    assert_eq!(rig.finish().await, [connected(&target)]);
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let rig = Rig::with(Settings {
        tunnel_idle: Duration::from_millis(100),
        ..Settings::default()
    });
    let upstream = Played::start().await;
    let (mut client, mut server) = open(&rig, &upstream).await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        client.send("x").await;
        assert_eq!(server.exactly(1).await, b"x");
    }
    assert!(client.rest().await.is_empty());
    assert!(server.rest().await.is_empty());
}

#[tokio::test]
async fn a_websocket_passes_and_is_stamped() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let url = upstream.url("/open/stamped");
    let mut client = rig.client().await;
    client
        .send(format!(
            "GET {url} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: x\r\n\r\n"
        ))
        .await;
    let mut server = upstream.accept().await;
    let seen = server.message().await;
    let fields = ["connection", "upgrade", "sec-websocket-key"].map(|name| seen.field(name));
    assert_eq!(
        fields,
        ["upgrade", "websocket", "x"].map(|value| Some(value.into()))
    );
    assert!(seen.field("x-coder-agent-firewall-session-id").is_some());
    server
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n\x01")
        .await;
    let answer = client.head().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.field("upgrade").as_deref(), Some("websocket"));
    assert_eq!(answer.field("sec-websocket-accept").as_deref(), Some("y"));
    assert_eq!(client.exactly(1).await, b"\x01");
    client.send("\x02\r\n\r\n").await;
    assert_eq!(server.exactly(5).await, b"\x02\r\n\r\n");
    assert_eq!(rig.settled(2).await, [Event::allowed("GET", &url)]);
}

#[tokio::test]
async fn no_other_upgrade_is_asked_for() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client
        .send(format!(
            "GET {} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
            upstream.url("/open/")
        ))
        .await;
    let mut server = upstream.accept().await;
    let seen = server.message().await;
    let fields = ["connection", "upgrade", "http2-settings"].map(|name| seen.field(name));
    assert_eq!(fields, [None, None, None]);
    server
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        .await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 502);
    assert!(answer.body.contains("unasked"), "{}", answer.body);
}

#[tokio::test]
async fn an_upstream_that_declines_to_switch_goes_on_in_http() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    let url = upstream.url("/open/");
    client
        .send(format!(
            "GET {url} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        ))
        .await;
    let mut server = upstream.accept().await;
    server.message().await;
    server
        .send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.message().await.status(), 426);
    let denied = "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(client.ask(denied).await.status(), 403);
    assert_eq!(rig.finish().await.len(), 2);
}
