//! Log drivers and their options
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html>).

use crate::error::client;
use crate::plan::output;
use neargate_api_ecs as api;
use neargate_base::Region;
use neargate_service::AwsError;
use std::collections::BTreeMap;

/// The options of the awslogs driver
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html>).
const AWSLOGS_OPTIONS: [&str; 9] = [
    "awslogs-group",
    "awslogs-region",
    "awslogs-stream-prefix",
    "awslogs-create-group",
    "awslogs-datetime-format",
    "awslogs-multiline-pattern",
    "awslogs-endpoint",
    "mode",
    "max-buffer-size",
];

/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    match &c.log_configuration {
        Some(log) if log.log_driver == "awslogs" => awslogs(log),
        Some(log) => buffer(log),
        None => Ok(()),
    }
}

/// How output waits for its driver. The words of what Docker's daemon would say at the start.
fn buffer(log: &api::LogConfiguration) -> Result<(), AwsError> {
    // A log router's options are its output's.
    let none = BTreeMap::new();
    let options = match log.log_driver.as_str() {
        "awsfirelens" => &none,
        _ => log.options.as_ref().unwrap_or(&none),
    };
    let mode = options.get("mode").map(String::as_str);
    if let Some(mode) = mode
        && !matches!(mode, "blocking" | "non-blocking")
    {
        return Err(client(format!(
            "logger: logging mode not supported: {mode}"
        )));
    }
    let Some(size) = options.get("max-buffer-size") else {
        return Ok(());
    };
    if mode == Some("blocking") {
        return Err(client(
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ));
    }
    match output::bytes(size) {
        Some(_) => Ok(()),
        None => Err(client(format!(
            "logger: error parsing option max-buffer-size: invalid size: '{size}'"
        ))),
    }
}

fn awslogs(log: &api::LogConfiguration) -> Result<(), AwsError> {
    let none = BTreeMap::new();
    let options = log.options.as_ref().unwrap_or(&none);
    let required = ["awslogs-region", "awslogs-group"];
    let missing = required.map(|o| (!options.contains_key(o)).then_some(o));
    let missing: Vec<&str> = missing.into_iter().flatten().collect();
    if !missing.is_empty() {
        return Err(client(format!(
            "Log driver awslogs requires options: {}",
            missing.join(", ")
        )));
    }
    let known = |o: &&str| AWSLOGS_OPTIONS.contains(o);
    let unknown = options.keys().map(String::as_str).filter(|o| !known(o));
    let unknown: Vec<&str> = unknown.collect();
    if !unknown.is_empty() {
        return Err(client(format!(
            "Log driver awslogs disallows options: {}",
            unknown.join(", ")
        )));
    }
    if options
        .get("awslogs-create-group")
        .is_some_and(|v| !v.eq_ignore_ascii_case("true"))
    {
        return Err(client(
            "Log driver awslogs option 'awslogs-create-group' should only be set to 'true', else omit option.",
        ));
    }
    if options["awslogs-region"].parse::<Region>().is_err() {
        return Err(client(
            "Log driver awslogs option 'awslogs-region' is not a region.",
        ));
    }
    let patterns = ["awslogs-datetime-format", "awslogs-multiline-pattern"];
    if patterns.iter().all(|p| options.contains_key(*p)) {
        // Docker's words.
        return Err(client(
            "you cannot configure log opt 'awslogs-datetime-format' and 'awslogs-multiline-pattern' at the same time",
        ));
    }
    buffer(log)
}

/// A log router and those who log through it come together.
///
/// # Errors
/// `ClientException` for either without the other.
pub(super) fn firelens(containers: &[api::ContainerDefinition]) -> Result<(), AwsError> {
    let through = |c: &api::ContainerDefinition| {
        let log = c.log_configuration.as_ref();
        log.is_some_and(|l| l.log_driver == "awsfirelens")
    };
    let routers = containers
        .iter()
        .filter_map(|c| c.firelens_configuration.as_ref());
    let routers: Vec<_> = routers.collect();
    match (routers.is_empty(), containers.iter().any(through)) {
        (false, false) => Err(client(
            "When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log driver.",
        )),
        (true, true) => Err(client(
            "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be configured in one of the containers.",
        )),
        _ => routers.into_iter().try_for_each(router),
    }
}

/// Where a router's configuration comes from, if it has one: `file` or `s3`.
pub(super) fn config_file_type(router: &api::FirelensConfiguration) -> Option<&str> {
    let options = router.options.as_ref()?;
    options.get("config-file-type").map(String::as_str)
}

/// (<https://github.com/aws/aws-cli/issues/7147> shows it.)
fn router(router: &api::FirelensConfiguration) -> Result<(), AwsError> {
    let value = router
        .options
        .iter()
        .find_map(|o| o.get("config-file-value"));
    let is_arn = value.is_some_and(|v| v.starts_with("arn:"));
    if config_file_type(router) == Some("s3") && !is_arn {
        return Err(super::container::invalid_arn());
    }
    Ok(())
}
