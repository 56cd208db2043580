//! EC2 instances, each of which is a slice of a host: asked for by EC2's `RunInstances`, by
//! `neargate instance add` and by Auto Scaling, kept by the host that runs it.
//!
//! Invariants: whoever asks writes [`Instance::wanted`] and what describes the instance; the host alone
//! writes [`Instance::state`] and [`Instance::problem`]. An instance that has ended keeps its record
//! for an hour, without an interface, as EC2 shows it.

use crate::eni::{self, Unreserved, Wanted};
use crate::{AwsError, House, Resource, Scope, Stored, Tx, db};
use neargate_base::Timestamp;
use neargate_domain::NetworkInterface;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an instance that has ended is shown
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html>).
pub const SHOWN_AFTER_ITS_END: Duration = Duration::from_secs(3_600);

/// `ec2/instance/…/<i-…>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Such as `t3.small`.
    pub instance_type: String,
    /// `ami-…`.
    pub image_id: String,
    /// Its primary interface, reserved until it has ended.
    pub interface: NetworkInterface,
    /// What the ECS agent on it was told; `None`: its image has no agent.
    pub agent: Option<Agent>,
    /// `r-…`: what one call started.
    pub reservation_id: String,
    /// Which one of its reservation it is, from 0.
    pub launch_index: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// As it was given, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// The ARN of its instance profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default)]
    pub disable_api_termination: bool,
    #[serde(default)]
    pub disable_api_stop: bool,
    pub wanted: Power,
    pub state: State,
    /// Rises with each reboot that is asked for.
    #[serde(default)]
    pub reboots: u32,
    /// Why its host cannot run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Why it is in its state, as EC2 says it: a code and a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<(String, String)>,
    pub launched_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Resource for Instance {
    const KIND: &'static str = "ec2/instance";
}

/// The configuration of an ECS agent, as far as it matters here
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html>).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// `ECS_CLUSTER`.
    pub cluster: String,
    /// `ECS_INSTANCE_ATTRIBUTES`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The capacity provider whose Auto Scaling group it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<String>,
}

/// What is asked of an instance. From `Terminated` no way leads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    Running,
    Stopped,
    Terminated,
}

/// EC2's states of an instance
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

impl State {
    /// EC2's name and code.
    pub fn shown(self) -> (&'static str, i32) {
        match self {
            State::Pending => ("pending", 0),
            State::Running => ("running", 16),
            State::ShuttingDown => ("shutting-down", 32),
            State::Terminated => ("terminated", 48),
            State::Stopping => ("stopping", 64),
            State::Stopped => ("stopped", 80),
        }
    }

    /// The state as callers see it: what is asked for is begun at once.
    pub fn on_the_way_to(self, wanted: Power) -> State {
        match (wanted, self) {
            (Power::Terminated, State::Terminated) => State::Terminated,
            (Power::Terminated, _) => State::ShuttingDown,
            (Power::Stopped, State::Pending | State::Running) => State::Stopping,
            (Power::Running, State::Stopped) => State::Pending,
            (_, now) => now,
        }
    }
}

impl Instance {
    /// What callers see.
    pub fn shown_state(&self) -> State {
        self.state.on_the_way_to(self.wanted)
    }

    pub fn has_ended(&self) -> bool {
        self.state == State::Terminated
    }
}

/// What a new instance shall be.
#[derive(Debug, Clone, Default)]
pub struct NewInstance {
    pub instance_type: String,
    pub image_id: String,
    pub subnet_id: String,
    pub security_groups: Vec<String>,
    /// With a public address.
    pub public: bool,
    pub agent: Option<Agent>,
    pub reservation_id: String,
    pub launch_index: u32,
    pub client_token: Option<String>,
    pub key_name: Option<String>,
    pub user_data: Option<String>,
    pub profile: Option<String>,
    pub disable_api_termination: bool,
    pub disable_api_stop: bool,
}

/// Adds to a transaction what makes the instance `id`: its interface and its record.
///
/// # Errors
/// [`Unreserved`].
pub async fn create(
    house: &House,
    scope: &Scope,
    tx: Tx,
    id: &str,
    new: NewInstance,
    held: &[std::net::Ipv4Addr],
) -> Result<(Tx, Instance), Unreserved> {
    let wanted = Wanted {
        subnet_id: &new.subnet_id,
        security_groups: &new.security_groups,
        public: new.public,
        owner: id,
        held,
    };
    let reserved = eni::reserve(house, scope, wanted).await?;
    let instance = Instance {
        instance_type: new.instance_type,
        image_id: new.image_id,
        interface: reserved.interface,
        agent: new.agent,
        reservation_id: new.reservation_id,
        launch_index: new.launch_index,
        client_token: new.client_token,
        key_name: new.key_name,
        user_data: new.user_data,
        profile: new.profile,
        disable_api_termination: new.disable_api_termination,
        disable_api_stop: new.disable_api_stop,
        wanted: Power::Running,
        state: State::Pending,
        reboots: 0,
        problem: None,
        reason: None,
        launched_at: house.now(),
        ended_at: None,
    };
    let tx = tx.with(reserved.compares, reserved.ops);
    let tx = tx.create(db::key::<Instance>(scope, id), &instance);
    Ok((tx, instance))
}

/// A new instance's id.
pub fn new_id(house: &House) -> String {
    format!("i-{}", house.rng.hex(17))
}

/// Every instance of the scope, those that have ended too.
///
/// # Errors
/// The store's.
pub async fn list(house: &House, scope: &Scope) -> Result<Vec<Stored<Instance>>, AwsError> {
    house.db.list::<Instance>(scope).await
}

/// Writes what the host observed: `change` answers whether there is something to write.
///
/// # Errors
/// The store's.
pub async fn observed(
    house: &House,
    key: &str,
    mut change: impl FnMut(&mut Instance) -> bool,
) -> Result<Option<Stored<Instance>>, AwsError> {
    let changed = house.db.modify::<Instance, _>(key, |i| Ok(change(i)));
    changed.await
}

/// Nothing of the instance is left: its interface goes back, and its record says that it has ended.
///
/// # Errors
/// The store's.
pub async fn ended(house: &House, key: &str) -> Result<(), AwsError> {
    let Some(scope) = Scope::of_key(key) else {
        return Ok(());
    };
    loop {
        let Some(found) = house.db.get_key::<Instance>(key).await? else {
            return Ok(());
        };
        if found.has_ended() {
            return Ok(());
        }
        let mut value = found.value.clone();
        value.state = State::Terminated;
        value.problem = None;
        value.ended_at = Some(house.now());
        let ops = eni::release_interface(&scope, &value.interface);
        let tx = house.db.tx().update(&found, &value).with(Vec::new(), ops);
        if let db::Committed::At(_) = tx.commit().await? {
            return Ok(());
        }
    }
}

/// Forgets the instances that ended more than [`SHOWN_AFTER_ITS_END`] ago, with their tags.
///
/// # Errors
/// The store's.
pub async fn forget_ended(house: &House) -> Result<(), AwsError> {
    let now = house.now();
    let all = format!("{}/", Instance::KIND);
    for instance in house.db.list_prefix::<Instance>(&all).await? {
        let is_over = |at: Timestamp| now.since(at) >= SHOWN_AFTER_ITS_END;
        let Some(scope) = Scope::of_key(&instance.key) else {
            continue;
        };
        if instance.ended_at.is_some_and(is_over) {
            let tags = eni::tags_key(&scope, instance.id());
            let tx = house.db.tx().delete(&instance).delete_key(tags);
            // One that changed meanwhile is looked at again the next time.
            let _: db::Committed = tx.commit().await?;
        }
    }
    Ok(())
}
