//! "ECS Container Instance State Change"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_container_instance_events.html>).
//!
//! A change of the instance itself, of its agent's connection or of its free resources makes an
//! event. Its `version` is the store's revision of that change: placing a task changes the
//! instance's resources but not its record, and each event's version must be higher than the last.

use super::event::{detail_of, iso};
use crate::model::ContainerInstance;
use crate::plan::resources;
use neargate_api_ecs as api;
use neargate_base::{Arn, Timestamp};
use neargate_service::tags::Tags;
use neargate_store::Revision;
use serde_json::Value;
use std::sync::Arc;

/// An instance as it was when the event was made.
#[derive(Debug)]
pub(super) struct InstanceChange {
    pub instance: Arc<ContainerInstance>,
    pub agent_connected: bool,
    /// What its tasks leave.
    pub remaining: Vec<api::Resource>,
    pub running: usize,
    pub pending: usize,
    pub revision: Revision,
}

/// Does the change from `before` to `after` make an event? Tags and the record's own version
/// alone do not.
pub fn is_due(before: Option<&ContainerInstance>, after: &ContainerInstance) -> bool {
    let Some(before) = before else { return true };
    let told = |i: &ContainerInstance| ContainerInstance {
        version: 0,
        tags: Tags::default(),
        ..i.clone()
    };
    told(before) != told(after)
}

impl InstanceChange {
    /// The event's `resources` and `detail`: the instance as `DescribeContainerInstances` shows
    /// it, with `clusterArn` and `updatedAt`.
    pub(super) fn detail(&self, updated_at: Timestamp) -> (Vec<String>, Value) {
        let i = &self.instance;
        let attribute = |(name, value): (&String, &Option<String>)| api::Attribute {
            name: name.clone(),
            value: value.clone(),
            ..Default::default()
        };
        let count = |n: usize| i32::try_from(n).ok();
        let some = |s: &String| Some(s.clone()).filter(|s| !s.is_empty());
        let described = api::ContainerInstance {
            container_instance_arn: Some(i.arn.clone()),
            ec2_instance_id: Some(i.ec2_instance_id.clone()),
            capacity_provider_name: i.capacity_provider.clone(),
            version: i64::try_from(self.revision).ok(),
            version_info: Some(api::VersionInfo {
                agent_version: some(&i.agent_version),
                agent_hash: some(&i.agent_hash),
                docker_version: some(&i.docker_version),
            }),
            remaining_resources: Some(self.remaining.clone()),
            registered_resources: Some(resources::registered(&i.registered)),
            status: Some(i.status.as_str().into()),
            status_reason: i.status_reason.clone(),
            agent_connected: Some(self.agent_connected),
            running_tasks_count: count(self.running),
            pending_tasks_count: count(self.pending),
            agent_update_status: i.agent_update_status.clone(),
            attributes: Some(i.attributes.iter().map(attribute).collect()),
            registered_at: Some(i.registered_at),
            ..Default::default()
        };
        let mut detail = detail_of(&described);
        detail.insert("clusterArn".into(), self.cluster_arn().into());
        detail.insert("updatedAt".into(), iso(updated_at).into());
        (vec![i.arn.clone()], Value::Object(detail))
    }

    fn cluster_arn(&self) -> String {
        let of = |arn: Arn| Arn {
            resource: format!("cluster/{}", self.instance.cluster),
            ..arn
        };
        let arn = self.instance.arn.parse::<Arn>().map(of);
        arn.map_or_else(|_| self.instance.cluster.clone(), |a| a.to_string())
    }
}
