//! Flow logs.

use neargate_service::AwsError;

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameter", message)
}

pub fn empty(parameter: &str, if_parameter: &str, is: &str) -> AwsError {
    invalid(format!(
        "{parameter} can't be empty if {if_parameter} is {is}."
    ))
}

pub fn other_type(kind: &str) -> AwsError {
    invalid(format!(
        "LogDestination type must be {kind} if LogGroupName is provided."
    ))
}

pub fn interval() -> AwsError {
    invalid("Invalid Flow Log Max Aggregation Interval")
}

pub fn destination(arn: &str) -> AwsError {
    invalid(format!("LogDestination: {arn} is not valid."))
}

pub fn format(text: &str) -> AwsError {
    super::invalid_parameter(format!(
        "1 validation error detected: Value '{text}' at 'logFormat' has an invalid format"
    ))
}

pub fn exists() -> AwsError {
    AwsError::client(
        "FlowLogAlreadyExists",
        "Error. There is an existing Flow Log with the same configuration and log destination.",
    )
}

pub fn not_found(ids: &[String]) -> AwsError {
    AwsError::client(
        "InvalidFlowLogId.NotFound",
        format!(
            "These flow log ids in the input list are not found: [TotalCount: {}] {}",
            ids.len(),
            ids.join(" ")
        ),
    )
}

pub fn token_used() -> AwsError {
    AwsError::client(
        "IdempotentParameterMismatch",
        "The client token was used before with other parameters.",
    )
}
