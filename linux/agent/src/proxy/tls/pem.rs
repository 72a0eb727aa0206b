//! Certificates as text (RFC 7468).

use rustls_pki_types::CertificateDer;

/// Appends a certificate.
pub(super) fn push_certificate(text: &mut String, certificate: &CertificateDer<'_>) {
    let body = base64(certificate);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = body.as_str();
    while let Some((line, next)) = rest.split_at_checked(LINE) {
        text.extend([line, "\n"]);
        rest = next;
    }
    if !rest.is_empty() {
        text.extend([rest, "\n"]);
    }
    text.push_str("-----END CERTIFICATE-----\n");
}

/// Base64 with padding (RFC 4648 section 4).
pub(in crate::proxy) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| chunk.get(index).copied().unwrap_or(0);
        let bits = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 0x3f;
            text.push(match digit <= chunk.len() {
                true => char::from(DIGITS[value as usize]),
                false => '=',
            });
        }
    }
    text
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters in a line (RFC 7468 section 2).
const LINE: usize = 64;

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_section_10_hold() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbe]), "+/++");
    }

    #[test]
    fn what_is_written_is_read_back_whatever_its_length() {
        for length in [1, 47, 48, 49, 96, 1000] {
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut text = String::new();
            push_certificate(&mut text, &CertificateDer::from(bytes.as_slice()));
            assert!(text.lines().all(|line| line.len() <= LINE));
            let read = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
            assert_eq!(read.as_ref(), bytes);
        }
    }
}
