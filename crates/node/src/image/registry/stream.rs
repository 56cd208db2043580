//! A layer's bytes over connections that may break: after a failure the next request asks for the
//! rest only, and whoever reads does not notice.

use super::Registry;
use super::failure::Failure;
use super::place::Place;
use crate::image::error::{PullError, PullErrorKind};
use bytes::{Buf, Bytes};
use neargate_blob::Digest;
use reqwest::{Method, Response, StatusCode};
use tokio::sync::mpsc::Sender;

/// So much progress makes earlier failures forgotten; less might go on for ever.
const PROGRESS_BYTES: u64 = 1 << 20;

impl Registry {
    /// Send the `size` bytes of blob `digest` into `to`, an empty piece at the end, or the error.
    /// Ends when nobody listens. The digest is for the listener to verify.
    pub(in crate::image) async fn stream(
        &self,
        place: &Place,
        digest: &Digest,
        size: u64,
        to: Sender<Result<Bytes, PullError>>,
    ) {
        let url = place.url("blobs", &digest.to_string());
        let mut backoff = self.backoff();
        let (mut offset, mut tries, mut forgiven_at) = (0, 1, 0);
        loop {
            let failure = match self.pass_on(place, &url, &mut offset, size, &to).await {
                Ok(()) => return,
                Err(failure) => failure,
            };
            if offset >= forgiven_at + PROGRESS_BYTES {
                forgiven_at = offset;
                tries = 1;
                backoff.reset();
            }
            if !failure.again || tries >= self.retry.tries {
                let cause = format!(
                    "failed to copy: httpReadSeeker: failed open: {}",
                    failure.message
                );
                let _ = to
                    .send(Err(PullError::fetching(failure.kind, tries, &cause)))
                    .await;
                return;
            }
            tracing::debug!(
                url,
                offset,
                error = failure.message,
                "layer download goes on after a failure"
            );
            tries += 1;
            tokio::time::sleep(backoff.next_delay(&self.rng)).await;
        }
    }

    /// One response's worth. `Ok`: all was sent, or nobody listens any more.
    async fn pass_on(
        &self,
        place: &Place,
        url: &str,
        offset: &mut u64,
        size: u64,
        to: &Sender<Result<Bytes, PullError>>,
    ) -> Result<(), Failure> {
        let mut response = self
            .send(place, Method::GET, url, (*offset > 0).then_some(*offset))
            .await?;
        let mut skip = start(&response, *offset, url)?;
        while let Some(mut piece) = response
            .chunk()
            .await
            .map_err(|e| Failure::transport(&e, url))?
        {
            let skipped = skip.min(piece.len() as u64);
            piece.advance(skipped as usize);
            skip -= skipped;
            if piece.is_empty() {
                continue;
            }
            if piece.len() as u64 > size - *offset {
                let message = format!("{url} has more than the {size} bytes its manifest says");
                return Err(Failure {
                    kind: PullErrorKind::Invalid,
                    again: false,
                    message,
                });
            }
            *offset += piece.len() as u64;
            if to.send(Ok(piece)).await.is_err() {
                return Ok(());
            }
        }
        if *offset < size {
            let message = format!("{url} ended after {offset} of {size} bytes: unexpected EOF");
            return Err(Failure {
                kind: PullErrorKind::Network,
                again: true,
                message,
            });
        }
        let _ = to.send(Ok(Bytes::new())).await;
        Ok(())
    }
}

/// How many bytes of the response were received before: all, where ranges are not known.
fn start(response: &Response, offset: u64, url: &str) -> Result<u64, Failure> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(offset);
    }
    let range = response
        .headers()
        .get("content-range")
        .and_then(|h| h.to_str().ok());
    let begins = range.and_then(|r| {
        r.strip_prefix("bytes ")?
            .split('-')
            .next()?
            .parse::<u64>()
            .ok()
    });
    match begins {
        Some(begins) if begins <= offset => Ok(offset - begins),
        _ => {
            let message = format!("{url} answered with another range than was asked for");
            Err(Failure {
                kind: PullErrorKind::Network,
                again: true,
                message,
            })
        }
    }
}
