//! Rules, the URLs that they are held against, and what is hidden of those.

use core::hint::black_box;

use throughline_rules::{Grammar, Redaction, Rule, Url, first_match};

use crate::unknown::show;

pub(crate) fn decide(bytes: &[u8], text: &str) {
    let rule = match Rule::parse_as(text, black_box(Grammar::Strict)) {
        Ok(rule) => rule,
        Err(error) => {
            black_box((error.kind(), error.offset()));
            show(&error);
            show(&error.caret(text));
            return;
        }
    };
    black_box((Rule::parse(text).is_ok(), rule.as_str()));
    let url = match Url::parse(bytes) {
        Ok(url) => url,
        Err(error) => {
            black_box((error.kind(), error.offset()));
            show(&error);
            return;
        }
    };
    black_box((
        url.scheme(),
        url.host(),
        url.is_ipv6(),
        url.port(),
        url.path(),
    ));
    black_box(url.segments().is_ok());
    black_box((rule.matches(text, &url), rule.matches_host(&url)));
    if let Err(mismatch) = rule.explain(text, &url) {
        black_box(mismatch.part());
        show(&mismatch);
    }
    black_box(first_match(&[rule], text, &url).is_some());
}

pub(crate) fn redact(bytes: &[u8], text: &str) {
    let mut out = [0; 64];
    let names = [text];
    for redaction in [
        Redaction::new(),
        Redaction::new().user_name().query_values(&names),
        Redaction::new().all_query_values(),
    ] {
        let redacted = redaction.redact(bytes);
        black_box((
            redacted.len(),
            redacted.is_empty(),
            redacted.pieces().count(),
        ));
        if let Err(error) = redacted.write_to(&mut out) {
            show(&error);
        }
    }
}
