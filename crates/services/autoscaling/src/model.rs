//! What Auto Scaling stores: launch configurations, and groups with their instances.
//!
//! Invariants: the API writes what is asked of a group and what callers say of its instances; the
//! group's controller alone makes, moves and forgets instances. Both write the one record of the
//! group, each against the state it has read, so that a size and the instances it counts never part.

use crate::activity::Activity;
use crate::hook::{Hook, Wait};
use crate::refresh::Refresh;
use crate::schedule::Scheduled;
use neargate_api_autoscaling as api;
use neargate_base::Timestamp;
use neargate_service::db::{self, Resource};
use neargate_service::scaling::own_alarm::OwnAlarm;
use neargate_service::{Scope, Stored, scaling};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `autoscaling/launch-configuration/…/<name>`: nobody changes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchConfiguration {
    pub id: String,
    pub asked: Json<api::CreateLaunchConfigurationInput>,
    pub created_at: Timestamp,
}

impl Resource for LaunchConfiguration {
    const KIND: &'static str = "autoscaling/launch-configuration";
}

/// `autoscaling/group/…/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    /// What its ARN has of it: another group of this name has another.
    pub id: String,
    pub created_at: Timestamp,
    pub min: u32,
    pub max: u32,
    pub desired: u32,
    pub source: Source,
    /// Where instances may be: at least one place.
    pub places: Vec<Place>,
    pub settings: Settings,
    /// What is shown as it was given and has no effect here.
    pub kept: Json<api::AutoScalingGroup>,
    #[serde(default)]
    pub tags: BTreeMap<String, Tag>,
    /// Processes by name, and why each is suspended.
    #[serde(default)]
    pub suspended: BTreeMap<String, String>,
    #[serde(default)]
    pub metrics: BTreeSet<String>,
    #[serde(default)]
    pub hooks: BTreeMap<String, Hook>,
    #[serde(default)]
    pub policies: BTreeMap<String, Policy>,
    #[serde(default)]
    pub scheduled: BTreeMap<String, Scheduled>,
    /// Types of notifications by the topics they would go to.
    #[serde(default)]
    pub notifications: BTreeMap<String, BTreeSet<String>>,
    /// By identifier.
    #[serde(default)]
    pub traffic_sources: BTreeMap<String, TrafficSource>,
    /// Names of alarms that nobody wants any more, to be deleted.
    #[serde(default)]
    pub unwanted_alarms: BTreeSet<String>,
    /// The newest last.
    #[serde(default)]
    pub refreshes: Vec<Refresh>,
    /// It is being deleted with its instances.
    #[serde(default)]
    pub deleting: bool,
    /// By their ids.
    #[serde(default)]
    pub instances: BTreeMap<String, Member>,
    /// What is about to be started, by the number of the attempt.
    #[serde(default)]
    pub launches: BTreeMap<u64, Launch>,
    /// The number of the next attempt or activity: none is ever used again.
    #[serde(default)]
    pub next: u64,
    /// Sentences on why the size was changed, until something is done about it.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// How many of the next launches replace what was unhealthy.
    #[serde(default)]
    pub replacements: u32,
    /// One more than desired, so that zones come into balance.
    #[serde(default)]
    pub rebalancing: bool,
    /// Launches that failed one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// When it last grew or shrank: what the cooldown counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_at: Option<Timestamp>,
}

impl Resource for Group {
    const KIND: &'static str = scaling::GROUP;
}

/// What instances are started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    Configuration(String),
    Template(Template),
    /// The first of the overrides that can be had.
    Mixed(Json<api::MixedInstancesPolicy>),
}

/// A launch template and its version, as the group names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub id: String,
    pub name: String,
    /// A number, `$Latest` or `$Default`; of an instance always a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A zone, or a subnet in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub zone: String,
    /// `None`: the default subnet of the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
}

/// How a group behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub cooldown_seconds: u32,
    pub health_check_type: String,
    pub grace_seconds: u32,
    pub termination_policies: Vec<String>,
    pub protects_new: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_seconds: Option<u32>,
    /// `none`, `prevent-force-deletion` or `prevent-all-deletion`.
    pub deletion_protection: String,
}

/// The value of a group's tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub value: String,
    /// New instances get it too.
    pub propagates: bool,
}

/// A scaling policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub id: String,
    pub asked: Json<api::PutScalingPolicyInput>,
    /// The alarms that it owns.
    #[serde(default)]
    pub alarms: Vec<OwnAlarm>,
}

/// A load balancer or target group of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSource {
    /// `elb`, `elbv2` or `vpc-lattice`.
    pub kind: String,
    /// It is being detached.
    #[serde(default)]
    pub leaving: bool,
    /// The instances that are registered with it.
    #[serde(default)]
    pub registered: BTreeSet<String>,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub instance_type: String,
    pub image_id: String,
    pub place: Place,
    pub state: Lifecycle,
    pub healthy: bool,
    pub protected: bool,
    pub from: From,
    /// When it was launched or attached.
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_service_at: Option<Timestamp>,
    /// What goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// The hooks that it waits for, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waits: BTreeMap<String, Wait>,
    /// It was there before, and has to be tagged as the group's.
    #[serde(default)]
    pub untagged: bool,
}

/// What an instance was started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum From {
    Configuration {
        name: String,
        created_at: Timestamp,
    },
    Template(Template),
    /// It was attached.
    Elsewhere,
}

/// An instance that is about to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    pub place: Place,
    pub activity: Activity,
    /// What it is started from, once that is settled: a replay then starts the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// Which of the ways to start it is tried: an override of the group's policy.
    #[serde(default)]
    pub candidate: usize,
}

/// Launches that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub times: u32,
    /// When the next one may be tried.
    pub until: Timestamp,
    /// Zones in which they failed.
    pub zones: BTreeSet<String>,
}

/// The lifecycle of an instance
/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html>).
///
/// ```text
/// Pending -> PendingWait -> PendingProceed -> InService -> Terminating -> TerminatingWait
///    ^------------------------- Standby <- EnteringStandby <-'   `-> Detaching      |
///                                                  (gone) <- TerminatingProceed <---'
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifecycle {
    Pending,
    PendingWait,
    PendingProceed,
    InService,
    EnteringStandby,
    Standby,
    Detaching,
    Terminating,
    TerminatingWait,
    TerminatingProceed,
}

impl Lifecycle {
    pub fn shown(self) -> &'static str {
        match self {
            Lifecycle::Pending => "Pending",
            Lifecycle::PendingWait => "Pending:Wait",
            Lifecycle::PendingProceed => "Pending:Proceed",
            Lifecycle::InService => "InService",
            Lifecycle::EnteringStandby => "EnteringStandby",
            Lifecycle::Standby => "Standby",
            Lifecycle::Detaching => "Detaching",
            Lifecycle::Terminating => "Terminating",
            Lifecycle::TerminatingWait => "Terminating:Wait",
            Lifecycle::TerminatingProceed => "Terminating:Proceed",
        }
    }

    /// Does it count towards the desired capacity?
    pub fn counts(self) -> bool {
        match self {
            Lifecycle::Pending
            | Lifecycle::PendingWait
            | Lifecycle::PendingProceed
            | Lifecycle::InService => true,
            Lifecycle::EnteringStandby
            | Lifecycle::Standby
            | Lifecycle::Detaching
            | Lifecycle::Terminating
            | Lifecycle::TerminatingWait
            | Lifecycle::TerminatingProceed => false,
        }
    }

    /// Has it begun to end?
    pub fn ends(self) -> bool {
        matches!(
            self,
            Lifecycle::Terminating | Lifecycle::TerminatingWait | Lifecycle::TerminatingProceed
        )
    }
}

impl Group {
    /// How many instances count towards the desired capacity, those about to be started too.
    pub fn capacity(&self) -> u32 {
        let counting = self.instances.values().filter(|m| m.state.counts());
        u32::try_from(counting.count() + self.launches.len()).unwrap_or(u32::MAX)
    }

    pub fn arn(&self, scope: &Scope) -> String {
        scope.arn(
            "autoscaling",
            format!(
                "autoScalingGroup:{}:autoScalingGroupName/{}",
                self.id, self.name
            ),
        )
    }

    pub fn policy_arn(&self, scope: &Scope, name: &str, policy: &Policy) -> String {
        scope.arn(
            "autoscaling",
            format!(
                "scalingPolicy:{}:autoScalingGroupName/{}:policyName/{name}",
                policy.id, self.name
            ),
        )
    }

    /// Takes the policy's alarms away from it: they are to be deleted.
    pub fn abandon_alarms(&mut self, policy: &mut Policy) {
        let names = policy.alarms.drain(..).map(|alarm| alarm.name);
        self.unwanted_alarms.extend(names);
    }

    /// It is being deleted: its policies and their alarms go.
    pub fn abandon_policies(&mut self) {
        for mut policy in std::mem::take(&mut self.policies).into_values() {
            self.abandon_alarms(&mut policy);
        }
    }

    /// The zones of its places, each once.
    pub fn zones(&self) -> Vec<String> {
        let zones: BTreeSet<&String> = self.places.iter().map(|p| &p.zone).collect();
        zones.into_iter().cloned().collect()
    }

    pub fn is_suspended(&self, process: &str) -> bool {
        self.suspended.contains_key(process)
    }
}

/// The key of what has this name: a slash is a part of names, not of keys.
pub fn key<T: Resource>(scope: &Scope, name: &str) -> String {
    db::key::<T>(scope, &escaped(name))
}

pub fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '%' => escaped.push_str("%25"),
            '/' => escaped.push_str("%2F"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The group that has the instance.
pub fn group_of<'a>(groups: &'a [Stored<Group>], instance: &str) -> Option<&'a Stored<Group>> {
    groups
        .iter()
        .find(|group| group.instances.contains_key(instance))
}
