//! The rule that would have let a request out.

use throughline_rules::{Rule, Url};

/// A rule that allows the request and as little else as can be written, or `None` if no rule can name its host.
///
/// Fits between single quotes of a shell. The root path, and a path that ends in `/`, cannot be named alone: then the
/// rule has no `path=`.
pub(super) fn allowing(method: &str, url: &Url<'_>) -> Option<String> {
    let host = format!("method={method} domain={}", url.host());
    let path = path_of(url).map(|path| format!("{host} path={path}"));
    path.into_iter()
        .chain([host])
        .find(|rule| !rule.contains('\'') && allows(rule, method, url))
}

/// A rule that opens a tunnel to the host and allows every request inside, or `None` if no rule can name the host.
pub(super) fn allowing_host(url: &Url<'_>) -> Option<String> {
    let rule = format!("domain={}", url.host());
    Rule::parse(&rule)
        .is_ok_and(|rule| rule.matches_host(url))
        .then_some(rule)
}

fn allows(rule: &str, method: &str, url: &Url<'_>) -> bool {
    Rule::parse(rule).is_ok_and(|rule| rule.matches(method, url))
}

fn path_of(url: &Url<'_>) -> Option<String> {
    let mut path = String::new();
    for segment in url.segments().ok()? {
        path.push('/');
        for &byte in *segment {
            if byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    Some(path)
}

/// What may stand in a segment of a rule as it is; `%` because the segment is still encoded.
const PLAIN: &[u8] = b"-._~!$&()+;:@%";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_allows_the_request_and_names_its_path_where_it_can() {
        let cases = [
            (
                "GET",
                "http://example.com/x",
                "method=GET domain=example.com path=/x",
            ),
            (
                "GET",
                "http://example.com/",
                "method=GET domain=example.com",
            ),
            (
                "GET",
                "http://example.com/a/",
                "method=GET domain=example.com",
            ),
            (
                "PUT",
                "http://h:81/a=b/*,'/%41?q=1",
                "method=PUT domain=h path=/a%3Db/%2A%2C%27/%41",
            ),
            (
                "GET",
                "http://h/s\u{fc}\u{df}",
                "method=GET domain=h path=/s%C3%BC%C3%9F",
            ),
            ("CONNECT", "h:443", "method=CONNECT domain=h"),
        ];
        for (method, url, rule) in cases {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(allowing(method, &parsed).as_deref(), Some(rule), "{url}");
        }
        let tunnel = Url::parse("h:443").unwrap();
        assert_eq!(allowing_host(&tunnel).as_deref(), Some("domain=h"));
    }

    #[test]
    fn there_is_no_rule_for_what_no_rule_can_name() {
        for url in ["http://[::1]/x", "http://a_b/x"] {
            assert_eq!(allowing("GET", &Url::parse(url).unwrap()), None, "{url}");
        }
        assert_eq!(allowing("G'T", &Url::parse("http://h/").unwrap()), None);
        assert_eq!(allowing_host(&Url::parse("[::1]:443").unwrap()), None);
    }
}
