//! How something is made, and how what a call made is found that was cut short.

use super::provision::{MARK, Provider, input_of, met};
use crate::engine::reason::{self, Problem};
use crate::model::Made;
use crate::template::text_of;
use crate::types::expression::at;
use crate::types::{Kind, Then};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How often an operation is looked at that says what a call made.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 100;

impl Provider<'_> {
    /// The first call, which makes it. After a call that was cut short (`again`), what that may have made is
    /// looked for.
    pub async fn create(&self, kind: &Kind, made: &mut Made, again: bool) -> Result<(), Problem> {
        if let Some(own) = kind.own {
            return self.create_own(own, made).await;
        }
        let properties = self.real(kind, made).await?;
        if again && let Some(id) = self.found(kind, &properties).await? {
            made.physical_id = id;
            return Ok(());
        }
        let Some(step) = kind.create.first() else {
            return Ok(());
        };
        let none = Value::Null;
        let mut sight = self.sight("", &properties, &none);
        if let Some(secret) = self.secret(kind, &properties).await? {
            sight.words.insert("secret", json!(secret));
        }
        let answer = match &step.op {
            None => Value::Null,
            Some(op) => {
                let mut input = input_of(step, &sight, &properties, None);
                self.put_tags(kind, &properties, &mut input);
                self.call(&kind.service, op, input)
                    .await
                    .map_err(|e| self.problem(&e))?
            }
        };
        sight.answer = Some(&answer);
        let id = step
            .id
            .as_ref()
            .and_then(|id| sight.eval(id))
            .map(|id| text_of(&id));
        let id = id.ok_or_else(|| Problem::internal("the answer has no id"))?;
        let kept = kind
            .keeps
            .iter()
            .filter_map(|(name, of)| Some((name.clone(), sight.eval(of)?)));
        let kept: Map<String, Value> = kept.collect();
        if !kept.is_empty() {
            made.attributes = Value::Object(kept);
            made.secret = true;
        }
        made.physical_id = match &step.then {
            None => id,
            Some(then) => self.outcome(kind, then, &id).await?,
        };
        Ok(())
    }

    /// What an operation that goes on by itself has made.
    async fn outcome(&self, kind: &Kind, then: &Then, operation: &str) -> Result<String, Problem> {
        let none = Value::Null;
        let mut sight = self.sight(operation, &none, &none);
        for _ in 0..LOOKS {
            let input = sight.eval(&then.input).unwrap_or_default();
            let answer = self
                .call(&kind.service, &then.op, input)
                .await
                .map_err(|e| self.problem(&e))?;
            let answer = at(&answer, &then.path).unwrap_or_default();
            match met(&then.wait, &answer)? {
                false => tokio::time::sleep(LOOK).await,
                true => {
                    sight.answer = Some(&answer);
                    let id = sight.eval(&then.id).map(|id| text_of(&id));
                    return id.ok_or_else(|| Problem::internal("the operation made nothing"));
                }
            }
        }
        Err(Problem::internal("the operation does not end"))
    }

    /// What a call has made that was cut short.
    pub async fn lost(&self, kind: &Kind, made: &Made) -> Result<Option<String>, Problem> {
        if let Some(own) = kind.own {
            return self.lost_own(own, made).await;
        }
        let properties = self.real(kind, made).await?;
        self.found(kind, &properties).await
    }

    async fn found(&self, kind: &Kind, properties: &Value) -> Result<Option<String>, Problem> {
        if kind.is_tagged_by_ec2() {
            let input = json!({"Filters": [
                {"Name": "key", "Values": [MARK]}, {"Name": "value", "Values": [self.token]},
            ]});
            let found = self
                .call("ec2", "DescribeTags", input)
                .await
                .map_err(|e| self.problem(&e))?;
            let id = at(&found, "Tags.0.ResourceId").map(|id| text_of(&id));
            return match (id, &kind.tagged) {
                (Some(id), Some(_)) => {
                    let input = json!({"AllocationIds": [id]});
                    let found = self.call("ec2", "DescribeAddresses", input).await;
                    let found = found.map_err(|e| self.problem(&e))?;
                    let ip = at(&found, "Addresses.0.PublicIp").unwrap_or_default();
                    Ok(Some(format!("{}|{id}", text_of(&ip))))
                }
                (id, _) => Ok(id),
            };
        }
        let Some(find) = &kind.find else {
            return Ok(None);
        };
        let none = Value::Null;
        let mut sight = self.sight("", properties, &none);
        let input = sight.eval(&find.input).unwrap_or_default();
        match self.call(&kind.service, &find.op, input).await {
            Ok(answer) => {
                let Some(answer) = at(&answer, &find.path) else {
                    return Ok(None);
                };
                sight.answer = Some(&answer);
                let is_gone = kind
                    .gone
                    .as_ref()
                    .is_some_and(|gone| met(gone, &answer).unwrap_or(false));
                let id = find
                    .id
                    .as_ref()
                    .filter(|_| !is_gone)
                    .and_then(|id| sight.eval(id));
                Ok(id.map(|id| text_of(&id)))
            }
            Err(error) if reason::is_missing(&error) => Ok(None),
            Err(error) => Err(self.problem(&error)),
        }
    }

    /// The calls that follow the first one. They may be made again.
    pub async fn create_rest(&self, kind: &Kind, made: &Made) -> Result<(), Problem> {
        if kind.own.is_some() {
            return Ok(());
        }
        let properties = self.real(kind, made).await?;
        if kind.is_tagged_by_ec2() {
            let id = self.tagged_id(kind, &made.physical_id);
            let input = json!({"Resources": [id], "Tags": [
                {"Key": "aws:cloudformation:stack-name", "Value": self.stack_name},
                {"Key": "aws:cloudformation:stack-id", "Value": self.stack_arn},
                {"Key": "aws:cloudformation:logical-id", "Value": self.logical_id},
            ]});
            self.call("ec2", "CreateTags", input)
                .await
                .map_err(|e| self.problem(&e))?;
            let input = json!({"Resources": [id], "Tags": [{"Key": MARK}]});
            self.call("ec2", "DeleteTags", input)
                .await
                .map_err(|e| self.problem(&e))?;
        }
        let is_there = |name: &String| properties.get(name).is_some();
        let steps = kind.create.iter().skip(1).chain(&kind.set);
        for step in steps.filter(|step| step.concerns().any(is_there)) {
            self.run(
                kind,
                step,
                &made.physical_id,
                &json!({}),
                &properties,
                &made.attributes,
                None,
            )
            .await?;
        }
        Ok(())
    }

    async fn secret(&self, kind: &Kind, properties: &Value) -> Result<Option<String>, Problem> {
        if let Some(given) = properties.get("SecretString") {
            return Ok(Some(text_of(given)));
        }
        let generated = kind
            .generates
            .as_ref()
            .and_then(|name| properties.get(name));
        let Some(Value::Object(generated)) = generated else {
            return Ok(None);
        };
        let mut input = generated.clone();
        let template = input.remove("SecretStringTemplate");
        let key = input.remove("GenerateStringKey");
        let made = self
            .call("secretsmanager", "GetRandomPassword", Value::Object(input))
            .await;
        let made = made.map_err(|e| self.problem(&e))?;
        let password = at(&made, "RandomPassword").unwrap_or_default();
        let (Some(template), Some(key)) = (template, key) else {
            return Ok(Some(text_of(&password)));
        };
        let whole: Result<Map<String, Value>, _> = serde_json::from_str(&text_of(&template));
        let mut whole =
            whole.map_err(|_| Problem::new("SecretStringTemplate is no JSON object"))?;
        whole.insert(text_of(&key), password);
        Ok(Some(Value::Object(whole).to_string()))
    }
}
