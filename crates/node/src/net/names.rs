//! The kernel names this node gives its network objects. All derive from the installation or the
//! task, so that a restarted node finds again what it made, and nothing needs to be recorded.
//!
//! Kernel interface names have at most 15 bytes (`IFNAMSIZ` counts the final NUL).

use sha2::{Digest as _, Sha256};

/// The bridge that an earlier version had all tasks on starts so, and its VXLAN device.
pub(super) const BRIDGE_PREFIX: &str = "ng-";
pub(super) const VXLAN_PREFIX: &str = "ngx-";
/// Every router's end of an interface in a VPC starts so.
pub(super) const VETH_PREFIX: &str = "ngv";
/// Every end of a link between the routers of two VPCs starts so.
pub(super) const PEERING_PREFIX: &str = "ngp";
/// The bridge of a container instance's own network: one in each network namespace.
pub(super) const INSTANCE_BRIDGE: &str = "neargate0";
/// The nftables table (in families `inet` and `bridge`) of a container instance.
pub(super) const INSTANCE_TABLE: &str = "neargate_instance";
/// Every container instance's end of a container's interface starts so.
pub(super) const CONTAINER_VETH_PREFIX: &str = "ngc";

/// Every host end of a VPC's uplink starts so.
pub(super) const UPLINK_PREFIX: &str = "ngu";

/// What every host end of an uplink of an installation starts with.
pub(super) fn uplinks(installation: &str) -> String {
    format!("{UPLINK_PREFIX}{}", &digest(installation)[..4])
}

/// The host end of a VPC's uplink.
pub(super) fn uplink(installation: &str, vpc_id: &str) -> String {
    format!("{}{}", uplinks(installation), &digest(vpc_id)[..8])
}

/// The address by which a host asks the others for a VPC's interfaces: of class E (RFC 1112), so
/// that no VPC has it.
pub(super) fn overlay_address(installation: &str) -> std::net::Ipv4Addr {
    let hash = Sha256::digest(installation);
    std::net::Ipv4Addr::new(240 | (hash[0] & 0x07), hash[1], hash[2], hash[3])
}

/// The nftables table (family `inet`) of an installation in the host's own namespace.
pub(super) fn table(installation: &str) -> String {
    format!("{TABLE_PREFIX}{}", &digest(installation)[..8])
}

/// Every such table starts so.
pub(super) const TABLE_PREFIX: &str = "ng_";

/// The address of an instance's bridge: fixed, or it would follow its ports as they come and go, and
/// the containers' ARP entries of their gateway would go stale. Locally administered, unicast.
pub(super) fn bridge_mac(bridge: &str) -> [u8; 6] {
    let h = Sha256::digest(bridge);
    [0x02, h[0], h[1], h[2], h[3], h[4]]
}

/// The router's end of a task's interface: `ngv` and 48 bits of a hash, whatever the id's form.
pub(super) fn veth(task_id: &str) -> String {
    format!("{VETH_PREFIX}{}", &digest(task_id)[..12])
}

/// The end of a link to a peered VPC, in the namespace of the other one: `ngp` and 48 bits of a hash.
pub(super) fn peering(vpc_id: &str) -> String {
    format!("{PEERING_PREFIX}{}", &digest(vpc_id)[..12])
}

/// The file name of a container's namespace on its container instance; the container's name, which may be
/// long, by its hash.
pub(super) fn endpoint(task_id: &str, container: &str) -> String {
    format!("{task_id}.{}", &digest(container)[..16])
}

/// The container instance's end of a container's interface.
pub(super) fn container_veth(endpoint: &str) -> String {
    format!("{CONTAINER_VETH_PREFIX}{}", &digest(endpoint)[..12])
}

/// Docker's MAC address for a container: `02:42` and its IPv4 address, so that one tells the other.
pub(super) fn container_mac(address: std::net::Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

/// The file name of a task's namespace: the first agent's have none but the task's own.
pub(super) fn owned(owner: &str, task_id: &str) -> String {
    if owner.is_empty() {
        task_id.to_owned()
    } else {
        format!("{owner}@{task_id}")
    }
}

/// Owner and task of a namespace's file name.
pub(super) fn split_owned(file: &str) -> (&str, &str) {
    file.split_once('@').unwrap_or(("", file))
}

/// May this id become a file name?
pub(super) fn is_task_id(s: &str) -> bool {
    (1..=64).contains(&s.len())
        && s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn digest(s: &str) -> String {
    hex::encode(Sha256::digest(s))
}
