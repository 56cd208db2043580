//! Reading and unlinking blobs. One repository cannot read another's, even by digest.

use super::refusal::Refusal;
use super::{Call, Place, Response, reply, text};
use crate::model::Layer;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{Method, StatusCode};
use neargate_blob::Digest;
use neargate_service::{Committed, Stored};
use std::ops::Range;

impl Call {
    pub(super) async fn blob(&self, place: &Place, digest: &Digest) -> Result<Response, Refusal> {
        let layer = place
            .contents
            .layer(digest)
            .await?
            .ok_or_else(Refusal::blob_unknown)?;
        let size = layer.size_bytes;
        let wanted = text(&self.parts, RANGE).map_or(Wanted::All, |range| wanted(range, size));
        let (status, range) = match wanted {
            Wanted::All => (StatusCode::OK, 0..size),
            Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            Wanted::Impossible => {
                return Err(Refusal::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "RANGE_INVALID",
                    format!("the blob has {size} bytes"),
                )
                .header(CONTENT_RANGE, &format!("bytes */{size}")));
            }
        };
        let stream = match self.parts.method {
            Method::HEAD => None,
            _ => Some(
                self.house
                    .blobs
                    .stream(digest, Some(range.clone()))
                    .await?
                    .1,
            ),
        };
        let mut response = reply::stream(status, range.end - range.start, stream);
        let text = digest.to_string();
        reply::set(&mut response, CONTENT_TYPE, "application/octet-stream");
        reply::set(&mut response, reply::CONTENT_DIGEST, &text);
        reply::set(&mut response, ETAG, &format!("\"{text}\""));
        reply::set(&mut response, ACCEPT_RANGES, "bytes");
        reply::set(&mut response, CACHE_CONTROL, "max-age=31536000");
        if status == StatusCode::PARTIAL_CONTENT {
            let shown = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            reply::set(&mut response, CONTENT_RANGE, &shown);
        }
        Ok(response)
    }

    /// Only what no image of the repository needs.
    pub(super) async fn delete_blob(
        &self,
        mut place: Place,
        digest: &Digest,
    ) -> Result<Response, Refusal> {
        loop {
            let contents = &mut place.contents;
            let layer: Stored<Layer> = contents
                .layer(digest)
                .await?
                .ok_or_else(Refusal::blob_unknown)?;
            let images = contents.images().await?;
            if let Some(image) = images.iter().find(|i| i.blobs.contains(digest)) {
                let message = format!("The layer is referenced by the image {}", image.digest);
                return Err(Refusal::denied(message));
            }
            let tx = contents.house.db.tx();
            let tx = tx
                .update(&contents.repository, &contents.changed())
                .delete(&layer);
            if let Committed::At(_) = tx.commit().await? {
                return Ok(reply::empty(StatusCode::ACCEPTED));
            }
            contents.reopen().await?;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Impossible,
}

/// What a `Range` header asks of `size` bytes (RFC 9110, 14.2). Several ranges, other units and
/// nonsense are answered with the whole, as the RFC allows.
fn wanted(header: &str, size: u64) -> Wanted {
    let Some(spec) = header.trim().strip_prefix("bytes=") else {
        return Wanted::All;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Wanted::All;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    let range = match (number(first), number(last)) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => size.saturating_sub(suffix)..size,
        _ => return Wanted::All,
    };
    if range.start >= range.end {
        Wanted::Impossible
    } else {
        Wanted::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=5-99", Wanted::Part(5..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Impossible),
            ("bytes=-0", Wanted::Impossible),
            ("bytes=5-2", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("lines=1-2", Wanted::All),
        ] {
            assert_eq!(wanted(header, 10), expected, "{header}");
        }
    }
}
