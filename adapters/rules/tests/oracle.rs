//! The matcher against a naive one.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use throughline_rules::{Grammar, Redaction, Rule, Url};
use throughline_testkit::naive_rules::{domain_matches, path_matches, resolve};

fn joined(
    parts: &'static [&'static str],
    between: &'static str,
    most: usize,
) -> impl Strategy<Value = String> {
    prop::collection::vec(select(parts), 1..=most).prop_map(move |parts| parts.join(between))
}

/// Small alphabets, so that rules and requests meet often.
const LABELS: &[&str] = &["a", "A", "b", "xn--c", "1", "Longer-Label", "longer-labeM"];
const LABEL_PATTERNS: &[&str] = &["a", "B", "b", "xn--C", "longer-label", "*"];
const SEGMENTS: &[&str] = &[
    "a",
    "b",
    "%61",
    "A",
    "",
    ".",
    "..",
    "%2e",
    ".%2E",
    "...",
    "a%2Fb",
    "..%2fa",
    "a%2F.",
    "%2F",
    "..;x",
    "a;..",
    "%5c",
    "%00",
    "%",
    "%2",
    "%252e",
    "*",
    "long-name",
    "long%2dname",
    "long-nam%65",
    "long-nam",
    ".name",
    "a.b",
];
const SEGMENT_PATTERNS: &[&str] = &[
    "a",
    "b",
    "%62",
    "A",
    "*",
    "a%2Fb",
    "...",
    "%252e",
    "%2A",
    "long-name",
    "long-nam",
    "long-nam%65",
    ".name",
];

fn domain_pattern() -> impl Strategy<Value = String> {
    joined(LABEL_PATTERNS, ".", 4)
        .prop_filter("refused", |text| text == "*" || !text.ends_with('*'))
}

fn path_pattern() -> impl Strategy<Value = String> {
    let slashes = (select(&["", "/"][..]), select(&["", "/"][..]));
    (joined(SEGMENT_PATTERNS, "/", 4), slashes)
        .prop_map(|(body, (first, last))| format!("{first}{body}{last}"))
}

proptest! {
    #[test]
    fn a_rule_matches_when_the_naive_matcher_says_so(
        methods in prop::collection::vec(select(&["GET", "POST", "*"][..]), 1..3),
        domain in domain_pattern(),
        paths in prop::collection::vec(path_pattern(), 1..4),
        is_repeated in any::<bool>(),
        method in select(&["GET", "POST", "PUT"][..]),
        host in joined(LABELS, ".", 4),
        dot in select(&["", "."][..]),
        path in joined(SEGMENTS, "/", 6),
    ) {
        let between = if is_repeated { " path=" } else { "," };
        let text = format!(
            "path={} domain={domain} method={}",
            paths.join(between),
            methods.join(",")
        );
        let url = format!("http://user@{host}{dot}:80/{path}?q=/../#f");
        let resolved = resolve(&format!("/{path}"));
        let expected = methods.iter().any(|&one| one == method || one == "*")
            && domain_matches(&domain, &host)
            && paths.iter().any(|pattern| path_matches(pattern, resolved.as_deref()));

        let rule = Rule::parse(&text).unwrap();
        let url = Url::parse(&url).unwrap();
        prop_assert_eq!(rule.matches(method, &url), expected);
        prop_assert_eq!(rule.explain(method, &url).is_ok(), expected);
    }

    #[test]
    fn a_path_alone_is_read_as_the_naive_matcher_reads_it(
        pattern in path_pattern(),
        path in joined(SEGMENTS, "/", 5),
    ) {
        let text = format!("path={pattern}");
        let url = format!("http://h/{path}");
        let expected = path_matches(&pattern, resolve(&format!("/{path}")).as_deref());
        let rule = Rule::parse(&text).unwrap();
        prop_assert_eq!(rule.matches("GET", &Url::parse(&url).unwrap()), expected);
    }

    #[test]
    fn a_path_pattern_is_refused_as_dead_when_no_url_can_spell_it(segment in select(SEGMENTS)) {
        let text = format!("path=/x/{segment}/y");
        // Spelt in a URL, a live segment is matched by itself; a refused one never is.
        let url = format!("http://h/x/{segment}/y");
        let clear = resolve(&format!("/x/{segment}/y"));
        let kept = clear.is_some_and(|segments| segments.len() == 3 && !segments[1].is_empty());
        match Rule::parse(&text) {
            Ok(rule) => {
                prop_assert!(kept);
                prop_assert!(rule.matches("GET", &Url::parse(&url).unwrap()));
            }
            Err(_) => prop_assert!(!kept),
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused_within_itself(
        text in prop_oneof![
            any::<String>(),
            "((method|domain|path)=[a-z*/.,%=_ ]{0,12}[ \t\n]?){0,4}",
        ],
        url in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for grammar in [Grammar::Strict, Grammar::Compatible] {
            match Rule::parse_as(&text, grammar) {
                Ok(rule) => prop_assert!(!rule.as_str().is_empty()),
                Err(error) => {
                    prop_assert!(error.offset() <= text.len());
                    prop_assert!(text.is_char_boundary(error.offset()));
                    prop_assert!(error.caret(&text).to_string().ends_with('^'));
                }
            }
        }
        if let Err(error) = Url::parse(&url) {
            prop_assert!(error.offset() <= url.len());
        }
    }

    #[test]
    fn a_password_never_survives_redaction_and_all_else_does(
        user in "[a-z%0-9]{0,4}",
        // Legal or not; with both "@" and "/" it may be a URL of another meaning.
        password in prop_oneof!["[A-Z:/?#\\\\%\u{e9}]{0,6}[A-Z]", "[A-Z:@;%]{0,6}[A-Z]"],
        host in joined(LABELS, ".", 3),
        tail in "(/[a-z]{0,3}){1,3}(\\?[a-z]=[0-9])?",
    ) {
        let url = format!("http://{user}:{password}@{host}{tail}");
        let redacted = Redaction::new().redact(&url);
        let bytes: Vec<u8> = redacted.pieces().flatten().copied().collect();
        prop_assert_eq!(bytes.len(), redacted.len());
        prop_assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!("http://{user}:***@{host}{tail}")
        );
    }
}
