//! The rules of one container
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>).

use super::{health, logs, restart};
use crate::error::client;
use crate::plan::extension;
use crate::reference::is_name;
use neargate_api_ecs as api;
use neargate_base::Arn;
use neargate_service::AwsError;
use std::collections::BTreeSet;

const MAX_ENVIRONMENT_FILES: usize = 10;
const MAX_IMAGE: usize = 255;
const MAX_CREDENTIALS: usize = 255;

/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(
    input: &api::RegisterTaskDefinitionInput,
    c: &api::ContainerDefinition,
) -> Result<(), AwsError> {
    let name = c.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(client("Container.name should not be null or empty."));
    }
    if !is_name(name) {
        return Err(client("Container.name contains invalid characters."));
    }
    image(c.image.as_deref().unwrap_or_default())?;
    size(name, c)?;
    mode(input.network_mode.as_deref().unwrap_or("bridge"), c)?;
    secrets(input, c)?;
    environment_files(c)?;
    if let Some(credentials) = &c.repository_credentials {
        let given = &credentials.credentials_parameter;
        let is_one = (1..=MAX_CREDENTIALS).contains(&given.len());
        if !is_one || !given.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(client(format!(
                "The repository credentials parameter specified for container '{name}' is invalid. Parameter names can include up to 255 (uppercase and lowercase), numbers, hyphens, and underscores are allowed. Spaces are not allowed."
            )));
        }
    }
    for u in c.ulimits.iter().flatten() {
        // -1 is "unlimited".
        let beyond = u.soft_limit > u.hard_limit || u.soft_limit < 0;
        if beyond && u.hard_limit >= 0 {
            return Err(client(format!(
                "Soft limit exceeds hard limit for ulimit {}",
                u.name
            )));
        }
    }
    linux(name, c.linux_parameters.as_ref())?;
    for (what, given) in [("start", c.start_timeout), ("stop", c.stop_timeout)] {
        if given.is_some_and(|n| n < 0) {
            return Err(timeout(what, name));
        }
    }
    extension::check(c)?;
    logs::check(c)?;
    health::check(c)?;
    restart::check(c)
}

/// A start or stop timeout is too short.
pub(super) fn timeout(what: &str, container: &str) -> AwsError {
    client(format!(
        "Granular {what} timeout on container '{container}' must be at least 2 seconds."
    ))
}

pub(super) fn invalid_arn() -> AwsError {
    client("Invalid arn syntax.")
}

/// Without its digest a name has at most 255 characters.
fn image(given: &str) -> Result<(), AwsError> {
    if given.is_empty() {
        return Err(client("Container.image should not be null or empty."));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@#+".contains(&b);
    let name = given.split_once('@').map_or(given, |(name, _)| name);
    if name.len() > MAX_IMAGE || !given.bytes().all(legal) {
        return Err(client("Container.image contains invalid characters."));
    }
    Ok(())
}

fn size(name: &str, c: &api::ContainerDefinition) -> Result<(), AwsError> {
    if c.cpu.is_some_and(|n| n < 0) {
        return Err(client("Container.cpu should not be negative."));
    }
    let what = if c.memory.is_some() {
        "memory"
    } else {
        "memoryReservation"
    };
    if c.memory.or(c.memory_reservation).is_some_and(|n| n < 6) {
        // <https://github.com/ansible/ansible/issues/67647>
        return Err(client(format!(
            "Invalid '{what}' setting for container '{name}'."
        )));
    }
    if let (Some(hard), Some(soft)) = (c.memory, c.memory_reservation)
        && hard < soft
    {
        return Err(client(format!(
            "Invalid setting for container '{name}'. 'memory' must be greater than or equal to 'memoryReservation'."
        )));
    }
    Ok(())
}

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|l| !l.is_empty())
}

/// What a network mode rules out.
fn mode(mode: &str, c: &api::ContainerDefinition) -> Result<(), AwsError> {
    if mode != "bridge" && some(&c.links) {
        return Err(client(format!(
            "Links are not supported when networkMode={mode}."
        )));
    }
    if mode != "awsvpc" {
        return Ok(());
    }
    let refused = [
        (
            c.hostname.as_deref().is_some_and(|h| !h.is_empty()),
            "hostname is",
        ),
        (some(&c.extra_hosts), "Extra hosts are"),
        (some(&c.dns_servers), "DNS servers are"),
        (some(&c.dns_search_domains), "DNS search domains are"),
        (c.disable_networking == Some(true), "Disable Networking is"),
    ];
    match refused.iter().find(|(is, _)| *is) {
        Some((_, what)) => Err(client(format!(
            "{what} not supported on container when networkMode=awsvpc."
        ))),
        None => Ok(()),
    }
}

/// Secrets need a role that may read them, and names of their own.
fn secrets(
    input: &api::RegisterTaskDefinitionInput,
    c: &api::ContainerDefinition,
) -> Result<(), AwsError> {
    let options = c.log_configuration.iter();
    let options = options.flat_map(|l| l.secret_options.iter().flatten());
    let secrets = || c.secrets.iter().flatten();
    let has_role = input
        .execution_role_arn
        .as_deref()
        .is_some_and(|r| !r.is_empty());
    for secret in secrets().chain(options) {
        if !has_role {
            return Err(client(
                "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
            ));
        }
        if secret.value_from.starts_with("arn:") && secret.value_from.parse::<Arn>().is_err() {
            return Err(invalid_arn());
        }
    }
    let variables = c.environment.iter().flatten();
    let mut names: BTreeSet<&str> = variables.filter_map(|v| v.name.as_deref()).collect();
    match secrets().find(|secret| !names.insert(&secret.name)) {
        // (<https://github.com/dagster-io/dagster/issues/11622> shows it.)
        Some(secret) => Err(client(format!(
            "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '{}'.",
            secret.name
        ))),
        None => Ok(()),
    }
}

fn environment_files(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let files = c.environment_files.as_deref().unwrap_or_default();
    if files.len() > MAX_ENVIRONMENT_FILES {
        return Err(client(
            "The maximum number of environment files was exceeded. Specify ten or less and try again.",
        ));
    }
    if files.iter().any(|f| f.value.parse::<Arn>().is_err()) {
        return Err(invalid_arn());
    }
    match files.iter().find(|f| !f.value.ends_with(".env")) {
        // "The file must have a .env file extension" (API_EnvironmentFile.html).
        Some(file) => Err(client(format!(
            "The environment file '{}' must have a .env file extension.",
            file.value
        ))),
        None => Ok(()),
    }
}

fn linux(name: &str, given: Option<&api::LinuxParameters>) -> Result<(), AwsError> {
    let Some(linux) = given else {
        return Ok(());
    };
    let invalid = |what: &str| client(format!("Invalid '{what}' setting for container '{name}'."));
    if linux.max_swap.is_some_and(|n| n < 0) {
        return Err(invalid("maxSwap"));
    }
    if linux.swappiness.is_some_and(|n| !(0..=100).contains(&n)) {
        return Err(invalid("swappiness"));
    }
    if linux.shared_memory_size.is_some_and(|n| n < 0) {
        return Err(invalid("sharedMemorySize"));
    }
    for tmpfs in linux.tmpfs.iter().flatten() {
        if tmpfs.size < 1 {
            // <https://github.com/aws/amazon-ecs-agent/issues/2226>
            return Err(client(
                "The container has an invalid tmpfs size value specified. It must be a non-zero, non-negative integer.",
            ));
        }
        if !tmpfs.container_path.starts_with('/') {
            return Err(invalid("tmpfs"));
        }
    }
    Ok(())
}
