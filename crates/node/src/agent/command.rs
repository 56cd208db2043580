//! From a container definition and an image's configuration to what is run: arguments,
//! environment, the files under `/etc`. Pure.

use super::seams::PulledImage;
use super::state::SIGTERM;
use crate::runtime::{ContainerConfig, Limits, Tmpfs, Ulimit};
use neargate_domain::{Assignment, ContainerSpec};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Fargate's default `nofile` limit, soft and hard
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-defs.html>).
const NOFILE: (u64, u64) = (65_535, 65_535);

/// `runtimeId` as Fargate forms it: the task id, a dash and ten digits. It is a function of the
/// names, so that it survives everything.
pub fn runtime_id(task_id: &str, container: &str) -> String {
    let hash = Sha256::new()
        .chain_update(task_id)
        .chain_update("/")
        .chain_update(container)
        .finalize();
    let mut first = [0u8; 8];
    first.copy_from_slice(&hash[..8]);
    format!(
        "{task_id}-{:010}",
        u64::from_be_bytes(first) % 10_000_000_000
    )
}

/// The number of an image's `StopSignal`: `SIGQUIT`, `QUIT`, `3` or `SIGRTMIN+3`; SIGTERM when
/// it sets none or one this system does not have.
pub fn stop_signal(name: Option<&str>) -> i32 {
    let Some(name) = name.map(str::trim).filter(|n| !n.is_empty()) else {
        return SIGTERM;
    };
    if let Ok(number) = name.parse::<i32>() {
        return if (1..=64).contains(&number) {
            number
        } else {
            SIGTERM
        };
    }
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(rest) = short.strip_prefix("RTMIN") {
        let above = rest.strip_prefix('+').map_or(Ok(0), str::parse::<i32>);
        return above
            .ok()
            .map(|n| 34 + n)
            .filter(|n| (34..=64).contains(n))
            .unwrap_or(SIGTERM);
    }
    match short {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "CONT" => 18,
        "STOP" => 19,
        "TSTP" => 20,
        "URG" => 23,
        "WINCH" => 28,
        "IO" | "POLL" => 29,
        "PWR" => 30,
        _ => SIGTERM,
    }
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

/// The image's environment, then what Fargate sets, then the task definition's; a later value
/// replaces an earlier one in place. The metadata and credentials endpoints are not served yet,
/// so their variables are absent rather than pointing nowhere.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-environment-variables.html>
pub fn environment(task: &Assignment, spec: &ContainerSpec, image: &PulledImage) -> Vec<String> {
    let mut env: Vec<String> = Vec::new();
    let mut set = |name: &str, value: &str| {
        let line = format!("{name}={value}");
        let same = |e: &&mut String| e.split('=').next() == Some(name);
        match env.iter_mut().find(same) {
            Some(earlier) => *earlier = line,
            None => env.push(line),
        }
    };
    set("HOSTNAME", hostname(task, spec));
    if spec.pseudo_terminal {
        set("TERM", "xterm");
    }
    for line in &image.env {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        set(name, value);
    }
    set("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE");
    set("AWS_DEFAULT_REGION", task.region.as_str());
    set("AWS_REGION", task.region.as_str());
    for (name, value) in &spec.environment {
        set(name, value);
    }
    env
}

/// The container's host name: its own, else the private DNS name of the task's interface.
fn hostname<'a>(task: &'a Assignment, spec: &'a ContainerSpec) -> &'a str {
    let named = task.network.interface().map(|eni| &*eni.private_dns_name);
    spec.hostname.as_deref().or(named).unwrap_or("localhost")
}

/// `/etc/hosts`: loopback, the task's own name, then `extraHosts`.
pub fn hosts(task: &Assignment, spec: &ContainerSpec) -> String {
    let mut text = "127.0.0.1 localhost\n".to_owned();
    if let Some(eni) = task.network.interface() {
        let address = eni.private_ipv4;
        text += &format!("{address} {}\n", eni.private_dns_name);
        if let Some(own) = spec
            .hostname
            .as_ref()
            .filter(|h| **h != eni.private_dns_name)
        {
            text += &format!("{address} {own}\n");
        }
    }
    for (name, address) in &spec.extra_hosts {
        text += &format!("{address} {name}\n");
    }
    text
}

/// The files shown in every container: target and text.
pub fn etc_files(
    task: &Assignment,
    spec: &ContainerSpec,
    resolv_conf: &str,
) -> [(&'static str, String); 3] {
    [
        ("/etc/hosts", hosts(task, spec)),
        ("/etc/hostname", format!("{}\n", hostname(task, spec))),
        ("/etc/resolv.conf", resolv_conf.to_owned()),
    ]
}

/// Everything about starting one container but its `binds`.
pub fn configure(
    task: &Assignment,
    spec: &ContainerSpec,
    image: &PulledImage,
    netns: &Path,
) -> Result<ContainerConfig, String> {
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
        ulimits.push(Ulimit {
            name: "nofile".into(),
            soft: NOFILE.0,
            hard: NOFILE.1,
        });
    }
    Ok(ContainerConfig {
        task_id: task.task_id.clone(),
        name: spec.name.clone(),
        layers: image.layers.clone(),
        args: arguments(spec, image)?,
        env: environment(task, spec, image),
        cwd: or_image(&spec.working_directory, &image.working_dir),
        user: or_image(&spec.user, &image.user),
        hostname: hostname(task, spec).to_owned(),
        netns: Some(netns.to_owned()),
        limits: Limits {
            cpu_shares: spec.cpu_units,
            cpu_quota_units: None,
            memory_mib: spec.memory_mib,
            memory_reservation_mib: spec.memory_reservation_mib,
            pids: None,
        },
        cap_add: spec.cap_add.clone(),
        cap_drop: spec.cap_drop.clone(),
        read_only_root: spec.read_only_root,
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
        log: spec.log.is_some(),
        ..ContainerConfig::default()
    })
}
