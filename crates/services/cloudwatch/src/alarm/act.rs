//! Carries out the actions of alarms, each once: whoever sets out to do one says so first, and one that was set
//! out for is not done again, even if nobody knows what became of it.

use super::change::history;
use super::message::message;
use super::{arn, role};
use crate::model::PendingAction;
use async_trait::async_trait;
use neargate_api_autoscaling as autoscaling;
use neargate_api_ec2 as ec2;
use neargate_api_sns as sns;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::deliver::Sender;
use neargate_service::{AwsError, Caller, Committed, House, Resource, Scope, Stored};
use serde_json::json;
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub struct Actor {
    pub house: Arc<House>,
}

#[derive(Debug)]
pub enum Step {
    Do(Box<Stored<PendingAction>>),
    /// A process that ended had set out to do it.
    Forget(Box<Stored<PendingAction>>),
}

#[async_trait]
impl Controller for Actor {
    type View = Stored<PendingAction>;
    type Action = Step;

    fn name(&self) -> &'static str {
        "alarm-actions"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", PendingAction::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        self.house.db.get_key(key).await
    }

    fn plan(&self, view: &Self::View, _: Timestamp) -> Plan<Step> {
        let pending = Box::new(Stored {
            key: view.key.clone(),
            revision: view.revision,
            value: view.value.clone(),
        });
        let step = if view.begun {
            Step::Forget(pending)
        } else {
            Step::Do(pending)
        };
        Plan {
            actions: vec![step],
            wake_at: None,
            reason: "an alarm's action",
        }
    }

    async fn apply(&self, step: Step) -> Result<Applied, AwsError> {
        match step {
            Step::Do(pending) => {
                let begun = PendingAction {
                    begun: true,
                    ..pending.value.clone()
                };
                let tx = self.house.db.tx().update(&pending, &begun);
                let Committed::At(revision) = tx.commit().await? else {
                    return Ok(Applied::Conflict);
                };
                let done = match Scope::of_key(&pending.key) {
                    Some(scope) => act(&self.house, &scope, &begun).await,
                    None => Ok(()),
                };
                let begun = Stored {
                    key: pending.key.clone(),
                    revision,
                    value: begun,
                };
                self.tell(&begun, done).await
            }
            Step::Forget(pending) => {
                let unknown = AwsError::server(
                    "InternalFailure",
                    "It is not known whether it was carried out.",
                );
                self.tell(&pending, Err(unknown)).await
            }
        }
    }
}

impl Actor {
    async fn tell(
        &self,
        pending: &Stored<PendingAction>,
        done: Result<(), AwsError>,
    ) -> Result<Applied, AwsError> {
        let tx = self.house.db.tx().delete(pending);
        let Some(scope) = Scope::of_key(&pending.key) else {
            let _: Committed = tx.commit().await?;
            return Ok(Applied::Done);
        };
        let action = &pending.action;
        let (state, summary, why) = match &done {
            Ok(()) => (
                "Succeeded",
                format!("Successfully executed action {action}"),
                None,
            ),
            Err(error) => {
                let summary = format!(
                    "Failed to execute action {action}. Received error: \"{}\"",
                    error.message
                );
                ("Failed", summary, Some(error.to_string()))
            }
        };
        let data = json!({
            "version": "1.0",
            "actionState": state,
            "stateUpdateTimestamp": pending.alarm.state.updated_at.as_millis(),
            "notificationResource": action,
            "error": why,
        });
        let tx = history(
            tx,
            &self.house,
            &scope,
            &pending.alarm,
            "Action",
            summary,
            &data,
        );
        let _: Committed = tx.commit().await?;
        Ok(Applied::Done)
    }
}

/// Does it.
async fn act(house: &Arc<House>, scope: &Scope, pending: &PendingAction) -> Result<(), AwsError> {
    let parts: Vec<&str> = pending.action.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "sns", region, account, _] => {
            // The topic is where its ARN says.
            let place = Scope {
                account: account.parse().map_err(|_| invalid(&pending.action))?,
                region: region.parse().map_err(|_| invalid(&pending.action))?,
            };
            let (subject, text) = message(scope, pending);
            let input = sns::PublishInput {
                topic_arn: Some(pending.action.clone()),
                subject: Some(subject),
                message: text,
                ..Default::default()
            };
            let sender = Sender {
                service: "cloudwatch.amazonaws.com",
                source_arn: arn(scope, &pending.alarm.name),
                source_account: scope.account.to_string(),
            };
            Caller::deliver::<sns::ops::Publish>(house, &place, &sender, &input).await?;
            Ok(())
        }
        ["arn", _, "automate", _, "ec2", what] => of_instance(house, scope, pending, what).await,
        ["arn", _, "autoscaling", .., group, policy] => {
            let group = group.strip_prefix("autoScalingGroupName/");
            let policy = policy
                .strip_prefix("policyName/")
                .ok_or_else(|| invalid(&pending.action))?;
            let input = autoscaling::ExecutePolicyInput {
                auto_scaling_group_name: group.map(str::to_owned),
                policy_name: policy.to_owned(),
                honor_cooldown: Some(true),
                metric_value: pending.value,
                breach_threshold: pending.alarm.metric().map(|watch| watch.threshold),
            };
            Caller::call::<autoscaling::ops::ExecutePolicy>(house, scope, &role(scope), &input)
                .await?;
            Ok(())
        }
        ["arn", _, service, ..] => Err(AwsError::not_implemented(
            "cloudwatch",
            &format!("actions of {service}"),
        )),
        _ => Err(invalid(&pending.action)),
    }
}

fn invalid(action: &str) -> AwsError {
    AwsError::client("ValidationError", format!("{action} is no action"))
}

async fn of_instance(
    house: &Arc<House>,
    scope: &Scope,
    pending: &PendingAction,
    what: &str,
) -> Result<(), AwsError> {
    let metric = pending
        .alarm
        .metric()
        .and_then(|watch| watch.metric.as_ref());
    let dimension = metric.and_then(|m| m.dimensions.iter().find(|(name, _)| name == "InstanceId"));
    let Some((_, id)) = dimension else {
        return Err(AwsError::client(
            "ValidationError",
            "The alarm's metric has no dimension InstanceId.",
        ));
    };
    let (role, instance_ids) = (role(scope), vec![id.clone()]);
    match what {
        "stop" => {
            let input = ec2::StopInstancesInput {
                instance_ids,
                ..Default::default()
            };
            Caller::call::<ec2::ops::StopInstances>(house, scope, &role, &input)
                .await
                .map(drop)
        }
        "terminate" => {
            let input = ec2::TerminateInstancesInput {
                instance_ids,
                ..Default::default()
            };
            Caller::call::<ec2::ops::TerminateInstances>(house, scope, &role, &input)
                .await
                .map(drop)
        }
        "reboot" => {
            let input = ec2::RebootInstancesInput {
                instance_ids,
                ..Default::default()
            };
            Caller::call::<ec2::ops::RebootInstances>(house, scope, &role, &input)
                .await
                .map(drop)
        }
        other => Err(AwsError::not_implemented(
            "cloudwatch",
            &format!("the EC2 action {other}"),
        )),
    }
}
