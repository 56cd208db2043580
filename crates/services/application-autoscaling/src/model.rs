//! What Application Auto Scaling stores of a scalable target: one record, with its policies and
//! scheduled actions.
//!
//! Invariants: the API writes what is asked for; the target's controller alone writes what became of
//! it. Both write the one record, each against the state it has read, so that an alarm is acted on
//! once, by the transaction that begins the activity.

use crate::activity::Activity;
use neargate_api_application_autoscaling as api;
use neargate_base::Timestamp;
use neargate_service::scaling::own_alarm::OwnAlarm;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope, db};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub const NAMESPACE: &str = "ecs";
pub const DIMENSION: &str = "ecs:service:DesiredCount";

/// The service that a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub cluster: String,
    pub service: String,
}

impl Named {
    /// `service/cluster/name`.
    pub fn parse(resource_id: &str) -> Option<Named> {
        let parts: Vec<&str> = resource_id.split('/').collect();
        match parts[..] {
            ["service", cluster, service] if !cluster.is_empty() && !service.is_empty() => {
                Some(Named {
                    cluster: cluster.into(),
                    service: service.into(),
                })
            }
            _ => None,
        }
    }

    pub fn resource_id(&self) -> String {
        format!("service/{}/{}", self.cluster, self.service)
    }

    /// The key of its target.
    pub fn key(&self, scope: &Scope) -> String {
        db::key::<Target>(scope, &self.place())
    }

    /// What the keys of its records have of it.
    pub fn place(&self) -> String {
        format!("{NAMESPACE}/{}/{}", self.cluster, self.service)
    }
}

/// As AWS's errors name it.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.resource_id();
        write!(
            f,
            "service namespace: {NAMESPACE}, resource ID: {id}, scalable dimension: {DIMENSION}"
        )
    }
}

/// `application-autoscaling/target/…/ecs/<cluster>/<service>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The last part of its ARN: another target of this service has another.
    pub id: String,
    pub cluster: String,
    pub service: String,
    pub created_at: Timestamp,
    pub min: u32,
    pub max: u32,
    pub suspended: Suspended,
    #[serde(default)]
    pub tags: Tags,
    /// By name.
    #[serde(default)]
    pub policies: BTreeMap<String, Policy>,
    /// By name.
    #[serde(default)]
    pub scheduled: BTreeMap<String, Scheduled>,
    /// It is gone for callers, and goes once its alarms are deleted.
    #[serde(default)]
    pub deregistered: bool,
    /// The bounds were set, and nobody has looked since whether the desired count is within.
    #[serde(default)]
    pub bounds_set: bool,
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acting: Option<Acting>,
    /// The last time that it grew by a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grew: Option<Change>,
    /// The last time that it shrank by a policy, unless it has grown since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrank: Option<Change>,
    /// The newest evaluation of each alarm, by its ARN, that was acted on.
    #[serde(default)]
    pub heard: BTreeMap<String, Timestamp>,
    /// Why the newest activity, if it is one, did not scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_scaled: Option<String>,
    /// Names of alarms that nobody wants any more, to be deleted.
    #[serde(default)]
    pub unwanted_alarms: BTreeSet<String>,
}

impl Resource for Target {
    const KIND: &'static str = "application-autoscaling/target";
}

/// What does not happen for the time being.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    pub scale_in: bool,
    pub scale_out: bool,
    pub scheduled: bool,
}

/// A scaling policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub id: String,
    pub created_at: Timestamp,
    pub kind: Kind,
    /// What the actions of its own alarms have of it beside its ARN.
    pub created_by: String,
    /// The alarms that it owns.
    #[serde(default)]
    pub alarms: Vec<OwnAlarm>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    Step(Json<api::StepScalingPolicyConfiguration>),
    TargetTracking(Json<api::TargetTrackingScalingPolicyConfiguration>),
}

impl Kind {
    pub fn as_str(&self) -> &'static str {
        match self {
            Kind::Step(_) => "StepScaling",
            Kind::TargetTracking(_) => "TargetTrackingScaling",
        }
    }
}

/// A scheduled action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    pub id: String,
    pub created_at: Timestamp,
    /// As it was given: an at, rate or cron expression.
    pub schedule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// When it happens next.
    pub next_at: Timestamp,
}

/// An activity under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acting {
    pub activity: Activity,
    pub to: u32,
    /// ECS was told.
    pub is_set: bool,
}

/// A change that a policy made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub from: u32,
    /// When it was over; `None`: it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Target {
    pub fn named(&self) -> Named {
        Named {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
        }
    }

    pub fn arn(&self, scope: &Scope) -> String {
        let resource = format!("scalable-target/{}", self.id);
        scope.arn("application-autoscaling", resource)
    }

    pub fn policy_arn(&self, scope: &Scope, name: &str, policy: &Policy) -> String {
        let (id, resource) = (&policy.id, self.named().resource_id());
        let resource =
            format!("scalingPolicy:{id}:resource/{NAMESPACE}/{resource}:policyName/{name}");
        scope.arn("autoscaling", resource)
    }

    pub fn scheduled_arn(&self, scope: &Scope, name: &str, action: &Scheduled) -> String {
        let (id, resource) = (&action.id, self.named().resource_id());
        let resource = format!(
            "scheduledAction:{id}:resource/{NAMESPACE}/{resource}:scheduledActionName/{name}"
        );
        scope.arn("autoscaling", resource)
    }
}

impl Policy {
    /// Takes its alarms away from it: they are to be deleted.
    pub fn abandon_alarms(&mut self) -> impl Iterator<Item = String> {
        self.alarms.drain(..).map(|alarm| alarm.name)
    }
}
