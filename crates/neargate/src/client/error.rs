//! What can go wrong with a call, in AWS's words, and what to do about it.

use super::Code;
use crate::environment;
use crate::running::Records;
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service's own answer.
    #[error("{code}: {message}")]
    Aws {
        /// Without a namespace: `ClusterNotFoundException`.
        code: String,
        message: String,
    },
    #[error("cannot reach Neargate at {endpoint}: {why}")]
    Unreachable { endpoint: String, why: String },
    /// Something answers there, but not as Neargate does.
    #[error("{endpoint} does not answer as Neargate does: {why}")]
    Nonsense { endpoint: String, why: String },
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
    /// What a node of this host keeps.
    #[error("a container's output cannot be read: {0}")]
    Unreadable(String),
}

impl ClientError {
    /// The service's error code, if it is one that commands know.
    pub fn code(&self) -> Option<Code> {
        match self {
            ClientError::Aws { code, .. } => Code::read(code),
            ClientError::Unreachable { .. }
            | ClientError::Nonsense { .. }
            | ClientError::Unsendable(_)
            | ClientError::Unreadable(_) => None,
        }
    }

    /// Is this the service's error of that code?
    pub fn is(&self, wanted: Code) -> bool {
        self.code() == Some(wanted)
    }

    /// Reads an answer that is no success.
    pub(super) fn read(endpoint: &str, status: StatusCode, body: &Bytes) -> ClientError {
        let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let found = json.and_then(|v| {
            let code = text(&v, "__type").or_else(|| text(&v, "code"))?;
            let message = text(&v, "message").or_else(|| text(&v, "Message"));
            Some((code, message.unwrap_or_default()))
        });
        match found {
            Some((code, message)) => ClientError::Aws {
                code: code.rsplit('#').next().unwrap_or_default().to_owned(),
                message,
            },
            None => ClientError::Nonsense {
                endpoint: endpoint.to_owned(),
                why: format!("status {status}"),
            },
        }
    }
}

/// What a person can do about an error; `None` when its text says it already.
pub fn next_step(error: &anyhow::Error) -> Option<String> {
    let error = error
        .chain()
        .find_map(|e| e.downcast_ref::<ClientError>())?;
    if let ClientError::Unreachable { endpoint, .. } = error
        && let Some(here) = Records::of_this_host().here()
        && environment::endpoint(&here) != *endpoint
    {
        return Some(format!(
            "The Neargate that runs here is at {}: eval \"$(neargate env)\" points this shell at it.",
            environment::endpoint(&here)
        ));
    }
    let step = match error {
        ClientError::Unreachable { .. } => {
            "Start it with `neargate up`, or say where it is with --endpoint or AWS_ENDPOINT_URL."
        }
        ClientError::Nonsense { .. } => {
            "Check --endpoint and AWS_ENDPOINT_URL; `neargate env` prints the right lines."
        }
        ClientError::Unsendable(_) => "Check --endpoint and the access keys in the environment.",
        ClientError::Unreadable(_) => "It lies in the data directory, which is root's alone.",
        ClientError::Aws { .. } => match error.code()? {
            Code::ClusterNotFound => {
                "Name a cluster with --cluster; `neargate ps` shows the tasks of all clusters."
            }
            Code::ServiceNotFound | Code::ServiceNotActive => {
                "`neargate services` shows the services of all clusters."
            }
            Code::MissingAuthenticationToken
            | Code::UnrecognizedClient
            | Code::InvalidSignature
            | Code::IncompleteSignature => {
                "Use this Neargate's keys: eval \"$(neargate env)\" (with the --data of its `up`)."
            }
            Code::NotImplemented => "docs/compatibility.md says what is built.",
            Code::AccessDenied => "Use an address of this host, such as http://127.0.0.1:4566.",
            Code::Client
            | Code::ImageAlreadyExists
            | Code::InvalidParameter
            | Code::RepositoryAlreadyExists
            | Code::ResourceNotFound
            | Code::UnknownOperation => return None,
        },
    };
    Some(step.to_owned())
}
