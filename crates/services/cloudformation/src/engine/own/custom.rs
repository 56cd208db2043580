//! Custom resources: who is asked by a topic of SNS answers at the address that it is told
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources-sns.html>).

use super::OWN_ID;
use crate::engine::provision::Provider;
use crate::engine::reason::Problem;
use crate::model::{Made, Signal};
use crate::template::text_of;
use neargate_service::Stored;
use serde_json::{Map, Value, json};

/// How long an answer is waited for.
const SECONDS: u64 = 60 * 60;
/// The unique id of an answer among signals.
pub const ANSWER: &str = "answer";
const SUBJECT: &str = "AWS CloudFormation custom resource request";

impl Provider<'_> {
    pub(super) async fn ask_custom(&self, made: &mut Made) -> Result<(), Problem> {
        // Until it is answered, and when that fails, it is what AWS calls it then.
        made.physical_id = self.name(255, false, "");
        self.ask("Create", made, None).await
    }

    pub(super) async fn change_custom(&self, old: &Made, new: &Made) -> Result<(), Problem> {
        let token = |of: &Made| of.properties.get("ServiceToken").map(text_of);
        if token(old) != token(new) {
            return Err(Problem::new("Modifying service token is not allowed."));
        }
        self.ask("Update", new, Some(old)).await
    }

    pub(super) async fn delete_custom(&self, made: &Made) -> Result<(), Problem> {
        self.ask("Delete", made, None).await
    }

    /// Asks, unless it was answered already.
    async fn ask(&self, what: &str, made: &Made, old: Option<&Made>) -> Result<(), Problem> {
        if self.answer().await?.is_some() {
            return Ok(());
        }
        let real = self.dynamic(made.properties.clone()).await?;
        let topic = real.get("ServiceToken").map(text_of).unwrap_or_default();
        if topic.is_empty() {
            return Err(Problem::new(
                "Invalid template resource property: ServiceToken is required",
            ));
        }
        if !topic.contains(":sns:") {
            return Err(Problem::new(format!(
                "Neargate has no Lambda: the ServiceToken {topic} of the custom resource is no topic of SNS"
            )));
        }
        let mut request = json!({
            "RequestType": what,
            "ServiceToken": topic,
            "ResponseURL": self.address(),
            "StackId": self.stack_arn,
            "RequestId": self.token,
            "LogicalResourceId": self.logical_id,
            "ResourceType": made.kind,
            "ResourceProperties": texts(real),
        });
        if what != "Create" {
            request["PhysicalResourceId"] = json!(made.physical_id);
        }
        if let Some(old) = old {
            request["OldResourceProperties"] = texts(self.dynamic(old.properties.clone()).await?);
        }
        let input = json!({"TopicArn": topic, "Subject": SUBJECT, "Message": request.to_string()});
        let published = self.call("sns", "Publish", input).await;
        published.map(drop).map_err(|e| self.problem(&e))
    }

    async fn answer(&self) -> Result<Option<Stored<Signal>>, Problem> {
        let mut all = self.signals(self.token).await?;
        Ok(all.pop())
    }

    pub(super) async fn settled_custom(&self, made: &Made) -> Result<Option<Value>, Problem> {
        match self.answer().await? {
            Some(answer) => {
                let mut attributes = self.judged(&answer)?;
                let id = answer
                    .physical_id
                    .clone()
                    .unwrap_or_else(|| made.physical_id.clone());
                attributes.insert(OWN_ID.into(), json!(id));
                Ok(Some(Value::Object(attributes)))
            }
            None => self.not_yet(made).map(|_| None),
        }
    }

    pub(super) async fn is_custom_gone(&self, made: &Made) -> Result<bool, Problem> {
        match self.answer().await? {
            Some(answer) => self.judged(&answer).map(|_| true),
            None => self.not_yet(made),
        }
    }

    /// # Errors
    /// The longest that an answer is waited for is over.
    fn not_yet(&self, made: &Made) -> Result<bool, Problem> {
        let own = made.properties.get("ServiceTimeout").map(text_of);
        let seconds = own
            .and_then(|t| t.parse().ok())
            .unwrap_or(SECONDS)
            .min(SECONDS);
        match self.is_late(seconds) {
            true => Err(Problem::new(format!(
                "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [{}]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.",
                self.token
            ))),
            false => Ok(false),
        }
    }

    fn judged(&self, answer: &Signal) -> Result<Map<String, Value>, Problem> {
        if answer.status != "SUCCESS" {
            return Err(Problem::new(format!(
                "Received response status [FAILED] from custom resource. Message returned: {} (RequestId: {})",
                answer.reason.as_deref().unwrap_or_default(),
                self.token
            )));
        }
        Ok(answer
            .data
            .as_ref()
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default())
    }
}

/// Scalars are texts to who is asked.
fn texts(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(k, v)| (k, texts(v)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Number(_) | Value::Bool(_) => json!(text_of(&value)),
        other => other,
    }
}
