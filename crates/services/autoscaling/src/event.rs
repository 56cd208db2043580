//! What instances of a group come to
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html>): an event of each
//! activity that has ended.

use crate::activity::Activity;
use crate::model::Group;
use neargate_base::Timestamp;
use neargate_service::events::Event;
use neargate_service::{House, Scope, Tx};
use neargate_wire::schema::TimestampFormat;
use neargate_wire::timestamp;
use serde_json::{Value, json};

pub const SOURCE: &str = "aws.autoscaling";

/// Tells how the activity ended. It has the activity's id, so that one that is told twice is the same.
pub fn posted(tx: Tx, house: &House, scope: &Scope, group: &Group, activity: &Activity) -> Tx {
    let launch = activity.description.starts_with("Launching");
    let worked = activity.status == "Successful";
    let detail_type = match (launch, worked) {
        (true, true) => "EC2 Instance Launch Successful",
        (true, false) => "EC2 Instance Launch Unsuccessful",
        (false, true) => "EC2 Instance Terminate Successful",
        (false, false) => "EC2 Instance Terminate Unsuccessful",
    };
    house.events.post(tx, scope, SOURCE, detail_type, || {
        let instance = activity.description.rsplit(": ").next().unwrap_or_default();
        let instance = Some(instance).filter(|id| id.starts_with("i-"));
        let mut resources = vec![group.arn(scope)];
        resources.extend(instance.map(|id| scope.arn("ec2", format!("instance/{id}"))));
        let (origin, destination) = match launch {
            true => ("EC2", "AutoScalingGroup"),
            false => ("AutoScalingGroup", "EC2"),
        };
        let details: Value = serde_json::from_str(&activity.details).unwrap_or(Value::Null);
        let ended = activity.ended_at.unwrap_or_else(|| house.now());
        Event {
            id: activity.id.clone(),
            source: SOURCE.into(),
            detail_type: detail_type.into(),
            time: ended,
            resources,
            detail: json!({
                "StatusCode": if worked { "InProgress" } else { "Failed" },
                "Description": activity.description,
                "AutoScalingGroupName": group.name,
                "ActivityId": activity.id,
                "Details": details,
                "RequestId": activity.id,
                "StatusMessage": activity.message.clone().unwrap_or_default(),
                "StartTime": iso(activity.started_at),
                "EndTime": iso(ended),
                "EC2InstanceId": instance.unwrap_or_default(),
                "Cause": activity.cause,
                "Origin": origin,
                "Destination": destination,
            }),
        }
    })
}

pub fn iso(time: Timestamp) -> String {
    timestamp::format(time, TimestampFormat::DateTime)
}
