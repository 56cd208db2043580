//! Application Auto Scaling's errors, one constructor each
//! (<https://docs.aws.amazon.com/autoscaling/application/APIReference/CommonErrors.html>). The
//! sentences are AWS's where they are known from its answers.

use crate::model::Named;
use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

/// Whatever is wrong with a request.
pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

/// Input that breaks the model. AWS's service names the values of an enum in the order of letters.
pub fn invalid(invalid: &Invalid) -> AwsError {
    const BEFORE: &str = "Member must satisfy enum value set: [";
    let text = invalid.to_string();
    let mut parts = text.split(BEFORE);
    let mut message = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (set, rest) = part.split_once(']').unwrap_or((part, ""));
        let mut values: Vec<&str> = set.split(", ").collect();
        values.sort_unstable();
        message.push_str(&format!("{BEFORE}{}]{rest}", values.join(", ")));
    }
    validation(message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::client("ObjectNotFoundException", message)
}

pub fn limit_exceeded(message: impl Into<String>) -> AwsError {
    AwsError::client("LimitExceededException", message)
}

pub fn invalid_next_token() -> AwsError {
    AwsError::client("InvalidNextTokenException", "Invalid next token")
}

pub fn max_results(given: i32, most: usize) -> AwsError {
    let (word, bound) = match given < 1 {
        true => ("greater", 1),
        false => ("less", most),
    };
    validation(format!(
        "1 validation error detected: Value '{given}' at 'maxResults' failed to satisfy constraint: \
         Member must have value {word} than or equal to {bound}"
    ))
}

pub fn unsupported_resource() -> AwsError {
    validation("Unsupported service namespace, resource type or scalable dimension")
}

/// A service whose resources AWS scales and Neargate does not.
pub fn unsupported_namespace(namespace: &str) -> AwsError {
    validation(format!(
        "Neargate does not scale resources of the service namespace {namespace} yet."
    ))
}

pub fn no_predictive_scaling() -> AwsError {
    validation("Neargate does not do PredictiveScaling yet.")
}

pub fn no_such_service(resource_id: &str) -> AwsError {
    validation(format!("ECS service doesn't exist: {resource_id}"))
}

/// What a call works on is not registered.
pub fn not_registered(named: &Named) -> AwsError {
    not_found(format!("No scalable target registered for {named}"))
}

/// What is to be deregistered is not there.
pub fn no_such_target(named: &Named) -> AwsError {
    not_found(format!("No scalable target found for {named}"))
}

pub fn no_such_policy(named: &Named, policy: &str) -> AwsError {
    not_found(format!(
        "No scaling policy found for {named}, policy name: {policy}"
    ))
}

pub fn no_such_scheduled_action(named: &Named, action: &str) -> AwsError {
    not_found(format!(
        "No scheduled action found for {named}, scheduled action name: {action}"
    ))
}

pub fn dimension_needs_resource(what: &str) -> AwsError {
    validation(format!(
        "{what} must be specified when ScalableDimension is specified"
    ))
}

/// CloudWatch refuses an alarm of a policy, or there is no CloudWatch.
pub fn failed_access(why: &AwsError) -> AwsError {
    AwsError::client("FailedResourceAccessException", &*why.message)
}

pub fn no_such_resource(arn: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("The specified resource doesn't exist: {arn}"),
    )
    .field("ResourceName", arn)
}

pub fn tags(arn: &str, why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => {
            AwsError::client("TooManyTagsException", why.to_string()).field("ResourceName", arn)
        }
        _ => validation(why.to_string()),
    }
}
