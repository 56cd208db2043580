//! `AWS::CloudFormation::WaitCondition`, and resources with a `CreationPolicy`: there once they were signalled
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html>).

use crate::engine::provision::Provider;
use crate::engine::reason::Problem;
use crate::model::Made;
use crate::template::text_of;
use crate::types::Kind;
use crate::types::expression::at;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What `CreationPolicy` is without a timeout, and the longest.
const DEFAULT_SECONDS: u64 = 5 * 60;
const LONGEST_SECONDS: u64 = 12 * 60 * 60;

fn count(of: Option<&Value>) -> Result<usize, Problem> {
    match of.map(text_of) {
        None => Ok(1),
        Some(text) => text
            .parse()
            .map_err(|_| Problem::new(format!("Count must be a number, found: {text}"))),
    }
}

impl Provider<'_> {
    /// What `Data` answers, once enough has been said.
    pub(super) async fn settled_condition(&self, made: &Made) -> Result<Option<Value>, Problem> {
        let get = |name: &str| made.properties.get(name).filter(|v| !v.is_null());
        let handle = get("Handle").map(text_of).unwrap_or_default();
        let Some(token) = handle
            .rsplit('/')
            .next()
            .filter(|_| handle.contains(&self.stack.id))
        else {
            return Err(Problem::new(
                "Handle must be the Ref of an AWS::CloudFormation::WaitConditionHandle",
            ));
        };
        let wanted = count(get("Count"))?;
        let seconds = get("Timeout").map(text_of);
        let seconds = seconds
            .and_then(|t| t.parse().ok())
            .unwrap_or(DEFAULT_SECONDS)
            .min(LONGEST_SECONDS);
        let said = self.signals(token).await?;
        if let Some(failed) = said.iter().find(|s| s.status == "FAILURE") {
            return Err(Problem::new(format!(
                "WaitCondition received failed message: '{}' for uniqueId: {}",
                failed.reason.as_deref().unwrap_or_default(),
                failed.unique_id
            )));
        }
        if said.len() >= wanted {
            let data: Map<String, Value> = said
                .iter()
                .map(|s| {
                    (
                        s.unique_id.clone(),
                        s.data.clone().unwrap_or_else(|| json!("")),
                    )
                })
                .collect();
            return Ok(Some(json!({"Data": Value::Object(data).to_string()})));
        }
        match self.is_late(seconds) {
            true => Err(Problem::new(format!(
                "WaitCondition timed out. Received {} conditions when expecting {wanted}",
                said.len()
            ))),
            false => Ok(None),
        }
    }

    /// Was a resource with a `CreationPolicy` signalled often enough?
    pub(in crate::engine) async fn is_signalled(
        &self,
        kind: &Kind,
        made: &Made,
        policy: &Value,
    ) -> Result<bool, Problem> {
        let signal = policy.get("ResourceSignal");
        let percent = at(
            policy,
            "AutoScalingCreationPolicy.MinSuccessfulInstancesPercent",
        )
        .map(|v| text_of(&v));
        if signal.is_none() && percent.is_none() {
            return Ok(true);
        }
        let asked = count(signal.and_then(|s| s.get("Count")))?;
        let percent: usize = percent.and_then(|p| p.parse().ok()).unwrap_or(100).min(100);
        let needed = (asked * percent).div_ceil(100);
        let timeout = signal.and_then(|s| s.get("Timeout")).map(text_of);
        let seconds = timeout.map_or(Ok(DEFAULT_SECONDS), |text| {
            seconds(&text)
                .ok_or_else(|| Problem::new(format!("Invalid Timeout of CreationPolicy: {text}")))
        })?;
        let said = self.signals(self.token).await?;
        let of = |status: &str| {
            said.iter()
                .filter(|s| s.status == status)
                .map(|s| s.unique_id.clone())
                .collect()
        };
        let (mut good, bad): (BTreeSet<String>, BTreeSet<String>) = (of("SUCCESS"), of("FAILURE"));
        if kind.instances {
            good.extend(self.in_service(made).await?);
        }
        if good.len() >= needed {
            return Ok(true);
        }
        if !bad.is_empty() && good.len() + bad.len() >= asked {
            return Err(Problem::new(format!(
                "Received {} FAILURE signal(s) out of {asked}. Unable to satisfy {percent}% MinSuccessfulInstancesPercent requirement",
                bad.len()
            )));
        }
        match self.is_late(seconds.min(LONGEST_SECONDS)) {
            true => Err(Problem::new(format!(
                "Failed to receive {} resource signal(s) within the specified duration",
                needed - good.len()
            ))),
            false => Ok(false),
        }
    }

    /// Instances here run no user data, which would signal: one that is in service is ready.
    async fn in_service(&self, made: &Made) -> Result<Vec<String>, Problem> {
        let input = json!({"AutoScalingGroupNames": [made.physical_id]});
        let found = self
            .call("autoscaling", "DescribeAutoScalingGroups", input)
            .await;
        let found = found.map_err(|e| self.problem(&e))?;
        let all = at(&found, "AutoScalingGroups.0.Instances").unwrap_or_default();
        let all = all.as_array().cloned().unwrap_or_default();
        let ready = all.iter().filter(|i| i["LifecycleState"] == "InService");
        Ok(ready
            .filter_map(|i| i["InstanceId"].as_str().map(str::to_owned))
            .collect())
    }
}

/// `PT15M`, `PT1H30M`, in seconds.
pub fn seconds(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("PT")?;
    let (mut total, mut number) = (0_u64, String::new());
    for c in rest.chars() {
        match c {
            '0'..='9' => number.push(c),
            unit => {
                let amount: u64 = number.parse().ok()?;
                let each = match unit {
                    'H' => 3600,
                    'M' => 60,
                    'S' => 1,
                    _ => return None,
                };
                total = total.checked_add(amount.checked_mul(each)?)?;
                number.clear();
            }
        }
    }
    (number.is_empty() && !rest.is_empty()).then_some(total)
}
