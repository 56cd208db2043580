//! Refusals: OCI's error codes in its JSON form, with ECR's texts.

use super::{Response, reply};
use crate::contents::NotOpen;
use crate::push::NotPushed;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use neargate_blob::BlobError;
use neargate_service::AwsError;
use serde_json::json;
use std::error::Error;

/// Why a request is not served.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Logged, never sent.
    source: Option<Box<AwsError>>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            status,
            code,
            message: message.into(),
            headers: Vec::new(),
            source: None,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn unsupported() -> Self {
        Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "The operation is unsupported.",
        )
    }

    pub(super) fn unknown() -> Self {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "UNSUPPORTED",
            "There is no such end point.",
        )
    }

    pub(super) fn name_invalid(name: &str) -> Self {
        let name: String = name.chars().take(300).collect();
        let message = format!("invalid repository name '{name}'");
        Refusal::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
    }

    pub(super) fn digest_invalid(given: &str) -> Self {
        let given: String = given.chars().take(200).collect();
        let message = format!("'{given}' is not a digest: expected sha256:<64 hexadecimal digits>");
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(super) fn digest_mismatch(given: &str, actual: impl ToString) -> Self {
        let message = format!(
            "provided digest '{given}' did not match uploaded content '{}'",
            actual.to_string()
        );
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(super) fn manifest_unknown() -> Self {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "Requested image not found",
        )
    }

    pub(super) fn blob_unknown() -> Self {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "BLOB_UNKNOWN",
            "blob unknown to registry",
        )
    }

    pub(super) fn upload_unknown() -> Self {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "BLOB_UPLOAD_UNKNOWN",
            "blob upload unknown to registry",
        )
    }

    pub(super) fn size_invalid(message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, "SIZE_INVALID", message)
    }

    /// Both for a client that went away and for one that breaks the framing.
    pub(super) fn body_broken() -> Self {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "BLOB_UPLOAD_INVALID",
            "the request body ended before it was complete",
        )
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    pub(super) fn into_response(self, parts: &Parts) -> Response {
        if self.status.is_server_error() {
            let mut causes = Vec::new();
            let mut next = self.source.as_ref().and_then(|s| s.source());
            while let Some(cause) = next {
                causes.push(cause.to_string());
                next = cause.source();
            }
            tracing::error!(
                method = %parts.method, path = parts.uri.path(), message = self.message, ?causes,
                "registry call failed"
            );
        }
        let body = json!({ "errors": [{ "code": self.code, "message": self.message }] });
        let mut response = reply::json(self.status, body.to_string());
        response.headers_mut().extend(self.headers);
        response
    }
}

impl Refusal {
    /// What the shared code says in the API's words, under one of OCI's codes.
    fn from_aws(status: StatusCode, code: &'static str, e: AwsError) -> Self {
        let mut refusal = Refusal::new(status, code, e.message.clone());
        refusal.source = Some(Box::new(e));
        refusal
    }
}

/// A failure of ours: what the caller did wrong has an outcome of its own ([`NotOpen`],
/// [`NotPushed`]).
impl From<AwsError> for Refusal {
    fn from(e: AwsError) -> Self {
        match e.status {
            503 => Refusal::from_aws(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", e),
            _ => Refusal::from_aws(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", e),
        }
    }
}

impl From<NotOpen> for Refusal {
    fn from(e: NotOpen) -> Self {
        match e {
            NotOpen::Missing(e) => Refusal::from_aws(StatusCode::NOT_FOUND, "NAME_UNKNOWN", e),
            NotOpen::Denied(e) => Refusal::denied(e.message),
            NotOpen::Failed(e) => e.into(),
        }
    }
}

impl From<NotPushed> for Refusal {
    fn from(e: NotPushed) -> Self {
        let (code, e) = match e {
            NotPushed::Invalid(e) => ("MANIFEST_INVALID", e),
            NotPushed::WrongDigest(e) => ("DIGEST_INVALID", e),
            NotPushed::Incomplete(e) => ("MANIFEST_BLOB_UNKNOWN", e),
            NotPushed::Immutable(e) => ("TAG_INVALID", e),
            NotPushed::Blob(e) => return e.into(),
            NotPushed::NotOpen(e) => return e.into(),
        };
        Refusal::from_aws(StatusCode::BAD_REQUEST, code, e)
    }
}

impl From<BlobError> for Refusal {
    fn from(e: BlobError) -> Self {
        match e {
            BlobError::NotFound(_) => Refusal::blob_unknown(),
            BlobError::DigestMismatch { expected, actual } => {
                Refusal::digest_mismatch(&expected.to_string(), actual)
            }
            BlobError::UploadGone(_) | BlobError::BadUploadId(_) => Refusal::upload_unknown(),
            BlobError::Body { .. } => Refusal::body_broken(),
            e @ BlobError::NoSpace { .. } => {
                let e = crate::error::blob(e);
                Refusal::from_aws(StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN", e)
            }
            e => crate::error::blob(e).into(),
        }
    }
}
