//! What EC2 says of instances, their images, types and launch templates
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>).

use super::invalid_parameter;
use neargate_service::AwsError;

pub(crate) fn not_found(ids: &[String]) -> AwsError {
    let message = match ids {
        [one] => format!("The instance ID '{one}' does not exist"),
        several => format!("The instance IDs '{}' do not exist", several.join(", ")),
    };
    AwsError::client("InvalidInstanceID.NotFound", message)
}

pub(crate) fn image_not_found(id: &str) -> AwsError {
    let message = format!("The image id '[{id}]' does not exist");
    AwsError::client("InvalidAMIID.NotFound", message)
}

pub(crate) fn image_malformed(id: &str) -> AwsError {
    let message = format!("Invalid id: \"{id}\" (expecting \"ami-...\")");
    AwsError::client("InvalidAMIID.Malformed", message)
}

pub(crate) fn parameter_not_found(name: &str) -> AwsError {
    invalid_parameter(format!("Parameter {name} not found."))
}

pub(crate) fn unknown_type(name: &str) -> AwsError {
    invalid_parameter(format!("Invalid value '{name}' for InstanceType."))
}

/// Of `DescribeInstanceTypes`.
pub(crate) fn types_not_found(names: &[String]) -> AwsError {
    AwsError::client(
        "InvalidInstanceType",
        format!(
            "The following supplied instance types do not exist: [{}]",
            names.join(", ")
        ),
    )
}

pub(crate) fn architecture(of_type: &str, of_image: &str) -> AwsError {
    invalid_parameter(format!(
        "The architecture '{of_type}' of the specified instance type does not match the architecture \
         '{of_image}' of the specified AMI. Specify an instance type and an AMI that have matching \
         architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to \
         discover the architecture of the instance type or AMI."
    ))
}

pub(crate) fn counts(least: i32, most: i32) -> AwsError {
    if least < 1 {
        return invalid_parameter(format!(
            "Value ({least}) for parameter minCount is invalid. Expecting a value greater than or equal \
             to 1."
        ));
    }
    invalid_parameter(format!(
        "Value ({most}) for parameter maxCount is invalid. Expecting a value greater than or equal to \
         minCount."
    ))
}

pub(crate) fn limit_exceeded(asked: i32, limit: i32) -> AwsError {
    AwsError::client(
        "InstanceLimitExceeded",
        format!(
            "You have requested more instances ({asked}) than your current instance limit of {limit} \
             allows for the specified instance type. Please visit \
             http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
        ),
    )
}

pub(crate) fn no_default_vpc() -> AwsError {
    AwsError::client(
        "VPCIdNotSpecified",
        "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
    )
}

pub(crate) fn no_default_subnet(zone: &str) -> AwsError {
    AwsError::client(
        "MissingInput",
        format!("No default subnet for availability zone: '{zone}'."),
    )
}

pub(crate) fn groups_beside_interfaces() -> AwsError {
    AwsError::client(
        "InvalidParameterCombination",
        "Network interfaces and an instance-level security groups may not be specified on the same \
         request",
    )
}

pub(crate) fn subnet_beside_interfaces() -> AwsError {
    AwsError::client(
        "InvalidParameterCombination",
        "Network interfaces and an instance-level subnet ID may not be specified on the same request",
    )
}

pub(crate) fn user_data_not_base64() -> AwsError {
    invalid_parameter("Invalid BASE64 encoding of user data.")
}

pub(crate) fn user_data_too_long() -> AwsError {
    invalid_parameter("User data is limited to 16384 bytes")
}

/// The token was used with other parameters.
pub(crate) fn other_parameters() -> AwsError {
    AwsError::client(
        "IdempotentParameterMismatch",
        "Arguments on this idempotent request are inconsistent with arguments used in previous \
         request(s).",
    )
}

pub(crate) fn incorrect_state(id: &str, verb: &str) -> AwsError {
    AwsError::client(
        "IncorrectInstanceState",
        format!("The instance '{id}' is not in a state from which it can be {verb}."),
    )
}

/// `attribute`: `disableApiTermination` or `disableApiStop`.
pub(crate) fn protected(id: &str, verb: &str, attribute: &str) -> AwsError {
    super::operation_not_permitted(format!(
        "The instance '{id}' may not be {verb}. Modify its '{attribute}' instance attribute and try \
         again."
    ))
}

pub(crate) fn must_be_stopped(id: &str) -> AwsError {
    AwsError::client(
        "IncorrectInstanceState",
        format!("The instance '{id}' is not in the 'stopped' state."),
    )
}

pub(crate) fn template_name_taken() -> AwsError {
    AwsError::client(
        "InvalidLaunchTemplateName.AlreadyExistsException",
        "Launch template name already in use.",
    )
}

pub(crate) fn template_name_malformed() -> AwsError {
    AwsError::client(
        "InvalidLaunchTemplateName.MalformedException",
        "A launch template name must be between 3 and 128 characters, and may contain letters, \
         numbers, and the following characters: - ( ) . / _.",
    )
}

pub(crate) fn template_name_not_found() -> AwsError {
    AwsError::client(
        "InvalidLaunchTemplateName.NotFoundException",
        "At least one of the launch templates specified in the request does not exist.",
    )
}

pub(crate) fn template_id_not_found(id: &str) -> AwsError {
    AwsError::client(
        "InvalidLaunchTemplateId.NotFound",
        format!("The specified launch template, with template ID {id}, does not exist."),
    )
}

pub(crate) fn template_version_not_found(version: &str) -> AwsError {
    AwsError::client(
        "InvalidLaunchTemplateId.VersionNotFound",
        format!(
            "Could not find the specified version {version} for the launch template with ID or name \
             that you specified."
        ),
    )
}

/// Neither id nor name, or both.
pub(crate) fn template_id_or_name() -> AwsError {
    AwsError::client(
        "MissingParameter",
        "Either a launch template ID or a launch template name must be specified in the request.",
    )
}
