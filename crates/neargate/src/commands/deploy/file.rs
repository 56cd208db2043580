//! What a file for `neargate deploy` holds: the inputs of `RegisterTaskDefinition` and
//! `CreateService` in AWS's own names, and the cluster.

use super::read::{read, structure, unknown_key};
use crate::commands::yaml::{FileError, Key, Kind, Node, parse, wrong};
use neargate_api_ecs::{CreateServiceInput, RegisterTaskDefinitionInput};
use neargate_wire::Structure;
use neargate_wire::structure::from_value;

/// A deployment as it is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub cluster: Option<String>,
    pub task_definition: RegisterTaskDefinitionInput,
    pub service: CreateServiceInput,
}

const KEYS: [&str; 3] = ["cluster", "taskDefinition", "service"];

/// Members of the service that a file gives elsewhere, or not at all.
const NOT_HERE: [(&str, &str); 3] = [
    ("cluster", "give the cluster beside service, not in it"),
    (
        "taskDefinition",
        "give the taskDefinition beside service, not in it",
    ),
    ("clientToken", "each deploy makes its own"),
];

/// Reads a file.
///
/// # Errors
/// What is wrong, and on which line.
pub fn wanted(text: &str) -> Result<Wanted, FileError> {
    let root = parse(text)?;
    let Kind::Map(entries) = &root.kind else {
        return wrong(
            root.line,
            format!("the file must be a mapping, not {}", root.what()),
        );
    };
    if let Some((key, _)) = entries
        .iter()
        .find(|(k, _)| !KEYS.contains(&k.name.as_str()))
    {
        return wrong(key.line, unknown_key("", &key.name, KEYS.into_iter()));
    }
    let part = |name: &str| entries.iter().find(|(key, _)| key.name == name);
    let must = |name: &str| match part(name) {
        Some((_, node)) if !node.is_null() => Ok(node.clone()),
        _ => wrong(root.line, format!("{name} is missing")),
    };
    let mut definition = must("taskDefinition")?;
    let mut service = must("service")?;
    // One name is enough.
    share(&mut definition, "family", &mut service, "serviceName");
    let cluster = match part("cluster") {
        Some((_, node)) => read(node, &CLUSTER, "cluster")?.as_str().map(str::to_owned),
        None => None,
    };
    let definition = read(
        &definition,
        RegisterTaskDefinitionInput::SHAPE,
        "taskDefinition",
    )?;
    let service = structure(&service, CreateServiceInput::SHAPE, "service", &NOT_HERE)?;
    Ok(Wanted {
        cluster,
        task_definition: from_value(definition),
        service: from_value(service),
    })
}

/// A cluster's name or ARN.
static CLUSTER: neargate_wire::schema::Shape = neargate_wire::schema::SHAPE;

/// Gives each of two mappings the other's name where it has none of its own.
fn share(a: &mut Node, a_key: &str, b: &mut Node, b_key: &str) {
    let name = |node: &Node, key: &str| match &node.kind {
        Kind::Map(entries) => entries.iter().find(|(k, _)| k.name == key).cloned(),
        _ => None,
    };
    let give = |node: &mut Node, key: &str, value: Option<(Key, Node)>| {
        if let (Kind::Map(entries), Some((at, value))) = (&mut node.kind, value) {
            let line = at.line;
            let name = key.to_owned();
            entries.push((Key { line, name }, value));
        }
    };
    match (name(a, a_key), name(b, b_key)) {
        (Some(of_a), None) => give(b, b_key, Some(of_a)),
        (None, of_b @ Some(_)) => give(a, a_key, of_b),
        _ => {}
    }
}
