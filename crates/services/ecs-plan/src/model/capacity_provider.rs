//! A capacity provider of the account's own
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProvider.html>).
//! FARGATE and FARGATE_SPOT exist everywhere and are not stored.

use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `ecs/capacity-provider/…/<name>`. Written by the API only. Its capacity are the container
/// instances that were registered with its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CapacityProvider {
    pub name: String,
    pub arn: String,
    /// Deleted ones stay discoverable for a while, as `INACTIVE`.
    pub active: bool,
    /// `CREATE_COMPLETE`, `UPDATE_COMPLETE` or `DELETE_COMPLETE`.
    pub update_status: String,
    /// Either this or `managed_instances` is set.
    pub auto_scaling_group: Option<Json<api::AutoScalingGroupProvider>>,
    pub managed_instances: Option<Json<api::ManagedInstancesProvider>>,
    /// The cluster's name; a managed instances provider belongs to one.
    pub cluster: Option<String>,
    pub tags: Tags,
    pub created_at: Timestamp,
}

impl Resource for CapacityProvider {
    const KIND: &'static str = "ecs/capacity-provider";
}
