//! The correlation headers, and the fields that belong to one hop.

use super::{
    rig::{Rig, session},
    upstream::{Echo, Played},
};

const SESSION: &str = "x-coder-agent-firewall-session-id";
const SEQUENCE: &str = "x-coder-agent-firewall-sequence-number";

fn forged(url: &str) -> String {
    format!(
        "GET {url} HTTP/1.1\r\nHost: a\r\n\
         X-Coder-Agent-Firewall-Session-Id: forged\r\n\
         X-CODER-AGENT-FIREWALL-SESSION-ID: forged\r\n\
         x_coder_agent_firewall_sequence_number: 7\r\n\
         X-Coder-Agent-Firewall-Sequence-Number: 7\r\n\
         Connection: X-Coder-Agent-Firewall-Session-Id\r\n\r\n"
    )
}

#[tokio::test]
async fn forged_headers_reach_nobody() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let answer = rig
        .client()
        .await
        .ask(forged(&echo.url("/open/plain")))
        .await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.body.contains("firewall"), "{}", answer.body);
}

#[tokio::test]
async fn an_inject_target_sees_the_stamp_of_the_event_and_the_client_does_not() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let mut client = rig.client().await;
    for number in 0..3 {
        let answer = client.ask(forged(&echo.url("/open/stamped"))).await;
        assert_eq!(
            answer.body.matches("firewall").count(),
            2,
            "{}",
            answer.body
        );
        assert!(answer.body.contains(&format!("{SESSION}: {}\n", session())));
        assert!(answer.body.contains(&format!("{SEQUENCE}: {number}\n")));
        assert_eq!(
            (answer.field(SESSION), answer.field(SEQUENCE)),
            (None, None)
        );
    }
}

#[tokio::test]
async fn forged_trailers_reach_nobody() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Sum, {SESSION}, {SEQUENCE}\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Sum: 1\r\n{SESSION}: forged\r\n{SEQUENCE}: 7\r\n\r\n",
        echo.url("/open/plain")
    );
    let answer = rig.client().await.ask(request).await;
    assert!(
        answer.body.contains("\nhi\ntrailer x-sum: 1"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("forged"), "{}", answer.body);
}

#[tokio::test]
async fn fields_of_one_hop_are_stripped_both_ways() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nX-Kept: 1\r\n\
         Keep-Alive: 9\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\
         TE: gzip\r\nUpgrade: h2c\r\n\r\n",
        echo.url("/open/plain")
    );
    let answer = rig.client().await.ask(request).await;
    let mut lines: Vec<_> = answer.body.trim_end().lines().skip(1).collect();
    lines.sort_unstable();
    let host = format!("host: {}", echo.address);
    assert_eq!(lines, [host.as_str(), "via: 1.1 throughline", "x-kept: 1"]);
    let shown = ["x-end", "x-hop", "keep-alive", "connection"].map(|name| answer.field(name));
    assert_eq!(shown, [Some("1".into()), None, None, None]);
    assert_eq!(answer.field("via").as_deref(), Some("1.1 throughline"));
}

#[tokio::test]
async fn whoever_takes_trailers_is_sent_them() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
        upstream.url("/open/")
    );
    client.send(request).await;
    let mut server = upstream.accept().await;
    let seen = server.message().await;
    assert_eq!(seen.field("te").as_deref(), Some("trailers"));
    assert_eq!(seen.field("connection").as_deref(), Some("te"));
    server
        .send(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, {SESSION}\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Sum: 1\r\n{SESSION}: shown\r\n\r\n"
        ))
        .await;
    let answer = client.message().await;
    assert_eq!(
        (answer.body.as_str(), answer.trailers.as_str()),
        ("hi", "x-sum: 1\r\n")
    );
}
