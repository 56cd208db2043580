//! Asking services, by their own operations, what a decision needs to know of a resource: its ARN,
//! its policy, its tags. Which operation tells what is a table: `models/authorization/ours.toml`.

use crate::ctx::{Ctx, Scope};
use crate::identity::Principal;
use crate::table::{Service, Status};
use neargate_policy::actions::{Ask, ours};
use neargate_wire::schema::{Kind, Shape};
use neargate_wire::value::Value;
use std::sync::Arc;

/// The service whose actions have this prefix.
pub(super) fn service<'a>(cx: &'a Ctx, prefix: &str) -> Option<&'a Arc<dyn Service>> {
    let mut all = cx.house.caller.services();
    all.find(|s| ours().prefix(s.schema().signing_name) == prefix)
}

/// What the operation says of `of` at the end of its path. Nothing, when there is no such thing.
pub(super) async fn ask(
    cx: &Ctx,
    scope: &Scope,
    prefix: &str,
    ask: &Ask,
    of: &str,
) -> Vec<(Value, &'static Shape)> {
    let Some(service) = service(cx, prefix) else {
        return Vec::new();
    };
    let operation = service.schema().operation(&ask.operation);
    let operation = operation.filter(|o| service.status(o.name) != Status::NotYet);
    let Some((operation, input, output)) =
        operation.and_then(|o| Some((o, o.input?.get(), o.output?.get())))
    else {
        return Vec::new();
    };
    let mut fields = Vec::new();
    for (at, member) in input.members().iter().enumerate() {
        let value = match member.name {
            name if name == ask.member => wrapped(member.shape.get(), of),
            "registryId" => Value::Str(scope.account.to_string()),
            // SQS tells only what is asked for.
            "AttributeNames" => wrapped(member.shape.get(), "All"),
            // The settings that hold for who calls, whether or not they were set.
            "effectiveSettings" => Value::Bool(true),
            "principalArn" => Value::Str(cx.principal.identity().to_owned()),
            "ResourceType" if prefix == "ssm" => Value::Str("Parameter".into()),
            "PolicyName" => Value::Str("default".into()),
            "Filters" => match ask.member.strip_prefix("Filters.") {
                Some(filter) => filtered(member.shape.get(), filter, of),
                None => continue,
            },
            _ => continue,
        };
        fields.push((at, value));
    }
    let inner = Ctx {
        request_id: cx.request_id.clone(),
        scope: scope.clone(),
        principal: Principal::service("authorization"),
        reached_at: None,
        house: cx.house.clone(),
    };
    match service.call(inner, operation, Value::Struct(fields)).await {
        Ok(value) => reach(output, value, &ask.path),
        Err(_) => Vec::new(),
    }
}

/// A text, or a list of it where the shape wants one.
fn wrapped(shape: &Shape, text: &str) -> Value {
    let text = Value::Str(text.to_owned());
    match shape.kind {
        Kind::List(_) => Value::List(vec![text]),
        _ => text,
    }
}

/// `[{"Name": filter, "Values": [text]}]`
fn filtered(shape: &Shape, filter: &str, text: &str) -> Value {
    let Kind::List(element) = shape.kind else {
        return Value::Null;
    };
    let members = element.shape.get().members().iter().enumerate();
    let fields = members.filter_map(|(at, member)| match member.name {
        "Name" => Some((at, Value::Str(filter.to_owned()))),
        "Values" => Some((at, wrapped(member.shape.get(), text))),
        _ => None,
    });
    Value::List(vec![Value::Struct(fields.collect())])
}

/// What is at the end of a path of members; of lists, in each of their elements.
fn reach(shape: &'static Shape, value: Value, path: &str) -> Vec<(Value, &'static Shape)> {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let found = match (shape.kind, value) {
        (Kind::List(element), Value::List(all)) => {
            let all = all.into_iter();
            return all
                .flat_map(|v| reach(element.shape.get(), v, path))
                .collect();
        }
        (Kind::Structure(_), Value::Struct(fields)) => {
            let Some((at, member)) = shape.member(name) else {
                return Vec::new();
            };
            let field = fields.into_iter().find(|(m, _)| *m == at);
            field.map(|(_, v)| (v, member.shape.get()))
        }
        (Kind::Map { value: of, .. }, Value::Map(all)) => {
            let entry = all.into_iter().find(|(key, _)| key == name);
            entry.map(|(_, v)| (v, of.shape.get()))
        }
        _ => None,
    };
    match (found, rest) {
        (Some((value, shape)), Some(rest)) => reach(shape, value, rest),
        (Some(found), None) => vec![found],
        (None, _) => Vec::new(),
    }
}

/// The texts of an answer.
pub(super) fn texts(found: Vec<(Value, &'static Shape)>) -> Vec<String> {
    let all = found
        .iter()
        .flat_map(|(value, _)| super::said::texts(value));
    all.collect()
}

/// The tags of an answer: a map, or a list of keys and values.
pub(super) fn tags(value: &Value, shape: &Shape) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    match (value, shape.kind) {
        (Value::Map(all), _) => all.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
        (Value::List(all), Kind::List(element)) => {
            let members = element.shape.get().members();
            let named = |of: &Value, name: &str| {
                let found = of.fields().iter().find(|(at, _)| {
                    members
                        .get(*at)
                        .is_some_and(|m| m.name.eq_ignore_ascii_case(name))
                });
                found.map(|(_, v)| text(v))
            };
            let pairs = all.iter().filter_map(|tag| {
                let key = named(tag, "key").or_else(|| named(tag, "TagKey"))?;
                let value = named(tag, "value").or_else(|| named(tag, "TagValue"));
                Some((key, value.unwrap_or_default()))
            });
            pairs.collect()
        }
        _ => Vec::new(),
    }
}
