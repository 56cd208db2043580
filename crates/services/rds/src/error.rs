//! RDS's errors, one constructor each
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html>). The sentences are AWS's
//! where they are known from its answers.

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    AwsError::client("ValidationError", invalid.to_string())
}

pub fn value(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", message)
}

pub fn combination(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterCombination", message)
}

/// What AWS takes and Neargate does not.
pub fn unsupported(what: &str) -> AwsError {
    combination(format!("Neargate does not take {what} yet."))
}

pub fn tags(why: InvalidTags) -> AwsError {
    value(why.to_string())
}

pub fn marker() -> AwsError {
    value("The request cannot be served as the given value for the parameter Marker is invalid.")
}

pub fn max_records(given: i32) -> AwsError {
    value(format!(
        "Invalid value {given} for MaxRecords. Must be between 20 and 100"
    ))
}

fn missing(code: &str, message: String) -> AwsError {
    AwsError::client(code, message).status(404)
}

pub fn instance_not_found(id: &str) -> AwsError {
    missing("DBInstanceNotFound", format!("DBInstance {id} not found."))
}

pub fn instance_exists() -> AwsError {
    AwsError::client("DBInstanceAlreadyExists", "DB instance already exists")
}

pub fn instance_state(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidDBInstanceState", message)
}

pub fn snapshot_not_found(id: &str) -> AwsError {
    missing("DBSnapshotNotFound", format!("DBSnapshot {id} not found."))
}

pub fn snapshot_exists(id: &str) -> AwsError {
    AwsError::client(
        "DBSnapshotAlreadyExists",
        format!(
            "Cannot create the snapshot because a snapshot with the identifier {id} already exists."
        ),
    )
}

pub fn snapshot_state(id: &str) -> AwsError {
    AwsError::client(
        "InvalidDBSnapshotState",
        format!("The snapshot {id} is not in available state."),
    )
}

pub fn subnet_group_not_found(name: &str) -> AwsError {
    missing(
        "DBSubnetGroupNotFoundFault",
        format!("DB subnet group '{name}' does not exist."),
    )
}

pub fn subnet_group_exists(name: &str) -> AwsError {
    AwsError::client(
        "DBSubnetGroupAlreadyExists",
        format!("The DB subnet group '{name}' already exists."),
    )
}

pub fn subnet_group_in_use(name: &str, by: &str) -> AwsError {
    AwsError::client(
        "InvalidDBSubnetGroupStateFault",
        format!(
            "Cannot delete the subnet group '{name}' because at least one database instance: {by} is still using it."
        ),
    )
}

pub fn too_few_zones(zones: usize) -> AwsError {
    AwsError::client(
        "DBSubnetGroupDoesNotCoverEnoughAZs",
        format!(
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ \
             coverage: {zones}. Add subnets to cover at least 2 AZs."
        ),
    )
}

pub fn invalid_subnet(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidSubnet", message)
}

pub fn no_default_vpc() -> AwsError {
    AwsError::client(
        "InvalidSubnet",
        "No default subnet detected in VPC. Please contact AWS Support to recreate default Subnets.",
    )
}

pub fn parameter_group_not_found(name: &str) -> AwsError {
    missing(
        "DBParameterGroupNotFound",
        format!("DBParameterGroup not found: {name}"),
    )
}

pub fn parameter_group_exists(name: &str) -> AwsError {
    AwsError::client(
        "DBParameterGroupAlreadyExists",
        format!("Parameter group {name} already exists"),
    )
}

pub fn parameter_group_state(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidDBParameterGroupState", message)
}

pub fn cluster_not_found(id: &str) -> AwsError {
    missing(
        "DBClusterNotFoundFault",
        format!("DBCluster {id} not found."),
    )
}

pub fn option_group_not_found(name: &str) -> AwsError {
    missing(
        "OptionGroupNotFoundFault",
        format!("Specified OptionGroupName: {name} not found."),
    )
}

pub fn identifier(parameter: &str) -> AwsError {
    value(format!(
        "The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must \
         contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two \
         consecutive hyphens."
    ))
}
