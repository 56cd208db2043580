//! From a container definition and an image's configuration to what is run: arguments,
//! environment, the files under `/etc`. Pure.

use super::firelens;
use super::seams::{Joined, Linked, PulledImage};
use super::security::Security;
use crate::net::TASK_ENDPOINT;
use crate::runtime::{
    ContainerConfig, Device, Limits, Namespace, PAUSE, SecretFiles, ShownFile, TaskLimits, Tmpfs,
    Ulimit,
};
use neargate_domain::{
    Assignment, ContainerNetwork, ContainerSpec, HealthCheck, InstanceNetwork, IpcMode, LaunchType,
    LogBuffer, PidMode, TaskNetwork,
};

/// The default `nofile` limit, soft and hard: Fargate's own
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-defs.html>), and
/// what Amazon Linux starts an instance's Docker with (`--default-ulimit nofile=32768:65536`).
fn nofile(launch_type: LaunchType) -> (u64, u64) {
    match launch_type {
        LaunchType::Fargate => (65_535, 65_535),
        LaunchType::Ec2 | LaunchType::External => (32_768, 65_536),
    }
}

/// The container's `runtimeId`.
pub fn runtime_id(task: &Assignment, container: &str) -> String {
    neargate_domain::runtime_id(task.launch_type, &task.task_id, container)
}

/// What Docker calls a container that the ECS agent has made.
pub fn docker_name(task: &Assignment, container: &str) -> String {
    let id = runtime_id(task, container);
    let end = &id[id.len().saturating_sub(20)..];
    format!("ecs-{}-{}-{container}-{end}", task.family, task.revision)
}

/// Docker's rule: an own entry point drops the image's command too; an own command keeps the
/// image's entry point. The error is in Docker's words.
pub fn arguments(spec: &ContainerSpec, image: &PulledImage) -> Result<Vec<String>, String> {
    let own_entry_point = spec.entry_point.as_ref().filter(|e| !e.is_empty());
    let mut args = own_entry_point.unwrap_or(&image.entrypoint).clone();
    match spec.command.as_ref().filter(|c| !c.is_empty()) {
        Some(command) => args.extend_from_slice(command),
        None if own_entry_point.is_none() => args.extend_from_slice(&image.cmd),
        None => {}
    }
    if spec.entry_point.as_ref().is_some_and(Vec::is_empty) {
        args.drain(..image.entrypoint.len());
    }
    if args.is_empty() {
        Err("no command specified".into())
    } else {
        Ok(args)
    }
}

/// What a health check runs: `CMD` as it stands, `CMD-SHELL` by the container's `/bin/sh`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html>).
pub fn health_check(check: &HealthCheck) -> Vec<String> {
    let (kind, rest) = match check.command.split_first() {
        Some((kind, rest)) => (kind.as_str(), rest),
        None => ("CMD", &[][..]),
    };
    let shell: &[&str] = match kind {
        "CMD-SHELL" => &["/bin/sh", "-c"],
        _ => &[],
    };
    let shell = shell.iter().map(|&arg| arg.to_owned());
    shell.chain(rest.iter().cloned()).collect()
}

/// What the node adds to a container's environment, of its own knowledge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The id by which the container asks the task endpoint for its metadata.
    pub endpoint_id: String,
    /// The id by which it asks for the keys of the task's role, if that has one.
    pub credentials_id: Option<String>,
    /// Where AWS's services are; `None`: where their names lead.
    pub api_url: Option<String>,
    /// The log router's address on the instance's bridge.
    pub router_address: Option<String>,
}

/// The image's environment, then what ECS sets, then the task definition's; a later value
/// replaces an earlier one in place. On EXTERNAL instances the ECS agent names the environment as on
/// EC2. Without a network there is no way to the task endpoint.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-environment-variables.html>
pub fn environment(
    task: &Assignment,
    spec: &ContainerSpec,
    image: &PulledImage,
    (hostname, linked): (&str, &[Linked]),
    given: &Given,
) -> Vec<String> {
    let mut env: Vec<String> = Vec::new();
    let mut set = |name: &str, value: &str| {
        let line = format!("{name}={value}");
        let same = |e: &&mut String| e.split('=').next() == Some(name);
        match env.iter_mut().find(same) {
            Some(earlier) => *earlier = line,
            None => env.push(line),
        }
    };
    set("HOSTNAME", hostname);
    if spec.pseudo_terminal {
        set("TERM", "xterm");
    }
    for line in &image.env {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        set(name, value);
    }
    let environment = match task.launch_type {
        LaunchType::Fargate => "AWS_ECS_FARGATE",
        LaunchType::Ec2 | LaunchType::External => "AWS_ECS_EC2",
    };
    set("AWS_EXECUTION_ENV", environment);
    set("AWS_DEFAULT_REGION", task.region.as_str());
    set("AWS_REGION", task.region.as_str());
    if task.network != TaskNetwork::Instance(InstanceNetwork::None) && !spec.network.disabled {
        if let Some(url) = &given.api_url {
            set("AWS_ENDPOINT_URL", url);
        }
        for (name, version) in [
            ("ECS_CONTAINER_METADATA_URI", "v3"),
            ("ECS_CONTAINER_METADATA_URI_V4", "v4"),
        ] {
            let id = &given.endpoint_id;
            set(name, &format!("http://{TASK_ENDPOINT}/{version}/{id}"));
        }
        let id = &given.endpoint_id;
        set("ECS_AGENT_URI", &format!("http://{TASK_ENDPOINT}/api/{id}"));
        if let Some(id) = &given.credentials_id {
            let path = format!("/v2/credentials/{id}");
            set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", &path);
        }
    }
    for (name, value) in link_environment(spec, linked) {
        set(&name, &value);
    }
    for (name, value) in &spec.environment {
        set(name, value);
    }
    for (name, value) in firelens::environment(task, spec, given.router_address.as_deref()) {
        set(name, &value);
    }
    env
}

/// What Docker's links put there (<https://docs.docker.com/engine/network/links/>). Secrets of the other
/// container's stay its own.
fn link_environment(spec: &ContainerSpec, linked: &[Linked]) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for to in linked {
        let alias = to.alias.replace('-', "_").to_uppercase();
        for (n, port) in to.ports.iter().enumerate() {
            let (number, protocol) = (port.container_port, port.protocol.as_str());
            let url = format!("{protocol}://{}:{number}", to.address);
            if n == 0 {
                env.push((format!("{alias}_PORT"), url.clone()));
            }
            let one = format!("{alias}_PORT_{number}_{}", protocol.to_uppercase());
            env.push((one.clone(), url));
            env.push((format!("{one}_ADDR"), to.address.to_string()));
            env.push((format!("{one}_PORT"), number.to_string()));
            env.push((format!("{one}_PROTO"), protocol.to_owned()));
        }
        env.push((
            format!("{alias}_NAME"),
            format!("/{}/{}", spec.name, to.alias),
        ));
        for (name, value) in &to.environment {
            env.push((format!("{alias}_ENV_{name}"), value.clone()));
        }
    }
    env
}

/// What container `i` finds of those that it is linked to.
pub fn linked(task: &Assignment, i: usize, links: &[Result<Joined, String>]) -> Vec<Linked> {
    let of = |(name, alias): &(String, String)| {
        let at = task.containers.iter().position(|spec| spec.name == *name)?;
        let (spec, joined) = (&task.containers[at], links.get(at)?.as_ref().ok()?);
        Some(Linked {
            name: name.clone(),
            alias: alias.clone(),
            address: joined.address?,
            hostname: hostname(task, spec, joined),
            environment: spec.environment.clone(),
            ports: spec.port_mappings.clone(),
        })
    };
    task.containers[i]
        .network
        .links
        .iter()
        .filter_map(of)
        .collect()
}

/// `/etc/resolv.conf` with the container's own servers and search domains in place of its network's,
/// as Docker's `--dns` and `--dns-search` have it.
pub fn resolv_conf(own: &ContainerNetwork, of_network: String) -> String {
    let replaced = |line: &str| match line.split_whitespace().next() {
        Some("nameserver") => !own.dns_servers.is_empty(),
        Some("search" | "domain") => !own.dns_search_domains.is_empty(),
        _ => false,
    };
    let kept = of_network.lines().filter(|line| !replaced(line));
    let mut lines: Vec<String> = kept.map(str::to_owned).collect();
    // Docker's way to say that there are none.
    let domains: Vec<&str> = own.dns_search_domains.iter().map(String::as_str).collect();
    if !domains.is_empty() && domains != ["."] {
        lines.push(format!("search {}", domains.join(" ")));
    }
    lines.extend(
        own.dns_servers
            .iter()
            .map(|server| format!("nameserver {server}")),
    );
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The container's host name: its own, else that of its network, else Docker's, the first twelve
/// characters of the container's id.
pub fn hostname(task: &Assignment, spec: &ContainerSpec, joined: &Joined) -> String {
    let named = spec.hostname.as_ref().or(joined.hostname.as_ref());
    named.cloned().unwrap_or_else(|| {
        let mut id = runtime_id(task, &spec.name);
        id.truncate(12);
        id
    })
}

/// What Docker puts first.
const LOCAL_NAMES: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\n\
    ff00::0\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// `/etc/hosts`. With an interface of its own: loopback, the task's own name, `extraHosts`. In
/// `host` mode the instance's and `extraHosts`. Otherwise as Docker has it.
pub fn hosts(task: &Assignment, spec: &ContainerSpec, joined: &Joined) -> String {
    let extra = spec
        .extra_hosts
        .iter()
        .map(|(name, address)| (address.as_str(), name.as_str()));
    let own = hostname(task, spec, joined);
    if let Some(instance) = &joined.instance_hosts {
        return instance.clone() + &lines(extra, '\t');
    }
    let Some(address) = joined.address.map(|a| a.to_string()) else {
        return LOCAL_NAMES.to_owned() + &lines(extra, '\t');
    };
    let named = (address.as_str(), own.as_str());
    match &task.network {
        TaskNetwork::Awsvpc(eni) => {
            let mut names = vec![(address.as_str(), eni.private_dns_name.as_str())];
            if own != eni.private_dns_name {
                names.push(named);
            }
            let text = "127.0.0.1 localhost\n".to_owned();
            text + &lines(names.into_iter().chain(extra), ' ')
        }
        TaskNetwork::Instance(_) => {
            let linked = joined.linked.iter().map(|to| {
                let names = [&to.alias, &to.hostname, &to.name];
                let mut told: Vec<&str> = Vec::new();
                for name in names {
                    if !told.contains(&name.as_str()) {
                        told.push(name);
                    }
                }
                format!("{}\t{}\n", to.address, told.join(" "))
            });
            let linked: String = linked.collect();
            LOCAL_NAMES.to_owned() + &linked + &lines(extra.chain([named]), '\t')
        }
    }
}

fn lines<'a>(names: impl Iterator<Item = (&'a str, &'a str)>, between: char) -> String {
    names
        .map(|(address, name)| format!("{address}{between}{name}\n"))
        .collect()
}

/// The files shown in every container.
pub fn etc_files(
    task: &Assignment,
    spec: &ContainerSpec,
    joined: &Joined,
    resolv_conf: &str,
) -> Vec<ShownFile> {
    let hostname = hostname(task, spec, joined);
    let files = [
        ("/etc/hosts", hosts(task, spec, joined)),
        ("/etc/hostname", format!("{hostname}\n")),
        ("/etc/resolv.conf", resolv_conf.to_owned()),
    ];
    let shown = files.map(|(target, text)| ShownFile {
        target: target.to_owned(),
        text,
    });
    shown.into()
}

/// The limits of all containers together. A task on an instance that states no CPU has no cap, but
/// the weight of its containers' units, as the ECS agent gives it.
pub fn task_limits(task: &Assignment) -> TaskLimits {
    let cpu_units = task.cpu_units.filter(|units| *units > 0);
    let units = task.containers.iter().filter_map(|spec| spec.cpu_units);
    let weight = units.fold(0u32, u32::saturating_add).max(2);
    TaskLimits {
        cpu_units,
        cpu_shares: cpu_units.is_none().then_some(weight),
        memory_mib: task.memory_mib,
        disk_gib: task.ephemeral_storage_gib,
    }
}

/// What holds the namespaces that the task's containers share, if they do.
pub fn pause(task: &Assignment) -> Option<ContainerConfig> {
    let shares = task.pid_mode == Some(PidMode::Task) || task.ipc_mode == Some(IpcMode::Task);
    // Docker sizes it by the container whose namespace it is; the largest that any asks for.
    let shm = task.containers.iter().filter_map(|spec| spec.shm_size_mib);
    shares.then(|| ContainerConfig {
        task_id: task.task_id.clone(),
        name: PAUSE.into(),
        pause: true,
        cap_drop: vec!["ALL".into()],
        shm_size_bytes: shm.max().map(|mib| u64::from(mib) << 20),
        ..ContainerConfig::default()
    })
}

/// What a container may be ahead of its log driver before it waits: several times what Docker has.
const BLOCKING_BYTES: u64 = 16 << 20;
/// A line, and what the disk gives back in whole blocks only, fit into less: Docker's default.
const LEAST_BUFFER_BYTES: u64 = 1 << 20;

fn room_for_output(buffer: LogBuffer) -> u64 {
    match buffer.max_bytes {
        Some(most) => most.max(LEAST_BUFFER_BYTES),
        None => BLOCKING_BYTES,
    }
}

/// Everything about starting one container but its `files`.
pub fn configure(
    task: &Assignment,
    spec: &ContainerSpec,
    image: &PulledImage,
    joined: &Joined,
    given: &Given,
) -> Result<ContainerConfig, String> {
    let security = Security::of(&spec.security_options)?;
    let shared = |with_task, with_host| match (with_task, with_host) {
        (true, _) => Namespace::Of(PAUSE.into()),
        (_, true) => Namespace::Host,
        _ => Namespace::Own,
    };
    let net = spec.sysctls.keys().find(|name| name.starts_with("net."));
    if let (Some(name), Some(_)) = (net, &joined.instance_hosts) {
        // It would be the instance's own setting. The words are runc's.
        return Err(format!(
            "sysctl \"{name}\" not allowed in host network namespace"
        ));
    }
    let hostname = hostname(task, spec, joined);
    let or_image = |own: &Option<String>, image: &Option<String>| {
        own.as_ref()
            .filter(|s| !s.is_empty())
            .or(image.as_ref())
            .cloned()
            .unwrap_or_default()
    };
    let mib = |mib: u32| u64::from(mib) << 20;
    let mut ulimits: Vec<Ulimit> = spec
        .ulimits
        .iter()
        .map(|(name, soft, hard)| Ulimit {
            name: name.clone(),
            soft: *soft,
            hard: *hard,
        })
        .collect();
    if !ulimits.iter().any(|u| u.name == "nofile") {
        let (soft, hard) = nofile(task.launch_type);
        ulimits.push(Ulimit {
            name: "nofile".into(),
            soft,
            hard,
        });
    }
    Ok(ContainerConfig {
        task_id: task.task_id.clone(),
        name: spec.name.clone(),
        layers: image.layers.clone(),
        args: arguments(spec, image)?,
        env: environment(task, spec, image, (&hostname, &joined.linked), given),
        cwd: or_image(&spec.working_directory, &image.working_dir),
        user: or_image(&spec.user, &image.user),
        hostname,
        netns: joined.netns.clone(),
        limits: Limits {
            cpu_shares: spec.cpu_units,
            cpu_quota_units: None,
            memory_mib: spec.memory_mib,
            memory_reservation_mib: spec.memory_reservation_mib,
            swap_mib: spec.max_swap_mib,
            swappiness: spec.swappiness,
            pids: None,
        },
        privileged: spec.privileged,
        seccomp_unconfined: security.seccomp_unconfined,
        no_new_privileges: security.no_new_privileges,
        devices: spec
            .devices
            .iter()
            .map(|device| Device {
                source: (&device.host_path).into(),
                target: match &device.container_path {
                    Some(path) => path.clone(),
                    None => device.host_path.clone(),
                },
            })
            .collect(),
        processes: shared(
            task.pid_mode == Some(PidMode::Task),
            task.pid_mode == Some(PidMode::Host),
        ),
        ipc: shared(
            task.ipc_mode == Some(IpcMode::Task),
            task.ipc_mode == Some(IpcMode::Host),
        ),
        without_shm: task.ipc_mode == Some(IpcMode::None),
        cap_add: spec.cap_add.clone(),
        cap_drop: spec.cap_drop.clone(),
        read_only_root: spec.read_only_root,
        volumes: image.volumes.clone(),
        tmpfs: spec
            .tmpfs
            .iter()
            .map(|(path, size_mib, options)| Tmpfs {
                path: path.clone(),
                size_bytes: mib(*size_mib),
                options: options.clone(),
            })
            .collect(),
        ulimits,
        sysctls: spec.sysctls.clone(),
        shm_size_bytes: spec.shm_size_mib.map(mib),
        terminal: spec.pseudo_terminal,
        interactive: spec.interactive,
        init_process: spec.init_process,
        log: spec.keeps_output(),
        log_limit_bytes: spec.log_buffer.map(room_for_output),
        log_blocks: spec.log_buffer.is_some_and(|buffer| buffer.blocking),
        ..ContainerConfig::default()
    })
}

/// What asks for secrets that are files, and names their directory (`docs/extensions.md`).
const SECRETS_LABEL: &str = "neargate:secrets";

/// Which of the container's secrets are files.
pub fn secret_files(spec: &ContainerSpec) -> Option<SecretFiles> {
    let directory = spec.labels.get(SECRETS_LABEL)?.clone();
    let names = spec.secrets.iter().map(|(name, _)| name.clone()).collect();
    Some(SecretFiles { directory, names })
}
