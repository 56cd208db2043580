//! The blobs of the control plane's registry, read through the node's connection: small ones
//! whole and verified, layers as a flow that survives breaks of the connection.

use super::call::Caller;
use crate::image::{BlobSource, PullError};
use crate::upstream::UpstreamError;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use neargate_base::backoff::Backoff;
use neargate_base::time::Stopwatch;
use neargate_blob::Digest;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Without any byte for this long, a flow counts as broken.
const IDLE: Duration = Duration::from_secs(30);
/// A pull goes on when the control plane comes back within this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where pieces go.
type Pieces = mpsc::Sender<Result<Bytes, PullError>>;

/// Reads blobs from the control plane.
#[derive(Debug)]
pub struct RemoteBlobs {
    caller: Arc<Caller>,
}

/// How one attempt ended.
enum Broken {
    /// Asking again may help.
    Passing(String),
    Final(io::Error),
}

impl RemoteBlobs {
    pub(super) fn new(caller: Arc<Caller>) -> Self {
        RemoteBlobs { caller }
    }

    /// Hand the bytes from `offset` on to `to`. Ends well when nobody listens any more.
    async fn read_on(&self, digest: &Digest, offset: &mut u64, to: &Pieces) -> Result<(), Broken> {
        let path = format!("/v1/blob/{digest}?offset={offset}");
        let late = || Broken::Passing("no answer in time".into());
        let opened = self.caller.open(Method::GET, &path, &());
        let opened = tokio::time::timeout(IDLE, opened)
            .await
            .map_err(|_| late())?;
        let response = opened.map_err(|e| match e {
            UpstreamError::Unavailable(why) => Broken::Passing(why),
            UpstreamError::Refused(why) => {
                Broken::Final(io::Error::new(io::ErrorKind::NotFound, why))
            }
        })?;
        let length = response.headers().get(http::header::CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|l| l.to_str().ok()?.parse().ok());
        let mut left =
            length.ok_or_else(|| Broken::Passing("an answer without a length".into()))?;
        let mut body = response.into_body();
        while let Some(frame) = tokio::time::timeout(IDLE, body.frame())
            .await
            .map_err(|_| late())?
        {
            let frame = frame.map_err(|e| Broken::Passing(e.to_string()))?;
            if let Ok(data) = frame.into_data() {
                *offset += data.len() as u64;
                left = left.saturating_sub(data.len() as u64);
                if !data.is_empty() && to.send(Ok(data)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if left > 0 {
            return Err(Broken::Passing("the flow broke off".into()));
        }
        Ok(())
    }

    async fn all(&self, digest: &Digest, to: &Pieces) -> io::Result<()> {
        let mut offset = 0;
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let mut waiting = Stopwatch::start();
        loop {
            let begun = offset;
            match self.read_on(digest, &mut offset, to).await {
                Ok(()) => return Ok(()),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Passing(why)) => {
                    if offset > begun {
                        waiting = Stopwatch::start();
                        backoff.reset();
                    }
                    if waiting.elapsed() > PATIENCE {
                        return Err(io::Error::other(why));
                    }
                    tracing::debug!(%digest, offset, why, "a blob is asked for again");
                    tokio::time::sleep(backoff.next_delay(&self.caller.rng)).await;
                }
            }
        }
    }
}

#[async_trait]
impl BlobSource for RemoteBlobs {
    async fn read(&self, digest: &Digest, max_bytes: u64) -> Result<Bytes, io::Error> {
        let (to, mut from) = mpsc::channel(1);
        let reading = async move { self.all(digest, &to).await };
        let gathering = async {
            let mut whole = BytesMut::new();
            while let Some(Ok(piece)) = from.recv().await {
                if (whole.len() + piece.len()) as u64 > max_bytes {
                    let why = format!("{digest} has more than {max_bytes} bytes");
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
                }
                whole.extend_from_slice(&piece);
            }
            Ok(whole)
        };
        let ((), whole) = tokio::try_join!(reading, gathering)?;
        let actual = Digest::of(&whole);
        if actual != *digest {
            let why = format!("{digest} came as {actual}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(whole.freeze())
    }

    async fn stream(&self, digest: &Digest, to: &Pieces) -> io::Result<()> {
        self.all(digest, to).await
    }
}
