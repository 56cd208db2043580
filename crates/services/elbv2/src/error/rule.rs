//! About rules: their conditions, actions and transforms.

use super::validation;
use neargate_service::AwsError;

pub(crate) fn not_found() -> AwsError {
    AwsError::client("RuleNotFound", "One or more rules not found")
}

pub(crate) fn neither_selector() -> AwsError {
    validation("You must specify either listener rule ARNs or a listener ARN")
}

pub(crate) fn both_selectors() -> AwsError {
    validation("Listener rule ARNs and a listener ARN cannot be specified at the same time")
}

pub(crate) fn priority_in_use(priority: u32) -> AwsError {
    AwsError::client(
        "PriorityInUse",
        format!("Priority '{priority}' is currently in use"),
    )
}

pub(crate) fn priority_twice(priority: u32) -> AwsError {
    validation(format!("Priority '{priority}' was provided multiple times"))
}

pub(crate) fn rule_twice(arn: &str) -> AwsError {
    validation(format!("Rule '{arn}' was provided multiple times"))
}

pub(crate) fn too_many() -> AwsError {
    AwsError::client(
        "TooManyRules",
        "You've reached the limit on the number of rules per load balancer.",
    )
}

pub(crate) fn unsupported_protocol(protocol: &str) -> AwsError {
    AwsError::client(
        "UnsupportedProtocol",
        format!("Rules are not supported for listeners with the {protocol} protocol"),
    )
}

pub(crate) fn default_rule(what: &str) -> AwsError {
    AwsError::client(
        "OperationNotPermitted",
        format!("Default rule '{what}' cannot be modified or deleted by this operation"),
    )
}

pub(crate) fn of_several_listeners() -> AwsError {
    validation("All rules must belong to the same listener")
}

pub(crate) fn nothing_to_modify() -> AwsError {
    validation("Either conditions or actions must be specified")
}

pub(crate) fn no_condition() -> AwsError {
    validation("A condition must be specified")
}

pub(crate) fn no_value() -> AwsError {
    validation("A condition value must be specified")
}

pub(crate) fn no_source() -> AwsError {
    validation("A 'source-ip' value must be specified")
}

pub(crate) fn field(field: &str) -> AwsError {
    validation(format!(
        "Condition field '{field}' must be one of '[path-pattern, host-header, http-header, http-request-method, query-string, source-ip]'"
    ))
}

pub(crate) fn condition_twice(field: &str) -> AwsError {
    validation(format!("A rule can only have one '{field}' condition"))
}

pub(crate) fn too_many_values() -> AwsError {
    validation("A rule can only have '5' condition values")
}

pub(crate) fn too_many_wildcards() -> AwsError {
    validation("A rule can only have '6' condition wildcards")
}

pub(crate) fn values_of(field: &str) -> AwsError {
    validation(format!(
        "The 'Values' field is not compatible with '{field}'"
    ))
}

pub(crate) fn regexes_of(field: &str) -> AwsError {
    validation(format!(
        "The 'RegexValues' field is not compatible with '{field}'"
    ))
}

pub(crate) fn foreign_config(config: &str, field: &str) -> AwsError {
    validation(format!("A '{config}' cannot be specified with '{field}'"))
}

pub(crate) fn one_value(field: &str) -> AwsError {
    validation(format!(
        "The '{field}' field contains too many values; the limit is '1'"
    ))
}

pub(crate) fn config_missing(config: &str, field: &str) -> AwsError {
    validation(format!("A '{config}' must be specified with '{field}'"))
}

pub(crate) fn values_twice(config: &str, field: &str) -> AwsError {
    validation(format!(
        "You cannot provide both Values and '{config}' for a condition of type '{field}'"
    ))
}

pub(crate) fn values_or_regexes(config: &str) -> AwsError {
    validation(format!(
        "You must provide exactly one of the following: ['Values' 'RegexValues'] for config of type '{config}'"
    ))
}

pub(crate) fn value_too_long(field: &str, limit: usize) -> AwsError {
    validation(format!(
        "The '{field}' value is too long; the limit is '{limit}'"
    ))
}

pub(crate) fn value_characters(value: &str) -> AwsError {
    validation(format!(
        "Condition value '{value}' contains a character that is not valid"
    ))
}

pub(crate) fn host_name(value: &str) -> AwsError {
    validation(format!(
        "Condition value '{value}' is not a valid host name"
    ))
}

pub(crate) fn method_characters() -> AwsError {
    validation(
        "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore",
    )
}

pub(crate) fn header_name(name: &str) -> AwsError {
    validation(format!("HTTP header name '{name}' is not valid"))
}

pub(crate) fn header_name_host() -> AwsError {
    validation("You cannot specify 'host' as an HTTP header name")
}

pub(crate) fn cidr(value: &str) -> AwsError {
    validation(format!(
        "The specified value '{value}' is not a valid CIDR block"
    ))
}

pub(crate) fn query_value() -> AwsError {
    validation("A 'Value' must be specified in 'QueryStringKeyValuePair'")
}

pub(crate) fn regex(pattern: &str) -> AwsError {
    validation(format!("'{pattern}' is not a valid regular expression"))
}

pub(crate) fn no_action() -> AwsError {
    validation("An action must be specified")
}

pub(crate) fn action(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidLoadBalancerAction", message)
}

pub(crate) fn too_many_groups() -> AwsError {
    AwsError::client(
        "TooManyUniqueTargetGroupsPerLoadBalancer",
        "You've reached the limit on the number of unique target groups per load balancer across all listeners.",
    )
}

pub(crate) fn transforms_and_reset() -> AwsError {
    validation("Transforms cannot be specified when they are to be reset")
}

pub(crate) fn priority_missing() -> AwsError {
    validation("A rule priority must be specified")
}
