//! Fifty rules of which none matches.

use std::hint::black_box;

use throughline_benches::rounds::{Rounds, cost};
use throughline_rules::{Rule, Url, first_match};

use crate::report::{Row, time};

pub(crate) fn rows() -> Vec<Row> {
    let texts: Vec<String> = (0..50).map(text).collect();
    let rules: Vec<Rule<'_>> = texts
        .iter()
        .map(|text| Rule::parse(text).expect("a rule"))
        .collect();
    let url = "https://api.example.com/v1/threads/4711/messages?limit=20";
    let parsed = Url::parse(url).expect("a URL");
    let rounds = Rounds::run(
        60,
        20,
        &mut [
            &mut || {
                cost(50, || {
                    for _ in 0..50 {
                        let url = Url::parse(black_box(url)).expect("a URL");
                        assert!(first_match(black_box(&rules), "GET", &url).is_none());
                    }
                })
            },
            &mut || {
                cost(50, || {
                    for _ in 0..50 {
                        assert!(
                            first_match(black_box(&rules), "GET", black_box(&parsed)).is_none()
                        );
                    }
                })
            },
        ],
    );
    let whole = rounds.cost(0);
    vec![
        Row::new("rules, 50 without a match, URL parsed too")
            .ours(time(whole))
            .floor("matching alone", time(rounds.cost(1)))
            .at_most(whole / 1e3, 1.0, " us"),
    ]
}

/// Rules as people write them: most differ in the host, some in the path or the method alone.
fn text(number: usize) -> String {
    match number % 5 {
        0 => format!("domain=*.service-{number}.example.org"),
        1 => format!("method=GET,HEAD domain=registry-{number}.example.net path=/crates/*"),
        2 => format!("method=POST domain=api.example.com path=/v1/{number}/*"),
        3 => format!("domain=api.example.com path=/v2/threads/{number}"),
        _ => format!("domain=mirror-{number}.example.com"),
    }
}
