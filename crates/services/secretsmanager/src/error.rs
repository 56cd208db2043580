//! Secrets Manager's errors, one constructor each
//! (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

pub(crate) fn parameter(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
}

pub(crate) fn request(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidRequestException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::client("ResourceNotFoundException", message)
}

pub(crate) fn secret_not_found() -> AwsError {
    not_found("Secrets Manager can't find the specified secret.")
}

pub(crate) fn version_not_found(id: &str) -> AwsError {
    not_found(format!(
        "Secrets Manager can't find the specified secret value for VersionId: {id}"
    ))
}

pub(crate) fn stage_not_found(stage: &str) -> AwsError {
    not_found(format!(
        "Secrets Manager can't find the specified secret value for staging label: {stage}"
    ))
}

pub(crate) fn stage_of_another_version() -> AwsError {
    request("You provided a VersionStage that is not associated to the provided VersionId.")
}

pub(crate) fn deleted() -> AwsError {
    request("You can't perform this operation on the secret because it was marked for deletion.")
}

pub(crate) fn deleted_twice() -> AwsError {
    request(
        "You can't perform this operation on the secret because it was already scheduled for \
         deletion.",
    )
}

pub(crate) fn name_is_deleted() -> AwsError {
    request(
        "You can't create this secret because a secret with this name is already scheduled for \
         deletion.",
    )
}

pub(crate) fn exists(name: &str) -> AwsError {
    AwsError::client(
        "ResourceExistsException",
        format!("The operation failed because the secret {name} already exists."),
    )
}

pub(crate) fn token_in_use(token: &str, arn: &str) -> AwsError {
    AwsError::client(
        "ResourceExistsException",
        format!(
            "You can't use ClientRequestToken {token} because that value is already in use for a \
             version of secret {arn}."
        ),
    )
}

pub(crate) fn invalid_name() -> AwsError {
    validation(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
         following: -/_+=.@!",
    )
}

pub(crate) fn replica_region() -> AwsError {
    parameter("Invalid replica region.")
}

pub(crate) fn is_replica() -> AwsError {
    parameter(
        "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
    )
}

pub(crate) fn has_replicas(name: &str, regions: &str) -> AwsError {
    parameter(format!(
        "You can't delete secret {name} that still has replica regions [{regions}]"
    ))
}

pub(crate) fn both_values() -> AwsError {
    parameter(
        "You can't specify both a binary secret value and a string secret value in the same \
         secret.",
    )
}

pub(crate) fn no_value() -> AwsError {
    request("You must provide either SecretString or SecretBinary.")
}

pub(crate) fn too_many_versions() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "You have reached the limit of versions of this secret.",
    )
}

pub(crate) fn too_many_stages() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "A secret can have at most 20 staging labels.",
    )
}

pub(crate) fn cannot_encrypt(source: AwsError) -> AwsError {
    of_kms(
        source,
        "EncryptionFailure",
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check \
         that the KMS key is available, enabled, and not in an invalid state.",
    )
}

pub(crate) fn cannot_decrypt(source: AwsError) -> AwsError {
    of_kms(
        source,
        "DecryptionFailure",
        "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
    )
}

/// What KMS refused, in Secrets Manager's words.
fn of_kms(source: AwsError, code: &str, message: &str) -> AwsError {
    if source.is("AccessDeniedException") {
        AwsError::client("AccessDeniedException", "Access to KMS is not allowed")
    } else if source.status >= 500 {
        source
    } else {
        AwsError::client(code, message).caused_by(source)
    }
}

pub(crate) fn invalid_token() -> AwsError {
    AwsError::client(
        "InvalidNextTokenException",
        "The NextToken value is invalid.",
    )
}

pub(crate) fn malformed_policy(why: &str) -> AwsError {
    AwsError::client("MalformedPolicyDocumentException", why)
}

pub(crate) fn public_policy() -> AwsError {
    AwsError::client(
        "PublicPolicyException",
        "This resource policy grants broad access to your secret.",
    )
}

/// A parameter, or a value of one, that Neargate does not know how to honour yet.
pub(crate) fn unsupported(what: &str) -> AwsError {
    parameter(format!("Neargate does not support {what} yet."))
}

pub(crate) fn tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => AwsError::client(
            "LimitExceededException",
            "You have reached the limit of 50 tags of a secret.",
        ),
        other => parameter(other.to_string()),
    }
}
