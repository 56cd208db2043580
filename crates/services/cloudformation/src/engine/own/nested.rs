//! `AWS::CloudFormation::Stack`: a stack as a resource of another one, made and changed by CloudFormation's own
//! operations. What a change of it leaves over waits for the stack above ([`Phase::Held`]), so that it can go back
//! with that to exactly what it was.

use crate::engine::provision::Provider;
use crate::engine::reason::Problem;
use crate::engine::turn_back;
use crate::model::{Made, Phase, Stack};
use crate::template::text_of;
use neargate_service::{Committed, Stored, db};
use serde_json::{Map, Value, json};

const NOTHING: &str = "No updates are to be performed.";

impl Provider<'_> {
    fn stack_name(&self) -> String {
        self.name(128, false, "")
    }

    /// What the calls say that make or change it.
    async fn asked(&self, made: &Made) -> Result<Map<String, Value>, Problem> {
        let real = self.dynamic(made.properties.clone()).await?;
        let mut input = Map::new();
        for name in ["TemplateURL", "Tags", "NotificationARNs"] {
            input.extend(real.get(name).map(|v| (name.to_owned(), v.clone())));
        }
        let given = real.get("Parameters").and_then(Value::as_object);
        let parameters = given.into_iter().flatten().map(|(name, value)| {
            let value = match value {
                Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
                other => text_of(other),
            };
            json!({"ParameterKey": name, "ParameterValue": value})
        });
        input.insert("Parameters".into(), parameters.collect());
        input.insert("Capabilities".into(), json!(self.deployment.capabilities));
        input.insert("ClientRequestToken".into(), json!(self.token));
        input.extend(self.role.map(|role| ("RoleARN".to_owned(), json!(role))));
        Ok(input)
    }

    pub(super) async fn create_stack(&self, made: &mut Made) -> Result<(), Problem> {
        let mut input = self.asked(made).await?;
        input.insert("StackName".into(), json!(self.stack_name()));
        let keeps = self.stack.on_failure == "DO_NOTHING";
        input.insert(
            "OnFailure".into(),
            json!(if keeps { "DO_NOTHING" } else { "ROLLBACK" }),
        );
        let limit = made.properties.get("TimeoutInMinutes").cloned();
        input.extend(limit.map(|v| ("TimeoutInMinutes".to_owned(), v)));
        // The token makes a second call answer as the first one did.
        let answer = self
            .call("cloudformation", "CreateStack", Value::Object(input))
            .await;
        let answer = answer.map_err(|e| Problem {
            reason: e.message.clone(),
            ..self.problem(&e)
        })?;
        made.physical_id = answer.get("StackId").map(text_of).unwrap_or_default();
        let Some(there) = self.nested(&made.physical_id).await? else {
            return Err(Problem::internal("the nested stack is not there"));
        };
        let root = self
            .stack
            .root
            .clone()
            .unwrap_or_else(|| self.stack_arn.to_owned());
        let own = |stack: &mut Stack| {
            stack.parent = Some(self.stack_arn.to_owned());
            stack.root = Some(root.clone());
            Ok(true)
        };
        let set = self.house.db.modify(&there.key, own).await;
        set.map(drop).map_err(|e| self.problem(&e))
    }

    /// The stack of that ARN.
    async fn nested(&self, arn: &str) -> Result<Option<Stored<Stack>>, Problem> {
        let Some((_, place)) = arn.split_once(":stack/") else {
            return Ok(None);
        };
        let found = self.house.db.get::<Stack>(self.scope, place).await;
        found.map_err(|e| self.problem(&e))
    }

    pub(super) async fn lost_stack(&self, _: &Made) -> Result<Option<String>, Problem> {
        let name = self.stack_name();
        let named = self
            .house
            .db
            .get::<crate::model::Name>(self.scope, &name)
            .await;
        let named = named.map_err(|e| self.problem(&e))?;
        Ok(named.map(|named| crate::model::arn(self.scope, &name, &named.id)))
    }

    pub(super) async fn update_stack(&self, new: &Made) -> Result<(), Problem> {
        let Some(there) = self
            .nested(&new.physical_id)
            .await?
            .filter(|s| !s.is_deleted())
        else {
            return Err(Problem::new(format!(
                "Stack [{}] does not exist",
                new.physical_id
            )));
        };
        if self.is_revert {
            match there.operation.as_ref().map(|o| o.phase) {
                Some(Phase::Held | Phase::Update) => return self.take_back(&there).await,
                Some(_) => return Ok(()),
                // It went back by itself.
                None if there.status == "UPDATE_ROLLBACK_COMPLETE" => return Ok(()),
                None => {}
            }
        } else if there.last_token.as_deref() == Some(self.token) {
            return Ok(());
        }
        let mut input = self.asked(new).await?;
        input.insert("StackName".into(), json!(new.physical_id));
        let keeps = self.stack.on_failure == "DO_NOTHING" && !self.is_revert;
        input.insert("DisableRollback".into(), json!(keeps));
        match self
            .call("cloudformation", "UpdateStack", Value::Object(input))
            .await
        {
            Err(error) if error.message == NOTHING => Ok(()),
            Err(error) => Err(Problem {
                reason: error.message.clone(),
                ..self.problem(&error)
            }),
            Ok(_) => Ok(()),
        }
    }

    /// Its change goes back to what was before.
    async fn take_back(&self, there: &Stored<Stack>) -> Result<(), Problem> {
        let mut stack = there.value.clone();
        let is_held = stack
            .operation
            .as_ref()
            .is_some_and(|o| o.phase == Phase::Held);
        if is_held {
            turn_back(&mut stack, self.house.rng.uuid());
            "UPDATE_ROLLBACK_IN_PROGRESS".clone_into(&mut stack.status);
        } else if let Some(operation) = &mut stack.operation {
            operation.cancelled = true;
        }
        let tx = self.house.db.tx().update(there, &stack);
        let tx = match is_held {
            true => {
                let arn = there.arn(self.scope);
                let said = crate::engine::Said::stack(&stack.name, &arn, &stack.status, None);
                let (key, event) = crate::engine::event(self.house, self.scope, &stack, said, 0);
                tx.put(key, &event)
            }
            false => tx,
        };
        match tx.commit().await.map_err(|e| self.problem(&e))? {
            Committed::At(_) => Ok(()),
            // It has come further meanwhile: the next round sees how far.
            Committed::Conflict => Err(Problem {
                is_passing: true,
                ..Problem::internal("the nested stack has changed meanwhile")
            }),
        }
    }

    pub(super) async fn settled_stack(&self, made: &Made) -> Result<Option<Value>, Problem> {
        let Some(there) = self.nested(&made.physical_id).await? else {
            return Err(Problem::internal("the nested stack is gone"));
        };
        let phase = there.operation.as_ref().map(|o| o.phase);
        if phase.is_some_and(|phase| phase != Phase::Held) {
            return Ok(None);
        }
        let is_new = there.last_token.as_deref() == Some(self.token);
        let is_good = match there.status.as_str() {
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            | "IMPORT_COMPLETE" => true,
            // Nothing was to be changed, or a change was to be taken back.
            "UPDATE_ROLLBACK_COMPLETE" => self.is_revert || !is_new,
            _ => false,
        };
        if !is_good {
            let verb = if there.updated_at.is_some() {
                "updated"
            } else {
                "created"
            };
            let why = there.reason.clone().unwrap_or_default();
            let why = match verb {
                "created" => format!(": {}", self.failed_of(&there).await?.unwrap_or(why)),
                _ => format!(". Currently in {} with reason: {why}", there.status),
            };
            return Err(Problem::new(format!(
                "Embedded stack {} was not successfully {verb}{why}",
                made.physical_id
            )));
        }
        let all = there.outputs.iter();
        let all = all.map(|output| (format!("Outputs.{}", output.key), json!(output.value)));
        Ok(Some(Value::Object(all.collect())))
    }

    /// Which of its resources could not be made.
    async fn failed_of(&self, there: &Stored<Stack>) -> Result<Option<String>, Problem> {
        let prefix = db::key::<crate::model::Event>(self.scope, &format!("{}/", there.id));
        let events = self
            .house
            .db
            .list_prefix::<crate::model::Event>(&prefix)
            .await;
        let events = events.map_err(|e| self.problem(&e))?;
        let cancelled =
            |reason: &Option<String>| reason.as_deref().is_some_and(|r| r.ends_with("cancelled"));
        let failed = events
            .iter()
            .filter(|e| e.status == "CREATE_FAILED" && !cancelled(&e.reason));
        let names: Vec<&str> = failed
            .filter(|e| e.logical_id != there.name)
            .map(|e| e.logical_id.as_str())
            .collect();
        Ok((!names.is_empty()).then(|| {
            format!(
                "The following resource(s) failed to create: [{}]. ",
                names.join(", ")
            )
        }))
    }

    pub(super) async fn delete_stack(&self, made: &Made) -> Result<(), Problem> {
        let Some(there) = self
            .nested(&made.physical_id)
            .await?
            .filter(|s| !s.is_deleted())
        else {
            return Ok(());
        };
        let phase = there.operation.as_ref().map(|o| o.phase);
        if phase.is_some_and(|phase| !matches!(phase, Phase::Create | Phase::Delete)) {
            // It is asked again once it has come to rest.
            return Err(Problem {
                is_passing: true,
                ..Problem::new(format!(
                    "Stack [{}] cannot be deleted while in status {}",
                    there.name, there.status
                ))
            });
        }
        let mut input = json!({"StackName": made.physical_id, "ClientRequestToken": self.token});
        if let Some(role) = self.role {
            input["RoleARN"] = json!(role);
        }
        let deleted = self.call("cloudformation", "DeleteStack", input).await;
        deleted.map(drop).map_err(|e| Problem {
            reason: e.message.clone(),
            ..self.problem(&e)
        })
    }

    pub(super) async fn is_stack_gone(&self, made: &Made) -> Result<bool, Problem> {
        let Some(there) = self.nested(&made.physical_id).await? else {
            return Ok(true);
        };
        match (there.status.as_str(), &there.operation) {
            ("DELETE_COMPLETE", _) => Ok(true),
            (_, Some(_)) => Ok(false),
            _ => Err(Problem::new(format!(
                "Embedded stack {} was not successfully deleted: {}",
                made.physical_id,
                there.reason.clone().unwrap_or_default()
            ))),
        }
    }
}
