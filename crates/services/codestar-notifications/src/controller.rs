//! Gives EventBridge the rules that notification rules stand for, and takes them away again.
//!
//! EventBridge's rules have five targets each, and a notification rule up to ten: it stands for up to two of them.

use crate::kinds::{self, Of};
use crate::model::{Rule, arn};
use async_trait::async_trait;
use neargate_base::{Arn, Timestamp};
use neargate_service::caller::By;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Caller, Committed, House, Resource, Scope, Stored, db};
use serde_json::{Value, json};
use std::sync::Arc;

const TARGETS_EACH: usize = 5;
/// The most targets that a notification rule has.
pub const MOST_TARGETS: usize = 10;

/// See the module.
pub struct Rules {
    house: Arc<House>,
}

impl Rules {
    pub fn new(house: Arc<House>) -> Rules {
        Rules { house }
    }
}

/// A rule that EventBridge does not know as it is.
pub struct Tell(Scope, Stored<Rule>);

impl std::fmt::Debug for Tell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1.key)
    }
}

/// The service's own role, in whose name it calls others.
pub fn own_role(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/codestar-notifications.amazonaws.com/AWSServiceRoleForCodeStarNotifications",
        scope.account
    )
}

/// Calls an operation in the service's own name.
///
/// # Errors
/// The operation's own.
pub async fn call(
    house: &Arc<House>,
    scope: &Scope,
    named: (&str, &str),
    input: Value,
) -> Result<Value, AwsError> {
    let role = own_role(scope);
    Caller::call_by_name(house, scope, By::Role(&role), named, input).await
}

#[async_trait]
impl Controller for Rules {
    type View = (Scope, Stored<Rule>);
    type Action = Tell;

    fn name(&self) -> &'static str {
        "codestar-notifications"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Rule::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        let stored = self.house.db.get_key::<Rule>(key).await?;
        Ok(stored.and_then(|stored| Some((Scope::of_key(key)?, stored))))
    }

    fn plan(&self, (scope, rule): &Self::View, _: Timestamp) -> Plan<Tell> {
        if rule.observed == rule.generation && !rule.deleting {
            return Plan::idle("EventBridge knows it");
        }
        Plan {
            actions: vec![Tell(scope.clone(), rule.clone())],
            wake_at: None,
            reason: "EventBridge is told",
        }
    }

    async fn apply(&self, Tell(scope, stored): Tell) -> Result<Applied, AwsError> {
        for part in 0..MOST_TARGETS.div_ceil(TARGETS_EACH) {
            self.tell(&scope, &stored, part).await?;
        }
        let tx = self.house.db.tx();
        let tx = if stored.deleting {
            tx.delete(&stored)
        } else {
            let mut after = stored.value.clone();
            after.observed = after.generation;
            tx.update(&stored, &after)
        };
        Ok(match tx.commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

impl Rules {
    async fn call(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, AwsError> {
        call(&self.house, scope, ("events", operation), input).await
    }

    /// One of the rules that a notification rule stands for, with its share of the targets.
    async fn tell(&self, scope: &Scope, rule: &Rule, part: usize) -> Result<(), AwsError> {
        let name = format!("awscodestarnotifications-{}-{part}", rule.id);
        let there = self
            .call(scope, "ListTargetsByRule", json!({ "Rule": name }))
            .await;
        let there = match there {
            Ok(found) => Some(found),
            Err(error) if error.code == "ResourceNotFoundException" => None,
            Err(error) => return Err(error),
        };
        let share = rule.targets.chunks(TARGETS_EACH).nth(part);
        let wanted = share.unwrap_or_default();
        let id = |n: usize| format!("target-{n}");
        let old: Vec<Value> = there
            .iter()
            .flat_map(|found| found["Targets"].as_array())
            .flatten()
            .map(|target| target["Id"].clone())
            .collect();
        let kept = if rule.deleting { 0 } else { wanted.len() };
        let stale: Vec<&Value> = old
            .iter()
            .filter(|old| !(0..kept).any(|n| old.as_str() == Some(id(n).as_str())))
            .collect();
        if !stale.is_empty() {
            let input = json!({ "Rule": name, "Ids": stale });
            self.call(scope, "RemoveTargets", input).await?;
        }
        if kept == 0 {
            if there.is_some() {
                self.call(scope, "DeleteRule", json!({ "Name": name }))
                    .await?;
            }
            return Ok(());
        }
        let parsed: Option<Arn> = rule.resource.parse().ok();
        let of = parsed.and_then(|arn| Of::of_resource(&arn.service, &arn.resource));
        let Some((of, resource)) = of else {
            return Ok(());
        };
        let pattern = kinds::pattern(of, &rule.resource, &resource, &rule.event_types);
        let input = json!({
            "Name": name,
            "Description": format!("Notification rule {}", rule.name),
            "EventPattern": pattern.to_string(),
            "State": if rule.enabled { "ENABLED" } else { "DISABLED" },
        });
        self.call(scope, "PutRule", input).await?;
        let own = arn(scope, &rule.id);
        let targets: Vec<Value> = wanted
            .iter()
            .enumerate()
            .map(|(n, target)| {
                json!({
                    "Id": id(n),
                    "Arn": target.address,
                    "RoleArn": own_role(scope),
                    "InputTransformer": transformer(&own),
                })
            })
            .collect();
        let input = json!({ "Rule": name, "Targets": targets });
        let put = self.call(scope, "PutTargets", input).await?;
        if put["FailedEntryCount"].as_i64().unwrap_or(0) > 0 {
            tracing::warn!(rule = own, answer = %put, "a target is not told");
        }
        Ok(())
    }
}

/// The message that a topic gets, in AWS's form.
fn transformer(own: &str) -> Value {
    let template = format!(
        r#"{{"account":<account>,"detailType":<type>,"region":<region>,"source":<source>,"time":<time>,"notificationRuleArn":"{own}","detail":<detail>,"resources":<resources>,"additionalAttributes":{{}}}}"#
    );
    json!({
        "InputPathsMap": {
            "account": "$.account",
            "type": "$.detail-type",
            "region": "$.region",
            "source": "$.source",
            "time": "$.time",
            "detail": "$.detail",
            "resources": "$.resources",
        },
        "InputTemplate": template,
    })
}

/// The rule of this ARN, unless it is on its way out.
///
/// # Errors
/// The store's.
pub async fn find(
    house: &House,
    scope: &Scope,
    named: &str,
) -> Result<Option<Stored<Rule>>, AwsError> {
    let parsed: Option<Arn> = named.parse().ok();
    let here = parsed.filter(|arn| scope.holds(arn) && arn.service == "codestar-notifications");
    let id = here
        .as_ref()
        .and_then(|arn| arn.resource.strip_prefix("notificationrule/"));
    let Some(id) = id else {
        return Ok(None);
    };
    let found = house
        .db
        .get_key::<Rule>(&db::key::<Rule>(scope, id))
        .await?;
    Ok(found.filter(|rule| !rule.deleting))
}
