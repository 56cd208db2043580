//! `/_neargate/instances`: the slices of this host that are container instances.

use super::Pages;
use crate::error;
use neargate_domain::Resources;
use neargate_ecs::slices::{self, NewSlices};
use neargate_service::instance::{Instance, State};
use neargate_service::{AwsError, Scope};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Removal {
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Addition {
    cluster: Option<String>,
    instance_type: String,
    availability_zone: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    capacity_provider: Option<String>,
    #[serde(default = "one")]
    count: u32,
}

fn one() -> u32 {
    1
}

impl Pages {
    pub(super) async fn instances(&self, scope: &Scope) -> Result<Value, AwsError> {
        let all = slices::list(self.house(), scope).await?;
        Ok(self.shown(all.iter().map(|i| (i.id(), &i.value))))
    }

    pub(super) async fn add_instances(
        &self,
        scope: &Scope,
        asked: Addition,
    ) -> Result<Value, AwsError> {
        self.resources(&asked.instance_type)?;
        let new = NewSlices {
            cluster: asked.cluster,
            instance_type: asked.instance_type,
            availability_zone: asked.availability_zone,
            attributes: asked.attributes,
            capacity_provider: asked.capacity_provider,
            count: asked.count,
        };
        let made = slices::add(self.house(), scope, &new).await?;
        Ok(self.shown(made.iter().map(|(id, i)| (id.as_str(), i))))
    }

    pub(super) async fn remove_instance(
        &self,
        scope: &Scope,
        id: &str,
        asked: &Removal,
    ) -> Result<Value, AwsError> {
        let gone = slices::remove(self.house(), scope, id, asked.force).await?;
        Ok(self.shown([(id, &gone)]))
    }

    fn resources(&self, instance_type: &str) -> Result<Resources, AwsError> {
        self.host()?
            .instance_resources(instance_type)
            .map_err(error::invalid_instance_type)
    }

    fn shown<'a>(&self, all: impl IntoIterator<Item = (&'a str, &'a Instance)>) -> Value {
        let all = all.into_iter();
        let shown: Vec<Value> = all.map(|(id, i)| self.instance(id, i)).collect();
        json!({ "instances": shown })
    }

    /// An instance as these pages show it. `RUNNING` means that its agent is connected now.
    fn instance(&self, id: &str, instance: &Instance) -> Value {
        let connected = self.control_plane.ecs.nodes.is_connected(id);
        let state = match (instance.shown_state(), connected, &instance.problem) {
            (State::ShuttingDown | State::Terminated, ..) => "SHUTTING_DOWN",
            (State::Stopping | State::Stopped, ..) => "STOPPED",
            (_, _, Some(_)) => "FAILED",
            (_, true, None) => "RUNNING",
            (_, false, None) => "PENDING",
        };
        let resources = self.resources(&instance.instance_type).unwrap_or_default();
        let agent = instance.agent.clone().unwrap_or_default();
        json!({
            "ec2InstanceId": id,
            "cluster": agent.cluster,
            "instanceType": instance.instance_type,
            "availabilityZone": instance.interface.availability_zone,
            "privateIpAddress": instance.interface.private_ipv4,
            "publicIpAddress": instance.interface.public_ipv4,
            "networkInterfaceId": instance.interface.id,
            "state": state,
            "stateReason": instance.problem,
            "cpu": resources.cpu_units,
            "memory": resources.memory_mib,
            "attributes": agent.attributes,
            "capacityProviderName": agent.capacity_provider,
            "launchTime": instance.launched_at.as_secs_f64(),
        })
    }
}
