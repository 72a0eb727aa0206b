//! Whether a text is an IPv6 address (RFC 4291 section 2.2).
//!
//! `core::net` parses the same language, but by code that holds unreachable panics: a program that proves at link time
//! that it cannot panic could not use this crate.

/// Whether the bytes spell an IPv6 address, without brackets and zone.
pub(crate) fn is_ipv6(text: &[u8]) -> bool {
    if text == b"::" {
        return true;
    }
    // A "::" at either end leaves two empty groups where one is meant; a single ":" there is wrong.
    let Some(text) = without_outer_colon(text) else {
        return false;
    };
    let (mut groups, mut gaps) = (0_u8, 0_u8);
    let mut pieces = text.split(|&byte| byte == b':').peekable();
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            gaps = gaps.saturating_add(1);
        } else if is_group(piece) {
            groups = groups.saturating_add(1);
        } else if pieces.peek().is_none() && is_ipv4(piece) {
            groups = groups.saturating_add(2);
        } else {
            return false;
        }
    }
    matches!((gaps, groups), (0, 8) | (1, 1..=7))
}

fn without_outer_colon(text: &[u8]) -> Option<&[u8]> {
    let text = match text.strip_prefix(b":") {
        Some(rest) => rest.starts_with(b":").then_some(rest)?,
        None => text,
    };
    match text.strip_suffix(b":") {
        Some(rest) => rest.ends_with(b":").then_some(rest),
        None => Some(text),
    }
}

fn is_group(piece: &[u8]) -> bool {
    piece.len() <= 4 && piece.iter().all(u8::is_ascii_hexdigit)
}

fn is_ipv4(text: &[u8]) -> bool {
    let octets = text.split(|&byte| byte == b'.');
    octets.clone().count() == 4 && octets.clone().all(is_octet)
}

/// A decimal number up to 255 without a zero in front.
const fn is_octet(text: &[u8]) -> bool {
    matches!(
        text,
        [b'0'..=b'9']
            | [b'1'..=b'9', b'0'..=b'9']
            | [b'1', b'0'..=b'9', b'0'..=b'9']
            | [b'2', b'0'..=b'4', b'0'..=b'9']
            | [b'2', b'5', b'0'..=b'5']
    )
}

#[cfg(test)]
mod tests {
    use super::is_ipv6;
    use core::net::Ipv6Addr;
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
    use proptest::sample::select;
    use std::string::ToString;

    #[test]
    fn addresses_and_what_only_looks_like_one() {
        for text in [
            "::",
            "::1",
            "1::",
            "1::8",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::1.2.3.255",
        ] {
            assert!(is_ipv6(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            ":",
            ":::",
            ":1",
            "1:",
            "1::2::3",
            "1:2:3:4:5:6:7:8::",
            "12345::",
            "::1.2.3",
            "1.2.3.4",
            "::1.2.3.4:1",
            "::01.2.3.4",
            "::256.1.1.1",
            "::g",
        ] {
            assert!(!is_ipv6(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_standard_library_agrees(
            text in prop_oneof![
                any::<Ipv6Addr>().prop_map(|address| address.to_string()),
                prop::collection::vec(select(&["::", ":", "1", "aF09", "12345", "1.2.3.4", "0", "."][..]), 0..17)
                    .prop_map(|parts| parts.concat()),
                "([0-9a-f]{0,2}:){1,9}([0-9a-f]{0,2}|[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]\\.[0-9])",
            ],
        ) {
            prop_assert_eq!(is_ipv6(text.as_bytes()), text.parse::<Ipv6Addr>().is_ok());
        }
    }
}
