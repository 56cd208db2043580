//! STS's errors, one constructor each
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>).

use neargate_policy::Malformed;
use neargate_service::AwsError;
use neargate_wire::validate::Invalid;

/// Input that breaks the model: the Query protocol's name for it.
pub fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationError", message)
}

fn denied(message: impl Into<String>) -> AwsError {
    AwsError::client("AccessDenied", message).status(403)
}

fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", message)
}

fn identity_token(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidIdentityToken", message)
}

/// No key of AWS's has such an id.
pub fn invalid_access_key_id(id: &str) -> AwsError {
    validation(format!("The access key ID {id} is not valid."))
}

pub fn invalid_arn(arn: &str) -> AwsError {
    validation(format!("{arn} is invalid"))
}

pub fn not_authorized(who: &str, action: &str, resource: &str) -> AwsError {
    denied(format!(
        "User: {who} is not authorized to perform: {action} on resource: {resource}"
    ))
}

/// Whoever calls without a signature has no name.
pub fn not_authorized_to_assume_with(action: &str) -> AwsError {
    denied(format!("Not authorized to perform {action}"))
}

pub fn root_assumes_no_role() -> AwsError {
    denied("Roles may not be assumed by root accounts.")
}

pub fn session_credentials(operation: &str) -> AwsError {
    denied(format!("Cannot call {operation} with session credentials"))
}

/// Longer than the role allows.
pub fn too_long() -> AwsError {
    validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
}

pub fn chain_too_long() -> AwsError {
    validation(
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )
}

pub fn malformed_policy(why: &Malformed) -> AwsError {
    AwsError::client("MalformedPolicyDocument", why.to_string())
}

pub fn too_many_policies(most: usize) -> AwsError {
    validation(format!(
        "The number of session policy ARNs exceeds the limit of {most}."
    ))
}

pub fn no_such_policy(arn: &str) -> AwsError {
    invalid_value(format!("Policy {arn} does not exist or is not attachable."))
}

/// `percent` of the room for them.
pub fn packed_too_large(policies: bool, percent: usize) -> AwsError {
    let message = match policies {
        true => format!(
            "Packed policy consumes {percent}% of allotted space, please use smaller policy."
        ),
        false => format!("Packed size of session tags consumes {percent}% of allotted space."),
    };
    AwsError::client("PackedPolicyTooLarge", message)
}

pub fn reserved_tag_key() -> AwsError {
    invalid_value("Tag keys that begin with aws: are reserved.")
}

pub fn twice_a_tag_key() -> AwsError {
    invalid_value("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
}

pub fn transitive_tag_conflict() -> AwsError {
    invalid_value(
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
    )
}

pub fn transitive_tag_missing() -> AwsError {
    invalid_value("The specified transitive tag key must be included in the requested tags.")
}

/// The token is not of the form that OpenID Connect says.
pub fn not_a_token() -> AwsError {
    identity_token(
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
    )
}

pub fn no_such_provider(issuer: &str) -> AwsError {
    identity_token(format!(
        "No OpenIDConnect provider found in your account for {issuer}"
    ))
}

pub fn no_verification_key() -> AwsError {
    identity_token(
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
    )
}

pub fn wrong_audience() -> AwsError {
    identity_token("Incorrect token audience")
}

pub fn claim_missing(claim: &str) -> AwsError {
    identity_token(format!("Missing a required claim: {claim}"))
}

pub fn expired_identity_token(now: i64, expired: i64) -> AwsError {
    AwsError::client(
        "ExpiredTokenException",
        format!(
            "Token expired: current date/time {now} must be before the expiration date/time {expired}"
        ),
    )
}

pub fn half_a_factor() -> AwsError {
    denied(
        "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
    )
}

pub fn no_such_device() -> AwsError {
    denied(
        "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.",
    )
}

pub fn wrong_code() -> AwsError {
    denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
}

pub fn no_provided_contexts() -> AwsError {
    AwsError::not_implemented("sts", "ProvidedContexts")
}

pub fn no_provider_id() -> AwsError {
    AwsError::not_implemented("sts", "ProviderId (OAuth 2.0 providers)")
}

pub fn token_not_yet_valid() -> AwsError {
    identity_token("The ID Token provided is not valid yet.")
}

pub fn invalid_authorization_message() -> AwsError {
    AwsError::client(
        "InvalidAuthorizationMessageException",
        "Unable to decode the authorization message. Check that the message is complete and was encoded for this account.",
    )
}
