//! KMS's errors, one constructor each
//! (<https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::client("NotFoundException", message)
}

pub(crate) fn key_not_found(arn: &str) -> AwsError {
    not_found(format!("Key '{arn}' does not exist"))
}

pub(crate) fn invalid_key_id(id: &str) -> AwsError {
    not_found(format!("Invalid keyId '{id}'"))
}

pub(crate) fn invalid_arn(arn: &str) -> AwsError {
    not_found(format!("Invalid arn {arn}"))
}

pub(crate) fn alias_not_found(arn: &str) -> AwsError {
    not_found(format!("Alias {arn} is not found."))
}

pub(crate) fn no_such_policy() -> AwsError {
    not_found("No such policy exists")
}

pub(crate) fn grant_not_found(id: &str) -> AwsError {
    not_found(format!("Grant ID {id} not found"))
}

/// No policy could name such a principal.
pub(crate) fn invalid_principal(name: &str) -> AwsError {
    AwsError::client(
        "InvalidArnException",
        format!("ARN does not refer to a valid principal: {name}"),
    )
}

pub(crate) fn alias_exists(arn: &str) -> AwsError {
    AwsError::client(
        "AlreadyExistsException",
        format!("An alias with the name {arn} already exists"),
    )
}

pub(crate) fn disabled(arn: &str) -> AwsError {
    AwsError::client("DisabledException", format!("{arn} is disabled."))
}

/// `what`: such as `is pending deletion`.
pub(crate) fn invalid_state(arn: &str, what: &str) -> AwsError {
    AwsError::client("KMSInvalidStateException", format!("{arn} {what}."))
}

pub(crate) fn wrong_usage(arn: &str, usage: &str, operation: &str) -> AwsError {
    AwsError::client(
        "InvalidKeyUsageException",
        format!("{arn} key usage is {usage} which is not valid for {operation}."),
    )
}

pub(crate) fn incompatible(algorithm: &str, spec: &str) -> AwsError {
    AwsError::client(
        "InvalidKeyUsageException",
        format!("Algorithm {algorithm} is incompatible with key spec {spec}."),
    )
}

/// AWS says no more, so that nobody learns from it.
pub(crate) fn invalid_ciphertext() -> AwsError {
    AwsError::client("InvalidCiphertextException", "")
}

pub(crate) fn incorrect_key() -> AwsError {
    AwsError::client(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )
}

pub(crate) fn ciphertext_of_no_key() -> AwsError {
    AwsError::client(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in \
         this region, or you are not allowed to access.",
    )
}

pub(crate) fn managed_by_aws(caller: &str, operation: &str, arn: &str) -> AwsError {
    AwsError::client(
        "AccessDeniedException",
        format!(
            "User: {caller} is not authorized to perform: kms:{operation} on resource: {arn} \
             because no resource-based policy allows the kms:{operation} action"
        ),
    )
}

pub(crate) fn unsupported_for(arn: &str, operation: &str) -> AwsError {
    AwsError::client(
        "UnsupportedOperationException",
        format!("{operation} is not supported for the KMS key {arn}."),
    )
}

/// A parameter, or a value of one, that Neargate does not know how to honour yet.
pub(crate) fn unsupported(what: &str) -> AwsError {
    AwsError::client(
        "UnsupportedOperationException",
        format!("Neargate does not support {what} yet."),
    )
}

pub(crate) fn dry_run() -> AwsError {
    AwsError::client(
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )
    .status(412)
}

pub(crate) fn invalid_mac() -> AwsError {
    AwsError::client("KMSInvalidMacException", "")
}

pub(crate) fn invalid_signature() -> AwsError {
    AwsError::client("KMSInvalidSignatureException", "")
}

pub(crate) fn invalid_import_token() -> AwsError {
    AwsError::client("InvalidImportTokenException", "")
}

pub(crate) fn expired_import_token() -> AwsError {
    AwsError::client("ExpiredImportTokenException", "")
}

pub(crate) fn incorrect_key_material() -> AwsError {
    AwsError::client("IncorrectKeyMaterialException", "")
}

pub(crate) fn malformed_policy(why: &str) -> AwsError {
    AwsError::client("MalformedPolicyDocumentException", why)
}

pub(crate) fn limit(message: &str) -> AwsError {
    AwsError::client("LimitExceededException", message)
}

pub(crate) fn invalid_marker() -> AwsError {
    AwsError::client("InvalidMarkerException", "The marker is not valid.")
}

pub(crate) fn invalid_alias_name() -> AwsError {
    validation("Invalid identifier")
}

pub(crate) fn reserved_alias() -> AwsError {
    AwsError::client("NotAuthorizedException", "")
}

pub(crate) fn invalid_grant_token() -> AwsError {
    AwsError::client("InvalidGrantTokenException", "Invalid grant token.")
}

pub(crate) fn tags(why: InvalidTags) -> AwsError {
    let message = match why {
        InvalidTags::TooMany => {
            return limit("Too many tags. A maximum of 50 tags is allowed.");
        }
        InvalidTags::Duplicate => "Duplicate tag keys".to_owned(),
        other => other.to_string(),
    };
    AwsError::client("TagException", message)
}
