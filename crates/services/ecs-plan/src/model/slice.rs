//! A container instance that is a slice of a host: what was asked for.

use neargate_base::Timestamp;
use neargate_domain::{NetworkInterface, Resources};
use neargate_service::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ecs/instance-slice/…/<i-…>`. Written by `ecs::slices`; `problem` by the host that
/// keeps the slice. Whether it runs is not stored: `ecs::Nodes` knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceSlice {
    /// `i-` and 17 hexadecimal digits: its EC2 instance id, and its name as a node.
    pub id: String,
    pub cluster: String,
    /// Such as `t3.small`.
    pub instance_type: String,
    /// What that type offers.
    pub resources: Resources,
    /// Its primary interface, reserved for as long as the record exists.
    pub interface: NetworkInterface,
    /// Custom attributes, as `ECS_INSTANCE_ATTRIBUTES` would hold them.
    pub attributes: BTreeMap<String, String>,
    pub capacity_provider: Option<String>,
    pub created_at: Timestamp,
    /// It is being taken away: its host ends what runs in it and then deletes the record.
    pub removing: bool,
    /// Why its host cannot run it.
    pub problem: Option<String>,
}

impl Resource for InstanceSlice {
    const KIND: &'static str = "ecs/instance-slice";
}
