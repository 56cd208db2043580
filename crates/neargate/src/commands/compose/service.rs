//! One service of a Compose file: each of its keys is mapped, noted or refused by its name. Pure.

use super::fields::{amount, boolean, entries, number, pairs, text, texts, words};
use super::model::{Build, Condition, Health, SecretSource, Service};
use super::read::{Findings, Surroundings};
use super::{limits, mounts, ports, size};
use crate::commands::yaml::{Kind, Node};
use std::collections::{BTreeMap, BTreeSet};

/// What a service may refer to.
pub struct Context<'a> {
    pub around: &'a Surroundings<'a>,
    pub volumes: &'a BTreeMap<String, String>,
    pub secrets: &'a BTreeMap<String, SecretSource>,
    pub networks: BTreeSet<String>,
    /// Files, by the configs' names.
    pub configs: BTreeMap<String, String>,
    /// Some service is in the network that nobody declares.
    pub used_default: bool,
}

/// What is refused, and why.
const REFUSED: [(&str, &str); 32] = [
    ("blkio_config", "a task's disk has no limits of rate here"),
    ("cgroup", "tasks have cgroups of their own"),
    ("cgroup_parent", "tasks have cgroups of their own"),
    ("cpuset", "Fargate gives CPU shares, no particular CPUs"),
    ("credential_spec", "it is for Windows"),
    ("device_cgroup_rules", "Fargate has no devices"),
    ("devices", "Fargate has no devices"),
    ("dns", "a task in a VPC has the VPC's resolver"),
    ("dns_opt", "a task in a VPC has the VPC's resolver"),
    ("dns_search", "a task in a VPC has the VPC's resolver"),
    ("domainname", "a task has its VPC's domain"),
    (
        "extends",
        "write the service out, or use anchors (& and <<)",
    ),
    (
        "external_links",
        "services of other projects are not reached",
    ),
    ("extra_hosts", "ECS has no extra hosts in a VPC"),
    ("gpus", "Fargate has no GPUs"),
    ("group_add", "ECS has one group: give user as USER:GROUP"),
    ("ipc", "Fargate shares no IPC namespace"),
    ("isolation", "it is for Windows"),
    ("mac_address", "an interface's address is its own"),
    (
        "network_mode",
        "a task has an interface of its own in the project's VPC",
    ),
    ("pid", "Fargate shares no processes between tasks"),
    ("post_start", "ECS has no such hooks"),
    ("pre_stop", "ECS has no such hooks"),
    ("privileged", "Fargate has no privileged containers"),
    ("provider", "there are no providers here"),
    ("runtime", "Neargate runs containers itself"),
    ("security_opt", "Fargate has no such options"),
    ("shm_size", "Fargate has no other size of /dev/shm"),
    ("sysctls", "Fargate has none of these"),
    ("userns_mode", "a task has a user namespace of its own"),
    ("uts", "a task has a host name of its own"),
    ("volumes_from", "name the volumes"),
];

/// What changes nothing, and what is said about it.
const NOTED: [(&str, &str); 7] = [
    (
        "container_name",
        "is no name here: services find one another by the service's name",
    ),
    (
        "hostname",
        "is not set: a task's host name is its interface's",
    ),
    ("logging", "is not used: output goes to CloudWatch Logs"),
    ("develop", "is not used: run `up` again after a change"),
    (
        "pull_policy",
        "is not used: a task that starts looks for its image",
    ),
    (
        "platform",
        "is not used: images of this host's architecture run",
    ),
    ("stop_signal", "is not used: ECS sends the image's"),
];

/// The service, and the profiles that it is of.
pub fn read(
    name: &str,
    node: &Node,
    context: &mut Context<'_>,
    found: &mut Findings,
) -> (Service, Vec<String>) {
    let path = format!("services.{name}");
    let mut service = Service {
        replicas: 1,
        runs_once: true,
        ..Service::default()
    };
    let mut profiles = Vec::new();
    let mut variables: Vec<(String, Option<String>)> = Vec::new();
    let mut own_variables: Vec<(String, Option<String>)> = Vec::new();
    let mut files = BTreeMap::new();
    let mut has_networks = false;
    for (key, node) in found.take(entries(node, &path)) {
        let at = format!("{path}.{}", key.name);
        match key.name.as_str() {
            "image" => service.image = Some(found.take(text(node, &at))),
            "build" => service.build = Some(build(node, &at, found)),
            "command" if !node.is_null() => service.command = Some(found.take(words(node, &at))),
            "entrypoint" if !node.is_null() => {
                service.entrypoint = Some(found.take(words(node, &at)));
            }
            "command" | "entrypoint" | "attach" | "annotations" | "oom_score_adj" => {}
            "environment" => own_variables = found.take(pairs(node, &at)),
            "env_file" => variables = env_files(node, &at, context, found),
            "depends_on" => depends_on(node, &at, &mut service, context, found),
            "links" => links(node, &at, &mut service, found),
            "healthcheck" => service.health = health(node, &at, found),
            "ports" => service.ports = ports::read(node, &at, found),
            "expose" => {}
            "networks" => has_networks = networks(node, &at, &mut service, context, found),
            "volumes" => mounts::volumes(node, &at, &mut service, context, found),
            "tmpfs" => {
                service.scratch.extend(
                    found
                        .take(texts(node, &at))
                        .iter()
                        .map(|t| t.split(':').next().unwrap_or_default().to_owned()),
                );
                found.note(format!("{name}: tmpfs is on the task's own disk"));
            }
            "configs" => mounts::configs(node, &at, &mut service, context, found),
            "secrets" => files = mounts::secrets(node, &at, context, found),
            "deploy" => limits::deploy(node, &at, &mut service, found),
            "scale" => service.replicas = found.take(number(node, &at)),
            "cpus" => {
                service.cpu_units =
                    found.take(amount(node, &at, "a number of CPUs", size::cpu_units))
            }
            "mem_limit" => {
                service.memory_mib = found.take(amount(node, &at, "an amount of memory", size::mib))
            }
            "mem_reservation" => {
                service.memory_reservation_mib =
                    found.take(amount(node, &at, "an amount of memory", size::mib));
            }
            "user" => service.user = Some(found.take(text(node, &at))),
            "working_dir" => service.working_dir = Some(found.take(text(node, &at))),
            "read_only" => service.read_only = found.take(boolean(node, &at)),
            "init" => service.init = found.take(boolean(node, &at)),
            "tty" => service.terminal = found.take(boolean(node, &at)),
            "stdin_open" => service.interactive = found.take(boolean(node, &at)),
            "stop_grace_period" => service.stop_seconds = limits::grace(node, &at, found),
            "cap_drop" => service.cap_drop = found.take(texts(node, &at)),
            "cap_add" => service.cap_add = limits::capabilities(node, &at, found),
            "ulimits" => limits::ulimits(node, &at, &mut service, found),
            "labels" => service.labels = given(found.take(pairs(node, &at))),
            "profiles" => profiles = found.take(texts(node, &at)),
            "restart" => {
                let policy = found.take(text(node, &at));
                service.runs_once = matches!(policy.as_str(), "" | "no" | "false");
            }
            "privileged" if matches!(boolean(node, &at), Ok(false)) => {}
            other if other.starts_with("x-") => {}
            other => {
                if let Some((_, why)) = NOTED.iter().find(|(noted, _)| *noted == other) {
                    found.note(format!("{name}: {other} {why}"));
                } else if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == other)
                {
                    found.refuse(key.line, format!("{at} is not mapped: {why}"));
                } else {
                    found.refuse(key.line, format!("{at} is not known"));
                }
            }
        }
    }
    if service.image.is_none() && service.build.is_none() {
        found.refuse(node.line, format!("{path} has neither image nor build"));
    }
    if !has_networks {
        service.networks.insert("default".into());
        context.used_default = true;
    }
    variables.extend(own_variables);
    for (name, value) in variables {
        match value.or_else(|| (context.around.variable)(&name)) {
            Some(value) => _ = service.environment.insert(name, value),
            None => _ = service.environment.remove(&name),
        }
    }
    mounts::secret_variables(&path, node.line, &files, &mut service, found);
    (service, profiles)
}

/// Pairs without a value are empty ones.
fn given(all: Vec<(String, Option<String>)>) -> BTreeMap<String, String> {
    let all = all.into_iter();
    all.map(|(name, value)| (name, value.unwrap_or_default()))
        .collect()
}

fn build(node: &Node, path: &str, found: &mut Findings) -> Build {
    let mut build = Build {
        context: ".".into(),
        ..Build::default()
    };
    if let Kind::Scalar { .. } = node.kind {
        build.context = found.take(text(node, path));
        return build;
    }
    for (key, node) in found.take(entries(node, path)) {
        let at = format!("{path}.{}", key.name);
        match key.name.as_str() {
            "context" => build.context = found.take(text(node, &at)),
            "dockerfile" => build.dockerfile = Some(found.take(text(node, &at))),
            "dockerfile_inline" => build.inline = Some(found.take(text(node, &at))),
            "args" => build.arguments = found.take(pairs(node, &at)).into_iter().collect(),
            "target" => build.target = Some(found.take(text(node, &at))),
            "labels" => build.labels = given(found.take(pairs(node, &at))),
            "no_cache" => build.no_cache = found.take(boolean(node, &at)),
            // What is built is kept, and found again, without these.
            "cache_from" | "cache_to" | "pull" | "tags" | "provenance" | "sbom" => {}
            other => found.refuse(
                key.line,
                format!("{at} is not mapped: `neargate build` has no {other}"),
            ),
        }
    }
    if build.context.contains("://") || build.context.starts_with("git@") {
        found.refuse(
            node.line,
            format!(
                "{path}.context must be a directory, not {:?}",
                build.context
            ),
        );
    }
    build
}

fn env_files(
    node: &Node,
    path: &str,
    context: &Context<'_>,
    found: &mut Findings,
) -> Vec<(String, Option<String>)> {
    let one = std::slice::from_ref(node);
    let all = match &node.kind {
        Kind::List(items) => items,
        _ => one,
    };
    let mut variables = Vec::new();
    for item in all {
        let (mut file, mut required) = (String::new(), true);
        if let Kind::Map(options) = &item.kind {
            for (key, node) in options {
                match key.name.as_str() {
                    "path" => file = found.take(text(node, path)),
                    "required" => required = found.take(boolean(node, path)),
                    other => found.refuse(key.line, format!("{path}.{other} is not mapped")),
                }
            }
        } else {
            file = found.take(text(item, path));
        }
        match (context.around.env_file)(&file) {
            Ok(Some(more)) => variables.extend(more),
            Ok(None) if !required => {}
            Ok(None) => found.refuse(item.line, format!("{path}: there is no file {file}")),
            Err(why) => found.refuse(item.line, format!("{path}: {file}: {why}")),
        }
    }
    variables
}

fn depends_on(
    node: &Node,
    path: &str,
    service: &mut Service,
    context: &Context<'_>,
    found: &mut Findings,
) {
    if let Kind::List(_) = node.kind {
        for name in found.take(texts(node, path)) {
            service.depends_on.entry(name).or_insert(Condition::Started);
        }
        return;
    }
    let _ = context;
    for (key, node) in found.take(entries(node, path)) {
        let mut condition = Condition::Started;
        for (option, node) in found.take(entries(node, path)) {
            match (option.name.as_str(), text(node, path).as_deref()) {
                ("condition", Ok("service_started")) => {}
                ("condition", Ok("service_healthy")) => condition = Condition::Healthy,
                ("condition", Ok("service_completed_successfully")) => {
                    condition = Condition::Completed
                }
                ("required" | "restart", Ok(_)) => {}
                (other, _) => found.refuse(
                    option.line,
                    format!("{path}.{}.{other} is not understood", key.name),
                ),
            }
        }
        service.depends_on.insert(key.name.clone(), condition);
    }
}

/// Those whom it names it waits for; another name for one is refused.
fn links(node: &Node, path: &str, service: &mut Service, found: &mut Findings) {
    for link in found.take(texts(node, path)) {
        let (name, alias) = link.split_once(':').unwrap_or((&link, &link));
        if name != alias {
            found.refuse(
                node.line,
                format!("{path}: {alias:?} for {name} is not mapped: a service here has one name"),
            );
        }
        service
            .depends_on
            .entry(name.to_owned())
            .or_insert(Condition::Started);
    }
}

fn health(node: &Node, path: &str, found: &mut Findings) -> Option<Health> {
    let mut health = Health {
        test: Vec::new(),
        interval_seconds: 30,
        timeout_seconds: 5,
        retries: 3,
        start_seconds: 0,
    };
    let within = |found: &mut Findings, node: &Node, at: &str, from: u64, to: u64| {
        let value = found
            .take(amount(node, at, "a duration", size::seconds))
            .unwrap_or(from);
        let kept = value.clamp(from, to);
        if kept != value {
            found.note(format!(
                "{at}: ECS takes {from} to {to} s, so it is {kept} s"
            ));
        }
        kept
    };
    for (key, node) in found.take(entries(node, path)) {
        let at = format!("{path}.{}", key.name);
        match key.name.as_str() {
            "test" => {
                health.test = match &node.kind {
                    Kind::Scalar { .. } => vec!["CMD-SHELL".into(), found.take(text(node, &at))],
                    _ => found.take(texts(node, &at)),
                };
            }
            "interval" => health.interval_seconds = within(found, node, &at, 5, 300),
            "timeout" => health.timeout_seconds = within(found, node, &at, 2, 60),
            "start_period" => health.start_seconds = within(found, node, &at, 0, 300),
            "retries" => health.retries = found.take(number(node, &at)).clamp(1, 10),
            "start_interval" => found.note(format!("{at} is not used: ECS has one interval")),
            "disable" if found.take(boolean(node, &at)) => return None,
            "disable" => {}
            other => found.refuse(key.line, format!("{path}.{other} is not known")),
        }
    }
    match health.test.first().map(String::as_str) {
        Some("CMD" | "CMD-SHELL") if health.test.len() > 1 => Some(health),
        Some("NONE") => None,
        _ => {
            found.refuse(
                node.line,
                format!(
                    "{path}.test must be a text, or a list that begins with CMD, CMD-SHELL or NONE"
                ),
            );
            None
        }
    }
}

/// Is it in any network by name?
fn networks(
    node: &Node,
    path: &str,
    service: &mut Service,
    context: &mut Context<'_>,
    found: &mut Findings,
) -> bool {
    let mut names: Vec<(usize, String)> = Vec::new();
    if let Kind::Map(all) = &node.kind {
        for (key, node) in all {
            for (option, node) in found.take(entries(node, path)) {
                let aliases = || texts(node, path).unwrap_or_default();
                match option.name.as_str() {
                    "aliases" if aliases().iter().all(|alias| path.split('.').nth(1) == Some(alias)) => {}
                    "priority" => {}
                    other => found.refuse(option.line, format!("{path}.{}.{other} is not mapped: a service here is found by its own name, at an address that its VPC gives", key.name)),
                }
            }
            names.push((key.line, key.name.clone()));
        }
    } else {
        let all = found.take(texts(node, path));
        names.extend(all.into_iter().map(|name| (node.line, name)));
    }
    for (line, name) in &names {
        if name == "default" {
            context.used_default = true;
        } else if !context.networks.contains(name) {
            found.refuse(*line, format!("{path}: there is no network {name:?}"));
        }
        service.networks.insert(name.clone());
    }
    !names.is_empty()
}
