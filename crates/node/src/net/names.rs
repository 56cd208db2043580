//! The kernel names this node gives its network objects. All derive from the instance or the
//! task, so that a restarted node finds again what it made, and nothing needs to be recorded.
//!
//! Kernel interface names have at most 15 bytes (`IFNAMSIZ` counts the final NUL).

use sha2::{Digest as _, Sha256};

/// Every bridge of any Neargate instance starts so.
pub(super) const BRIDGE_PREFIX: &str = "ng-";
/// Every host end of a task's interface starts so.
pub(super) const VETH_PREFIX: &str = "ngv";

/// The bridge of an instance: `ng-` and eight hexadecimal digits.
pub(super) fn bridge(instance: &str) -> String {
    format!("{BRIDGE_PREFIX}{}", &digest(instance)[..8])
}

/// The nftables table (in families `inet` and `bridge`) that belongs to a bridge.
pub(super) fn table(bridge: &str) -> String {
    bridge.replace('-', "_")
}

/// The bridge's own address: fixed, or it would follow its ports as they come and go, and the
/// tasks' ARP entries of their gateway would go stale. Locally administered, unicast.
pub(super) fn bridge_mac(bridge: &str) -> [u8; 6] {
    let h = Sha256::digest(bridge);
    [0x02, h[0], h[1], h[2], h[3], h[4]]
}

/// The host end of a task's interface: `ngv` and 48 bits of a hash, whatever the id's form.
pub(super) fn veth(task_id: &str) -> String {
    format!("{VETH_PREFIX}{}", &digest(task_id)[..12])
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
