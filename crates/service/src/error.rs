//! The one error every handler answers with.

use neargate_store::StoreError;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use neargate_wire::schema::Fault;

/// An error in AWS's words. Services build it in their `error.rs` only; the gateway adds the
/// request id and writes it in the caller's protocol.
#[derive(Debug, Clone)]
pub struct AwsError {
    /// The model's error code, such as `ClusterNotFoundException`.
    pub code: String,
    pub message: String,
    /// HTTP status.
    pub status: u16,
    pub fault: Fault,
    /// Further members of the error's shape.
    pub fields: Vec<(String, serde_json::Value)>,
    /// Logged once at the gateway, never sent.
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

impl AwsError {
    /// The caller's mistake: status 400.
    pub fn client(code: impl Into<String>, message: impl Into<String>) -> Self {
        AwsError {
            code: code.into(),
            message: message.into(),
            status: 400,
            fault: Fault::Client,
            fields: Vec::new(),
            source: None,
        }
    }

    /// Our failure: status 500.
    pub fn server(code: impl Into<String>, message: impl Into<String>) -> Self {
        AwsError {
            status: 500,
            fault: Fault::Server,
            ..AwsError::client(code, message)
        }
    }

    /// Something went wrong that no service maps: `InternalFailure`, with the cause for the log.
    pub fn internal(source: impl Error + Send + Sync + 'static) -> Self {
        AwsError::server(
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        )
        .caused_by(source)
    }

    /// The operation exists in AWS but is not built here yet.
    pub fn not_implemented(service: &str, operation: &str) -> Self {
        AwsError {
            status: 501,
            ..AwsError::server(
                "NotImplemented",
                format!("Neargate does not implement {service}:{operation} yet."),
            )
        }
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn field(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Error for AwsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn Error + 'static))
    }
}

/// A store that cannot answer is AWS's `ServiceUnavailable`; every other failure is ours.
impl From<StoreError> for AwsError {
    fn from(e: StoreError) -> Self {
        if e.is_retryable() {
            AwsError::server(
                "ServiceUnavailable",
                "The service is temporarily unavailable.",
            )
            .status(503)
            .caused_by(e)
        } else {
            AwsError::internal(e)
        }
    }
}
