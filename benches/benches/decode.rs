//! What does it cost to read a batch of ten back?
#![allow(missing_docs, reason = "the macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message as _;
use throughline_benches::{batches::encode_ten, events::ACTS, peers};
use throughline_protobuf::{AgentSocket, Header, Message};
use throughline_testkit::agent_socket::ReportBoundaryLogsRequest;

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode a batch of 10");
    group.throughput(Throughput::Elements(10));
    let mut block = vec![0; 4096];
    let frame = encode_ten(&AgentSocket::default(), &mut block);
    let (header, payload) = block[frame].split_first_chunk().expect("a header");
    let header = Header::parse(*header).expect("a header");
    group.bench_function("ours", |b| {
        b.iter(|| match Message::decode(header.tag, black_box(payload)) {
            Ok(Message::Logs(logs)) => logs.iter().map(|log| black_box(log).url.len()).sum(),
            _ => 0,
        });
    });
    let bytes = peers::prost::request(&ACTS).encode_to_vec();
    group.bench_function("peer prost", |b| {
        b.iter(|| ReportBoundaryLogsRequest::decode(black_box(&bytes[..])).expect("a request"));
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
