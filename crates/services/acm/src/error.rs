//! ACM's errors, one constructor each
//! (<https://docs.aws.amazon.com/acm/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

pub(crate) fn not_found(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("Could not find certificate {arn}."),
    )
}

pub(crate) fn invalid_arn(arn: &str) -> AwsError {
    AwsError::client("InvalidArnException", format!("Invalid ARN: {arn}"))
}

pub(crate) fn in_use(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceInUseException",
        format!("Certificate {arn} is in use."),
    )
}

/// A parameter, or a value of one, that Neargate does not know how to honour yet.
pub(crate) fn unsupported(what: &str) -> AwsError {
    AwsError::client(
        "InvalidParameterException",
        format!("Neargate does not support {what} yet."),
    )
}

pub(crate) fn domain_name(name: &str) -> AwsError {
    validation(format!(
        "1 validation error detected: Value '{name}' at 'domainName' failed to satisfy constraint: Member must satisfy regular expression pattern: (\\*\\.)?(((?!-)[A-Za-z0-9-]{{0,62}}[A-Za-z0-9])\\.)+((?!-)[A-Za-z0-9-]{{1,62}}[A-Za-z0-9])"
    ))
}

pub(crate) fn common_name_too_long() -> AwsError {
    AwsError::client(
        "InvalidParameterException",
        "The first domain name can be no longer than 64 octets.",
    )
}

pub(crate) fn too_many_names() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "Error: the number of domain names exceeds the limit of 10 per certificate.",
    )
}

pub(crate) fn too_many() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "Error: you have reached your limit of certificates.",
    )
}

pub(crate) fn validation_option(name: &str) -> AwsError {
    AwsError::client(
        "InvalidDomainValidationOptionsException",
        format!("The validation domain of {name} is not the domain or a superdomain of it."),
    )
}

pub(crate) fn not_pem() -> AwsError {
    validation("The certificate is not PEM-encoded or is not valid.")
}

pub(crate) fn several() -> AwsError {
    validation(
        "The certificate field contains more than one certificate. You can specify only one certificate in this field.",
    )
}

pub(crate) fn expired() -> AwsError {
    validation("The certificate has expired, is not valid.")
}

pub(crate) fn not_yet() -> AwsError {
    validation("The certificate is not in effect yet, is not valid.")
}

pub(crate) fn key_not_pem() -> AwsError {
    validation("The private key is not PEM-encoded or is not valid.")
}

pub(crate) fn key_unsupported() -> AwsError {
    validation("The private key length is not supported for key algorithm.")
}

pub(crate) fn key_mismatch() -> AwsError {
    validation("The certificate does not match the private key.")
}

pub(crate) fn chain_invalid() -> AwsError {
    validation("Could not validate the certificate with the certificate chain.")
}

pub(crate) fn not_imported(arn: &str) -> AwsError {
    validation(format!(
        "The certificate {arn} was not imported and cannot be imported again."
    ))
}

pub(crate) fn tags_when_again() -> AwsError {
    validation("Tagging is not permitted on re-import.")
}

pub(crate) fn invalid_token() -> AwsError {
    validation("The next token is not valid.")
}

pub(crate) fn tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => AwsError::client("TooManyTagsException", why.to_string()),
        other => AwsError::client("InvalidTagException", other.to_string()),
    }
}
