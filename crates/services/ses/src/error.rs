//! SES's errors, one constructor each
//! (<https://docs.aws.amazon.com/ses/latest/APIReference/CommonErrors.html>).

use neargate_blob::BlobError;
use neargate_service::AwsError;

/// `InvalidParameterValue`, with SES's reason.
pub fn invalid_parameter(why: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", why)
}

/// The outbox is full of mails that wait for the relay.
pub fn outbox_full() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "The outbox is full of mails that wait for the relay.",
    )
}

pub fn blob(error: BlobError) -> AwsError {
    match error {
        BlobError::NoSpace { .. } => {
            AwsError::server("ServiceUnavailable", "There is no room for the mail.")
                .status(503)
                .caused_by(error)
        }
        error => AwsError::internal(error),
    }
}

/// <https://docs.aws.amazon.com/ses/latest/dg/quotas.html>
pub fn too_long(bytes: usize) -> AwsError {
    invalid_parameter(format!(
        "Message length is more than {} bytes long: '{bytes}'.",
        neargate_service::mail::MOST_BYTES
    ))
}

/// An id was drawn twice, which does not happen.
pub fn taken_twice() -> AwsError {
    AwsError::server(
        "InternalFailure",
        "The mail could not be kept; send it again.",
    )
}
