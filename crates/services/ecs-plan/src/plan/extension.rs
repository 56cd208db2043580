//! What a task definition may ask for that AWS does not have: by labels of a container (`dockerLabels`) that
//! begin with `neargate:`. None of it is there unless it is asked for. Pure.

use crate::error::client;
use neargate_api_ecs as api;
use neargate_domain::ContainerSpec;
use neargate_service::AwsError;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How many seconds the whole task may run: the shortest of its containers' counts.
const TIMEOUT: &str = "neargate:timeout";
/// `stopTimeout`, without the bound that it has on Fargate.
const STOP_TIMEOUT: &str = "neargate:stop-timeout";
/// The directory in which the container's `secrets` are files instead of variables. The node reads it.
const SECRETS: &str = "neargate:secrets";

/// A year.
const TIMEOUT_SECS: RangeInclusive<u32> = 1..=31_536_000;
/// A day.
const STOP_TIMEOUT_SECS: RangeInclusive<u32> = 2..=86_400;
/// Where the kernel's own files are, and devices.
const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];
const MAX_PATH: usize = 255;

/// # Errors
/// `ClientException` for a label that asks for what cannot be.
pub fn check(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let name = c.name.as_deref().unwrap_or_default();
    let label = |key: &str| c.docker_labels.as_ref()?.get(key).map(String::as_str);
    let refused = |key: &str, why: &str| {
        client(format!(
            "The label '{key}' of container '{name}' is invalid: {why}."
        ))
    };
    for (key, range) in [(TIMEOUT, TIMEOUT_SECS), (STOP_TIMEOUT, STOP_TIMEOUT_SECS)] {
        if label(key).is_some_and(|given| within(given, &range).is_none()) {
            let (least, most) = (range.start(), range.end());
            let why = format!("it must be a whole number of seconds from {least} to {most}");
            return Err(refused(key, &why));
        }
    }
    if label(STOP_TIMEOUT).is_some() && c.stop_timeout.is_some() {
        return Err(refused(STOP_TIMEOUT, "stopTimeout is given, too"));
    }
    if let Some(directory) = label(SECRETS) {
        if !is_directory(directory) {
            let why = "it must be an absolute path of at most 255 characters without '.' and '..', \
                       outside of /proc, /sys and /dev";
            return Err(refused(SECRETS, why));
        }
        if c.secrets.as_ref().is_none_or(Vec::is_empty) {
            return Err(refused(SECRETS, "the container has no secrets"));
        }
        let is_file = |name: &str| !name.contains('/') && !matches!(name, "." | "..");
        let mut names = c.secrets.iter().flatten().map(|secret| &secret.name);
        if let Some(odd) = names.find(|name| !is_file(name)) {
            return Err(refused(SECRETS, &format!("'{odd}' is no name of a file")));
        }
    }
    Ok(())
}

fn within(given: &str, range: &RangeInclusive<u32>) -> Option<u32> {
    // `parse` takes a sign.
    let digits = given.bytes().all(|b| b.is_ascii_digit());
    let seconds = given.parse().ok().filter(|_| digits);
    seconds.filter(|seconds| range.contains(seconds))
}

fn is_directory(given: &str) -> bool {
    let Some(inner) = given.strip_prefix('/') else {
        return false;
    };
    let is_name = |part: &str| !matches!(part, "" | "." | "..");
    let mut kernels = KERNELS.iter().filter_map(|root| given.strip_prefix(root));
    given.len() <= MAX_PATH
        && !given.contains('\0')
        && inner.split('/').all(is_name)
        && !kernels.any(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Seconds between SIGTERM and SIGKILL, where a label says so.
pub fn stop_timeout_secs(labels: &BTreeMap<String, String>) -> Option<u32> {
    within(labels.get(STOP_TIMEOUT)?, &STOP_TIMEOUT_SECS)
}

/// How long the task may run.
pub fn time_limit(containers: &[ContainerSpec]) -> Option<Duration> {
    let limits = containers.iter().filter_map(|c| c.labels.get(TIMEOUT));
    let seconds = limits
        .filter_map(|given| within(given, &TIMEOUT_SECS))
        .min();
    seconds.map(|seconds| Duration::from_secs(seconds.into()))
}

/// The `stoppedReason` of a task that has run for too long.
pub fn out_of_time(limit: Duration) -> String {
    let seconds = limit.as_secs();
    format!("The task has run for its time limit of {seconds} seconds ({TIMEOUT}).")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(key: &str, value: &str) -> api::ContainerDefinition {
        api::ContainerDefinition {
            name: Some("app".into()),
            docker_labels: Some([(key.to_owned(), value.to_owned())].into_iter().collect()),
            secrets: Some(vec![api::Secret {
                name: "PASSWORD".into(),
                value_from: "/p".into(),
            }]),
            ..Default::default()
        }
    }

    fn refusal(key: &str, value: &str) -> Option<String> {
        let refused = check(&labelled(key, value)).err()?;
        assert_eq!(refused.code, "ClientException");
        Some(refused.message)
    }

    #[test]
    fn what_labels_may_say() {
        for (key, value) in [
            (TIMEOUT, "1"),
            (TIMEOUT, "31536000"),
            (STOP_TIMEOUT, "600"),
            (SECRETS, "/run/secrets"),
            (SECRETS, "/proceedings"),
            ("neargate:docker", "build"),
            ("other", "-1"),
        ] {
            assert_eq!(refusal(key, value), None, "{key} {value}");
        }
        for (key, value) in [
            (TIMEOUT, "0"),
            (TIMEOUT, ""),
            (TIMEOUT, "+5"),
            (TIMEOUT, "5m"),
            (TIMEOUT, "31536001"),
            (TIMEOUT, "99999999999999999999"),
            (STOP_TIMEOUT, "1"),
            (STOP_TIMEOUT, "86401"),
            (SECRETS, "run"),
            (SECRETS, "/"),
            (SECRETS, "/run/"),
            (SECRETS, "/run/../etc"),
            (SECRETS, "/proc/self"),
            (SECRETS, "/dev"),
        ] {
            let said = refusal(key, value).unwrap_or_default();
            assert!(said.contains(key), "{key} {value}: {said}");
        }
    }

    #[test]
    fn labels_contradict_nothing_else() {
        let mut both = labelled(STOP_TIMEOUT, "600");
        both.stop_timeout = Some(30);
        assert!(check(&both).is_err());
        let mut without = labelled(SECRETS, "/run/secrets");
        without.secrets = None;
        assert!(check(&without).is_err());
        let mut odd = labelled(SECRETS, "/run/secrets");
        odd.secrets
            .iter_mut()
            .flatten()
            .for_each(|secret| secret.name = "a/b".into());
        assert!(check(&odd).is_err());
    }

    #[test]
    fn the_shortest_limit_counts() {
        let with = |limit: &str| ContainerSpec {
            labels: [(TIMEOUT.to_owned(), limit.to_owned())].into(),
            ..Default::default()
        };
        assert_eq!(time_limit(&[ContainerSpec::default()]), None);
        let limit = time_limit(&[with("90"), ContainerSpec::default(), with("60")]);
        assert_eq!(limit, Some(Duration::from_secs(60)));
    }
}
