//! From a task definition and its overrides to what the node runs.

use super::{extension, output, task_definition, volumes};
use crate::error;
use neargate_api_ecs as api;
use neargate_domain::{
    ContainerNetwork, ContainerSpec, Device, HealthCheck, ImageRef, IpcMode, LaunchType, PidMode,
    PortMapping, PortRange, Protocol, Proxy, RestartPolicy,
};
use neargate_service::{AwsError, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds between SIGTERM and SIGKILL when the definition says nothing.
const STOP_TIMEOUT_SECS: u32 = 30;
/// What Fargate allows a container to take before it counts as started.
const START_TIMEOUT_SECS: u32 = 180;

/// Every override must name a container of the definition, each at most once, and roles that are
/// some.
///
/// # Errors
/// `InvalidParameterException` for one that does not, `ClientException` for what is no role.
pub fn check_overrides(
    definition: &api::TaskDefinition,
    overrides: &api::TaskOverride,
) -> Result<(), AwsError> {
    let known = |name: &str| {
        definition
            .container_definitions
            .iter()
            .flatten()
            .any(|c| c.name.as_deref() == Some(name))
    };
    task_definition::role(overrides.task_role_arn.as_deref())?;
    task_definition::role(overrides.execution_role_arn.as_deref())?;
    let mut seen = BTreeSet::new();
    for name in overrides
        .container_overrides
        .iter()
        .flatten()
        .map(|o| &o.name)
    {
        let Some(name) = name.as_deref().filter(|n| !n.is_empty()) else {
            return Err(error::invalid_parameter(
                "Container override name must not be empty.",
            ));
        };
        if !known(name) {
            return Err(error::invalid_parameter(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
        if !seen.insert(name) {
            return Err(error::invalid_parameter(format!(
                "There is more than one override for container named {name}."
            )));
        }
    }
    Ok(())
}

/// The task's role and its execution role, as ARNs.
pub fn roles(
    definition: &api::TaskDefinition,
    overrides: &api::TaskOverride,
) -> (Option<String>, Option<String>) {
    let of = definition
        .task_definition_arn
        .as_deref()
        .unwrap_or_default();
    let role = |over: &Option<String>, defined: &Option<String>| {
        let over = task_definition::role_arn(over.as_ref(), of);
        over.or_else(|| task_definition::role_arn(defined.as_ref(), of))
    };
    (
        role(&overrides.task_role_arn, &definition.task_role_arn),
        role(
            &overrides.execution_role_arn,
            &definition.execution_role_arn,
        ),
    )
}

/// The containers of the task `task_id`, which runs on `launch_type`.
pub fn containers(
    scope: &Scope,
    (launch_type, task_id): (LaunchType, &str),
    definition: &api::TaskDefinition,
    overrides: &api::TaskOverride,
) -> Vec<ContainerSpec> {
    let of = |name: &str| {
        overrides
            .container_overrides
            .iter()
            .flatten()
            .find(|o| o.name.as_deref() == Some(name))
    };
    let defined = definition.container_definitions.iter().flatten();
    let containers = defined.map(|c| {
        let name = c.name.as_deref().unwrap_or_default();
        container(scope, (launch_type, task_id), c, of(name))
    });
    let mut containers: Vec<ContainerSpec> = containers.collect();
    output::order(&mut containers);
    containers
}

fn container(
    scope: &Scope,
    task: (LaunchType, &str),
    c: &api::ContainerDefinition,
    over: Option<&api::ContainerOverride>,
) -> ContainerSpec {
    let name = c.name.clone().unwrap_or_default();
    let linux = c.linux_parameters.as_ref();
    let log = c.log_configuration.as_ref();
    let capabilities = linux.and_then(|l| l.capabilities.as_ref());
    let positive = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    let labels = c.docker_labels.clone().into_iter().flatten().collect();
    ContainerSpec {
        image: ImageRef {
            name: c.image.clone().unwrap_or_default(),
        },
        essential: c.essential.unwrap_or(true),
        entry_point: c.entry_point.clone().filter(|e| !e.is_empty()),
        command: over
            .and_then(|o| o.command.clone())
            .filter(|command| !command.is_empty())
            .or_else(|| c.command.clone())
            .filter(|command| !command.is_empty()),
        environment: environment(c, over),
        working_directory: c.working_directory.clone(),
        user: c.user.clone().filter(|u| !u.is_empty()),
        hostname: c.hostname.clone(),
        cpu_units: positive(over.and_then(|o| o.cpu).or(c.cpu)),
        memory_mib: positive(over.and_then(|o| o.memory).or(c.memory)),
        memory_reservation_mib: positive(
            over.and_then(|o| o.memory_reservation)
                .or(c.memory_reservation),
        ),
        read_only_root: c.readonly_root_filesystem.unwrap_or(false),
        privileged: c.privileged.unwrap_or(false),
        cap_add: capabilities.and_then(|k| k.add.clone()).unwrap_or_default(),
        cap_drop: capabilities
            .and_then(|k| k.drop.clone())
            .unwrap_or_default(),
        init_process: linux.and_then(|l| l.init_process_enabled).unwrap_or(false),
        shm_size_mib: positive(linux.and_then(|l| l.shared_memory_size)),
        tmpfs: linux
            .and_then(|l| l.tmpfs.as_ref())
            .into_iter()
            .flatten()
            .map(|t| {
                let options = t.mount_options.clone().unwrap_or_default();
                (
                    t.container_path.clone(),
                    positive(Some(t.size)).unwrap_or(1),
                    options,
                )
            })
            .collect(),
        ulimits: c
            .ulimits
            .iter()
            .flatten()
            .map(|u| {
                (
                    u.name.clone(),
                    u64::try_from(u.soft_limit),
                    u64::try_from(u.hard_limit),
                )
            })
            // -1 is "unlimited".
            .map(|(n, soft, hard)| (n, soft.unwrap_or(u64::MAX), hard.unwrap_or(u64::MAX)))
            .collect(),
        sysctls: c
            .system_controls
            .iter()
            .flatten()
            .filter_map(|s| Some((s.namespace.clone()?, s.value.clone()?)))
            .collect(),
        extra_hosts: c
            .extra_hosts
            .iter()
            .flatten()
            .map(|h| (h.hostname.clone(), h.ip_address.clone()))
            .collect(),
        interactive: c.interactive.unwrap_or(false),
        pseudo_terminal: c.pseudo_terminal.unwrap_or(false),
        stop_timeout_secs: extension::stop_timeout_secs(&labels)
            .or(positive(c.stop_timeout))
            .unwrap_or(STOP_TIMEOUT_SECS),
        start_timeout_secs: positive(c.start_timeout).unwrap_or(START_TIMEOUT_SECS),
        depends_on: c
            .depends_on
            .iter()
            .flatten()
            .map(|d| (d.container_name.clone(), d.condition.clone()))
            .chain(linked(c))
            .collect(),
        log: log.and_then(|l| output::target(scope, task, &name, l)),
        port_mappings: port_mappings(c),
        health_check: c.health_check.as_ref().and_then(health_check),
        restart_policy: c.restart_policy.as_ref().and_then(restart_policy),
        arn: None,
        labels,
        secrets: secrets(c),
        environment_files: environment_files(c, over),
        network: network(c),
        repository_credentials: c
            .repository_credentials
            .as_ref()
            .map(|credentials| credentials.credentials_parameter.clone()),
        mounts: volumes::mounts(c),
        volumes_from: volumes::from(c),
        devices: devices(linux),
        max_swap_mib: linux
            .and_then(|l| l.max_swap)
            .and_then(|mib| u32::try_from(mib).ok()),
        swappiness: linux
            .and_then(|l| l.swappiness)
            .and_then(|n| u32::try_from(n).ok()),
        security_options: c.docker_security_options.clone().unwrap_or_default(),
        log_route: log.and_then(output::route),
        log_buffer: log.and_then(output::buffer),
        log_secrets: log.map(output::secrets).unwrap_or_default(),
        firelens: c.firelens_configuration.as_ref().and_then(output::router),
        name,
    }
}

/// `name` or `name:alias`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>).
fn link(given: &str) -> (String, String) {
    let (name, alias) = given.split_once(':').unwrap_or((given, given));
    (name.to_owned(), alias.to_owned())
}

/// What a container is linked to runs before it does, as the ECS agent has it.
fn linked(c: &api::ContainerDefinition) -> impl Iterator<Item = (String, String)> {
    let waits_for = |name: &str| {
        let mut on = c.depends_on.iter().flatten();
        on.any(|d| d.container_name == name)
    };
    let links = c.links.iter().flatten().map(|given| link(given).0);
    links
        .filter(move |name| !waits_for(name))
        .map(|name| (name, "START".to_owned()))
}

/// What the definition says of the container's network besides single ports.
fn network(c: &api::ContainerDefinition) -> ContainerNetwork {
    let ranges = c.port_mappings.iter().flatten();
    ContainerNetwork {
        dns_servers: c.dns_servers.clone().unwrap_or_default(),
        dns_search_domains: c.dns_search_domains.clone().unwrap_or_default(),
        links: c.links.iter().flatten().map(|given| link(given)).collect(),
        disabled: c.disable_networking.unwrap_or(false),
        port_ranges: ranges
            .filter_map(|p| {
                let (first, last) =
                    task_definition::port_range(p.container_port_range.as_deref()?)?;
                Some(PortRange {
                    first,
                    last,
                    protocol: transport(p.protocol.as_deref()),
                    host_first: None,
                })
            })
            .collect(),
    }
}

/// App Mesh's proxy by its properties; a number that is none is passed over, as the CNI plugin does.
pub fn proxy(given: &api::ProxyConfiguration) -> Proxy {
    let text = |name: &str| -> &str {
        let mut given = given.properties.iter().flatten();
        let found = given.find(|p| p.name.as_deref() == Some(name));
        found.and_then(|p| p.value.as_deref()).unwrap_or_default()
    };
    let list = |name: &str| {
        let words = text(name).split(',').map(|word| word.trim().to_owned());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>()
    };
    let ports = |name: &str| -> Vec<u16> {
        let words = list(name).into_iter();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    let port = |name: &str| text(name).trim().parse().unwrap_or(0);
    Proxy {
        ingress_port: port("ProxyIngressPort"),
        egress_port: port("ProxyEgressPort"),
        app_ports: ports("AppPorts"),
        egress_ignored_ports: ports("EgressIgnoredPorts"),
        egress_ignored_ips: list("EgressIgnoredIPs"),
        ignored_uid: text("IgnoredUID").trim().parse().ok(),
        ignored_gid: text("IgnoredGID").trim().parse().ok(),
    }
}

/// ECS takes whatever is not `udp` for `tcp`.
fn transport(given: Option<&str>) -> Protocol {
    match task_definition::protocol(given) {
        "udp" => Protocol::Udp,
        _ => Protocol::Tcp,
    }
}

/// Variables whose values are read at the start, as whoever may read them.
fn secrets(c: &api::ContainerDefinition) -> Vec<(String, String)> {
    let secrets = c.secrets.iter().flatten();
    secrets
        .map(|secret| (secret.name.clone(), secret.value_from.clone()))
        .collect()
}

/// The definition's, unless the override has some.
fn environment_files(
    c: &api::ContainerDefinition,
    over: Option<&api::ContainerOverride>,
) -> Vec<String> {
    let overriding = over.and_then(|o| o.environment_files.as_ref());
    let overriding = overriding.filter(|files| !files.is_empty());
    let files = overriding.or(c.environment_files.as_ref());
    files
        .into_iter()
        .flatten()
        .map(|f| f.value.clone())
        .collect()
}

/// Ports as the definition has them; host port 0 leaves the choice to the node.
fn port_mappings(c: &api::ContainerDefinition) -> Vec<PortMapping> {
    let port = |p: Option<i32>| p.and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0);
    let mappings = c.port_mappings.iter().flatten();
    mappings
        .filter_map(|p| {
            Some(PortMapping {
                container_port: port(p.container_port)?,
                host_port: port(p.host_port),
                protocol: match p.protocol.as_deref() {
                    Some("udp") => Protocol::Udp,
                    _ => Protocol::Tcp,
                },
            })
        })
        .collect()
}

/// Permissions are no part: a container that has a device may read and write it.
fn devices(linux: Option<&api::LinuxParameters>) -> Vec<Device> {
    let devices = linux.and_then(|l| l.devices.as_ref());
    let devices = devices.into_iter().flatten();
    devices
        .map(|device| Device {
            host_path: device.host_path.clone(),
            container_path: device.container_path.clone().filter(|p| !p.is_empty()),
        })
        .collect()
}

/// Whose processes the containers see.
pub fn pid_mode(definition: &api::TaskDefinition) -> Option<PidMode> {
    match definition.pid_mode.as_deref()? {
        "task" => Some(PidMode::Task),
        "host" => Some(PidMode::Host),
        _ => None,
    }
}

/// Whose objects of inter-process communication they use.
pub fn ipc_mode(definition: &api::TaskDefinition) -> Option<IpcMode> {
    match definition.ipc_mode.as_deref()? {
        "task" => Some(IpcMode::Task),
        "host" => Some(IpcMode::Host),
        "none" => Some(IpcMode::None),
        _ => None,
    }
}

/// GPUs that the task's containers ask for.
pub fn gpus(definition: &api::TaskDefinition) -> u32 {
    let containers = definition.container_definitions.iter().flatten();
    let requirements = containers.flat_map(|c| c.resource_requirements.iter().flatten());
    requirements
        .filter(|r| r.r#type == "GPU")
        .filter_map(|r| r.value.as_deref()?.parse::<u32>().ok())
        .fold(0, u32::saturating_add)
}

/// The check with ECS's defaults. ECS registers any command, and Docker carries out those that
/// start with `CMD` or `CMD-SHELL`: another one is no check, and the health stays unknown.
fn health_check(check: &api::HealthCheck) -> Option<HealthCheck> {
    let of = |given: Option<i32>, default: u32| {
        given.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
    };
    let kind = check.command.first().map(String::as_str);
    matches!(kind, Some("CMD" | "CMD-SHELL")).then(|| HealthCheck {
        command: check.command.clone(),
        interval_secs: of(check.interval, 30),
        timeout_secs: of(check.timeout, 5),
        retries: of(check.retries, 3),
        start_period_secs: of(check.start_period, 0),
    })
}

/// The policy with ECS's defaults, when it is enabled.
fn restart_policy(policy: &api::ContainerRestartPolicy) -> Option<RestartPolicy> {
    let period = policy
        .restart_attempt_period
        .and_then(|n| u32::try_from(n).ok());
    policy.enabled.then(|| RestartPolicy {
        ignored_exit_codes: policy.ignored_exit_codes.clone().unwrap_or_default(),
        attempt_period_secs: period.unwrap_or(300),
    })
}

/// The definition's variables with the override's on top.
fn environment(
    c: &api::ContainerDefinition,
    over: Option<&api::ContainerOverride>,
) -> BTreeMap<String, String> {
    let overriding = over.and_then(|o| o.environment.as_ref());
    c.environment
        .iter()
        .chain(overriding)
        .flatten()
        .filter_map(|kv| Some((kv.name.clone()?, kv.value.clone().unwrap_or_default())))
        .collect()
}
