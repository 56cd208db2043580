//! What an update would do, before it is done: what change sets show.

use super::provision::changed;
use super::scene::{Outside, desired, frame, known};
use crate::model::{Change, ChangedProperty, Deployment, Stack, StackResource};
use crate::template::functions::{KNOWN_AFTER_APPLY, Known};
use crate::template::{Template, graph};
use crate::types;
use neargate_service::{Scope, Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is compared.
#[derive(Debug)]
pub struct Comparison<'a> {
    pub scope: &'a Scope,
    /// The stack's name and ARN.
    pub named: (&'a str, &'a str),
    pub stack: Option<&'a Stack>,
    pub resources: &'a [Stored<StackResource>],
    pub template: &'a Template,
    pub deployment: &'a Deployment,
    pub outside: &'a Outside,
}

/// What would change.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    pub resources: Vec<Change>,
    /// Outputs would.
    pub outputs: bool,
}

impl Comparison<'_> {
    /// # Errors
    /// AWS's sentences for what comes to nothing.
    pub fn changes(&self) -> Result<Changes, String> {
        let there: BTreeMap<&str, &StackResource> = self
            .resources
            .iter()
            .filter(|r| r.now.is_some())
            .map(|r| (r.logical_id.as_str(), &r.value))
            .collect();
        let mut frame = frame(
            self.scope,
            self.named,
            self.template,
            self.deployment,
            self.outside,
        );
        let mut found = BTreeMap::new();
        let needs = graph::dependencies(self.template);
        let mut open: Vec<&str> = Vec::new();
        for (name, declared) in &self.template.resources {
            if frame.holds(declared.condition.as_ref())? {
                open.push(name);
            }
        }
        let wanted = open.clone();
        while !open.is_empty() {
            let ready: Vec<&str> = open
                .iter()
                .copied()
                .filter(|name| !needs[name].iter().any(|need| open.contains(&need.as_str())))
                .collect();
            open.retain(|name| !ready.contains(name));
            for name in ready {
                let Some(declared) = self.template.resource(name) else {
                    continue;
                };
                let desired = desired(&frame, self.deployment, name, declared)?;
                let change = change(name, there.get(name).copied(), &desired);
                let unknown = Known {
                    reference: json!(KNOWN_AFTER_APPLY),
                    attributes: json!({}),
                    is_whole: false,
                };
                let stays = change.as_ref().is_none_or(|c| {
                    c.action == "Modify" && c.replacement.as_deref() != Some("True")
                });
                let made = there
                    .get(name)
                    .and_then(|r| r.now.as_ref())
                    .filter(|_| stays);
                frame
                    .resources
                    .insert(name.to_owned(), made.map_or(unknown, known));
                found.extend(change.map(|change| (name, change)));
            }
        }
        let mut resources: Vec<Change> = wanted
            .iter()
            .filter_map(|name| found.remove(name))
            .collect();
        let gone = there.iter().filter(|(name, _)| !wanted.contains(name));
        resources.extend(gone.map(|(name, resource)| {
            Change {
                action: "Remove".into(),
                logical_id: (*name).to_owned(),
                physical_id: resource.now.as_ref().map(|now| now.physical_id.clone()),
                kind: resource
                    .now
                    .as_ref()
                    .map(|now| now.kind.clone())
                    .unwrap_or_default(),
                replacement: None,
                properties: Vec::new(),
                scope: Vec::new(),
            }
        }));
        let mut outputs = Vec::new();
        for (key, declared) in &self.template.outputs {
            if frame.holds(declared.condition.as_ref())? {
                let value = frame
                    .resolve(&declared.value)?
                    .map(|v| crate::template::text_of(&v));
                let export = declared
                    .export
                    .as_ref()
                    .map(|name| frame.text(name))
                    .transpose()?;
                outputs.push((key.clone(), value, declared.description.clone(), export));
            }
        }
        let had = self.stack.map(|stack| {
            let all = stack.outputs.iter();
            all.map(|o| {
                (
                    o.key.clone(),
                    Some(o.value.clone()),
                    o.description.clone(),
                    o.export.clone(),
                )
            })
            .collect()
        });
        let outputs = had.is_none_or(|had: Vec<_>| had != outputs);
        Ok(Changes { resources, outputs })
    }
}

fn change(
    name: &str,
    there: Option<&StackResource>,
    desired: &super::scene::Desired,
) -> Option<Change> {
    let mut change = Change {
        action: "Add".into(),
        logical_id: name.to_owned(),
        physical_id: None,
        kind: desired.kind.clone(),
        replacement: None,
        properties: Vec::new(),
        scope: Vec::new(),
    };
    let Some((resource, now)) = there.and_then(|r| Some((r, r.now.as_ref()?))) else {
        return Some(change);
    };
    let differing = changed(&now.properties, &desired.properties);
    let metadata = resource.metadata != desired.metadata;
    let kind = types::kind(&desired.kind);
    // What a nested stack's template says now is seen only there.
    let always = kind.is_some_and(|kind| kind.own == Some(types::Own::Stack));
    if differing.is_empty() && !metadata && now.kind == desired.kind && !always {
        return None;
    }
    let mut replacement = if now.kind == desired.kind {
        "False"
    } else {
        "True"
    };
    for name in &differing {
        let is_dynamic = desired.properties.get(name).is_some_and(is_unknown);
        let replaces = kind.is_some_and(|kind| kind.replaces(name));
        replacement = match (replaces, is_dynamic, replacement) {
            (true, false, _) => "True",
            (true, true, "False") => "Conditional",
            (_, _, before) => before,
        };
        change.properties.push(ChangedProperty {
            name: name.clone(),
            recreation: if replaces { "Always" } else { "Never" }.into(),
            evaluation: if is_dynamic { "Dynamic" } else { "Static" }.into(),
        });
    }
    if differing.iter().any(|name| name != "Tags") {
        change.scope.push("Properties".into());
    }
    if differing.contains("Tags") {
        change.scope.push("Tags".into());
    }
    if metadata {
        change.scope.push("Metadata".into());
    }
    change.action = "Modify".into();
    change.physical_id = Some(now.physical_id.clone());
    change.replacement = Some(replacement.into());
    Some(change)
}

fn is_unknown(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(KNOWN_AFTER_APPLY),
        Value::Array(items) => items.iter().any(is_unknown),
        Value::Object(map) => map.values().any(is_unknown),
        _ => false,
    }
}
