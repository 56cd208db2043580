//! Lifecycle hooks
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html>): what holds an
//! instance that starts or ends until somebody says that it may go on, or for so long.

use crate::activity::numbered;
use crate::model::{Group, Lifecycle};
use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest that an instance waits, whatever heartbeats are recorded.
const LONGEST: Duration = Duration::from_secs(172_800);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub transition: Transition,
    pub heartbeat_seconds: u32,
    pub default: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transition {
    Launching,
    Terminating,
}

impl Transition {
    pub fn shown(self) -> &'static str {
        match self {
            Transition::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Transition::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }

    pub fn parse(text: &str) -> Option<Transition> {
        [Transition::Launching, Transition::Terminating]
            .into_iter()
            .find(|t| t.shown() == text)
    }
}

/// How a lifecycle action ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Continue,
    Abandon,
}

impl Outcome {
    pub fn shown(self) -> &'static str {
        match self {
            Outcome::Continue => "CONTINUE",
            Outcome::Abandon => "ABANDON",
        }
    }

    pub fn parse(text: &str) -> Option<Outcome> {
        [Outcome::Continue, Outcome::Abandon]
            .into_iter()
            .find(|o| o.shown() == text)
    }
}

/// A lifecycle action: an instance waits for a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    pub token: String,
    /// When the hook's default counts, unless a heartbeat is recorded.
    pub until: Timestamp,
    /// After this no heartbeat helps.
    pub at_most: Timestamp,
    pub heartbeat_seconds: u32,
    pub default: Outcome,
    /// What somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Outcome>,
}

impl Hook {
    /// One hundred heartbeats, and two days at most.
    pub fn global_seconds(&self) -> u32 {
        let longest = u32::try_from(LONGEST.as_secs()).unwrap_or(u32::MAX);
        self.heartbeat_seconds.saturating_mul(100).min(longest)
    }
}

impl Wait {
    pub fn heartbeat(&mut self, now: Timestamp) {
        let next = now + Duration::from_secs(u64::from(self.heartbeat_seconds));
        self.until = next.min(self.at_most);
    }
}

/// The actions of an instance that begins to start or to end.
pub fn waits(group: &mut Group, transition: Transition, now: Timestamp) -> BTreeMap<String, Wait> {
    let mut waits = BTreeMap::new();
    for (name, hook) in group.hooks.clone() {
        if hook.transition != transition {
            continue;
        }
        let seconds = |n: u32| now + Duration::from_secs(u64::from(n));
        let wait = Wait {
            token: numbered(group),
            until: seconds(hook.heartbeat_seconds),
            at_most: seconds(hook.global_seconds()),
            heartbeat_seconds: hook.heartbeat_seconds,
            default: hook.default,
            said: None,
        };
        waits.insert(name, wait);
    }
    waits
}

/// Where waiting has led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// Until then, unless somebody speaks.
    Until(Timestamp),
    Over,
    /// One was abandoned, for this reason.
    Abandoned(String),
}

/// All must continue; the first that is abandoned ends it.
pub fn waited(waits: &BTreeMap<String, Wait>, now: Timestamp) -> Waited {
    let mut next: Option<Timestamp> = None;
    for wait in waits.values() {
        let outcome = wait.said.or((wait.until <= now).then_some(wait.default));
        match outcome {
            Some(Outcome::Abandon) => {
                let why = match wait.said {
                    Some(_) => "Lifecycle Action Completed with ABANDON Result",
                    None => "Heartbeat Timeout",
                };
                let token = &wait.token;
                return Waited::Abandoned(format!(
                    "Instance failed to complete user's Lifecycle Action: Lifecycle Action with \
                     token {token} was abandoned: {why}"
                ));
            }
            Some(Outcome::Continue) => {}
            None => next = Some(next.map_or(wait.until, |at| at.min(wait.until))),
        }
    }
    next.map_or(Waited::Over, Waited::Until)
}

/// A hook that is deleted ends what waits for it: instances that start are abandoned, those that
/// end go on.
pub fn deleted(group: &mut Group, name: &str) {
    for member in group.instances.values_mut() {
        let outcome = match member.state {
            Lifecycle::PendingWait => Outcome::Abandon,
            _ => Outcome::Continue,
        };
        if let Some(wait) = member.waits.get_mut(name) {
            wait.said.get_or_insert(outcome);
        }
    }
}
