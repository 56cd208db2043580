//! Auto Scaling's errors, one constructor each
//! (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html>). The sentences are
//! AWS's where they are known from its answers.

use neargate_service::AwsError;
use neargate_wire::validate::Invalid;

/// Whatever is wrong with a request.
pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationError", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

/// What AWS takes and Neargate does not.
pub fn unsupported(what: &str) -> AwsError {
    validation(format!("Neargate does not take {what} yet."))
}

pub fn invalid_next_token() -> AwsError {
    AwsError::client("InvalidNextToken", "The token is not valid.")
}

pub fn max_records(most: usize) -> AwsError {
    validation(format!(
        "The number of records requested must be between 1 and {most}"
    ))
}

pub fn group_not_found(name: &str) -> AwsError {
    validation(format!(
        "AutoScalingGroup name not found - AutoScalingGroup {name} not found"
    ))
}

pub fn group_exists(name: &str) -> AwsError {
    AwsError::client(
        "AlreadyExists",
        format!(
            "AutoScalingGroup by this name already exists - A group with the name {name} already exists"
        ),
    )
}

pub fn group_is_deleted(name: &str) -> AwsError {
    validation(format!(
        "AutoScalingGroup {name} is pending delete, and cannot be changed"
    ))
}

pub fn has_instances() -> AwsError {
    AwsError::client(
        "ResourceInUse",
        "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance \
         request(s) still in the group.",
    )
}

pub fn has_activities() -> AwsError {
    AwsError::client(
        "ScalingActivityInProgress",
        "You cannot delete an AutoScalingGroup while there are scaling activities in progress for \
         that group.",
    )
}

pub fn is_deletion_protected(protection: &str) -> AwsError {
    validation(format!(
        "The AutoScalingGroup cannot be deleted because its DeletionProtection is {protection}."
    ))
}

pub fn activity_in_progress(id: &str) -> AwsError {
    AwsError::client(
        "ScalingActivityInProgress",
        format!("Scaling activity {id} is in progress and blocks this action"),
    )
}

pub fn in_cooldown() -> AwsError {
    AwsError::client(
        "ScalingActivityInProgress",
        "The AutoScalingGroup is in its cooldown period, which blocks this action",
    )
}

pub fn min_above_max(min: i32, max: i32) -> AwsError {
    validation(format!(
        "Max bound, {max}, must be greater than or equal to min bound, {min}"
    ))
}

pub fn desired_outside(desired: i32, min: i32, max: i32) -> AwsError {
    validation(format!(
        "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
    ))
}

pub fn desired_above_max(desired: i32, max: u32) -> AwsError {
    validation(format!(
        "New SetDesiredCapacity value {desired} is above max value {max} for the AutoScalingGroup."
    ))
}

pub fn desired_below_min(desired: i32, min: u32) -> AwsError {
    validation(format!(
        "New SetDesiredCapacity value {desired} is below min value {min} for the AutoScalingGroup."
    ))
}

pub fn one_source() -> AwsError {
    validation(
        "Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or \
         MixedInstancesPolicy parameter.",
    )
}

pub fn no_place() -> AwsError {
    validation("At least one Availability Zone or VPC Subnet is required.")
}

pub fn unknown_zones(zones: &[String]) -> AwsError {
    validation(format!(
        "Invalid availability zones: [{}]",
        zones.join(", ")
    ))
}

pub fn unknown_subnet(id: &str) -> AwsError {
    validation(format!("The subnet ID '{id}' does not exist"))
}

pub fn zones_of_subnets() -> AwsError {
    validation(
        "The availability zones of the specified subnets and the AutoScalingGroup do not match",
    )
}

pub fn launch_template(why: &str) -> AwsError {
    validation(format!(
        "You must use a valid fully-formed launch template. {why}"
    ))
}

pub fn template_by_one_name() -> AwsError {
    validation("Valid requests must contain either LaunchTemplateId or LaunchTemplateName")
}

pub fn launch_configuration_not_found(name: &str) -> AwsError {
    validation(format!(
        "Launch configuration name not found - Launch configuration {name} not found"
    ))
}

pub fn launch_configuration_exists(name: &str) -> AwsError {
    AwsError::client(
        "AlreadyExists",
        format!(
            "Launch Configuration by this name already exists - A launch configuration already \
             exists with the name {name}"
        ),
    )
}

pub fn launch_configuration_in_use(name: &str, group: &str) -> AwsError {
    AwsError::client(
        "ResourceInUse",
        format!(
            "Cannot delete launch configuration {name} because it is attached to AutoScalingGroup {group}"
        ),
    )
}

pub fn limit_exceeded(what: &str, most: usize) -> AwsError {
    AwsError::client(
        "LimitExceeded",
        format!("{what} limit exceeded: there can be {most} at most"),
    )
}

pub fn instance_not_managed(id: &str) -> AwsError {
    validation(format!(
        "Instance Id not found - No managed instance found for instance ID: {id}"
    ))
}

pub fn not_in_group(id: &str, group: &str) -> AwsError {
    validation(format!(
        "The instance {id} is not part of Auto Scaling group {group}."
    ))
}

pub fn not_in_state(id: &str, states: &str) -> AwsError {
    validation(format!("The instance {id} is not in {states}."))
}

pub fn at_min(min: u32) -> AwsError {
    validation(format!(
        "Currently, desiredSize equals minSize ({min}). Terminating instance without replacement \
         will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag \
         to false or lower group's min size."
    ))
}

/// The sizes of a group do not allow `what`, such as `place into standby 1 instance`.
pub fn sizes(group: &crate::model::Group, what: &str) -> AwsError {
    validation(format!(
        "AutoScalingGroup {} has min-size={}, max-size={}, and desired-size={}. To {what}, please \
         update the AutoScalingGroup sizes appropriately.",
        group.name, group.min, group.max, group.desired
    ))
}

pub fn cannot_attach(id: &str, why: &str) -> AwsError {
    validation(format!("Invalid Instance ID(s): [{id}] specified: {why}"))
}

pub fn no_such_source(what: &str) -> AwsError {
    validation(format!(
        "Provided {what} may not be valid. Please ensure they exist and try again."
    ))
}

pub fn unknown_process(name: &str) -> AwsError {
    validation(format!("{name} is not a valid Scaling Process Type"))
}

pub fn resource_not_found(name: &str) -> AwsError {
    validation(format!(
        "AutoScalingGroup not found - AutoScaling Group {name} not found"
    ))
}

pub fn hook_not_found(name: &str) -> AwsError {
    validation(format!("No Lifecycle Hook found with name: {name}"))
}

pub fn no_action_of_instance(id: &str) -> AwsError {
    validation(format!(
        "No active Lifecycle Action found with instance ID {id}"
    ))
}

pub fn no_action_of_token(token: &str) -> AwsError {
    validation(format!(
        "No active Lifecycle Action found with token {token}"
    ))
}

pub fn policy_not_found(name: &str) -> AwsError {
    validation(format!("PolicyName not found - {name} not found"))
}

pub fn scheduled_not_found(name: &str) -> AwsError {
    validation(format!(
        "Scheduled action name not found - {name} not found"
    ))
}

pub fn notification_not_found(topic: &str) -> AwsError {
    validation(format!(
        "No notification configuration found for topic {topic}"
    ))
}

pub fn no_refresh(group: &str) -> AwsError {
    AwsError::client(
        "ActiveInstanceRefreshNotFound",
        format!("No in progress or pending Instance Refresh found for Auto Scaling group {group}"),
    )
}

pub fn refresh_in_progress() -> AwsError {
    AwsError::client(
        "InstanceRefreshInProgress",
        "An Instance Refresh is already in progress and blocks the execution of this Instance \
         Refresh.",
    )
}

pub fn irreversible_refresh(why: &str) -> AwsError {
    AwsError::client("IrreversibleInstanceRefresh", why)
}
