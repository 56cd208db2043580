//! A container's `restartPolicy` in a task definition
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerRestartPolicy.html>).

use crate::error::client;
use neargate_api_ecs as api;
use neargate_service::AwsError;

const MAX_IGNORED_EXIT_CODES: usize = 50;

/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let Some(policy) = &c.restart_policy else {
        return Ok(());
    };
    let name = c.name.as_deref().unwrap_or_default();
    if policy
        .restart_attempt_period
        .is_some_and(|n| !(60..=1800).contains(&n))
    {
        return Err(client(format!(
            "The 'restartAttemptPeriod' setting for container '{name}' must be between 60 and 1800."
        )));
    }
    let ignored = policy.ignored_exit_codes.as_ref();
    if ignored.is_some_and(|codes| codes.len() > MAX_IGNORED_EXIT_CODES) {
        return Err(client(format!(
            "The 'ignoredExitCodes' setting for container '{name}' can have at most {MAX_IGNORED_EXIT_CODES} exit codes."
        )));
    }
    Ok(())
}
