//! STS's errors, one constructor each
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_wire::validate::Invalid;

/// Input that breaks the model: the Query protocol's name for it.
pub fn invalid(invalid: &Invalid) -> AwsError {
    AwsError::client("ValidationError", invalid.to_string())
}

/// No key of AWS's has such an id.
pub fn invalid_access_key_id(id: &str) -> AwsError {
    let message = format!("The access key ID {id} is not valid.");
    AwsError::client("ValidationError", message)
}
