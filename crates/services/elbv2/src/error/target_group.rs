//! About target groups and targets.

use super::{configuration, validation};
use neargate_service::AwsError;

pub(crate) fn not_found() -> AwsError {
    AwsError::client("TargetGroupNotFound", "One or more target groups not found")
}

/// An action names it.
pub(crate) fn not_found_arn(arn: &str) -> AwsError {
    AwsError::client(
        "TargetGroupNotFound",
        format!("Target group '{arn}' not found"),
    )
}

pub(crate) fn name_too_long(name: &str) -> AwsError {
    validation(format!(
        "Target group name '{name}' cannot be longer than '32' characters"
    ))
}

pub(crate) fn name_characters(name: &str) -> AwsError {
    validation(format!(
        "Target group name '{name}' can only contain characters that are alphanumeric characters or hyphens(-)"
    ))
}

/// At an end, or two in a row.
pub(crate) fn name_hyphens(name: &str) -> AwsError {
    validation(format!(
        "1 validation error detected: Value '{name}' at 'targetGroup.targetGroupArn.targetGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$"
    ))
}

pub(crate) fn name_empty() -> AwsError {
    validation("Target group name cannot be empty")
}

pub(crate) fn duplicate(name: &str) -> AwsError {
    AwsError::client(
        "DuplicateTargetGroupName",
        format!("A target group with the same name '{name}' exists, but with different settings"),
    )
}

pub(crate) fn too_many() -> AwsError {
    AwsError::client(
        "TooManyTargetGroups",
        "You've reached the limit on the number of target groups for your AWS account.",
    )
}

/// `what`: `protocol`, `port` or `VPC ID`.
pub(crate) fn must_be_specified(what: &str) -> AwsError {
    validation(format!("A {what} must be specified"))
}

pub(crate) fn vpc_not_found(id: &str) -> AwsError {
    validation(format!("The VPC ID '{id}' is not found"))
}

pub(crate) fn timeout_too_long(timeout: u32, interval: u32, or_equal: bool) -> AwsError {
    let or_equal = if or_equal { "or equal to " } else { "" };
    validation(format!(
        "Health check timeout '{timeout}' must be smaller than {or_equal}the interval '{interval}'"
    ))
}

pub(crate) fn health_check_protocol(check: &str, protocol: &str) -> AwsError {
    configuration(format!(
        "Health check protocol '{check}' is not supported for target groups with the {protocol} protocol"
    ))
}

pub(crate) fn health_check_port(port: &str) -> AwsError {
    validation(format!(
        "Health check port '{port}' must be a number between '1-65535' or 'traffic-port'"
    ))
}

/// `what`: `paths` or `matchers`.
pub(crate) fn not_for_tcp_checks(what: &str) -> AwsError {
    configuration(format!(
        "Health check {what} are not supported for TCP health checks"
    ))
}

pub(crate) fn health_check_path(path: &str) -> AwsError {
    validation(format!(
        "Health check path '{path}' must begin with a '/' character"
    ))
}

pub(crate) fn health_check_always(kind: &str) -> AwsError {
    configuration(format!(
        "Health checks cannot be disabled for target groups with target type '{kind}'"
    ))
}

pub(crate) fn matcher(code: &str, from: u32, to: u32) -> AwsError {
    validation(format!(
        "Health check matcher '{code}' must be values or ranges of values between '{from}-{to}'"
    ))
}

pub(crate) fn matcher_of_version(version: &str) -> AwsError {
    configuration(format!(
        "The matcher does not fit target groups with the protocol version '{version}'"
    ))
}

pub(crate) fn protocol_version_of(protocol: &str) -> AwsError {
    validation(format!(
        "A protocol version cannot be specified for target groups with the {protocol} protocol"
    ))
}

pub(crate) fn protocol_version(version: &str) -> AwsError {
    validation(format!(
        "Protocol version '{version}' must be one of 'GRPC, HTTP1, HTTP2'"
    ))
}

pub(crate) fn alb_protocol(protocol: &str) -> AwsError {
    configuration(format!(
        "Target groups with target type 'alb' do not support the {protocol} protocol"
    ))
}

pub(crate) fn selectors() -> AwsError {
    validation(
        "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time",
    )
}

pub(crate) fn in_use(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceInUse",
        format!("Target group '{arn}' is currently in use by a listener or a rule"),
    )
}

pub(crate) fn targets_empty() -> AwsError {
    validation("At least one target must be specified")
}

pub(crate) fn too_many_targets() -> AwsError {
    AwsError::client(
        "TooManyTargets",
        "You've reached the limit on the number of targets.",
    )
}

pub(crate) fn invalid_instance(id: &str) -> AwsError {
    validation(format!("Instance ID '{id}' is not valid"))
}

pub(crate) fn no_such_instance(id: &str) -> AwsError {
    AwsError::client(
        "InvalidTarget",
        format!("The following targets do not exist: '{id}'"),
    )
}

pub(crate) fn instance_of_another_vpc(id: &str) -> AwsError {
    AwsError::client(
        "InvalidTarget",
        format!("The following targets are not in the target group VPC: '{id}'"),
    )
}

pub(crate) fn not_running(id: &str) -> AwsError {
    AwsError::client(
        "InvalidTarget",
        format!(
            "The following targets are not in a running state and cannot be registered: '{id}'"
        ),
    )
}

pub(crate) fn not_an_address(text: &str) -> AwsError {
    validation(format!(
        "The IP address '{text}' is not a valid IPv4 address"
    ))
}

pub(crate) fn public_address(text: &str) -> AwsError {
    validation(format!(
        "The IP address '{text}' must be within the VPC, or in one of 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12 and 192.168.0.0/16"
    ))
}

pub(crate) fn zone_required(address: &str) -> AwsError {
    validation(format!(
        "The Availability Zone is required for IP address '{address}' because it is not in the VPC"
    ))
}

pub(crate) fn zone_overridden(address: &str, asked: &str, zone: &str) -> AwsError {
    validation(format!(
        "The IP address '{address}' is within the VPC, and cannot have its Availability Zone overridden to '{asked}' from '{zone}'"
    ))
}

pub(crate) fn zone_must_be_all(address: &str) -> AwsError {
    validation(format!(
        "The Availability Zone for IP address '{address}' must be 'all' for Application Load Balancer target groups, when not within the VPC"
    ))
}

pub(crate) fn zone_of(kind: &str) -> AwsError {
    validation(format!(
        "You cannot specify an Availability Zone for targets of target groups with target type '{kind}'"
    ))
}

pub(crate) fn no_such_load_balancer(arn: &str) -> AwsError {
    AwsError::client(
        "InvalidTarget",
        format!("The target '{arn}' is not an Application Load Balancer of the target group VPC"),
    )
}

pub(crate) fn no_listener_on(arn: &str, port: u16) -> AwsError {
    AwsError::client(
        "InvalidTarget",
        format!("The Application Load Balancer '{arn}' has no listener on port '{port}'"),
    )
}

pub(crate) fn port_of_alb(port: u16) -> AwsError {
    AwsError::client(
        "InvalidTarget",
        format!("The port of the target must be '{port}', which is its target group's"),
    )
}

pub(crate) fn associated_elsewhere(arn: &str) -> AwsError {
    AwsError::client(
        "TargetGroupAssociationLimit",
        format!(
            "The following target groups cannot be associated with more than one load balancer: {arn}"
        ),
    )
}

pub(crate) fn incompatible(arn: &str) -> AwsError {
    AwsError::client(
        "IncompatibleProtocols",
        format!("The listener and the following target groups have incompatible protocols: {arn}"),
    )
}

pub(crate) fn of_another_vpc(arn: &str) -> AwsError {
    configuration(format!(
        "The following target groups are not in the same VPC as the load balancer: {arn}"
    ))
}
