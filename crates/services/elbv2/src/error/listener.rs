//! About listeners and their certificates.

use super::{configuration, validation};
use neargate_service::AwsError;

pub(crate) fn not_found() -> AwsError {
    AwsError::client("ListenerNotFound", "One or more listeners not found")
}

pub(crate) fn duplicate(load_balancer: &str) -> AwsError {
    AwsError::client(
        "DuplicateListener",
        format!("A listener already exists on this port for this load balancer '{load_balancer}'"),
    )
}

pub(crate) fn too_many() -> AwsError {
    AwsError::client(
        "TooManyListeners",
        "You've reached the limit on the number of listeners per load balancer.",
    )
}

pub(crate) fn selectors() -> AwsError {
    validation("You must specify either listener ARNs or a load balancer ARN")
}

/// `what`: `port` or `protocol`.
pub(crate) fn must_be_specified(what: &str) -> AwsError {
    validation(format!("A listener {what} must be specified"))
}

pub(crate) fn protocol(protocol: &str, allowed: &[&str]) -> AwsError {
    validation(format!(
        "Listener protocol '{protocol}' must be one of '{}'",
        allowed.join(", ")
    ))
}

/// `what`: `An SSL policy`, `Certificates` …
pub(crate) fn only_secure(what: &str, protocol: &str) -> AwsError {
    validation(format!(
        "{what} cannot be specified for {protocol} listeners"
    ))
}

pub(crate) fn one_certificate(protocol: &str) -> AwsError {
    configuration(format!(
        "You must provide a list containing exactly one certificate if the listener protocol is {protocol}."
    ))
}

pub(crate) fn certificate_not_found(arn: &str) -> AwsError {
    AwsError::client(
        "CertificateNotFound",
        format!("Certificate '{arn}' not found"),
    )
}

pub(crate) fn too_many_certificates() -> AwsError {
    AwsError::client(
        "TooManyCertificates",
        "You've reached the limit on the number of certificates per load balancer.",
    )
}

pub(crate) fn default_given() -> AwsError {
    validation("You cannot set IsDefault when you specify a certificate")
}

pub(crate) fn default_certificate() -> AwsError {
    AwsError::client(
        "OperationNotPermitted",
        "Default certificate cannot be removed",
    )
}

pub(crate) fn certificates_of(protocol: &str) -> AwsError {
    configuration(format!(
        "Certificates cannot be added to or removed from listeners with the {protocol} protocol"
    ))
}

pub(crate) fn alpn_policy(name: &str) -> AwsError {
    AwsError::client(
        "ALPNPolicyNotFound",
        format!("The specified ALPN policy '{name}' is not supported"),
    )
}

pub(crate) fn one_alpn_policy() -> AwsError {
    validation("You can specify only one ALPN policy")
}

pub(crate) fn mutual_authentication_mode(mode: &str) -> AwsError {
    validation(format!(
        "Mutual authentication mode '{mode}' must be one of 'off, passthrough, verify'"
    ))
}

pub(crate) fn only_with_verify(what: &str) -> AwsError {
    validation(format!(
        "{what} can only be specified with the mutual authentication mode 'verify'"
    ))
}

/// AWS's own spelling.
pub(crate) fn ssl_policy_of(protocol: &str) -> AwsError {
    validation(format!(
        "An SSL policy cannot be specifed for {protocol} listeners"
    ))
}

pub(crate) fn trust_store_missing() -> AwsError {
    validation("A trust store ARN must be specified with the mutual authentication mode 'verify'")
}
