//! Uploads: in one request, in one body, or in chunks that can be resumed.
//!
//! An upload's id is a UUID whose first twelve digits are its repository's: it needs no record.

use super::refusal::Refusal;
use super::route::Target;
use super::{Call, Place, RequestBody, Response, reply, text};
use crate::contents::NotOpen;
use crate::{grant, names};
use futures_util::StreamExt;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use http_body_util::{BodyDataStream, BodyExt};
use neargate_blob::{BlobError, Digest, Stored, Upload};
use neargate_service::Principal;
use std::time::Duration;

/// So much of a body that is refused is still taken, and for so long.
const DISCARD_BYTES: usize = 32 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(10);

impl Call {
    /// `POST`: mount from another repository, take a whole blob, or begin an upload.
    pub(super) async fn begin_upload(
        &self,
        place: &Place,
        who: Option<Principal>,
        body: RequestBody,
    ) -> Result<Response, Refusal> {
        let who = who.unwrap_or_else(|| Principal::root(&place.contents.scope.account, ""));
        if let (Some(digest), Some(from)) = (self.query("mount"), self.query("from"))
            && let Some(digest) = self.mount(place, &who, &digest, &from).await?
        {
            return Ok(created(place, &digest));
        }
        let body = self.fits(body).await?;
        let id = place.contents.new_upload_id();
        let mut upload = self.house.blobs.begin(&id).await?;
        let Some(digest) = self.query("digest") else {
            return Ok(accepted(place, &upload, StatusCode::ACCEPTED));
        };
        let received = match parse(&digest) {
            Ok(digest) => self.receive(&mut upload, body).await.map(|()| digest),
            Err(refusal) => Err(refusal),
        };
        match received {
            Ok(digest) => self.finish(place, upload, &digest).await,
            Err(refusal) => {
                // No client knows this upload's id: nobody could resume it.
                let _ = upload.cancel().await;
                Err(refusal)
            }
        }
    }

    /// Link a blob that the repository `from` of the same registry has and the account may read;
    /// `None` when it has not.
    async fn mount(
        &self,
        place: &Place,
        who: &Principal,
        digest: &str,
        from: &str,
    ) -> Result<Option<Digest>, Refusal> {
        let Ok(digest) = digest.parse::<Digest>() else {
            return Ok(None);
        };
        let from = names::place(&self.host, from, &self.visitor.default_scope);
        if from.scope != place.contents.scope {
            return Ok(None);
        }
        let reading = Target::Blob(digest);
        let (scope, name, actions) = (&from.scope, &from.repository, reading.actions());
        let contents = match grant::open(&self.house, who, scope, name, actions).await {
            Ok(contents) => contents,
            Err(NotOpen::Missing(_) | NotOpen::Denied(_)) => return Ok(None),
            Err(NotOpen::Failed(e)) => return Err(e.into()),
        };
        let Some(layer) = contents.layer(&digest).await? else {
            return Ok(None);
        };
        place
            .contents
            .link(Stored {
                digest,
                size_bytes: layer.size_bytes,
            })
            .await?;
        // Still there beside the new link: no collector found the blob unused in between.
        Ok(contents.layer(&digest).await?.map(|_| digest))
    }

    pub(super) async fn upload_status(&self, place: &Place, id: &str) -> Result<Response, Refusal> {
        let upload = self.resume(place, id).await?;
        Ok(accepted(place, &upload, StatusCode::NO_CONTENT))
    }

    pub(super) async fn append_upload(
        &self,
        place: &Place,
        id: &str,
        body: RequestBody,
    ) -> Result<Response, Refusal> {
        let mut upload = self.resume(place, id).await?;
        self.continues(place, &upload)?;
        let body = self.fits(body).await?;
        self.receive(&mut upload, body).await?;
        Ok(accepted(place, &upload, StatusCode::ACCEPTED))
    }

    pub(super) async fn finish_upload(
        &self,
        place: &Place,
        id: &str,
        body: RequestBody,
    ) -> Result<Response, Refusal> {
        let mut upload = self.resume(place, id).await?;
        let digest = parse(&self.query("digest").unwrap_or_default())?;
        self.continues(place, &upload)?;
        let body = self.fits(body).await?;
        self.receive(&mut upload, body).await?;
        self.finish(place, upload, &digest).await
    }

    pub(super) async fn cancel_upload(&self, place: &Place, id: &str) -> Result<Response, Refusal> {
        self.resume(place, id).await?.cancel().await?;
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }

    async fn resume(&self, place: &Place, id: &str) -> Result<Upload, Refusal> {
        if !place.contents.owns_upload(id) {
            return Err(Refusal::upload_unknown());
        }
        self.house
            .blobs
            .resume(id)
            .await?
            .ok_or_else(Refusal::upload_unknown)
    }

    /// A chunk that says where it belongs must continue the upload (416 otherwise, with the
    /// place to continue from), and be as long as it says.
    fn continues(&self, place: &Place, upload: &Upload) -> Result<(), Refusal> {
        let Some(range) = text(&self.parts, CONTENT_RANGE) else {
            return Ok(());
        };
        let range = range.trim().trim_start_matches("bytes ");
        let range = range.split('/').next().unwrap_or_default();
        let bounds = range.split_once('-').and_then(|(first, last)| {
            Some((
                first.trim().parse::<u64>().ok()?,
                last.trim().parse::<u64>().ok()?,
            ))
        });
        let Some((first, last)) = bounds.filter(|(first, last)| first <= last) else {
            return Err(Refusal::size_invalid(
                "the Content-Range header is not <start>-<end>",
            ));
        };
        if first != upload.offset() {
            let at = accepted(place, upload, StatusCode::ACCEPTED);
            let mut refusal = Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "BLOB_UPLOAD_INVALID",
                format!("the upload continues at byte {}", upload.offset()),
            );
            for name in [LOCATION, RANGE, reply::UPLOAD_ID] {
                if let Some(value) = at.headers().get(&name).and_then(|v| v.to_str().ok()) {
                    refusal = refusal.header(name, value);
                }
            }
            return Err(refusal);
        }
        let length = text(&self.parts, CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
        if length.is_some_and(|length| length != last - first + 1) {
            return Err(Refusal::size_invalid(
                "Content-Range and Content-Length do not agree",
            ));
        }
        Ok(())
    }

    /// A body that says it is too large for the disk is not even begun.
    async fn fits(&self, body: RequestBody) -> Result<RequestBody, Refusal> {
        let length = text(&self.parts, CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
        match self.house.blobs.require_room(length.unwrap_or(0)) {
            Ok(()) => Ok(body),
            Err(full) => {
                discard(body.into_data_stream()).await;
                Err(full.into())
            }
        }
    }

    async fn receive(&self, upload: &mut Upload, body: RequestBody) -> Result<(), Refusal> {
        let mut stream = body.into_data_stream();
        let received = upload.append(&mut stream).await;
        if matches!(received, Err(BlobError::NoSpace { .. })) {
            discard(stream).await;
        }
        received?;
        Ok(())
    }

    async fn finish(
        &self,
        place: &Place,
        upload: Upload,
        digest: &Digest,
    ) -> Result<Response, Refusal> {
        let stored = match upload.finish(Some(digest)).await {
            Err(BlobError::DigestMismatch { expected, actual }) => {
                return Err(Refusal::digest_mismatch(&expected.to_string(), actual));
            }
            finished => finished?,
        };
        place.contents.link(stored).await?;
        Ok(created(place, &stored.digest))
    }
}

/// Let the client say a little more, that it may hear the answer: many only listen once they have
/// sent everything, and find the connection closed otherwise.
async fn discard(mut stream: BodyDataStream<RequestBody>) {
    let mut bytes = 0;
    let rest = async {
        while let Some(Ok(piece)) = stream.next().await {
            bytes += piece.len();
            if bytes > DISCARD_BYTES {
                break;
            }
        }
    };
    // Too slow to be waited for: then it does not hear it.
    let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
}

fn parse(digest: &str) -> Result<Digest, Refusal> {
    digest.parse().map_err(|_| Refusal::digest_invalid(digest))
}

fn created(place: &Place, digest: &Digest) -> Response {
    let mut response = reply::empty(StatusCode::CREATED);
    reply::set(
        &mut response,
        LOCATION,
        &format!("/v2/{}/blobs/{digest}", place.path),
    );
    reply::set(&mut response, reply::CONTENT_DIGEST, &digest.to_string());
    response
}

/// Where and how far an upload is. `Range` counts to the last byte received, and is `0-0` for
/// none too, as Docker's registry has it.
fn accepted(place: &Place, upload: &Upload, status: StatusCode) -> Response {
    let mut response = reply::empty(status);
    let location = format!("/v2/{}/blobs/uploads/{}", place.path, upload.id());
    reply::set(&mut response, LOCATION, &location);
    reply::set(
        &mut response,
        RANGE,
        &format!("0-{}", upload.offset().saturating_sub(1)),
    );
    reply::set(&mut response, reply::UPLOAD_ID, upload.id());
    response
}
