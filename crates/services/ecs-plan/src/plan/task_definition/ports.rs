//! Port mappings: their rules, and how ECS fills them in
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html>).

use crate::error::client;
use neargate_api_ecs as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

const MAX_RANGES: usize = 100;
const MAX_NAME: usize = 64;

/// The ports of one container, or of the whole task where a port is one of the host's or of the
/// task's own interface.
///
/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    let mode = input.network_mode.as_deref().unwrap_or("bridge");
    let (mut names, mut taken, mut ranges) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for c in &input.container_definitions {
        let container = c.name.as_deref().unwrap_or_default();
        let mappings = c.port_mappings.as_deref().unwrap_or_default();
        if mode == "none" && !mappings.is_empty() {
            return Err(client(
                "Port mappings are not supported when networkMode=none.",
            ));
        }
        let of_range = mappings.iter().filter(|p| p.container_port_range.is_some());
        if of_range.count() > MAX_RANGES {
            return Err(invalid("containerPortRange", container));
        }
        for p in mappings {
            one(p, container, mode)?;
            if let Some(name) = p.name.as_deref()
                && !names.insert(name)
            {
                return Err(client(format!(
                    "When networkMode={mode}, port mapping name is already used"
                )));
            }
            let udp = protocol(p.protocol.as_deref()) == "udp";
            let said = if udp { "UDP" } else { "TCP" };
            if let Some((first, last)) = p.container_port_range.as_deref().and_then(range) {
                ranges.push((said, first, last));
                continue;
            }
            let host = host_port(p, mode).filter(|port| *port != 0);
            if let Some(port) = host
                && !taken.insert((udp, port))
            {
                return Err(client(format!(
                    "{said} host port '{port}' is mapped multiple times in task."
                )));
            }
        }
    }
    overlap(&ranges, &taken, mode)
}

fn invalid(what: &str, container: &str) -> AwsError {
    client(format!(
        "Invalid '{what}' setting for container '{container}'."
    ))
}

fn one(p: &api::PortMapping, container: &str, mode: &str) -> Result<(), AwsError> {
    if let Some(name) = p.name.as_deref() {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        let is_one = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(legal);
        if !is_one || name.starts_with('-') {
            return Err(invalid("name", container));
        }
    }
    if let Some(given) = p.container_port_range.as_deref() {
        if p.container_port.is_some() || p.host_port.is_some() {
            return Err(client(format!(
                "Invalid port mapping for container '{container}', cannot specify both single port and port range."
            )));
        }
        return match range(given) {
            Some(_) if matches!(mode, "bridge" | "awsvpc") => Ok(()),
            _ => Err(invalid("containerPortRange", container)),
        };
    }
    if !p.container_port.is_some_and(|n| (1..=65_535).contains(&n)) {
        return Err(invalid("containerPort", container));
    }
    if !p.host_port.is_none_or(|n| (0..=65_535).contains(&n)) {
        return Err(invalid("hostPort", container));
    }
    if matches!(mode, "awsvpc" | "host") && p.host_port.is_some_and(|n| Some(n) != p.container_port)
    {
        return Err(client(format!(
            "When networkMode={mode}, the host ports and container ports in port mappings must match."
        )));
    }
    Ok(())
}

/// `first-last`, the first below the last.
pub fn range(given: &str) -> Option<(u16, u16)> {
    let (first, last) = given.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (0 < first && first < last).then_some((first, last))
}

/// In a task with an interface of its own no container's port is another's.
fn overlap(
    ranges: &[(&str, u16, u16)],
    taken: &BTreeSet<(bool, i32)>,
    mode: &str,
) -> Result<(), AwsError> {
    if mode != "awsvpc" {
        return Ok(());
    }
    for (at, (protocol, first, last)) in ranges.iter().enumerate() {
        let singles = taken.iter().filter(|(udp, _)| *udp == (*protocol == "UDP"));
        let mut singles = singles.filter_map(|(_, port)| u16::try_from(*port).ok());
        let single = singles.find(|port| (*first..=*last).contains(port));
        let earlier = ranges[..at].iter().filter(|r| r.0 == *protocol);
        let mut shared = earlier.filter(|r| r.1 <= *last && *first <= r.2);
        let shared = shared.next().map(|r| r.1.max(*first));
        if let Some(port) = shared.or(single) {
            return Err(client(format!(
                "{protocol} container port '{port}' is used multiple times in task when networkMode=awsvpc."
            )));
        }
    }
    Ok(())
}

/// ECS takes whatever is not `udp` for `tcp`.
pub fn protocol(given: Option<&str>) -> &'static str {
    match given {
        Some(given) if given.eq_ignore_ascii_case("udp") => "udp",
        _ => "tcp",
    }
}

/// The host's port is the container's where there is no translation, and otherwise the node's to
/// choose (0) unless it is given.
fn host_port(p: &api::PortMapping, mode: &str) -> Option<i32> {
    match mode {
        "awsvpc" | "host" => p.container_port,
        _ => p.host_port.or(Some(0)),
    }
}

/// A mapping as ECS describes it.
pub(super) fn fill(p: &mut api::PortMapping, mode: Option<&str>) {
    p.protocol = Some(protocol(p.protocol.as_deref()).into());
    if p.container_port_range.is_none() {
        p.host_port = host_port(p, mode.unwrap_or("bridge"));
    }
}
