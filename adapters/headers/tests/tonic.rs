//! The layer under gRPC: around a channel of tonic, and around its server.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use http::{request::Parts, uri::PathAndQuery};
use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{MapInjector, Names, StampLayer};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataValue,
    server::{NamedService, UnaryService},
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tower::{Layer, Service, util::option_layer};
use uuid::Uuid;

const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(7));

/// Messages are bytes, so that no protobuf is needed.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Answers with the pair that a call carries.
#[derive(Clone)]
struct Pair;

impl UnaryService<Bytes> for Pair {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        assert_eq!(request.get_ref(), "body");
        let headers = request.metadata().clone().into_headers();
        let mut pair = Vec::new();
        for name in [Names::DEFAULT.session(), Names::DEFAULT.sequence()] {
            let values = headers.get_all(name).iter();
            pair.extend(values.map(|value| value.to_str().unwrap().to_owned()));
        }
        ready(Ok(Response::new(pair.join(" ").into())))
    }
}

impl NamedService for Pair {
    const NAME: &'static str = "test.Pair";
}

impl Service<http::Request<Body>> for Pair {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(Self, request).await) })
    }
}

type Recording = fn(&Parts) -> Option<Stamp>;

fn layer(recording: Recording) -> StampLayer<Recording> {
    StampLayer::new(MapInjector::new(&Names::DEFAULT, SESSION), recording)
}

/// The pair that a call arrives with which was sent with a forged one.
async fn arrives_with(
    client: Option<StampLayer<Recording>>,
    server: Option<StampLayer<Recording>>,
) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = Server::builder()
        .layer(option_layer(server))
        .add_service(Pair)
        .serve_with_incoming(TcpIncoming::from(listener));
    let serving = tokio::spawn(serving);

    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let mut client = Grpc::new(option_layer(client).layer(channel));
    client.ready().await.unwrap();
    let mut request = Request::new(Bytes::from_static(b"body"));
    let metadata = request.metadata_mut();
    for (name, value) in [
        ("x-coder-agent-firewall-session-id", "forged"),
        ("x-coder-agent-firewall-sequence-number", "7"),
    ] {
        metadata.insert(name, MetadataValue::from_static(value));
    }
    let path = PathAndQuery::from_static("/test.Pair/Tell");
    let answer = client.unary(request, path, Raw).await.unwrap();
    serving.abort();
    String::from_utf8(answer.into_inner().into()).unwrap()
}

#[tokio::test]
async fn a_call_is_stamped_on_its_way_out_of_a_channel() {
    let stamp: Recording = |call| {
        assert_eq!(call.uri.path(), "/test.Pair/Tell");
        assert!(!call.headers.contains_key(Names::DEFAULT.session()));
        Sequence::new(41).map(|number| Stamp::new(SESSION, number))
    };
    let pair = arrives_with(Some(layer(stamp)), None).await;
    assert_eq!(pair, format!("{SESSION} 41"));
}

#[tokio::test]
async fn a_call_is_stamped_on_its_way_into_a_server() {
    let stamp: Recording = |_| Some(Stamp::new(SESSION, Sequence::ZERO));
    let pair = arrives_with(None, Some(layer(stamp))).await;
    assert_eq!(pair, format!("{SESSION} 0"));
}

#[tokio::test]
async fn what_is_forged_arrives_only_where_there_is_no_layer() {
    assert_eq!(arrives_with(None, None).await, "forged 7");
    let stripped = arrives_with(None, Some(layer(|_| None))).await;
    assert_eq!(stripped, "");
}
