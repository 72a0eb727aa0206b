//! Many requests on one connection, streams, upgrades, and bodies larger than memory should be.

mod rig;
mod support;

use rig::{Rig, requests};
use throughline_testkit::Site;

fn sites() -> [Site; 2] {
    [Site::http().unwrap(), Site::https().unwrap()]
}

#[test]
fn a_thousand_requests_share_a_connection() {
    for site in sites() {
        let rig = Rig::for_site(&site);
        let (mut talk, base) = rig.reach(&site);
        for number in 0..1000 {
            let answer = talk.get(&format!("{base}/open/{number}"));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let lines = rig.finish();
        let urls: Vec<_> = requests(&lines)
            .iter()
            .map(|line| line["url"].clone())
            .collect();
        let expected: Vec<_> = (0..1000)
            .map(|number| site.url(&format!("/open/{number}")))
            .collect();
        assert_eq!(urls, expected);
    }
}

#[test]
fn the_first_event_of_a_stream_arrives_before_the_last_is_sent() {
    for site in sites() {
        let rig = Rig::for_site(&site);
        let (mut talk, base) = rig.reach(&site);
        talk.send(format!(
            "GET {base}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        assert!(talk.head().unwrap().contains("text/event-stream"));
        assert_eq!(talk.chunk().unwrap(), b"data: first\n\n");
        site.release();
        assert_eq!(talk.chunk().unwrap(), b"data: last\n\n");
        assert_eq!(talk.chunk(), None);
        assert_eq!(requests(&rig.finish()).len(), 1);
    }
}

#[test]
fn a_websocket_echoes_both_ways() {
    for site in sites() {
        let rig = Rig::for_site(&site);
        let (mut talk, base) = rig.reach(&site);
        talk.send(format!(
            "GET {base}/echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
        ));
        assert!(talk.head().unwrap().starts_with("HTTP/1.1 101 "));
        for message in [&b"\x81\x02hi"[..], &[7; 3000]] {
            talk.send(message);
            assert_eq!(talk.exactly(message.len()), message);
        }
        drop(talk);
        let lines = rig.finish();
        let [event] = requests(&lines)[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(
            (&event["decision"], &event["url"]),
            (&"allow".into(), &site.url("/echo").into())
        );
    }
}

#[test]
fn a_gigabyte_passes_each_way_in_flat_memory() {
    let size = GIGABYTE;
    for site in sites() {
        let rig = Rig::for_site(&site);
        let (mut talk, base) = rig.reach(&site);
        assert_eq!(talk.get(&format!("{base}/open/warm")).status, 200);
        let before = rig.peak_memory();

        talk.send(format!(
            "GET {base}/zeros/{size} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        assert!(
            talk.head()
                .unwrap()
                .contains(&format!("content-length: {size}\r\n"))
        );
        assert_eq!(talk.skip(size), size);
        let down = rig.peak_memory();

        talk.send(format!(
            "POST {base}/open/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        ));
        let piece = vec![0; 1 << 20];
        for _ in 0..size >> 20 {
            talk.send(&piece);
        }
        let answer = talk.answer().unwrap();
        assert!(
            answer.body.contains(&format!("body: {size}\n")),
            "{answer:?}"
        );
        let up = rig.peak_memory();
        println!(
            "{}: {size} bytes each way, at most {before} KiB before, {down} KiB down, {up} KiB up",
            site.url("")
        );
        assert!(up < before + 8 * 1024, "from {before} KiB to {up} KiB");
        drop(rig);
    }
}

/// The size of each body (bytes).
const GIGABYTE: u64 = 1 << 30;
