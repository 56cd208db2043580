//! Application specifications of ECS deployments, in YAML or JSON, which YAML reads too
//! (<https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html>).
//! Reading is bounded in size and depth, and anchors are refused. Pure.

use crate::model::Spec;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value, json};

const MOST_BYTES: usize = 256 << 10;
const MOST_DEPTH: usize = 32;

/// # Errors
/// What is wrong with it, and what is not built here, by its name.
pub fn read(text: &str) -> Result<Spec, String> {
    let tree = tree(text)?;
    let named = |of: &Value, name: &str| -> Option<Value> {
        let members = of.as_object()?;
        let found = members
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let hooks = named(&tree, "Hooks").filter(|hooks| !hooks.is_null());
    if hooks.is_some_and(|hooks| hooks.as_array().is_none_or(|all| !all.is_empty())) {
        return Err("Neargate does not implement the Lambda functions of hooks yet".into());
    }
    let resources = named(&tree, "Resources");
    let first = resources
        .as_ref()
        .and_then(|all| all.as_array()?.first().cloned());
    let first = first.ok_or("The AppSpec file has no Resources")?;
    let service = first
        .as_object()
        .and_then(|all| all.values().next().cloned());
    let service = service.unwrap_or_default();
    if named(&service, "Type").as_ref().and_then(Value::as_str) != Some("AWS::ECS::Service") {
        return Err("The resource of the AppSpec file is not of type AWS::ECS::Service".into());
    }
    let given = named(&service, "Properties").unwrap_or_default();
    let text = |of: Option<Value>| of.and_then(|value| value.as_str().map(str::to_owned));
    let task_definition = text(named(&given, "TaskDefinition"));
    let balancer = named(&given, "LoadBalancerInfo").unwrap_or_default();
    let container = text(named(&balancer, "ContainerName"));
    let port = named(&balancer, "ContainerPort");
    let port = port.and_then(|port| match port {
        Value::Number(n) => n.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let port = port.and_then(|port| u16::try_from(port).ok());
    let missing = |what: &str| format!("The AppSpec file has no {what}");
    Ok(Spec {
        task_definition: task_definition.ok_or_else(|| missing("TaskDefinition"))?,
        container: container.ok_or_else(|| missing("LoadBalancerInfo with a ContainerName"))?,
        port: port.ok_or_else(|| missing("LoadBalancerInfo with a ContainerPort"))?,
        platform_version: text(named(&given, "PlatformVersion")),
        network: named(&given, "NetworkConfiguration").map(|all| small(&all)),
        capacity: named(&given, "CapacityProviderStrategy").map(|all| small(&all)),
    })
}

/// The tree with members as ECS's API names them; the specification begins them with a capital.
fn small(tree: &Value) -> Value {
    match tree {
        Value::Object(members) => {
            let renamed = members.iter().map(|(name, value)| {
                let mut name = name.clone();
                if let Some(first) = name.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                (name, small(value))
            });
            Value::Object(renamed.collect())
        }
        Value::Array(items) => items.iter().map(small).collect(),
        other => other.clone(),
    }
}

fn tree(text: &str) -> Result<Value, String> {
    if text.len() > MOST_BYTES {
        return Err("The AppSpec file is larger than 256 KiB".into());
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
    };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Err("The AppSpec file is empty".into()),
            event => return reader.node(event, 0),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(format!(
                "The AppSpec file cannot be read: line {}: {}",
                error.marker().line(),
                error.info()
            )),
            None => Err("The AppSpec file ends too early".into()),
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth > MOST_DEPTH {
            return Err(format!(
                "The AppSpec file is nested more than {MOST_DEPTH} deep"
            ));
        }
        match event {
            Event::Scalar(text, style, 0, _) => Ok(scalar(&text, style)),
            Event::SequenceStart(0, _) => {
                let mut all = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Value::Array(all)),
                        event => all.push(self.node(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(0, _) => {
                let mut all = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => return Ok(Value::Object(all)),
                        Event::Scalar(text, _, 0, _) => text.into_owned(),
                        _ => return Err("A key of the AppSpec file is no text".into()),
                    };
                    let event = self.next()?;
                    let value = self.node(event, depth + 1)?;
                    all.insert(key, value);
                }
            }
            _ => Err("The AppSpec file has anchors or aliases, which are not taken".into()),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return json!(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" => json!(true),
        "false" | "False" => json!(false),
        _ => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |n| json!(n)),
    }
}
