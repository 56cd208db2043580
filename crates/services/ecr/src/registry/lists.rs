//! Lists: repositories, tags, and what refers to an image.

use super::refusal::Refusal;
use super::{Call, Place, Response, reply};
use crate::manifest::MAX_BYTES;
use crate::model::{Repository, Tag};
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderName, StatusCode};
use neargate_blob::Digest;
use neargate_service::db::prefix;
use neargate_store::MAX_PAGE;
use serde_json::{Value, json};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Call {
    /// The names of the registry's repositories.
    pub(super) async fn catalog(&self) -> Result<Response, Refusal> {
        let prefix = prefix::<Repository>(&self.scope());
        let (names, more) = self.page(&prefix).await?;
        let body = json!({ "repositories": names });
        Ok(self.linked("/v2/_catalog", body, &names, more))
    }

    pub(super) async fn tags(&self, place: &Place) -> Result<Response, Refusal> {
        let prefix = place.contents.prefix::<Tag>();
        let (tags, more) = self.page(&prefix).await?;
        let body = json!({ "name": place.path, "tags": tags });
        Ok(self.linked(&format!("/v2/{}/tags/list", place.path), body, &tags, more))
    }

    /// The ids under a prefix: `n` of them that come behind `last`, or all; and whether more do.
    async fn page(&self, prefix: &str) -> Result<(Vec<String>, bool), Refusal> {
        let limit = match self.query("n") {
            Some(n) => Some(n.parse::<usize>().map_err(|_| pagination())?),
            None => None,
        };
        let mut after = self
            .query("last")
            .filter(|l| !l.is_empty())
            .map(|l| format!("{prefix}{l}"));
        let (mut ids, mut at) = (Vec::<String>::new(), None);
        loop {
            let wanted = limit.map_or(MAX_PAGE, |n| (n - ids.len()).min(MAX_PAGE));
            if wanted == 0 {
                return Ok((ids, limit != Some(0)));
            }
            let store = self.house.db.store();
            let page = store.range(prefix, after.as_deref(), wanted, at).await;
            let page = page.map_err(neargate_service::AwsError::from)?;
            ids.extend(
                page.entries
                    .iter()
                    .map(|e| e.key[prefix.len()..].to_owned()),
            );
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok((ids, false)),
            }
            at = Some(page.revision);
        }
    }

    /// The list, with the way to its next page.
    fn linked(&self, path: &str, body: Value, items: &[String], more: bool) -> Response {
        let mut response = reply::json(StatusCode::OK, body.to_string());
        if let (true, Some(last), Some(n)) = (more, items.last(), self.query("n")) {
            let next = format!("<{path}?last={}&n={n}>; rel=\"next\"", encoded(last));
            reply::set(&mut response, LINK, &next);
        }
        response
    }

    /// The images of this repository whose `subject` is `digest`.
    pub(super) async fn referrers(
        &self,
        place: &Place,
        digest: &Digest,
    ) -> Result<Response, Refusal> {
        let filter = self.query("artifactType").filter(|f| !f.is_empty());
        let mut manifests = Vec::new();
        for image in place.contents.images().await? {
            let kind = image.artifact_type.as_deref();
            if image.subject != Some(*digest) || filter.as_deref().is_some_and(|f| kind != Some(f))
            {
                continue;
            }
            let bytes = self
                .house
                .blobs
                .read(&image.digest, MAX_BYTES as u64)
                .await?;
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let mut descriptor = json!({
                "mediaType": image.media_type,
                "digest": image.digest,
                "size": image.manifest_bytes,
            });
            if let Some(kind) = kind {
                descriptor["artifactType"] = kind.into();
            }
            if let Some(annotations) = document.get("annotations") {
                descriptor["annotations"] = annotations.clone();
            }
            manifests.push(descriptor);
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": crate::manifest::OCI_INDEX,
            "manifests": manifests,
        });
        let mut response = reply::full(StatusCode::OK, index.to_string());
        reply::set(&mut response, CONTENT_TYPE, crate::manifest::OCI_INDEX);
        if filter.is_some() {
            reply::set(&mut response, FILTERS_APPLIED, "artifactType");
        }
        Ok(response)
    }
}

fn pagination() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "PAGINATION_NUMBER_INVALID",
        "invalid number of results requested",
    )
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
