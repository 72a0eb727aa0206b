//! What rules mean, by the plainest code there is: decode everything, resolve on vectors, match by
//! recursion.

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
#[must_use]
pub fn domain_matches(pattern: &str, host: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let host: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    if pattern[0] != "*" {
        return glob_host(&pattern, &host);
    }
    // The first star takes one label, or two, or three.
    (1..=host.len()).any(|taken| glob_host(&pattern[1..], &host[taken..]) || pattern == ["*"])
}

/// Whether one pattern of a `path=` matches a path that was [resolved](resolve).
#[must_use]
pub fn path_matches(pattern: &str, path: Option<&[Vec<u8>]>) -> bool {
    let pattern: Vec<&str> = pattern.trim_matches('/').split('/').collect();
    path.is_some_and(|path| glob_path(&pattern, path))
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

fn glob_path(pattern: &[&str], path: &[Vec<u8>]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["*"], [_, ..]) => true,
        (["*", pattern @ ..], [segment, path @ ..]) => {
            !segment.is_empty() && glob_path(pattern, path)
        }
        ([name, pattern @ ..], [segment, path @ ..]) => {
            decode(name).as_ref() == Some(segment) && glob_path(pattern, path)
        }
        _ => false,
    }
}

fn glob_host(pattern: &[&str], host: &[&str]) -> bool {
    match (pattern, host) {
        ([], []) => true,
        (["*", pattern @ ..], [_, host @ ..]) => glob_host(pattern, host),
        ([label, pattern @ ..], [name, host @ ..]) => {
            label.to_lowercase() == name.to_lowercase() && glob_host(pattern, host)
        }
        _ => false,
    }
}
