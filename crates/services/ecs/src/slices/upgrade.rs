//! Container instances that were stored as ECS's own records, before there were EC2's.

use super::image;
use crate::model::InstanceSlice;
use neargate_service::db::{self, Committed};
use neargate_service::instance::{Agent, Instance, Power, State};
use neargate_service::{AwsError, House, Resource, Scope};

/// Writes each as an EC2 instance instead. Call it before anybody follows the instances.
///
/// # Errors
/// The store's.
pub async fn upgrade(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", InstanceSlice::KIND);
    for slice in house.db.list_prefix::<InstanceSlice>(&all).await? {
        let Some(scope) = Scope::of_key(&slice.key) else {
            continue;
        };
        let old = &slice.value;
        let instance = Instance {
            instance_type: old.instance_type.clone(),
            image_id: image(&scope, &old.instance_type),
            interface: old.interface.clone(),
            agent: Some(Agent {
                cluster: old.cluster.clone(),
                attributes: old.attributes.clone(),
                capacity_provider: old.capacity_provider.clone(),
            }),
            reservation_id: old.id.replacen("i-", "r-", 1),
            launch_index: 0,
            client_token: None,
            key_name: None,
            user_data: None,
            profile: None,
            disable_api_termination: false,
            disable_api_stop: false,
            wanted: match old.removing {
                true => Power::Terminated,
                false => Power::Running,
            },
            state: State::Running,
            reboots: 0,
            problem: old.problem.clone(),
            reason: None,
            launched_at: old.created_at,
            ended_at: None,
        };
        let key = db::key::<Instance>(&scope, &old.id);
        let tx = house.db.tx().delete(&slice).create(key, &instance);
        // Nobody else writes while Neargate starts.
        let _: Committed = tx.commit().await?;
    }
    Ok(())
}
