//! Starting, limits, failing upstreams and stopping.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::{Duration, Instant},
};

use super::{
    super::{
        Proxy, Settings,
        server::{Drained, StartError},
    },
    rig::{Event, Rig, gate, unread},
    upstream::{Echo, Played},
    wire::Wire,
};

fn get(url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[tokio::test]
async fn a_listener_that_others_can_reach_is_refused() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let started = Proxy::start(listener, gate(unread()), Settings::default());
    assert!(matches!(started, Err(StartError::NotLoopback(_))));
}

#[tokio::test]
async fn clients_over_the_limit_wait_for_a_place() {
    let rig = Rig::with(Settings {
        connections: 2,
        ..Settings::default()
    });
    let mut first = rig.client().await;
    let mut second = rig.client().await;
    let mut third = rig.client().await;
    assert_eq!(first.ask(get("http://h/")).await.status(), 403);
    assert_eq!(second.ask(get("http://h/")).await.status(), 403);
    third.send(get("http://h/")).await;
    assert!(!third.hears_within(Duration::from_millis(100)).await);
    drop(first);
    assert_eq!(third.message().await.status(), 403);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_a_bad_gateway_and_one_event() {
    let rig = Rig::start();
    let url = Played::start().await.url("/open/");
    let mut client = rig.client().await;
    let answer = client.ask(get(&url)).await;
    assert_eq!(answer.status(), 502);
    assert!(
        answer.body.starts_with("upstream failed: 127.0.0.1:"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("\nstamp: "), "{}", answer.body);
    assert_eq!(rig.finish().await, [Event::allowed("GET", &url)]);
}

#[tokio::test]
async fn an_upload_that_cannot_be_sent_is_answered_and_the_connection_kept() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let url = upstream.url("/open/");
    // Nobody listens there any more.
    drop(upstream);
    let mut client = rig.client().await;
    let head = format!("POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n");
    for _ in 0..2 {
        let request = [head.as_bytes(), &[b'x'; 700_000]].concat();
        let answer = client.ask(request).await;
        assert_eq!(answer.status(), 502);
        assert!(answer.body.contains("does not accept"), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_a_bad_gateway_and_the_request_is_not_repeated() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client.send(get(&upstream.url("/open/"))).await;
    let mut server = upstream.accept().await;
    server.message().await;
    drop(server);
    assert_eq!(client.message().await.status(), 502);
    client.send(get(&upstream.url("/open/"))).await;
    let mut server = upstream.accept().await;
    server.message().await;
    server.send("this is not HTTP\r\n\r\n").await;
    assert_eq!(client.message().await.status(), 502);
}

#[tokio::test]
async fn a_kept_connection_that_the_upstream_closed_is_replaced() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    for _ in 0..3 {
        client.send(get(&upstream.url("/open/"))).await;
        let mut server = upstream.accept().await;
        server.message().await;
        server
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(client.message().await.status(), 200);
        drop(server);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client whose request of this method is under way on a connection that was kept, and what the upstream sees of it.
async fn on_a_kept_connection(rig: &Rig, upstream: &Played, method: &str) -> (Wire, Wire) {
    let request = get(&upstream.url("/open/"));
    let mut client = rig.client().await;
    client.send(&request).await;
    let mut server = upstream.accept().await;
    server.message().await;
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.message().await.status(), 200);
    client.send(request.replacen("GET", method, 1)).await;
    let asked = server.message().await;
    assert!(asked.head.starts_with(method), "{}", asked.head);
    (client, server)
}

#[tokio::test]
async fn a_safe_request_is_asked_again_if_a_kept_connection_is_lost_with_it() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    for method in ["GET", "HEAD", "OPTIONS"] {
        let (mut client, server) = on_a_kept_connection(&rig, &upstream, method).await;
        drop(server);
        let mut server = upstream.accept().await;
        let again = server.message().await;
        assert!(again.head.starts_with(method), "{}", again.head);
        server
            .send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            .await;
        assert_eq!(client.head().await.status(), 204, "{method}");
    }
    assert_eq!(rig.finish().await.len(), 6, "asked again, recorded once");
}

#[tokio::test]
async fn nothing_is_asked_a_third_time() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let (mut client, server) = on_a_kept_connection(&rig, &upstream, "GET").await;
    drop(server);
    let mut server = upstream.accept().await;
    server.message().await;
    drop(server);
    assert_eq!(client.message().await.status(), 502);
}

#[tokio::test]
async fn what_may_change_something_is_sent_once() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    for method in ["POST", "DELETE", "PUT"] {
        let (mut client, server) = on_a_kept_connection(&rig, &upstream, method).await;
        drop(server);
        // The next connection that the upstream sees is that of the next method.
        assert_eq!(client.message().await.status(), 502, "{method}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_exchange_upstream() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut client = rig.client().await;
    client.send(get(&upstream.url("/open/"))).await;
    let mut server = upstream.accept().await;
    server.message().await;
    drop(client);
    assert!(server.rest().await.is_empty());
}

#[tokio::test]
async fn stopping_lets_a_request_under_way_end_and_no_new_one_begin() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let address = rig.address();
    let mut idle = rig.client().await;
    assert_eq!(idle.ask(get("http://h/")).await.status(), 403);
    let mut client = rig.client().await;
    client.send(get(&upstream.url("/open/"))).await;
    let mut server = upstream.accept().await;
    server.message().await;

    let stopped = tokio::spawn(rig.proxy.shutdown(Duration::from_secs(5)));
    assert!(idle.rest().await.is_empty());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    assert_eq!(client.message().await.body, "hi");
    assert_eq!(stopped.await.unwrap(), Drained { cut: 0 });
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn stopping_cuts_what_does_not_end_in_time_and_records_what_was_begun() {
    let (rig, upstream) = (Rig::start(), Played::start().await);
    let mut waiting = rig.client().await;
    waiting.send(get(&upstream.url("/open/"))).await;
    let mut server = upstream.accept().await;
    server.message().await;
    let mut tunnel = rig.client().await;
    let connect = format!("CONNECT {} HTTP/1.1\r\n\r\n", upstream.address);
    assert_eq!(tunnel.ask(connect).await.status(), 200);
    let mut partial = rig.client().await;
    partial.send("GET http://h/partial HTTP/1.1\r\n").await;
    assert_eq!(rig.settled(2).await.len(), 2);

    let begun = Instant::now();
    let events = rig.finish().await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(tunnel.rest().await.is_empty());
    assert!(server.rest().await.is_empty());
    let partial = Event::denied("GET", "http://h/partial", "incomplete request");
    assert_eq!(events[2..], [partial]);
}

#[tokio::test]
async fn many_clients_at_once_are_one_event_each() {
    let (rig, echo) = (Rig::start(), Echo::start().await);
    let url = echo.url("/open/stamped");
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let (address, request) = (rig.address(), get(&url));
            tokio::spawn(async move {
                let mut client = Wire::connect(address).await;
                let mut bodies = Vec::new();
                for _ in 0..20 {
                    bodies.push(client.ask(&request).await.body);
                }
                bodies
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for client in clients {
        for body in client.await.unwrap() {
            let line = body
                .lines()
                .find(|line| line.contains("sequence-number"))
                .unwrap();
            numbers.push(line.split(": ").nth(1).unwrap().parse::<usize>().unwrap());
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..640).collect::<Vec<_>>());
    assert_eq!(rig.finish().await, vec![Event::allowed("GET", &url); 640]);
}
