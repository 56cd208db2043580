//! A container's `healthCheck` in a task definition: its limits and its defaults
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html>).

use crate::error::client;
use neargate_api_ecs as api;
use neargate_service::AwsError;

/// Seconds between checks when the definition says nothing.
pub const INTERVAL_SECS: i32 = 30;
/// Seconds a check may take when the definition says nothing.
pub const TIMEOUT_SECS: i32 = 5;
/// Failures in a row when the definition says nothing.
pub const RETRIES: i32 = 3;

/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let Some(check) = &c.health_check else {
        return Ok(());
    };
    let name = c.name.as_deref().unwrap_or_default();
    if check.command.is_empty() {
        return Err(client(format!(
            "Health check command must not be empty for container '{name}'"
        )));
    }
    let limits = [
        ("interval", check.interval, 5..=300),
        ("timeout", check.timeout, 2..=60),
        ("retries", check.retries, 1..=10),
        ("startPeriod", check.start_period, 0..=300),
    ];
    for (what, given, range) in limits {
        let (least, most) = (*range.start(), *range.end());
        let sentence = match given {
            Some(n) if n > most => {
                format!("less than or equal to the maximum allowed value {most}")
            }
            Some(n) if n < least => {
                format!("greater than or equal to the minimum allowed value {least}")
            }
            _ => continue,
        };
        return Err(client(format!(
            "Health check {what} must be {sentence} for container '{name}'"
        )));
    }
    Ok(())
}

/// ECS describes a check with its defaults; `startPeriod` stays away unless it was given.
pub(super) fn fill(check: &mut api::HealthCheck) {
    check.interval.get_or_insert(INTERVAL_SECS);
    check.timeout.get_or_insert(TIMEOUT_SECS);
    check.retries.get_or_insert(RETRIES);
}
