//! JSON text whose strings are not all Unicode, as logs of old programs come.

/// The body with U+FFFD in place of each sequence of bytes that is no UTF-8, and of each escaped
/// surrogate (`\\ud800`) that lacks its partner. Anything else that is wrong with it stays.
pub fn mended(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let length = match (byte, unit(&bytes[at..])) {
            (_, Some(0xd800..=0xdbff)) => match unit(&bytes[at + 6..]) {
                Some(0xdc00..=0xdfff) => 12,
                _ => 0,
            },
            (_, Some(0xdc00..=0xdfff)) => 0,
            (_, Some(_)) => 6,
            // Whatever is escaped, a backslash too, is passed over with its own.
            (b'\\', None) => 2,
            _ => 1,
        };
        if length == 0 {
            out.extend_from_slice(b"\\ufffd");
            at += 6;
        } else {
            let end = bytes.len().min(at + length);
            out.extend_from_slice(&bytes[at..end]);
            at = end;
        }
    }
    out
}

/// The UTF-16 unit of a `\\uXXXX` that stands here.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::mended;

    #[test]
    fn what_is_no_unicode_becomes_the_replacement_character() {
        for (body, expected) in [
            (
                &b"{\"m\":\"caf\xe9 au lait\"}"[..],
                "{\"m\":\"caf\u{fffd} au lait\"}",
            ),
            // One a sequence that could have become a character, one a byte that could not.
            (b"\"\xe2\x82x\xff\xfe\"", "\"\u{fffd}x\u{fffd}\u{fffd}\""),
            (b"\"\\ud800\"", "\"\\ufffd\""),
            (b"\"\\udc00\\ud83d\\ude00\"", "\"\\ufffd\\ud83d\\ude00\""),
            (b"\"\\ud800\\ud800x\"", "\"\\ufffd\\ufffdx\""),
            (b"\"\\\\ud800\"", "\"\\\\ud800\""),
            (b"\"\\ud8", "\"\\ud8"),
            (b"\"\\", "\"\\"),
            (b"\\u00e9\\n\\u12", "\\u00e9\\n\\u12"),
        ] {
            let mended = String::from_utf8(mended(body)).expect("text");
            assert_eq!(mended, expected);
        }
    }
}
