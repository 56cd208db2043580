//! Where a container's output goes: from its log configuration to what the node is told. Pure.
//!
//! What a driver's options mean the node knows; here they are only sorted, and those that
//! registration has let pass are taken for sound.

use neargate_api_ecs as api;
use neargate_domain::{
    ContainerSpec, Firelens, LaunchType, LogBuffer, LogRoute, LogRouter, LogTarget, Multiline,
    runtime_id,
};
use neargate_service::Scope;
use std::collections::BTreeMap;

/// Docker's own options, which every driver has.
const MODE: &str = "mode";
const MAX_BUFFER_SIZE: &str = "max-buffer-size";
/// A driver's name for [`MAX_BUFFER_SIZE`]: the log router's
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/firelens-docker-buffer-limit.html>)
/// and Fluentd's.
const OTHER_BUFFER_SIZES: [&str; 2] = ["log-driver-buffer-limit", "fluentd-buffer-limit"];
/// What ECS gives `non-blocking` where nothing is said
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html>).
const DEFAULT_BUFFER_BYTES: u64 = 10 << 20;

/// `prefix/container/task` in the configured group; without a prefix, which Fargate demands, the
/// stream is named by the container's id
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html>).
pub fn target(
    scope: &Scope,
    (launch_type, task_id): (LaunchType, &str),
    container: &str,
    log: &api::LogConfiguration,
) -> Option<LogTarget> {
    if log.log_driver != "awslogs" {
        return None;
    }
    let options = log.options.as_ref()?;
    let region = options.get("awslogs-region").and_then(|r| r.parse().ok());
    let stream = match options.get("awslogs-stream-prefix") {
        Some(prefix) if !prefix.is_empty() => format!("{prefix}/{container}/{task_id}"),
        _ => runtime_id(launch_type, task_id, container),
    };
    let given = |option: &str| options.get(option).filter(|v| !v.is_empty()).cloned();
    let pattern = || given("awslogs-multiline-pattern").map(Multiline::Pattern);
    Some(LogTarget {
        account: scope.account.clone(),
        region: region.unwrap_or_else(|| scope.region.clone()),
        group: options.get("awslogs-group")?.clone(),
        stream,
        create_group: options
            .get("awslogs-create-group")
            .is_some_and(|v| v.eq_ignore_ascii_case("true")),
        multiline: given("awslogs-datetime-format")
            .map(Multiline::Datetime)
            .or_else(pattern),
    })
}

/// Any other driver; `none` leads nowhere.
pub fn route(log: &api::LogConfiguration) -> Option<LogRoute> {
    if matches!(log.log_driver.as_str(), "awslogs" | "none") {
        return None;
    }
    let mut options: BTreeMap<_, _> = log.options.clone().unwrap_or_default();
    // The log router's are its output's, whatever they are called.
    if log.log_driver != "awsfirelens" {
        options.remove(MODE);
        options.remove(MAX_BUFFER_SIZE);
    }
    Some(LogRoute {
        driver: log.log_driver.clone(),
        options,
    })
}

/// What the options say of the buffer; `None`: nothing.
pub fn buffer(log: &api::LogConfiguration) -> Option<LogBuffer> {
    let options = log.options.as_ref()?;
    let mode = options.get(MODE).map(String::as_str);
    let size = options.get(MAX_BUFFER_SIZE);
    let size = size.or_else(|| OTHER_BUFFER_SIZES.iter().find_map(|o| options.get(*o)));
    let max_bytes = size.and_then(|size| bytes(size));
    match (mode, max_bytes) {
        (None, None) => None,
        (Some("blocking"), _) => Some(LogBuffer {
            blocking: true,
            max_bytes: None,
        }),
        _ => Some(LogBuffer {
            blocking: false,
            max_bytes: Some(max_bytes.unwrap_or(DEFAULT_BUFFER_BYTES)),
        }),
    }
}

/// The account's `defaultLogDriverMode` is `blocking`: so is a driver whose options do not say otherwise. A
/// log router has modes of its own.
pub fn block(container: &mut ContainerSpec) {
    let route = container.log_route.as_ref();
    let has_driver = match route {
        Some(route) => route.driver != "awsfirelens",
        None => container.log.is_some(),
    };
    if has_driver && container.log_buffer.is_none() {
        container.log_buffer = Some(LogBuffer {
            blocking: true,
            max_bytes: None,
        });
    }
}

/// A size as Docker takes it: `512`, `10m`, `1g`, `2MiB`
/// (<https://pkg.go.dev/github.com/docker/go-units#RAMInBytes>).
pub(crate) fn bytes(size: &str) -> Option<u64> {
    let size = size.trim().to_ascii_lowercase();
    let digits = size.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = size.split_at(digits.unwrap_or(size.len()));
    let unit = unit.trim_start();
    let unit = unit.strip_suffix('b').unwrap_or(unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    let shift = ["", "k", "m", "g", "t", "p"]
        .iter()
        .position(|known| *known == unit)?;
    let number: f64 = number.parse().ok()?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "no sign was parsed, and a float's cast saturates"
    )]
    let bytes = (number * (1u64 << (10 * shift)) as f64) as u64;
    Some(bytes)
}

pub fn secrets(log: &api::LogConfiguration) -> Vec<(String, String)> {
    let secrets = log.secret_options.iter().flatten();
    secrets
        .map(|secret| (secret.name.clone(), secret.value_from.clone()))
        .collect()
}

pub(super) fn router(router: &api::FirelensConfiguration) -> Option<Firelens> {
    Some(Firelens {
        router: match router.r#type.as_str() {
            "fluentbit" => LogRouter::Fluentbit,
            "fluentd" => LogRouter::Fluentd,
            _ => return None,
        },
        options: router.options.clone().unwrap_or_default(),
    })
}

/// The log router starts before those that log through it, and stops after them, unless it waits
/// for another container itself: so does the ECS agent (`addFirelensContainerDependency`).
pub(super) fn order(containers: &mut [ContainerSpec]) {
    let Some(router) = containers.iter().find(|c| c.firelens.is_some()) else {
        return;
    };
    if !router.depends_on.is_empty() {
        return;
    }
    let router = router.name.clone();
    for container in containers {
        let through = container.log_route.as_ref();
        let through = through.is_some_and(|route| route.driver == "awsfirelens");
        let knows = container.depends_on.iter().any(|(on, _)| *on == router);
        if through && !knows && container.name != router {
            container
                .depends_on
                .push((router.clone(), "START".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(driver: &str, options: &[(&str, &str)]) -> api::LogConfiguration {
        let options = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        api::LogConfiguration {
            log_driver: driver.into(),
            options: Some(options.collect()),
            secret_options: None,
        }
    }

    #[test]
    fn sizes_are_dockers() {
        for (size, wanted) in [
            ("512", Some(512)),
            ("4k", Some(4 << 10)),
            ("10m", Some(10 << 20)),
            ("1.5g", Some(3 << 29)),
            ("2MiB", Some(2 << 20)),
            ("25 MB", Some(25 << 20)),
            ("-1", None),
            ("ten", None),
            ("", None),
        ] {
            assert_eq!(bytes(size), wanted, "{size}");
        }
    }

    #[test]
    fn a_buffer_is_as_its_mode_says() {
        let of = |options: &[(&str, &str)]| buffer(&log("awslogs", options));
        let holds = |max_bytes| {
            Some(LogBuffer {
                blocking: false,
                max_bytes: Some(max_bytes),
            })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("mode", "non-blocking")]), holds(10 << 20));
        assert_eq!(of(&[("max-buffer-size", "25m")]), holds(25 << 20));
        assert_eq!(
            of(&[("log-driver-buffer-limit", "2097152")]),
            holds(2 << 20)
        );
        let blocking = of(&[("mode", "blocking")]).expect("a mode");
        assert!(blocking.blocking && blocking.max_bytes.is_none());
    }

    #[test]
    fn a_log_router_comes_before_those_who_log_through_it() {
        let spec = |name: &str, driver: Option<&str>| ContainerSpec {
            name: name.into(),
            log_route: driver.map(|driver| LogRoute {
                driver: driver.into(),
                options: BTreeMap::new(),
            }),
            ..ContainerSpec::default()
        };
        let all = || {
            let mut router = spec("router", None);
            router.firelens = Some(Firelens {
                router: LogRouter::Fluentbit,
                options: BTreeMap::new(),
            });
            let mut healthy = spec("healthy", Some("awsfirelens"));
            healthy.depends_on = vec![("router".into(), "HEALTHY".into())];
            let other = spec("other", Some("json-file"));
            vec![spec("app", Some("awsfirelens")), router, healthy, other]
        };
        let mut containers = all();
        order(&mut containers);
        let on = |i: usize, c: &[ContainerSpec]| c[i].depends_on.clone();
        assert_eq!(
            on(0, &containers),
            [("router".to_owned(), "START".to_owned())]
        );
        assert_eq!(
            on(2, &containers).len(),
            1,
            "it waits for the router itself"
        );
        assert!(on(1, &containers).is_empty() && on(3, &containers).is_empty());
        // Whom the router waits for may log through it: then nothing is added.
        let mut containers = all();
        containers[1].depends_on = vec![("app".into(), "START".into())];
        order(&mut containers);
        assert!(on(0, &containers).is_empty());
    }

    #[test]
    fn a_route_has_its_own_options_only() {
        let of = route(&log(
            "syslog",
            &[("syslog-address", "udp://10.0.0.1"), ("mode", "blocking")],
        ));
        let of = of.expect("a route");
        assert_eq!(of.options.len(), 1);
        assert_eq!(route(&log("none", &[])), None);
        assert_eq!(route(&log("awslogs", &[])), None);
    }
}
