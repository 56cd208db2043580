//! Carries out what the description of a type says, by operations of other services, in the name of the stack's
//! role or of whoever asked for the operation.

use crate::engine::reason::{self, Problem};
use crate::model::{Asker, Deployment, Made, Stack};
use crate::template::text_of;
use crate::types::expression::{Sight, at};
use crate::types::{Kind, Read, Step, Wait, fit};
use neargate_base::Timestamp;
use neargate_service::caller::By;
use neargate_service::{AwsError, Caller, House, Scope};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The tag that finds what a call made that was cut short. It is there until AWS's own tags are.
pub(super) const MARK: &str = "neargate:cloudformation-token";

/// For one resource of one stack.
#[derive(Debug)]
pub struct Provider<'a> {
    pub house: &'a Arc<House>,
    pub scope: &'a Scope,
    pub stack: &'a Stack,
    /// What the stack is, with nothing sealed.
    pub deployment: &'a Deployment,
    /// A change is taken back.
    pub is_revert: bool,
    /// When what is done with the resource was begun.
    pub since: Timestamp,
    pub role: Option<&'a str>,
    pub asker: &'a Asker,
    pub stack_name: &'a str,
    pub stack_arn: &'a str,
    pub logical_id: &'a str,
    pub token: &'a str,
}

impl Provider<'_> {
    /// # Errors
    /// The operation's own; what does not fit its input.
    pub async fn call(&self, service: &str, op: &str, input: Value) -> Result<Value, AwsError> {
        let missing = || AwsError::not_implemented(service, op);
        let table = self.house.caller.service(service).ok_or_else(missing)?;
        let operation = table.schema().operation(op).ok_or_else(missing)?;
        let input = match operation.input {
            Some(shape) => {
                let input = if input.is_null() { json!({}) } else { input };
                fit::input(shape.get(), input)
                    .map_err(|why| AwsError::client(reason::MISFIT, why))?
            }
            None => json!({}),
        };
        let principal = self.asker.principal();
        let by = self.role.map_or(By::Principal(&principal), By::Role);
        let output = Caller::call_by_name(self.house, self.scope, by, (service, op), input).await?;
        Ok(match operation.output {
            Some(shape) => fit::output(shape.get(), output),
            None => output,
        })
    }

    pub(super) fn sight<'s>(
        &self,
        id: &'s str,
        properties: &'s Value,
        attributes: &'s Value,
    ) -> Sight<'s> {
        let short: String = self.token.chars().filter(|c| *c != '-').collect();
        let region = self.scope.region.as_str();
        let mut words = BTreeMap::from([
            ("token", json!(self.token)),
            ("short_token", json!(short)),
            ("region", json!(region)),
            ("account", json!(self.scope.account.as_str())),
            ("stack", json!(self.stack_name)),
            ("lower_stack", json!(self.stack_name.to_lowercase())),
            ("auto", json!(self.name(255, false, ""))),
        ]);
        if region != "us-east-1" {
            words.insert("location", json!(region));
        }
        Sight {
            properties: Some(properties),
            attributes: Some(attributes),
            id,
            words,
            ..Sight::default()
        }
    }

    /// `stack-Logical-RANDOM`, as AWS makes names up; both are cut when they are too long.
    pub fn name(&self, most: usize, lower: bool, prefix: &str) -> String {
        let random: String = self
            .token
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        let room = most.saturating_sub(random.len() + 2 + prefix.len());
        let (stack, logical) = (self.stack_name, self.logical_id);
        let (of_stack, of_logical) = match stack.len() + logical.len() <= room {
            true => (stack.len(), logical.len()),
            false => {
                let of_logical = logical
                    .len()
                    .min(room - room.min(stack.len()).min(room / 2));
                (stack.len().min(room - of_logical), of_logical)
            }
        };
        let name = format!(
            "{prefix}{}-{}-{}",
            &stack[..of_stack],
            &logical[..of_logical],
            random.to_uppercase()
        );
        if lower { name.to_lowercase() } else { name }
    }

    /// The properties as calls are given them: with the name that was made up, and secrets in place of references
    /// to them.
    pub(super) async fn real(&self, kind: &Kind, made: &Made) -> Result<Value, Problem> {
        let mut properties = self.dynamic(made.properties.clone()).await?;
        if let (Some(naming), Some(name), Value::Object(map)) =
            (&kind.name, &made.name, &mut properties)
        {
            map.entry(naming.property.clone())
                .or_insert_with(|| json!(name));
        }
        if let Value::Object(map) = &mut properties {
            for (name, value) in &kind.absent {
                map.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(properties)
    }

    pub(super) fn tagged_id(&self, kind: &Kind, id: &str) -> Value {
        let none = Value::Null;
        let sight = self.sight(id, &none, &none);
        kind.tagged
            .as_ref()
            .and_then(|t| sight.eval(&json!(t)))
            .unwrap_or_else(|| json!(id))
    }

    /// Makes it from what it was to what it should be.
    pub async fn update(&self, kind: &Kind, old: &Made, new: &Made) -> Result<(), Problem> {
        if let Some(own) = kind.own {
            return self.update_own(own, old, new).await;
        }
        let (before, mut after) = (self.real(kind, old).await?, self.real(kind, new).await?);
        let changed = changed(&before, &after);
        if let Value::Object(map) = &mut after {
            for (name, default) in kind
                .defaults
                .iter()
                .filter(|(name, _)| changed.contains(*name))
            {
                map.entry(name.clone()).or_insert_with(|| default.clone());
            }
        }
        let taken_away = changed.iter().find(|name| {
            let is_list = kind.set.iter().any(|s| s.removed.as_ref() == Some(name));
            let is_free = is_list || *name == "Tags" || kind.free.contains(name);
            after.get(*name).is_none() && !is_free
        });
        if let Some(name) = taken_away {
            return Err(Problem::new(format!(
                "Neargate cannot take the property {name} away in place yet"
            )));
        }
        let old_attributes = &old.attributes;
        for step in kind.update.iter().chain(&kind.set) {
            if step.concerns().any(|name| changed.contains(name)) {
                let id = &new.physical_id;
                self.run(
                    kind,
                    step,
                    id,
                    &before,
                    &after,
                    old_attributes,
                    Some(&changed),
                )
                .await?;
            }
        }
        if changed.contains("Tags") {
            self.retag(kind, new, &before, &after, old_attributes)
                .await?;
        }
        Ok(())
    }

    async fn retag(
        &self,
        kind: &Kind,
        made: &Made,
        before: &Value,
        after: &Value,
        attributes: &Value,
    ) -> Result<(), Problem> {
        let (before, after) = (tags(before), tags(after));
        let set: Vec<Value> = after
            .iter()
            .map(|(k, v)| json!({"Key": k, "Value": v}))
            .collect();
        let gone: Vec<&String> = before.keys().filter(|k| !after.contains_key(*k)).collect();
        if kind.is_tagged_by_ec2() {
            let id = self.tagged_id(kind, &made.physical_id);
            if !gone.is_empty() {
                let keys: Vec<Value> = gone.iter().map(|k| json!({"Key": k})).collect();
                let input = json!({"Resources": [id], "Tags": keys});
                self.call("ec2", "DeleteTags", input)
                    .await
                    .map_err(|e| self.problem(&e))?;
            }
            if !set.is_empty() {
                let input = json!({"Resources": [id], "Tags": set});
                self.call("ec2", "CreateTags", input)
                    .await
                    .map_err(|e| self.problem(&e))?;
            }
            return Ok(());
        }
        let none = json!({});
        let mut sight = self.sight(&made.physical_id, &none, attributes);
        if !set.is_empty() {
            sight.words.insert("tags", Value::Array(set));
        }
        if !gone.is_empty() {
            sight.words.insert("untagged", json!(gone));
        }
        for step in &kind.retag {
            let text = step.input.to_string();
            let needed = if text.contains("=untagged") {
                "untagged"
            } else {
                "tags"
            };
            if let (Some(op), true) = (&step.op, sight.words.contains_key(needed)) {
                let input = sight.eval(&step.input).unwrap_or_default();
                self.call(&kind.service, op, input)
                    .await
                    .map_err(|e| self.problem(&e))?;
            }
        }
        Ok(())
    }

    /// One step: once, or for each item that it is for.
    #[expect(clippy::too_many_arguments, reason = "what a step may look at")]
    pub(super) async fn run(
        &self,
        kind: &Kind,
        step: &Step,
        id: &str,
        before: &Value,
        after: &Value,
        attributes: &Value,
        changed: Option<&BTreeSet<String>>,
    ) -> Result<(), Problem> {
        let Some(op) = &step.op else { return Ok(()) };
        if let (Some(equals), Some(name)) = (&step.equals, step.r#for.first())
            && after.get(name).map(|v| text_of(v).to_ascii_lowercase()) != Some(text_of(equals))
        {
            return Ok(());
        }
        let list = |of: &Value, name: &String| match of.get(name) {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::Null) | None => Vec::new(),
            Some(one) => vec![one.clone()],
        };
        let items = match (&step.each, &step.added, &step.removed) {
            (Some(name), _, _) => Some(list(after, name)),
            (_, Some(name), _) => Some(without(list(after, name), &list(before, name))),
            (_, _, Some(name)) => Some(without(list(before, name), &list(after, name))),
            _ => None,
        };
        let rounds = items.map_or(vec![None], |items| items.into_iter().map(Some).collect());
        for item in rounds {
            let mut sight = self.sight(id, after, attributes);
            sight.item = item.as_ref();
            let input = input_of(step, &sight, after, changed.filter(|_| !step.all));
            match self.call(&kind.service, op, input).await {
                Err(error) if !step.ignore.contains(&error.code) => {
                    return Err(self.problem(&error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn put_tags(&self, kind: &Kind, properties: &Value, input: &mut Value) {
        let Some(place) = &kind.tags else { return };
        let mut all: Vec<Value> = tags(properties)
            .into_iter()
            .map(|(k, v)| json!({"Key": k, "Value": v}))
            .collect();
        if input.is_null() {
            *input = json!({});
        }
        if let Some((member, resource)) = place.split_once(':') {
            all.push(json!({"Key": MARK, "Value": self.token}));
            input[member] = json!([{"ResourceType": resource, "Tags": all}]);
        } else if !all.is_empty() {
            input[place.as_str()] = Value::Array(all);
        }
    }

    /// Is it as it should be? Then what `Fn::GetAtt` answers.
    pub async fn settled(&self, kind: &Kind, made: &Made) -> Result<Option<Value>, Problem> {
        if let Some(own) = kind.own {
            return self.settled_own(own, made).await;
        }
        let properties = self.real(kind, made).await?;
        let none = Value::Null;
        let sight = self.sight(&made.physical_id, &properties, &none);
        let mut answer = match &kind.read {
            Some(read) => self.read(kind, read, &sight).await?.unwrap_or_default(),
            None => Value::Null,
        };
        for wait in &kind.wait {
            if !met(wait, &answer)? {
                return Ok(None);
            }
        }
        for (name, read) in &kind.more {
            answer[name.as_str()] = self.read(kind, read, &sight).await?.unwrap_or_default();
        }
        let mut attributes = Map::new();
        let sight = Sight {
            answer: Some(&answer),
            ..sight
        };
        for (name, of) in &kind.attributes {
            attributes.extend(sight.eval(of).map(|value| (name.clone(), value)));
        }
        for name in kind.keeps.keys() {
            attributes.extend(made.attributes.get(name).map(|v| (name.clone(), v.clone())));
        }
        Ok(Some(Value::Object(attributes)))
    }

    /// What the type's read call answers of it.
    pub(super) async fn seen(&self, kind: &Kind, made: &Made) -> Result<Option<Value>, Problem> {
        let Some(read) = &kind.read else {
            return Ok(None);
        };
        let properties = self.real(kind, made).await?;
        let sight = self.sight(&made.physical_id, &properties, &made.attributes);
        self.read(kind, read, &sight).await
    }

    async fn read(
        &self,
        kind: &Kind,
        read: &Read,
        sight: &Sight<'_>,
    ) -> Result<Option<Value>, Problem> {
        let input = sight.eval(&read.input).unwrap_or_default();
        let answer = self
            .call(&kind.service, &read.op, input)
            .await
            .map_err(|e| self.problem(&e))?;
        Ok(at(&answer, &read.path))
    }

    /// What `Ref` comes to.
    pub fn reference(&self, kind: &Kind, made: &Made) -> Value {
        let sight = self.sight(&made.physical_id, &made.properties, &made.attributes);
        let other = kind.reference.as_ref().and_then(|of| sight.eval(of));
        other.unwrap_or_else(|| json!(made.physical_id))
    }

    /// The calls that take it away.
    pub async fn delete(&self, kind: &Kind, made: &Made) -> Result<(), Problem> {
        if let Some(own) = kind.own {
            return self.delete_own(own, made).await;
        }
        let properties = match self.real(kind, made).await {
            Ok(properties) => properties,
            // A secret that is gone keeps nothing from being deleted.
            Err(_) => made.properties.clone(),
        };
        let steps = match made.policy == "Snapshot" && !kind.snapshot.is_empty() {
            true => &kind.snapshot,
            false => &kind.delete,
        };
        for step in steps {
            let none = json!({});
            match self
                .run(
                    kind,
                    step,
                    &made.physical_id,
                    &none,
                    &properties,
                    &made.attributes,
                    None,
                )
                .await
            {
                Err(problem) if !problem.is_missing => return Err(problem),
                _ => {}
            }
        }
        Ok(())
    }

    /// Is nothing left of it?
    pub async fn is_gone(&self, kind: &Kind, made: &Made) -> Result<bool, Problem> {
        if let Some(own) = kind.own {
            return self.is_gone_own(own, made).await;
        }
        let (Some(gone), Some(read)) = (&kind.gone, &kind.read) else {
            return Ok(true);
        };
        let sight = self.sight(&made.physical_id, &made.properties, &made.attributes);
        match self.read(kind, read, &sight).await {
            Ok(None) => Ok(true),
            Ok(Some(answer)) => met(gone, &answer),
            Err(problem) if problem.is_missing => Ok(true),
            Err(problem) => Err(problem),
        }
    }

    pub fn problem(&self, error: &AwsError) -> Problem {
        Problem::of(error, self.token, self.logical_id)
    }
}

/// The tags that properties ask for, as a list or as a map.
fn tags(properties: &Value) -> BTreeMap<String, String> {
    let own = properties.get("Tags").filter(|v| !v.is_null());
    // A launch template's own tags have the form of EC2's operation.
    match own.or_else(|| properties.get("TagSpecifications")?.get(0)?.get("Tags")) {
        Some(Value::Array(items)) => {
            let pair =
                |item: &Value| Some((text_of(item.get("Key")?), text_of(item.get("Value")?)));
            items.iter().filter_map(pair).collect()
        }
        Some(Value::Object(map)) => map.iter().map(|(k, v)| (k.clone(), text_of(v))).collect(),
        _ => BTreeMap::new(),
    }
}

/// The names of the properties that differ.
pub fn changed(before: &Value, after: &Value) -> BTreeSet<String> {
    let none = Map::new();
    let (before, after) = (
        before.as_object().unwrap_or(&none),
        after.as_object().unwrap_or(&none),
    );
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect()
}

fn without(items: Vec<Value>, of: &[Value]) -> Vec<Value> {
    items
        .into_iter()
        .filter(|item| !of.contains(item))
        .collect()
}

/// What a step is given; of the properties that it takes those that changed, when that is asked.
pub(super) fn input_of(
    step: &Step,
    sight: &Sight<'_>,
    properties: &Value,
    changed: Option<&BTreeSet<String>>,
) -> Value {
    let mut input = match sight.eval(&step.input) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    for name in &step.take {
        let is_asked = changed.is_none_or(|changed| changed.contains(name));
        if let Some(value) = properties.get(name).filter(|v| is_asked && !v.is_null()) {
            let member = step.rename.get(name).unwrap_or(name);
            input.insert(member.clone(), value.clone());
        }
    }
    Value::Object(input)
}

/// Is it so?
///
/// # Errors
/// When it will never be.
pub(super) fn met(wait: &Wait, answer: &Value) -> Result<bool, Problem> {
    let found = at(answer, wait.path.trim_start_matches('.')).unwrap_or_default();
    if wait.fail.contains(&found) {
        let why = wait
            .reason
            .as_ref()
            .and_then(|path| at(answer, path.trim_start_matches('.')));
        let why = why.map_or_else(|| format!("it is {}", text_of(&found)), |why| text_of(&why));
        return Err(Problem::not_stabilized(&why));
    }
    match &wait.same {
        Some(path) => Ok(found == at(answer, path.trim_start_matches('.')).unwrap_or_default()),
        None => Ok(wait.want.contains(&found)),
    }
}
