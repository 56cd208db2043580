//! The kernel's network settings under /proc/sys/net, which show and set those of the calling
//! thread's network namespace.

use super::error::NetworkError;
use std::fs;
use std::io;
use std::path::Path;

/// More neighbours (tasks) than the kernel remembers by default, 1,024 for all namespaces.
const NEIGHBOURS: [(&str, u32); 3] = [
    ("gc_thresh1", 4096),
    ("gc_thresh2", 8192),
    ("gc_thresh3", 16384),
];

/// A task's namespace: any user may bind low ports and send pings, as with Docker; and no IPv6
/// on its interface, since the VPC has none. Loopback keeps `::1`.
pub(super) fn for_task() -> Result<(), NetworkError> {
    set("net/ipv4/ip_unprivileged_port_start", "0")?;
    set("net/ipv4/ping_group_range", "0 2147483647")?;
    set("net/ipv6/conf/default/disable_ipv6", "1")
}

const FORWARD: &str = "net/ipv4/ip_forward";

/// Is routing on?
pub(super) fn forwards() -> Result<bool, NetworkError> {
    let path = Path::new("/proc/sys").join(FORWARD);
    let text = fs::read_to_string(&path).map_err(NetworkError::path("read", &path))?;
    Ok(text.trim() != "0")
}

/// Routing on or off.
pub(super) fn forward(on: bool) -> Result<(), NetworkError> {
    set(FORWARD, if on { "1" } else { "0" })
}

/// A VPC's router: it answers for whom it reaches by another link, tells nobody of a shorter way,
/// looks at no source but by its rules, asks for neighbours as itself, and knows no IPv6. Each of
/// them is set, for a new namespace takes over some of the host's.
pub(super) fn for_vpc() -> Result<(), NetworkError> {
    for (name, value) in [
        ("all/forwarding", "1"),
        ("all/send_redirects", "0"),
        ("default/send_redirects", "0"),
        ("all/rp_filter", "0"),
        ("default/rp_filter", "0"),
        ("all/arp_ignore", "0"),
        ("default/arp_ignore", "0"),
        ("all/arp_filter", "0"),
        ("default/arp_filter", "0"),
        ("all/arp_announce", "2"),
        ("default/proxy_arp", "1"),
    ] {
        set(&format!("net/ipv4/conf/{name}"), value)?;
    }
    set("net/ipv6/conf/default/disable_ipv6", "1")
}

/// Who asks on this link for an address that is reached by another has the answer at once, not after
/// a while.
pub(super) fn answer_at_once(link: &str) -> Result<(), NetworkError> {
    set(&format!("net/ipv4/neigh/{link}/proxy_delay"), "0")
}

/// The host's end of a VPC's uplink: no IPv6.
pub(super) fn for_link(name: &str) -> Result<(), NetworkError> {
    set(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1")
}

/// The host's: room for tasks as neighbours, those of all its namespaces.
pub(super) fn for_host() {
    for (name, least) in NEIGHBOURS {
        let path = format!("/proc/sys/net/ipv4/neigh/default/{name}");
        let current = fs::read_to_string(&path)
            .ok()
            .and_then(|s| s.trim().parse::<u32>().ok());
        if current.is_some_and(|n| n < least) {
            // Only a limit for very many tasks: not worth refusing to start.
            if let Err(error) = fs::write(&path, least.to_string()) {
                tracing::debug!(%error, path, "the neighbour table stays small");
            }
        }
    }
}

/// An instance's bridge: no IPv6, and published ports are reached by 127.0.0.1 too.
pub(super) fn for_instance(bridge: &str) -> Result<(), NetworkError> {
    for_link(bridge)?;
    set(&format!("net/ipv4/conf/{bridge}/route_localnet"), "1")
}

/// The ports that the calling thread's namespace gives out by itself; Docker's own range where
/// the kernel does not tell
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html>).
pub(super) fn ephemeral_ports() -> (u16, u16) {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last))) if first <= last => (first, last),
        _ => (49_153, 65_535),
    }
}

/// Sets it unless it has that value already (a read-only /proc/sys may have been prepared). A
/// setting this kernel does not have (IPv6 disabled at boot) needs none.
fn set(name: &str, value: &str) -> Result<(), NetworkError> {
    let path = Path::new("/proc/sys").join(name);
    let words = |s: &str| s.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match fs::read_to_string(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(current) if words(&current) == words(value) => Ok(()),
        _ => fs::write(&path, value).map_err(NetworkError::path("set", &path)),
    }
}
