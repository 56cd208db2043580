//! Compressed request bodies: AWS SDKs gzip large ones where a model asks for it (Smithy's
//! `requestCompression`, <https://smithy.io/2.0/spec/behavior-traits.html#requestcompression-trait>).
//!
//! The signature covers the body as it was sent; everything behind the check sees it plain.

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::io::Read as _;

/// Why a compressed body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EncodingError {
    /// It is no gzip, or ends too early.
    Broken,
    /// It inflates to more than the limit.
    TooLarge,
}

/// The body without its compression, if it then is no longer than `limit` bytes. Encodings other
/// than gzip are left alone: to S3 they are a property of the object.
pub(super) fn plain(
    headers: &HeaderMap,
    body: &Bytes,
    limit: usize,
) -> Result<Bytes, EncodingError> {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|v| v.to_str().ok());
    if !encoding.is_some_and(|e| e.trim().eq_ignore_ascii_case("gzip")) || body.is_empty() {
        return Ok(body.clone());
    }
    let mut inflated = Vec::new();
    // One byte more than allowed tells "too large" from "just fits".
    let most = u64::try_from(limit).map_or(u64::MAX, |l| l.saturating_add(1));
    let read = MultiGzDecoder::new(body.as_ref())
        .take(most)
        .read_to_end(&mut inflated);
    read.map_err(|_| EncodingError::Broken)?;
    if inflated.len() > limit {
        Err(EncodingError::TooLarge)
    } else {
        Ok(inflated.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn decoded(
        encoding: &'static str,
        body: impl Into<Bytes>,
        limit: usize,
    ) -> Result<Bytes, EncodingError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static(encoding));
        plain(&headers, &body.into(), limit)
    }

    #[test]
    fn gzip_is_taken_off() {
        assert_eq!(decoded("gzip", gzip(b"{}"), 2), Ok("{}".into()));
        assert_eq!(
            decoded("GZIP", [gzip(b"{"), gzip(b"}")].concat(), 2),
            Ok("{}".into()),
            "RFC 1952: members"
        );
        assert_eq!(decoded("gzip", Bytes::new(), 2), Ok(Bytes::new()));
        assert_eq!(decoded("identity", "{}", 0), Ok("{}".into()));
        assert_eq!(plain(&HeaderMap::new(), &"x".into(), 9), Ok("x".into()));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(decoded("gzip", bomb, 1 << 20), Err(EncodingError::TooLarge));
        assert_eq!(
            decoded("gzip", gzip(b"abc"), 2),
            Err(EncodingError::TooLarge)
        );
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        let whole = gzip(b"some text that is long enough");
        for broken in [&b"{}"[..], &whole[..whole.len() - 1], &whole[..5]] {
            assert_eq!(
                decoded("gzip", broken.to_vec(), 99),
                Err(EncodingError::Broken)
            );
        }
    }
}
