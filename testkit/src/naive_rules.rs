//! What rules mean, by the plainest code there is: decode everything, resolve on vectors, and turn
//! each pattern into a regular expression.

use regex::bytes::{Regex, RegexBuilder};

/// A path's segments, decoded and without dots; `None` when it has no clear meaning.
///
/// `path` begins with a slash.
#[must_use]
pub fn resolve(path: &str) -> Option<Vec<Vec<u8>>> {
    let decoded: Vec<Vec<u8>> = path
        .strip_prefix('/')?
        .split('/')
        .map(decode)
        .collect::<Option<_>>()?;
    let mut resolved: Vec<Vec<u8>> = Vec::new();
    for (index, segment) in decoded.iter().enumerate() {
        if segment.contains(&0) || segment.contains(&b'\\') || has_hidden_dots(segment) {
            return None;
        }
        if segment == b".." {
            let removed = resolved.pop();
            if removed.is_some_and(|removed| removed.is_empty() || removed.contains(&b'/')) {
                return None;
            }
        } else if segment != b"." {
            resolved.push(segment.clone());
        }
        if is_dots(segment) && index + 1 == decoded.len() {
            resolved.push(Vec::new());
        }
    }
    Some(resolved)
}

/// Whether the pattern of a `domain=` matches a host.
///
/// # Panics
///
/// If the pattern is one that no rule can have.
#[must_use]
pub fn domain_matches(pattern: &str, host: &str) -> bool {
    let labels: Vec<String> = pattern
        .split('.')
        .enumerate()
        .map(|(index, label)| match (index, label) {
            (0, "*") => r"[^.]+(\.[^.]+)*".to_owned(),
            (_, "*") => "[^.]+".to_owned(),
            _ => regex::escape(label),
        })
        .collect();
    let regex = compiled(&format!("(?i){}", labels.join(r"\.")));
    regex.is_match(host.trim_end_matches('.').as_bytes())
}

/// Whether one pattern of a `path=` matches a path that was [resolved](resolve).
///
/// # Panics
///
/// If the pattern is one that no rule can have.
#[must_use]
pub fn path_matches(pattern: &str, path: Option<&[Vec<u8>]>) -> bool {
    let Some(path) = path else {
        return false;
    };
    // A decoded segment may hold a slash, and never a NUL, so that this is what ends each.
    let text: Vec<u8> = path
        .iter()
        .flat_map(|segment| [segment, &[0][..]].concat())
        .collect();
    let segments: Vec<&str> = pattern.trim_matches('/').split('/').collect();
    let last = segments.len() - 1;
    let segments = segments
        .iter()
        .enumerate()
        .map(|(index, segment)| match *segment {
            "*" if index == last => r"([^\x00]*\x00)+".to_owned(),
            "*" => r"[^\x00]+\x00".to_owned(),
            name => {
                let name = decode(name).expect("a pattern's escapes are sound");
                let bytes = name.iter().map(|byte| format!(r"\x{byte:02x}"));
                bytes.chain([r"\x00".to_owned()]).collect()
            }
        });
    compiled(&segments.collect::<String>()).is_match(&text)
}

/// The expression for whole texts of bytes.
fn compiled(expression: &str) -> Regex {
    let expression = format!("^(?:{expression})$");
    let built = RegexBuilder::new(&expression).unicode(false).build();
    built.expect("patterns make sound expressions")
}

fn decode(text: &str) -> Option<Vec<u8>> {
    match text.split_once('%') {
        None => Some(text.as_bytes().to_vec()),
        Some((plain, rest)) => {
            let digits = rest.get(..2)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            let mut bytes = plain.as_bytes().to_vec();
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            bytes.extend(decode(&rest[2..])?);
            Some(bytes)
        }
    }
}

fn is_dots(part: &[u8]) -> bool {
    part == b"." || part == b".."
}

fn has_hidden_dots(segment: &[u8]) -> bool {
    let parts: Vec<&[u8]> = segment.split(|&byte| byte == b'/').collect();
    parts.iter().any(|part| {
        let name = part.split(|&byte| byte == b';').next().unwrap_or_default();
        is_dots(name) && (parts.len() > 1 || name.len() < part.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(pattern: &str, path: &str) -> bool {
        path_matches(pattern, resolve(path).as_deref())
    }

    #[test]
    fn stars_take_what_they_stand_for_and_no_more() {
        assert!(domain_matches("*.x", "b.a.X") && !domain_matches("*.x", "x"));
        assert!(domain_matches("a.*.c", "a.b.c") && !domain_matches("a.*.c", "a.b.b.c"));
        assert!(domain_matches("*", "a.b.") && !domain_matches("a.b", "aab"));
        assert!(path("/a/*", "/a/") && path("/a/*", "/a/b//c") && !path("/a/*", "/a"));
        assert!(path("/a/*/b", "/a/x%2Fy/b") && !path("/a/*/b", "/a//b"));
        assert!(!path("/a/*/b", "/a/x/y/b") && !path("/a", "/a/") && !path("/a", "/A"));
        assert!(path("/%2A", "/*") && !path("/%2A", "/x") && !path("/*", "/..%2fx"));
    }
}
