use throughline_rules::{Grammar, Redaction, Rule, Url, first_match};

use super::choices::Choices;
use crate::naive_rules::{domain_matches, path_matches, resolve};

/// A rule matches a request when the naive matcher says so, and any text is parsed, or refused with a
/// place that lies in it.
pub fn rule_parse_match(bytes: &[u8]) {
    any_text(bytes);
    let mut choices = Choices::new(bytes);
    let methods: Vec<_> = (0..=choices.upto(1)).map(|_| choices.of(METHODS)).collect();
    let domain = joined(&mut choices, LABEL_PATTERNS, ".", 4);
    let paths: Vec<_> = (0..=choices.upto(2))
        .map(|_| path_pattern(&mut choices))
        .collect();
    let method = choices.of(METHODS);
    let host = joined(&mut choices, LABELS, ".", 4);
    let dot = choices.of(&["", "."]);
    let path = format!("/{}", joined(&mut choices, SEGMENTS, "/", 6));
    let between = choices.of(&[",", " path=", "\tpath="]);
    let rule = format!(
        "path={} domain={domain} method={}",
        paths.join(between),
        methods.join(",")
    );
    let url = format!("http://user@{host}{dot}:80{path}?q=/../#f");
    let (Ok(rule), Ok(url)) = (Rule::parse(&rule), Url::parse(&url)) else {
        return;
    };
    let resolved = resolve(&path);
    let expected = methods.iter().any(|one| *one == method || *one == "*")
        && domain_matches(&domain, &host)
        && paths
            .iter()
            .any(|pattern| path_matches(pattern, resolved.as_deref()));
    assert_eq!(rule.matches(method, &url), expected, "{rule:?} {url:?}");
    assert_eq!(rule.explain(method, &url).is_ok(), expected);
    let first = first_match(std::slice::from_ref(&rule), method, &url);
    assert_eq!(first.is_some(), expected);
}

/// A rule, a line feed, and a URL, of any bytes.
fn any_text(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (rule, url) = bytes.split_at(end.unwrap_or(bytes.len()));
    let url = url.get(1..).unwrap_or_default();
    let parsed = Url::parse(url);
    if let Err(error) = &parsed {
        assert!(error.offset() <= url.len());
    }
    if let Ok(text) = std::str::from_utf8(url) {
        let redacted = Redaction::new().redact(text);
        assert_eq!(redacted.pieces().flatten().count(), redacted.len());
    }
    let Ok(rule) = std::str::from_utf8(rule) else {
        return;
    };
    for grammar in [Grammar::Strict, Grammar::Compatible] {
        match Rule::parse_as(rule, grammar) {
            Ok(rule) => {
                if let Ok(url) = &parsed {
                    assert_eq!(rule.matches("GET", url), rule.explain("GET", url).is_ok());
                }
            }
            Err(error) => {
                assert!(rule.is_char_boundary(error.offset()));
                assert!(error.caret(rule).to_string().ends_with('^'));
            }
        }
    }
}

fn path_pattern(choices: &mut Choices<'_>) -> String {
    let (first, last) = (choices.of(&["", "/"]), choices.of(&["", "/"]));
    let body = joined(choices, SEGMENT_PATTERNS, "/", 4);
    format!("{first}{body}{last}")
}

/// One to `most` parts: those of the list, or such as are spelt from single pieces.
fn joined(choices: &mut Choices<'_>, parts: &[&str], between: &str, most: u8) -> String {
    let count = choices.upto(most - 1) + 1;
    let parts: Vec<_> = (0..count)
        .map(|_| match choices.upto(3) {
            0 => {
                let pieces = choices.upto(4) + 1;
                (0..pieces).map(|_| choices.of(PIECES)).collect()
            }
            _ => choices.of(parts).to_owned(),
        })
        .collect();
    parts.join(between)
}

/// Small alphabets, so that rules and requests meet often.
const METHODS: &[&str] = &["GET", "POST", "*"];
const LABELS: &[&str] = &["a", "A", "b", "xn--c", "1"];
const LABEL_PATTERNS: &[&str] = &["a", "B", "b", "xn--C", "*"];
const SEGMENTS: &[&str] = &[
    "a", "b", "%61", "A", "", ".", "..", "%2e", ".%2E", "...", "a%2Fb", "..%2fa", "a%2F.", "%2F",
    "..;x", "a;..", "%5c", "%00", "%", "%2", "%252e", "*",
];
const SEGMENT_PATTERNS: &[&str] = &["a", "b", "%62", "A", "*", "a%2Fb", "...", "%252e", "%2A"];
const PIECES: &[&str] = &[
    "a", "b", "-", ".", "%2e", "%2E", "%2f", "%25", "%", "2", "*", ";", "\\", "%5C", "~", "%41",
    ":",
];
