//! Method and URL of a request that cannot be read as one.

/// The method and the URL in the first line of a refused head, as well as they can be told.
///
/// The method is a token or `?`. In the URL, spaces and control bytes are percent-encoded, so that it is one word on
/// one line wherever it is shown; other bytes stay as they are.
pub(super) fn request_line(head: &[u8]) -> (&str, Vec<u8>) {
    let end = head.iter().position(|&byte| byte == b'\n');
    let line = head[..end.unwrap_or(head.len())].trim_ascii_end();
    let space = line.iter().position(|&byte| byte == b' ');
    let (word, rest) = line.split_at(space.unwrap_or(line.len()));
    match std::str::from_utf8(word) {
        Ok(method) if is_token(method) => (method, shown(without_version(rest))),
        _ => ("?", shown(without_version(line))),
    }
}

fn is_token(word: &str) -> bool {
    hyper::Method::from_bytes(word.as_bytes()).is_ok() && word.len() <= METHOD_MAX
}

fn without_version(target: &[u8]) -> &[u8] {
    let version = target
        .windows(VERSION.len())
        .rposition(|window| window == VERSION);
    target[..version.unwrap_or(target.len())].trim_ascii()
}

fn shown(url: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(url.len());
    for &byte in url {
        match byte {
            0..=b' ' | 0x7f => {
                shown.push(b'%');
                shown.push(HEX[usize::from(byte >> 4)]);
                shown.push(HEX[usize::from(byte & 0x0f)]);
            }
            _ => shown.push(byte),
        }
    }
    shown
}

const VERSION: &[u8] = b" HTTP/";
const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// Longer than any registered method (bytes); a longer first word is more likely no method.
const METHOD_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_told_is_told() {
        let cases: [(&[u8], &str, &[u8]); 9] = [
            (
                b"GET http://h/\xff HTTP/1.1\r\nA: b",
                "GET",
                b"http://h/\xff",
            ),
            (b"GET http://h/a b HTTP/1.1\r\n", "GET", b"http://h/a%20b"),
            (
                b"GET http://h/\x1b[0m\x00 HTTP/1.1",
                "GET",
                b"http://h/%1B[0m%00",
            ),
            (b"G\xffT / HTTP/1.1\r\n", "?", b"G\xffT%20/"),
            (b"GET", "GET", b""),
            (b"GET /x", "GET", b"/x"),
            (b"\x16\x03\x01\x02", "?", b"%16%03%01%02"),
            (b" GET / HTTP/1.1\r\n", "?", b"GET%20/"),
            (b"", "?", b""),
        ];
        for (head, method, url) in cases {
            let expected = (method, url.to_vec());
            assert_eq!(request_line(head), expected, "{}", head.escape_ascii());
        }
    }
}
