//! HTTP/2 on both sides of a tunnel that is read.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    client::conn::http2::{self, SendRequest},
    header::HeaderValue,
    server,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::{
    super::{Authority, Settings, tls::base64},
    rig::{Event, Rig, session},
    wire::{Wire, bounded},
};

/// An upstream that speaks nothing but HTTP/2, and answers with what it got, and with a trailer. Its first connection
/// ends without an answer to `/open/lost`.
struct Upstream {
    address: SocketAddr,
    pem: String,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start() -> Self {
        let (config, pem) = identity();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
                let accepted = acceptor.accept(stream);
                tokio::spawn(async move {
                    let stream = TokioIo::new(accepted.await.unwrap());
                    let builder = server::conn::http2::Builder::new(TokioExecutor::new());
                    let hang_up = Notify::new();
                    let service = service_fn(|request: Request<Incoming>| {
                        if is_first && request.uri().path() == "/open/lost" {
                            hang_up.notify_one();
                        }
                        echo(request)
                    });
                    tokio::select! {
                        biased;
                        () = hang_up.notified() => (),
                        _ = builder.serve_connection(stream, service) => (),
                    }
                });
            }
        });
        Self {
            address,
            pem,
            connections,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }
}

fn identity() -> (ServerConfig, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let body = base64(&certificate);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (config, pem)
}

async fn echo(
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let mut text = format!("{:?} {}\n", request.version(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    if request.uri().path() == "/open/slow" {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    text.push_str(&String::from_utf8_lossy(&body));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", HeaderValue::from_static("1"));
    trailers.insert(
        "x-coder-agent-firewall-session-id",
        HeaderValue::from_static("shown"),
    );
    let body = Full::new(Bytes::from(text)).with_trailers(async { Some(Ok(trailers)) });
    Ok(Response::new(body))
}

/// A client that speaks HTTP/2 inside of a tunnel.
async fn client(rig: &Rig, authority: &Authority, upstream: &Upstream) -> SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(tunnel(rig, authority, upstream).await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// TLS in a tunnel, both sides of which agreed on HTTP/2.
async fn tunnel(rig: &Rig, authority: &Authority, upstream: &Upstream) -> TlsStream<TcpStream> {
    let mut wire = Wire::connect(rig.address()).await;
    let target = format!("localhost:{}", upstream.address.port());
    let answer = wire.ask(format!("CONNECT {target} HTTP/1.1\r\n\r\n")).await;
    assert_eq!(answer.status(), 200);
    let pem = authority.certificate_pem();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = bounded(connector.connect(name, wire.into_stream()))
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream
}

fn request(url: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .uri(url)
        .header("te", "trailers")
        .header("x-coder-agent-firewall-session-id", "forged")
        .body(Full::from("body"))
        .unwrap()
}

/// Sends a request and reads its answer to the end.
async fn ask(
    mut sender: SendRequest<Full<Bytes>>,
    url: String,
) -> (StatusCode, String, Option<HeaderMap>) {
    let answer = bounded(sender.send_request(request(&url))).await.unwrap();
    let status = answer.status();
    let body = bounded(answer.into_body().collect()).await.unwrap();
    let trailers = body.trailers().cloned();
    (
        status,
        String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        trailers,
    )
}

#[tokio::test]
async fn requests_trailers_and_stamps_pass_over_http2() {
    let upstream = Upstream::start().await;
    let (rig, authority) = Rig::reading(&upstream.pem);
    let sender = client(&rig, &authority, &upstream).await;
    let url = upstream.url("/open/stamped");
    let (status, text, trailers) = ask(sender.clone(), url.clone()).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.starts_with(&format!("HTTP/2.0 {url}\n")), "{text}");
    assert!(
        text.contains("te: trailers\n") && text.ends_with("body"),
        "{text}"
    );
    assert!(
        !text.contains("forged") && !text.contains("connection:"),
        "{text}"
    );
    let stamp = format!("x-coder-agent-firewall-session-id: {}\n", session());
    assert!(text.contains(&stamp), "{text}");
    let mut expected = HeaderMap::new();
    expected.insert("x-end", HeaderValue::from_static("1"));
    assert_eq!(trailers, Some(expected));

    let (status, text, _) = ask(sender, upstream.url("/secret")).await;
    assert_eq!(status, 403);
    assert!(text.contains("no rule allows it"), "{text}");
    let decisions = rig
        .finish()
        .await
        .into_iter()
        .map(|event| (event.method, event.url));
    let post = |path| ("POST".to_owned(), upstream.url(path));
    let connect = (
        "CONNECT".to_owned(),
        format!("localhost:{}", upstream.address.port()),
    );
    assert!(decisions.eq([connect, post("/open/stamped"), post("/secret")]));
}

#[tokio::test]
async fn requests_at_the_same_time_share_a_connection_upstream() {
    let upstream = Upstream::start().await;
    let (rig, authority) = Rig::reading(&upstream.pem);
    let sender = client(&rig, &authority, &upstream).await;
    assert_eq!(
        ask(sender.clone(), upstream.url("/open/first")).await.0,
        200
    );
    let asked: Vec<_> = (0..20)
        .map(|_| tokio::spawn(ask(sender.clone(), upstream.url("/open/slow"))))
        .collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap().0, 200);
    }
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 1);
    assert_eq!(rig.finish().await.len(), 22);
}

#[tokio::test]
async fn a_safe_request_is_asked_again_if_a_kept_connection_is_lost_with_it() {
    let upstream = Upstream::start().await;
    let (rig, authority) = Rig::reading(&upstream.pem);
    let mut sender = client(&rig, &authority, &upstream).await;
    assert_eq!(ask(sender.clone(), upstream.url("/open/a")).await.0, 200);
    let get = Request::get(upstream.url("/open/lost"));
    let get = get.body(Full::default()).unwrap();
    let answer = bounded(sender.send_request(get)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 2);
    assert_eq!(rig.finish().await.len(), 3, "asked again, recorded once");
}

#[tokio::test]
async fn a_request_for_another_host_does_not_belong_on_the_connection() {
    let upstream = Upstream::start().await;
    let (rig, authority) = Rig::reading(&upstream.pem);
    let sender = client(&rig, &authority, &upstream).await;
    let url = "https://other.example/open/a";
    assert_eq!(ask(sender, url.to_owned()).await.0, 421);
    let reason = "the tunnel leads to another host";
    assert_eq!(rig.finish().await[1], Event::denied("POST", url, reason));
}

#[tokio::test]
async fn what_is_no_http2_where_it_was_agreed_on_ends_the_tunnel_and_is_recorded() {
    let upstream = Upstream::start().await;
    let (rig, authority) = Rig::reading(&upstream.pem);
    let mut stream = tunnel(&rig, &authority, &upstream).await;
    let request = b"GET /open/a HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = bounded(stream.read_to_end(&mut answer)).await;
    // One that leaves between two requests has broken nothing.
    let sender = client(&rig, &authority, &upstream).await;
    assert_eq!(ask(sender, upstream.url("/open/a")).await.0, 200);
    let events = rig.finish().await;
    let [_, broken, _, allowed] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(broken.url, format!("localhost:{}", upstream.address.port()));
    let told = "denied: the HTTP/2 inside of the tunnel broke";
    assert!(broken.decision.starts_with(told), "{broken:?}");
    assert_eq!(allowed.method, "POST");
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_without_requests_ends_however_often_its_client_says_that_it_is_there() {
    let upstream = Upstream::start().await;
    let settings = Settings {
        // How often the client is asked.
        head_timeout: Duration::from_millis(900),
        tunnel_idle: Duration::from_millis(1000),
        ..Settings::default()
    };
    let (rig, authority) = Rig::reading_with(&upstream.pem, settings);
    let sender = client(&rig, &authority, &upstream).await;
    // It takes longer than a connection may be without one.
    assert_eq!(ask(sender.clone(), upstream.url("/open/slow")).await.0, 200);
    bounded(async {
        while !sender.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_turned_away_and_recorded() {
    let upstream = Upstream::start().await;
    let settings = Settings {
        connections: 2,
        ..Settings::default()
    };
    let (rig, authority) = Rig::reading_with(&upstream.pem, settings);
    let sender = client(&rig, &authority, &upstream).await;
    let asked: Vec<_> = (0..10)
        .map(|_| tokio::spawn(ask(sender.clone(), upstream.url("/open/slow"))))
        .collect();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap());
    }
    let with = |status: u16| answers.iter().filter(|answer| answer.0 == status).count();
    assert_eq!((with(200), with(503)), (2, 8), "{answers:?}");
    // What was answered makes room.
    assert_eq!(ask(sender, upstream.url("/open/a")).await.0, 200);
    let events = rig.finish().await;
    let reason = "too many requests at a time; --max-connections allows more";
    let turned_away = Event::denied("POST", &upstream.url("/open/slow"), reason);
    let is = |event: &&Event| **event == turned_away;
    assert_eq!((events.iter().filter(is).count(), events.len()), (8, 12));
}
