//! Which rule decides, and how a refusal is told.

use throughline_rules::{Rule, Url, first_match};

#[test]
fn the_first_rule_that_matches_wins_and_none_means_denied() {
    let rules = ["method=GET", "domain=h", "domain=*"].map(|text| Rule::parse(text).unwrap());
    let url = Url::parse("http://h/").unwrap();
    let index = |method, url| first_match(&rules, method, url).map(|(index, _)| index);
    assert_eq!(index("GET", &url), Some(0));
    assert_eq!(index("POST", &url), Some(1));
    assert_eq!(index("POST", &Url::parse("http://x/").unwrap()), Some(2));
    assert!(first_match(&rules[..1], "POST", &url).is_none());
    assert!(first_match(&[], "GET", &url).is_none());
}

#[test]
fn a_tunnel_is_decided_on_the_host_when_its_requests_have_paths() {
    let rule = Rule::parse("method=GET domain=*.example.com path=/api/*").unwrap();
    let tunnel = Url::parse("eu.example.com:443").unwrap();
    assert!(!rule.matches("CONNECT", &tunnel));
    assert!(rule.matches_host(&tunnel));
    assert!(!rule.matches_host(&Url::parse("example.org:443").unwrap()));
}

#[test]
fn an_explanation_names_what_was_compared_and_the_sentence_that_decides() {
    let cases = [
        (
            "method=GET method=HEAD",
            "http://h/",
            "method=GET,HEAD does not match method get: methods are case-sensitive",
        ),
        (
            "method=POST",
            "http://h/",
            "method=POST does not match method get",
        ),
        (
            "domain=a.b",
            "http://c.a.b/",
            "domain=a.b does not match host c.a.b: the number of labels differs, 2 in the rule and 3 in the host",
        ),
        (
            "domain=a.b",
            "http://a.c/",
            "domain=a.b does not match host a.c",
        ),
        (
            "domain=*.b",
            "http://[::1]/",
            "domain=*.b does not match host ::1: of all domains only \"*\" matches an IPv6 address",
        ),
        (
            "path=/api/*",
            "http://h/x/../api?token=t",
            "path=/api/* does not match path /api: a last \"*\" stands for one or more segments",
        ),
        (
            "path=/api",
            "http://h/api/",
            "path=/api does not match path /api/: with a \"/\" at its end it is another path",
        ),
        (
            "path=/api",
            "http://h/API",
            "path=/api does not match path /API: paths are case-sensitive",
        ),
        (
            "path=/api",
            "http://h/\u{e9}",
            "path=/api does not match path /\\xc3\\xa9",
        ),
        (
            "path=/a",
            "h:443",
            "path=/a matches a clear path only: a URL of the form host:port has no path",
        ),
    ];
    for (rule, url, expected) in cases {
        let rule = Rule::parse(rule).unwrap();
        let url = Url::parse(url).unwrap();
        assert_eq!(rule.explain("get", &url).unwrap_err().to_string(), expected);
    }
}

#[test]
fn every_refusal_says_where_and_what_in_one_line() {
    let texts = [
        "",
        "x",
        "method",
        "method=",
        "domain=a_b",
        "domain=-a",
        "domain=a*",
        "domain=a.*",
        "domain=a domain=b",
        "path=/a?",
        "path=/%",
        "path=/*.js",
        "path=//a",
        "path=/",
        "path=/adomain=x",
        "path=/..",
    ];
    for text in texts {
        let error = Rule::parse(text).unwrap_err();
        let message = error.to_string();
        let column = format!("column {}: ", error.offset() + 1);
        assert!(message.starts_with(&column), "{message}");
        assert!(
            !message.ends_with('.') && !message.contains('\n'),
            "{message}"
        );
        assert!(error.offset() <= text.len(), "{message}");
    }
}
