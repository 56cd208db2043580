//! About trust stores. AWS's sentences are those of its model.

use super::validation;
use neargate_service::AwsError;

pub(crate) fn not_found() -> AwsError {
    AwsError::client("TrustStoreNotFound", "One or more trust stores not found")
}

pub(crate) fn not_found_arn(arn: &str) -> AwsError {
    AwsError::client(
        "TrustStoreNotFound",
        format!("Trust store '{arn}' not found"),
    )
}

pub(crate) fn duplicate(name: &str) -> AwsError {
    AwsError::client(
        "DuplicateTrustStoreName",
        format!("A trust store with the same name '{name}' exists"),
    )
}

pub(crate) fn too_many() -> AwsError {
    AwsError::client(
        "TooManyTrustStores",
        "You've reached the limit on the number of trust stores for your Amazon Web Services account.",
    )
}

pub(crate) fn in_use(arn: &str) -> AwsError {
    AwsError::client(
        "TrustStoreInUse",
        format!("Trust store '{arn}' is currently in use by a listener"),
    )
}

pub(crate) fn selectors() -> AwsError {
    validation("Trust store ARNs and trust store names cannot be specified at the same time")
}

pub(crate) fn bundle_not_found() -> AwsError {
    AwsError::client(
        "CaCertificatesBundleNotFound",
        "The specified ca certificate bundle does not exist.",
    )
}

pub(crate) fn invalid_bundle() -> AwsError {
    AwsError::client(
        "InvalidCaCertificatesBundle",
        "The specified ca certificate bundle is in an invalid format, or corrupt.",
    )
}

pub(crate) fn revocation_file_not_found() -> AwsError {
    AwsError::client(
        "RevocationContentNotFound",
        "The specified revocation file does not exist.",
    )
}

pub(crate) fn invalid_revocation_file() -> AwsError {
    AwsError::client(
        "InvalidRevocationContent",
        "The provided revocation file is an invalid format, or uses an incorrect algorithm.",
    )
}

pub(crate) fn too_many_revoked() -> AwsError {
    AwsError::client(
        "TooManyTrustStoreRevocationEntries",
        "The specified trust store has too many revocation entries.",
    )
}

pub(crate) fn revocation_not_found() -> AwsError {
    AwsError::client(
        "RevocationIdNotFound",
        "The specified revocation ID does not exist.",
    )
}

/// `what`: `S3 bucket` or `S3 key`.
pub(crate) fn place_missing(what: &str) -> AwsError {
    validation(format!(
        "The {what} of the revocation file must be specified"
    ))
}

pub(crate) fn no_policy() -> AwsError {
    AwsError::client("ResourceNotFound", "The specified resource does not exist.")
}

pub(crate) fn own_association() -> AwsError {
    AwsError::client(
        "DeleteAssociationSameAccount",
        "The specified association can't be within the same account.",
    )
}

pub(crate) fn association_not_found() -> AwsError {
    AwsError::client(
        "AssociationNotFound",
        "The specified association does not exist.",
    )
}

/// What the trust store was made of is not what is there any more.
pub(crate) fn file_changed() -> AwsError {
    super::unsupported(
        "the location of a file that was changed or deleted in its bucket after the trust store took it, so that there is no location to answer with",
    )
}
