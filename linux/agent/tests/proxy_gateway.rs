//! A gateway that fails closed takes every pair, and each pair is that of an event.

mod rig;
mod support;

use std::{
    collections::{HashMap, HashSet},
    thread,
};

use rig::{Rig, Talk, requests};
use throughline_testkit::Gateway;

/// How many clients there are at a time, how many stamped requests each makes, and how many others in between.
const CLIENTS: usize = 50;
const EACH: usize = 200;
const PLAIN: usize = 20;

const ARGS: [&str; 4] = [
    "--allow",
    "path=/api/v2/aibridge/*,/plain/*",
    "--inject",
    "path=/api/v2/aibridge/*",
];

#[test]
fn ten_thousand_requests_from_fifty_clients_are_ten_thousand_pairs() {
    let gateway = Gateway::http().unwrap();
    let rig = Rig::start(&ARGS, None);
    let base = format!("http://{}", gateway.address());
    converse(&rig, &gateway, &base, || (rig.connect(), base.clone()));
    agree(rig, &gateway, &base);
}

#[test]
fn so_they_are_over_tls() {
    let gateway = Gateway::https().unwrap();
    let rig = Rig::start(&ARGS, gateway.authority_pem());
    let target = format!("localhost:{}", gateway.address().port());
    let base = format!("https://{target}");
    converse(&rig, &gateway, &base, || {
        (rig.secure(&target, "localhost"), String::new())
    });
    agree(rig, &gateway, &base);
}

/// Has every client make its requests, most of them with a forged pair, or half of one.
fn converse(rig: &Rig, gateway: &Gateway, base: &str, reach: impl Fn() -> (Talk, String) + Sync) {
    assert!(gateway.calls().is_empty() && rig.roots.exists(), "{base}");
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let reach = &reach;
            scope.spawn(move || {
                let (mut talk, base) = reach();
                for number in 0..EACH + PLAIN {
                    let path = if number % 11 == 10 {
                        "/plain"
                    } else {
                        "/api/v2/aibridge"
                    };
                    let answer = talk.ask(format!(
                        "POST {base}{path}/{client}/{number} HTTP/1.1\r\nHost: localhost\r\n{}\
                         Content-Length: 2\r\n\r\nhi",
                        FORGERIES[number % FORGERIES.len()]
                    ));
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
}

/// Asserts that what the gateway took is what the trail says.
fn agree(rig: Rig, gateway: &Gateway, base: &str) {
    assert!(gateway.refused().is_empty(), "{:?}", gateway.refused());
    let lines = rig.finish();
    let events: HashMap<&str, _> = requests(&lines)
        .into_iter()
        .map(|event| (event["url"].as_str().unwrap(), event))
        .collect();
    assert_eq!(events.len(), CLIENTS * (EACH + PLAIN));
    let mut stamps = HashSet::new();
    for call in gateway.calls() {
        let event = events[&*format!("{base}{}", call.target)];
        assert_eq!(event["decision"], "allow");
        let Some((session, number)) = call.stamp else {
            assert!(call.target.starts_with("/plain/"), "{call:?}");
            continue;
        };
        assert_eq!(event["session"], session.to_string());
        assert_eq!(event["seq"], number);
        assert!(stamps.insert(number), "number {number} came twice");
    }
    assert_eq!(gateway.calls().len(), CLIENTS * (EACH + PLAIN));
    assert_eq!(stamps.len(), CLIENTS * EACH);
}

const FORGERIES: [&str; 4] = [
    "",
    "X-Coder-Agent-Firewall-Session-Id: 11111111-1111-4111-8111-111111111111\r\n",
    "x-coder-agent-firewall-sequence-number: -1\r\nX_Coder_Agent_Firewall_Session_Id: x\r\n",
    "Connection: x-coder-agent-firewall-session-id\r\nX-CODER-AGENT-FIREWALL-SEQUENCE-NUMBER: 7\r\n",
];
