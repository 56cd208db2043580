//! Scaling activities, in AWS's sentences
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html>).

use crate::model::{DIMENSION, NAMESPACE, Named};
use neargate_api_application_autoscaling as api;
use neargate_base::Timestamp;
use neargate_service::{Resource, Scope, db};
use serde::{Deserialize, Serialize};

/// `application-autoscaling/activity/…/ecs/<cluster>/<service>/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    pub cluster: String,
    pub service: String,
    pub activity: Activity,
}

impl Resource for Recorded {
    const KIND: &'static str = "application-autoscaling/activity";
}

impl Recorded {
    pub fn of(named: &Named, activity: &Activity) -> Recorded {
        Recorded {
            cluster: named.cluster.clone(),
            service: named.service.clone(),
            activity: activity.clone(),
        }
    }

    pub fn key(&self, scope: &Scope) -> String {
        let id = format!("{}/{}", self.named().place(), self.activity.id);
        db::key::<Recorded>(scope, &id)
    }

    fn named(&self) -> Named {
        Named {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
        }
    }

    pub fn shown(self) -> api::ScalingActivity {
        let resource_id = self.named().resource_id();
        let Activity {
            id,
            description,
            cause,
            started_at,
            ended_at,
            status,
            message,
            not_scaled,
        } = self.activity;
        let count = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
        let reason = |n: NotScaled| api::NotScaledReason {
            code: Some(n.code),
            max_capacity: count(n.max),
            min_capacity: count(n.min),
            current_capacity: count(n.current),
        };
        api::ScalingActivity {
            activity_id: Some(id),
            service_namespace: Some(NAMESPACE.into()),
            resource_id: Some(resource_id),
            scalable_dimension: Some(DIMENSION.into()),
            description: Some(description),
            cause: Some(cause),
            start_time: Some(started_at),
            end_time: ended_at,
            status_code: Some(status.as_str().into()),
            status_message: message,
            details: None,
            not_scaled_reasons: not_scaled.map(|n| vec![reason(n)]),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub id: String,
    pub description: String,
    pub cause: String,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_scaled: Option<NotScaled>,
}

/// `StatusCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Pending,
    InProgress,
    Successful,
    Overridden,
    Unfulfilled,
    Failed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "Pending",
            Status::InProgress => "InProgress",
            Status::Successful => "Successful",
            Status::Overridden => "Overridden",
            Status::Unfulfilled => "Unfulfilled",
            Status::Failed => "Failed",
        }
    }
}

/// Why an alarm led to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotScaled {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
}

impl Activity {
    fn begin(id: String, description: String, cause: String, now: Timestamp) -> Activity {
        Activity {
            id,
            description,
            cause,
            started_at: now,
            ended_at: None,
            status: Status::Pending,
            message: None,
            not_scaled: None,
        }
    }

    /// The desired count is about to be set.
    pub fn setting(id: String, to: u32, cause: String, now: Timestamp) -> Activity {
        Activity::begin(id, format!("Setting desired count to {to}."), cause, now)
    }

    /// A scheduled action has set the bounds, or has not.
    pub fn bounds(
        id: String,
        action: &str,
        bounds: (Option<u32>, Option<u32>),
        refused: Option<&str>,
        now: Timestamp,
    ) -> Activity {
        let sets = match bounds {
            (Some(min), Some(max)) => format!("min capacity to {min} and max capacity to {max}"),
            (Some(min), None) => format!("min capacity to {min}"),
            (None, Some(max)) => format!("max capacity to {max}"),
            (None, None) => "nothing".into(),
        };
        let cause = format!("scheduled action name {action} was triggered");
        let begun = Activity::begin(id, format!("Setting {sets}"), cause, now);
        match refused {
            None => begun.ended(Status::Successful, format!("Successfully set {sets}"), now),
            Some(why) => {
                let message = format!("Failed to set {sets}. Reason: {why}");
                begun.ended(Status::Failed, message, now)
            }
        }
    }

    /// An alarm led to nothing.
    pub fn not_scaled(id: String, cause: String, why: NotScaled, now: Timestamp) -> Activity {
        let description = "Attempting to scale due to alarm triggered".into();
        let status = match why.code.as_str() {
            "AlreadyAtDesiredCapacity" => Status::Successful,
            _ => Status::Failed,
        };
        Activity {
            status,
            not_scaled: Some(why),
            ..Activity::begin(id, description, cause, now)
        }
    }

    /// ECS has the desired count, and makes it so.
    pub fn waiting(&mut self, to: u32) {
        self.status = Status::InProgress;
        self.message = Some(format!(
            "Successfully set desired count to {to}. Waiting for change to be fulfilled by {NAMESPACE}."
        ));
    }

    pub fn fulfilled(self, to: u32, now: Timestamp) -> Activity {
        let message = format!(
            "Successfully set desired count to {to}. Change successfully fulfilled by {NAMESPACE}."
        );
        self.ended(Status::Successful, message, now)
    }

    /// Somebody, perhaps we ourselves, has set another desired count since.
    pub fn overridden(self, to: u32, other: u32, now: Timestamp) -> Activity {
        let message = format!(
            "Successfully set desired count to {to}. Found it was later changed to {other}."
        );
        self.ended(Status::Overridden, message, now)
    }

    pub fn unfulfilled(self, to: u32, now: Timestamp) -> Activity {
        let message = format!(
            "Successfully set desired count to {to}. Change was not fulfilled by {NAMESPACE} in time."
        );
        self.ended(Status::Unfulfilled, message, now)
    }

    /// The scalable target was deregistered meanwhile.
    pub fn abandoned(self, to: u32, is_set: bool, now: Timestamp) -> Activity {
        const WHY: &str = "The scalable target was deregistered.";
        match is_set {
            false => self.failed(to, WHY, now),
            true => {
                let message = format!("Successfully set desired count to {to}. {WHY}");
                self.ended(Status::Unfulfilled, message, now)
            }
        }
    }

    pub fn failed(self, to: u32, why: &str, now: Timestamp) -> Activity {
        let message = format!("Failed to set desired count to {to}. Reason: {why}");
        self.ended(Status::Failed, message, now)
    }

    fn ended(self, status: Status, message: String, now: Timestamp) -> Activity {
        Activity {
            status,
            message: Some(message),
            ended_at: Some(now),
            ..self
        }
    }
}
