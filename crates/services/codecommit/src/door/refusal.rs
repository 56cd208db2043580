//! Refusals, in texts that git shows its user behind `remote:`.

use super::{Response, reply};
use crate::git::GitError;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use neargate_service::AwsError;

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Refusal {
        Refusal {
            status,
            text: text.into(),
        }
    }

    pub(super) fn not_found() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "There is no such repository.")
    }

    pub(super) fn unauthorized() -> Refusal {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "A name and password for CodeCommit, or a signature of git-remote-codecommit, is needed.",
        )
    }

    pub(super) fn denied(text: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, text)
    }

    pub(super) fn bad(text: &str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = reply::full(self.status, format!("{}\n", self.text));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"AWS CodeCommit\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl PartialEq for Refusal {
    fn eq(&self, other: &Refusal) -> bool {
        self.status == other.status
    }
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Refusal {
        let status = StatusCode::from_u16(error.status);
        if let Some(source) = &error.source {
            tracing::error!(%source, "a request of git failed");
        }
        Refusal::new(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            error.message,
        )
    }
}

impl From<GitError> for Refusal {
    fn from(error: GitError) -> Refusal {
        AwsError::from(error).into()
    }
}
