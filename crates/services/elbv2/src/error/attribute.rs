//! About attributes.

use super::{configuration, validation};
use neargate_service::AwsError;

pub(crate) fn not_recognized(noun: &str, key: &str) -> AwsError {
    validation(format!("{noun} attribute key '{key}' is not recognized"))
}

pub(crate) fn not_supported(noun: &str, key: &str, kind: &str) -> AwsError {
    configuration(format!(
        "{noun} attribute key '{key}' is not supported on {kind}"
    ))
}

pub(crate) fn not_one_of(key: &str, value: &str, values: &[&str]) -> AwsError {
    validation(format!(
        "'{key}' value '{value}' must be one of [{}]",
        values.join(", ")
    ))
}

pub(crate) fn not_between(key: &str, value: &str, from: u32, to: u32) -> AwsError {
    validation(format!(
        "'{key}' value '{value}' must be between '{from}-{to}' inclusive"
    ))
}

pub(crate) fn no_field_name(key: &str, value: &str) -> AwsError {
    validation(format!(
        "'{key}' value '{value}' must be a header name of letters, digits, hyphens and underscores that is not reserved"
    ))
}

pub(crate) fn twice(key: &str) -> AwsError {
    validation(format!(
        "Attribute key '{key}' has been specified more than once"
    ))
}

/// A value that AWS takes and that nothing here acts on.
pub(crate) fn not_acted_on(key: &str, value: &str) -> AwsError {
    super::unsupported(&format!("the value '{value}' of the attribute {key}"))
}

pub(crate) fn no_bucket(logs: &str, name: &str) -> AwsError {
    configuration(format!(
        "The key '{logs}.s3.bucket' must set in order to enable {name}"
    ))
}

pub(crate) fn no_access(bucket: &str) -> AwsError {
    configuration(format!(
        "Access Denied for bucket: {bucket}. Please check S3bucket permission"
    ))
}

pub(crate) fn no_stickiness_type() -> AwsError {
    validation("'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]")
}

pub(crate) fn stickiness_type(kind: &str, protocol: &str) -> AwsError {
    configuration(format!(
        "Stickiness type '{kind}' is not supported for target groups with the {protocol} protocol"
    ))
}

pub(crate) fn stickiness_of_tls() -> AwsError {
    configuration("You cannot enable stickiness on target groups with the TLS protocol")
}

pub(crate) fn no_cookie_name() -> AwsError {
    configuration(
        "You must set an application cookie name to enable stickiness of type 'app_cookie'",
    )
}

pub(crate) fn reserved_cookie_name(name: &str) -> AwsError {
    validation(format!(
        "The application cookie name '{name}' is not valid: names with the prefixes AWSALB, AWSALBAPP and AWSALBTG are reserved"
    ))
}

pub(crate) fn slow_start(algorithm: &str) -> AwsError {
    configuration(format!(
        "Slow start cannot be enabled with the load balancing algorithm '{algorithm}'"
    ))
}

pub(crate) fn anomaly_mitigation() -> AwsError {
    configuration(
        "Anomaly mitigation can only be enabled with the load balancing algorithm 'weighted_random'",
    )
}

pub(crate) fn client_ip(protocol: &str) -> AwsError {
    configuration(format!(
        "Client IP preservation cannot be disabled for target groups with the {protocol} protocol"
    ))
}

pub(crate) fn terminate_unhealthy(protocol: &str) -> AwsError {
    configuration(format!(
        "Connection termination for unhealthy targets cannot be enabled for target groups with the {protocol} protocol"
    ))
}

pub(crate) fn unhealthy_draining() -> AwsError {
    configuration(
        "'target_health_state.unhealthy.draining_interval_seconds' can only be set when 'target_health_state.unhealthy.connection_termination.enabled' is 'false'",
    )
}
