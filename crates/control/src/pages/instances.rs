//! `/_neargate/instances`: the slices of this host that are container instances.

use super::Pages;
use crate::error;
use neargate_ecs::model::InstanceSlice;
use neargate_ecs::slices::{self, NewSlices};
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
        Ok(self.shown(all.iter().map(|slice| &slice.value)))
    }

    pub(super) async fn add_instances(
        &self,
        scope: &Scope,
        asked: Addition,
    ) -> Result<Value, AwsError> {
        let resources = self
            .host()?
            .instance_resources(&asked.instance_type)
            .map_err(error::invalid_instance_type)?;
        let new = NewSlices {
            cluster: asked.cluster,
            instance_type: asked.instance_type,
            resources,
            availability_zone: asked.availability_zone,
            attributes: asked.attributes,
            capacity_provider: asked.capacity_provider,
            count: asked.count,
        };
        let made = slices::add(self.house(), scope, &new).await?;
        Ok(self.shown(&made))
    }

    pub(super) async fn remove_instance(
        &self,
        scope: &Scope,
        id: &str,
        asked: &Removal,
    ) -> Result<Value, AwsError> {
        let gone = slices::remove(self.house(), scope, id, asked.force).await?;
        Ok(self.shown(&[gone]))
    }

    fn shown<'a>(&self, slices: impl IntoIterator<Item = &'a InstanceSlice>) -> Value {
        let slices = slices.into_iter();
        let shown: Vec<Value> = slices.map(|slice| self.instance(slice)).collect();
        json!({ "instances": shown })
    }

    /// A slice as these pages show it. `RUNNING` means that its agent is connected now.
    fn instance(&self, slice: &InstanceSlice) -> Value {
        let connected = self.control_plane.ecs.nodes.is_connected(&slice.id);
        let state = match (slice.removing, connected, &slice.problem) {
            (true, ..) => "SHUTTING_DOWN",
            (_, _, Some(_)) => "FAILED",
            (_, true, None) => "RUNNING",
            (_, false, None) => "PENDING",
        };
        json!({
            "ec2InstanceId": slice.id,
            "cluster": slice.cluster,
            "instanceType": slice.instance_type,
            "availabilityZone": slice.interface.availability_zone,
            "privateIpAddress": slice.interface.private_ipv4,
            "networkInterfaceId": slice.interface.id,
            "state": state,
            "stateReason": slice.problem,
            "cpu": slice.resources.cpu_units,
            "memory": slice.resources.memory_mib,
            "attributes": slice.attributes,
            "capacityProviderName": slice.capacity_provider,
            "launchTime": slice.created_at.as_secs_f64(),
        })
    }
}
