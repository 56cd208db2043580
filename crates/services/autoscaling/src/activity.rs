//! Scaling activities
//! (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Activity.html>): what a group did to
//! an instance, and why.
//!
//! An activity that goes on is kept with its instance or launch; one that has ended has a record of
//! its own, which nobody changes.

use crate::model::{Group, Place};
use neargate_api_autoscaling as api;
use neargate_base::Timestamp;
use neargate_service::Scope;
use neargate_service::db::Resource;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many ended activities of a group are kept, at least.
pub const KEPT: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub id: String,
    pub description: String,
    pub cause: String,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    pub progress: u8,
    /// JSON.
    pub details: String,
}

/// `autoscaling/activity/…/<group>/<id>`: an activity that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub group: String,
    /// See [`Group::id`].
    pub group_id: String,
    pub activity: Activity,
}

impl Resource for Ended {
    const KIND: &'static str = "autoscaling/activity";
}

impl Activity {
    /// One that begins now. Its id follows from the group's number of it.
    pub fn begin(
        group: &mut Group,
        description: String,
        cause: String,
        place: &Place,
        now: Timestamp,
    ) -> Activity {
        let id = numbered(group);
        let details = match &place.subnet {
            Some(subnet) => serde_json::json!({
                "Subnet ID": subnet, "Availability Zone": place.zone
            }),
            None => serde_json::json!({ "Availability Zone": place.zone }),
        };
        Activity {
            id,
            description,
            cause,
            started_at: now,
            ended_at: None,
            status: "InProgress".into(),
            message: None,
            progress: 0,
            details: details.to_string(),
        }
    }

    pub fn at(mut self, status: &str, progress: u8) -> Activity {
        self.status = status.into();
        self.progress = progress;
        self
    }

    pub fn succeeded(mut self, now: Timestamp) -> Activity {
        self.ended_at = Some(now);
        self.at("Successful", 100)
    }

    /// Ended in `status`, `Failed` or `Cancelled`, for a reason.
    pub fn ended(mut self, status: &str, why: &str, now: Timestamp) -> Activity {
        self.ended_at = Some(now);
        self.description = format!("{}.  Status Reason: {why}", self.description);
        self.message = Some(why.to_owned());
        self.at(status, 100)
    }

    pub fn shown(&self, group: &str, arn: String) -> api::Activity {
        api::Activity {
            activity_id: Some(self.id.clone()),
            auto_scaling_group_name: Some(group.to_owned()),
            description: Some(self.description.clone()),
            cause: Some(self.cause.clone()),
            start_time: Some(self.started_at),
            end_time: self.ended_at,
            status_code: Some(self.status.clone()),
            status_message: self.message.clone(),
            progress: Some(i32::from(self.progress)),
            details: Some(self.details.clone()),
            auto_scaling_group_state: None,
            auto_scaling_group_arn: Some(arn),
        }
    }
}

impl Group {
    /// An activity of this group as callers see it.
    pub fn shown_activity(&self, scope: &Scope, activity: &Activity) -> api::Activity {
        activity.shown(&self.name, self.arn(scope))
    }
}

/// The next id that follows from the group and a number: a replay makes the same.
pub fn numbered(group: &mut Group) -> String {
    let number = group.next;
    group.next += 1;
    derived(&group.id, number)
}

/// An id in the form of a UUID.
pub fn derived(of: &str, number: u64) -> String {
    let digest = hex::encode(Sha256::digest(format!("{of}/{number}")));
    format!(
        "{}-{}-{}-{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[12..16],
        &digest[16..20],
        &digest[20..32]
    )
}
