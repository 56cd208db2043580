//! Why a signature is refused, and how each style of service words it.
//!
//! Texts are AWS's own: IAM User Guide "Troubleshoot Signature Version 4 signing"
//! (`reference_sigv-troubleshooting.html`), the "Common Errors" page of each API reference, and
//! S3's "Error responses".

use crate::schema::{Protocol, S3, Service};
use thiserror::Error;

/// Why a request's signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SigV4Error {
    /// Not signed, where a signature is required.
    #[error("Missing Authentication Token")]
    MissingToken,
    /// The `Authorization` header lacks a part or cannot be read.
    #[error("{0}")]
    Incomplete(String),
    #[error("Unsupported AWS 'algorithm': '{0}'.")]
    UnsupportedAlgorithm(String),
    /// A presigned URL lacks this parameter.
    #[error(
        "AWS query-string parameters must include '{0}'. Re-examine the query-string parameters."
    )]
    QueryParameterMissing(&'static str),
    #[error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")]
    BadQueryDate,
    #[error("X-Amz-Expires should be a number")]
    BadExpires,
    /// More than seven days.
    #[error(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
    )]
    ExpiresTooLong,
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    )]
    BadContentSha256,
    /// The body's hash is not the declared one.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    ContentSha256Mismatch,
    /// Listed in `SignedHeaders`, absent from the request.
    #[error(
        "The request signature we calculated does not match the signature you provided: the signed header '{0}' is missing."
    )]
    SignedHeaderMissing(String),
    /// The signature is wrong; the text says why when it is known.
    #[error("{0}")]
    Mismatch(String),
    /// Signed too long ago; a finished sentence in AWS's words.
    #[error("{0}")]
    Expired(String),
    /// Signed in the future; a finished sentence in AWS's words.
    #[error("{0}")]
    NotYetCurrent(String),
    /// A presigned URL after its expiry.
    #[error("Request has expired")]
    PresignedExpired(String),
    /// Nobody has this access key; for the caller that looks keys up.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session token's life is over; for the caller that looks sessions up.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// An `aws-chunked` body whose framing is wrong.
    #[error("{0}")]
    BadChunk(&'static str),
    /// An `aws-chunked` body that stops early, or is not as long as it declared.
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header")]
    IncompleteBody,
}

/// How a service words authentication errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStyle {
    /// awsJson and rpc-v2-cbor: exception names, status 400.
    Json,
    /// restJson: exception names, status 403.
    RestJson,
    /// awsQuery, and restXml other than S3: bare names, status 403.
    Query,
    Ec2,
    S3,
}

impl ErrorStyle {
    pub fn of(service: &Service, protocol: Protocol) -> ErrorStyle {
        match protocol {
            _ if service.signing_name == S3 => ErrorStyle::S3,
            Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RpcV2Cbor => ErrorStyle::Json,
            Protocol::RestJson => ErrorStyle::RestJson,
            Protocol::Query | Protocol::RestXml => ErrorStyle::Query,
            Protocol::Ec2 => ErrorStyle::Ec2,
        }
    }
}

/// A refusal in the words of one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

pub(super) const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
const MISMATCH_S3: &str = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
const SKEW_S3: &str = "The difference between the request time and the current time is too large.";

impl SigV4Error {
    pub(super) fn incomplete(message: impl Into<String>) -> Self {
        SigV4Error::Incomplete(message.into())
    }

    pub(super) fn mismatch(message: impl Into<String>) -> Self {
        SigV4Error::Mismatch(message.into())
    }

    /// What the client gets to see.
    pub fn answer(&self, style: ErrorStyle) -> Answer {
        match style {
            ErrorStyle::Json => self.json(400),
            ErrorStyle::RestJson => self.json(403),
            ErrorStyle::Query => self.query(),
            ErrorStyle::Ec2 => self.ec2(),
            ErrorStyle::S3 => self.s3(),
        }
    }

    fn json(&self, status: u16) -> Answer {
        use SigV4Error::*;
        let (status, code) = match self {
            MissingToken => (status, "MissingAuthenticationTokenException"),
            Incomplete(_)
            | UnsupportedAlgorithm(_)
            | QueryParameterMissing(_)
            | BadQueryDate
            | BadExpires
            | ExpiresTooLong => (status, "IncompleteSignatureException"),
            UnknownKey => (status, "UnrecognizedClientException"),
            ExpiredToken => (status, "ExpiredTokenException"),
            SignedHeaderMissing(_)
            | Mismatch(_)
            | Expired(_)
            | NotYetCurrent(_)
            | PresignedExpired(_)
            | ContentSha256Mismatch => (status, "InvalidSignatureException"),
            BadContentSha256 | BadChunk(_) | IncompleteBody => (400, "SerializationException"),
        };
        Answer {
            status,
            code,
            message: self.sentence(),
        }
    }

    fn query(&self) -> Answer {
        use SigV4Error::*;
        let (status, code) = match self {
            MissingToken => (403, "MissingAuthenticationToken"),
            Incomplete(_)
            | UnsupportedAlgorithm(_)
            | QueryParameterMissing(_)
            | BadQueryDate
            | BadExpires
            | ExpiresTooLong => (400, "IncompleteSignature"),
            UnknownKey => (403, "InvalidClientTokenId"),
            ExpiredToken => (403, "ExpiredToken"),
            SignedHeaderMissing(_)
            | Mismatch(_)
            | Expired(_)
            | NotYetCurrent(_)
            | PresignedExpired(_)
            | ContentSha256Mismatch => (403, "SignatureDoesNotMatch"),
            BadContentSha256 | BadChunk(_) | IncompleteBody => (400, "MalformedInput"),
        };
        Answer {
            status,
            code,
            message: self.sentence(),
        }
    }

    /// EC2 tells a caller little: see "Error codes for the Amazon EC2 API".
    fn ec2(&self) -> Answer {
        use SigV4Error::*;
        let vague = "AWS was not able to validate the provided access credentials";
        match self {
            MissingToken => Answer {
                status: 400,
                code: "MissingAuthenticationToken",
                message: "Request is missing Authentication Token".to_owned(),
            },
            Expired(_) | NotYetCurrent(_) | PresignedExpired(_) => Answer {
                status: 400,
                code: "RequestExpired",
                message: "Request has expired.".to_owned(),
            },
            ExpiredToken => Answer {
                status: 400,
                code: "RequestExpired",
                message: "Request has expired.".to_owned(),
            },
            UnknownKey | Mismatch(_) | SignedHeaderMissing(_) | ContentSha256Mismatch => Answer {
                status: 401,
                code: "AuthFailure",
                message: vague.to_owned(),
            },
            Incomplete(_)
            | UnsupportedAlgorithm(_)
            | QueryParameterMissing(_)
            | BadQueryDate
            | BadExpires
            | ExpiresTooLong => self.query(),
            BadContentSha256 | BadChunk(_) | IncompleteBody => self.query(),
        }
    }

    fn s3(&self) -> Answer {
        use SigV4Error::*;
        let (status, code, message) = match self {
            MissingToken => (403, "AccessDenied", "Access Denied".to_owned()),
            Incomplete(_) => (400, "AuthorizationHeaderMalformed", self.sentence()),
            UnsupportedAlgorithm(_) => (400, "InvalidRequest", self.sentence()),
            QueryParameterMissing(_) => (
                400,
                "AuthorizationQueryParametersError",
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.".to_owned(),
            ),
            BadQueryDate | BadExpires | ExpiresTooLong => {
                (400, "AuthorizationQueryParametersError", self.sentence())
            }
            BadContentSha256 => (400, "InvalidArgument", self.sentence()),
            ContentSha256Mismatch => (400, "XAmzContentSHA256Mismatch", self.sentence()),
            SignedHeaderMissing(_) | Mismatch(_) => {
                (403, "SignatureDoesNotMatch", MISMATCH_S3.to_owned())
            }
            Expired(_) | NotYetCurrent(_) => (403, "RequestTimeTooSkewed", SKEW_S3.to_owned()),
            PresignedExpired(_) => (403, "AccessDenied", self.to_string()),
            UnknownKey => (
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.".to_owned(),
            ),
            ExpiredToken => (400, "ExpiredToken", "The provided token has expired.".to_owned()),
            BadChunk(_) => (400, "InvalidRequest", self.sentence()),
            IncompleteBody => (400, "IncompleteBody", self.sentence()),
        };
        Answer {
            status,
            code,
            message,
        }
    }

    fn sentence(&self) -> String {
        match self {
            SigV4Error::PresignedExpired(detail) => detail.clone(),
            SigV4Error::SignedHeaderMissing(_) => MISMATCH.to_owned(),
            other => other.to_string(),
        }
    }
}
