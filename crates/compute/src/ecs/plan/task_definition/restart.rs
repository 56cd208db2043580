//! A container's `restartPolicy` in a task definition
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerRestartPolicy.html>).

use crate::ecs::error::client;
use neargate_api::ecs as api;
use neargate_service::AwsError;

const MAX_IGNORED_EXIT_CODES: usize = 50;

/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let Some(policy) = &c.restart_policy else {
        return Ok(());
    };
    let name = c.name.as_deref().unwrap_or_default();
    let refuse = |what: &str| {
        Err(client(format!(
            "Invalid 'restartPolicy' setting for container '{name}'. {what}"
        )))
    };
    if policy
        .restart_attempt_period
        .is_some_and(|n| !(60..=1800).contains(&n))
    {
        return refuse("'restartAttemptPeriod' must be between 60 and 1800 seconds.");
    }
    let ignored = policy.ignored_exit_codes.as_ref();
    if ignored.is_some_and(|codes| codes.len() > MAX_IGNORED_EXIT_CODES) {
        return refuse("'ignoredExitCodes' can have at most 50 exit codes.");
    }
    Ok(())
}
