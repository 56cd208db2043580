//! Manifests and indexes, by tag and by digest.

use super::refusal::Refusal;
use super::{Call, Place, RequestBody, Response, reply, text};
use crate::delete::{self, NotRemoved};
use crate::manifest::MAX_BYTES;
use crate::model::Image;
use crate::names;
use crate::push::{Push, push};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use neargate_blob::Digest;
use neargate_service::Stored;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Call {
    pub(super) async fn manifest(
        &self,
        place: &Place,
        reference: &str,
    ) -> Result<Response, Refusal> {
        let image = find(place, reference).await?;
        let digest = image.digest;
        let mut response = if self.parts.method == Method::HEAD {
            let mut response = reply::empty(StatusCode::OK);
            reply::set(
                &mut response,
                CONTENT_LENGTH,
                &image.manifest_bytes.to_string(),
            );
            response
        } else {
            let bytes = self.house.blobs.read(&digest, MAX_BYTES as u64).await?;
            place.contents.pulled(&image).await?;
            reply::full(StatusCode::OK, bytes)
        };
        reply::set(&mut response, CONTENT_TYPE, &image.media_type);
        reply::set(&mut response, reply::CONTENT_DIGEST, &digest.to_string());
        reply::set(&mut response, ETAG, &format!("\"{digest}\""));
        Ok(response)
    }

    pub(super) async fn put_manifest(
        &self,
        mut place: Place,
        reference: &str,
        body: RequestBody,
    ) -> Result<Response, Refusal> {
        let (tag, digest) = match reference.contains(':') {
            true => (None, Some(reference)),
            false => (Some(reference), None),
        };
        if let Some(digest) = digest {
            digest
                .parse::<Digest>()
                .map_err(|_| Refusal::digest_invalid(digest))?;
        }
        if let Some(tag) = tag.filter(|t| !names::is_tag(t)) {
            let tag: String = tag.chars().take(300).collect();
            let message = format!("'{tag}' is not a valid tag");
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "TAG_INVALID",
                message,
            ));
        }
        let manifest = self.small_body(body).await?;
        let media_type = text(&self.parts, CONTENT_TYPE);
        let request = Push {
            manifest,
            media_type,
            tag,
            digest,
        };
        let image = push(&mut place.contents, request).await?.image;
        let mut response = reply::empty(StatusCode::CREATED);
        let location = format!("/v2/{}/manifests/{}", place.path, image.digest);
        reply::set(&mut response, LOCATION, &location);
        reply::set(
            &mut response,
            reply::CONTENT_DIGEST,
            &image.digest.to_string(),
        );
        if let Some(subject) = image.subject {
            reply::set(&mut response, SUBJECT, &subject.to_string());
        }
        Ok(response)
    }

    async fn small_body(&self, body: RequestBody) -> Result<Bytes, Refusal> {
        match Limited::new(body, MAX_BYTES).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(e) if e.is::<LengthLimitError>() => Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "MANIFEST_INVALID",
                format!("the manifest is larger than {MAX_BYTES} bytes"),
            )),
            Err(_) => Err(Refusal::body_broken()),
        }
    }

    /// By tag only the tag goes; by digest the image with all its tags.
    pub(super) async fn delete_manifest(
        &self,
        mut place: Place,
        reference: &str,
    ) -> Result<Response, Refusal> {
        let removed = match reference.contains(':') {
            true => {
                let digest = reference
                    .parse()
                    .map_err(|_| Refusal::digest_invalid(reference))?;
                delete::image(&mut place.contents, &digest).await.map(drop)
            }
            false => delete::tag(&mut place.contents, reference, false)
                .await
                .map(drop),
        };
        match removed {
            Ok(()) => Ok(reply::empty(StatusCode::ACCEPTED)),
            Err(NotRemoved::NotFound) => Err(Refusal::manifest_unknown()),
            Err(NotRemoved::InIndex(index)) => Err(Refusal::denied(format!(
                "Requested image referenced by manifest list: [{index}]"
            ))),
            Err(NotRemoved::NotOpen(e)) => Err(e.into()),
        }
    }
}

async fn find(place: &Place, reference: &str) -> Result<Stored<Image>, Refusal> {
    let found = match reference.contains(':') {
        true => {
            let digest = reference
                .parse()
                .map_err(|_| Refusal::digest_invalid(reference))?;
            place.contents.image(&digest).await?
        }
        false if names::is_tag(reference) => place.contents.tagged(reference).await?,
        false => None,
    };
    found.ok_or_else(Refusal::manifest_unknown)
}
