//! Network ACLs and DHCP options.

use super::invalid_parameter;
use neargate_service::AwsError;

pub fn rule_number(number: i32) -> AwsError {
    invalid_parameter(format!(
        "Value ({number}) for parameter ruleNumber is invalid. Rule numbers are from 1 to 32766."
    ))
}

pub fn entry_exists(number: u16) -> AwsError {
    AwsError::client(
        "NetworkAclEntryAlreadyExists",
        format!("The network acl entry identified by {number} already exists."),
    )
}

pub fn entry_not_found(number: i32) -> AwsError {
    AwsError::client(
        "InvalidNetworkAclEntry.NotFound",
        format!("The network acl entry identified by {number} does not exist"),
    )
}

pub fn protocol(protocol: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({protocol}) for parameter protocol is invalid. Unknown protocol."
    ))
}

pub fn ports(from: i32, to: i32) -> AwsError {
    invalid_parameter(format!(
        "Value ({from}-{to}) for parameter portRange is invalid. TCP/UDP port out of range."
    ))
}

pub fn icmp(kind: i32, code: i32) -> AwsError {
    invalid_parameter(format!(
        "Value ({kind}, {code}) for parameter icmpTypeCode is invalid. ICMP type or code out of range."
    ))
}

pub fn default_acl(id: &str) -> AwsError {
    invalid_parameter(format!("cannot delete default network ACL {id}"))
}

pub fn unknown_option(key: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({key}) for parameter name is invalid. Unknown DHCP option"
    ))
}

pub fn option_value(key: &str, value: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({value}) for parameter value is invalid. Invalid DHCP option value for {key}."
    ))
}
