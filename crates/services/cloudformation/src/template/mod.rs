//! The language of templates: what a text says ([`Template`]), and what it comes to with parameters and
//! resources ([`functions`]). All of it is pure.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html>

mod cidr;
pub mod expand;
pub mod functions;
pub mod graph;
pub mod parameters;
pub mod yaml;

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A text that is given with the call.
pub const MAX_BODY_BYTES: usize = 51_200;
/// A text in S3.
pub const MAX_BYTES: usize = 1_048_576;
const MAX_RESOURCES: usize = 500;
const MAX_NAMED: usize = 200;

/// A template, read and checked.
#[derive(Debug, Clone, Default)]
pub struct Template {
    pub description: Option<String>,
    pub metadata: Option<Value>,
    pub version: Option<String>,
    pub transforms: Vec<String>,
    pub parameters: Vec<(String, parameters::Declared)>,
    pub mappings: Map<String, Value>,
    pub conditions: Map<String, Value>,
    pub rules: Map<String, Value>,
    pub resources: Vec<(String, Declared)>,
    pub outputs: Vec<(String, Output)>,
}

/// A resource as the template declares it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    pub kind: String,
    pub properties: Value,
    pub condition: Option<String>,
    pub depends_on: Vec<String>,
    pub deletion_policy: Option<Value>,
    pub replace_policy: Option<Value>,
    pub metadata: Option<Value>,
    pub creation_policy: Option<Value>,
    pub update_policy: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    pub value: Value,
    pub description: Option<String>,
    pub condition: Option<String>,
    pub export: Option<Value>,
}

impl Template {
    /// # Errors
    /// AWS's sentence for what is wrong with it.
    pub fn read(text: &str) -> Result<Template, String> {
        Template::read_with(text, &BTreeMap::new()).map(|(template, _)| template)
    }

    /// With these values of parameters where it is written by them; and what it is then, when that is another
    /// text.
    ///
    /// # Errors
    /// AWS's sentence for what is wrong with it.
    pub fn read_with(
        text: &str,
        given: &BTreeMap<String, String>,
    ) -> Result<(Template, Option<String>), String> {
        let tree = yaml::parse(text).map_err(|why| match text.trim_start().starts_with('{') {
            true => format!("Template format error: JSON not well-formed. {why}"),
            false => format!("Template format error: YAML not well-formed. {why}"),
        })?;
        let Value::Object(tree) = tree else {
            return Err("Template format error: unsupported structure.".into());
        };
        match expand::language_extensions(&tree, given)? {
            None => Ok((Template::of(tree)?, None)),
            Some(tree) => {
                let text = Value::Object(tree.clone()).to_string();
                Ok((Template::of(tree)?, Some(text)))
            }
        }
    }

    fn of(mut tree: Map<String, Value>) -> Result<Template, String> {
        const SECTIONS: [&str; 11] = [
            "AWSTemplateFormatVersion",
            "Description",
            "Metadata",
            "Parameters",
            "Mappings",
            "Conditions",
            "Rules",
            "Transform",
            "Resources",
            "Outputs",
            "Hooks",
        ];
        let unknown: Vec<&str> = tree
            .keys()
            .map(String::as_str)
            .filter(|k| !SECTIONS.contains(k))
            .collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            return Err(format!(
                "Invalid template property or properties [{unknown}]"
            ));
        }
        let version = tree.remove("AWSTemplateFormatVersion").map(|v| text_of(&v));
        if version.as_deref().is_some_and(|v| v != "2010-09-09") {
            return Err(
                "Template format error: unsupported value for AWSTemplateFormatVersion.".into(),
            );
        }
        if tree.contains_key("Hooks") {
            return Err("Neargate does not support the Hooks section of templates yet.".into());
        }
        let description = match tree.remove("Description") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.len() <= 1024 => Some(text),
            Some(Value::String(_)) => {
                return Err(
                    "Template format error: 'Description' length is greater than 1024.".into(),
                );
            }
            Some(_) => {
                return Err("Template format error: Description member must be a string.".into());
            }
        };
        let mut template = Template {
            description,
            version,
            transforms: transforms(tree.remove("Transform"))?,
            metadata: tree.remove("Metadata"),
            mappings: section(&mut tree, "Mappings")?,
            conditions: section(&mut tree, "Conditions")?,
            rules: section(&mut tree, "Rules")?,
            ..Template::default()
        };
        for (name, declared) in section(&mut tree, "Parameters")? {
            template
                .parameters
                .push((name.clone(), parameters::Declared::of(&name, &declared)?));
        }
        let resources = section(&mut tree, "Resources")?;
        if resources.is_empty() {
            return Err(
                "Template format error: At least one Resources member must be defined.".into(),
            );
        }
        for (name, declared) in resources {
            let declared = resource(&name, declared)?;
            template.resources.push((name, declared));
        }
        for (name, declared) in section(&mut tree, "Outputs")? {
            let declared = output(&name, declared)?;
            template.outputs.push((name, declared));
        }
        let counts = [
            ("resources", template.resources.len(), MAX_RESOURCES),
            ("parameters", template.parameters.len(), MAX_NAMED),
            ("mappings", template.mappings.len(), MAX_NAMED),
            ("outputs", template.outputs.len(), MAX_NAMED),
        ];
        for (what, count, most) in counts {
            if count > most {
                return Err(format!(
                    "Template format error: Number of {what}, {count}, is greater than maximum allowed, {most}"
                ));
            }
        }
        graph::check(&template)?;
        Ok(template)
    }

    pub fn resource(&self, name: &str) -> Option<&Declared> {
        self.resources
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, declared)| declared)
    }

    /// The types of its resources, each once.
    pub fn types(&self) -> Vec<String> {
        let mut all: Vec<String> = self.resources.iter().map(|(_, r)| r.kind.clone()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Which capabilities its resources of IAM ask for, and which those are.
    pub fn capabilities(&self) -> (Option<&'static str>, Vec<String>) {
        const NAMED: [(&str, &str); 6] = [
            ("AWS::IAM::Role", "RoleName"),
            ("AWS::IAM::User", "UserName"),
            ("AWS::IAM::Group", "GroupName"),
            ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
            ("AWS::IAM::InstanceProfile", "InstanceProfileName"),
            ("AWS::IAM::Policy", ""),
        ];
        let mut asked = Vec::new();
        let mut named = false;
        for (_, declared) in &self.resources {
            if let Some((_, name)) = NAMED.iter().find(|(kind, _)| *kind == declared.kind) {
                asked.push(declared.kind.clone());
                named |= declared.properties.get(name).is_some();
            }
        }
        asked.sort();
        asked.dedup();
        let capability = match (asked.is_empty(), named) {
            (true, _) => None,
            (false, false) => Some("CAPABILITY_IAM"),
            (false, true) => Some("CAPABILITY_NAMED_IAM"),
        };
        (capability, asked)
    }

    /// Does any function of this name stand in it?
    pub fn uses(&self, function: &str) -> bool {
        let resources = self.resources.iter().map(|(_, r)| &r.properties);
        let outputs = self.outputs.iter().map(|(_, o)| &o.value);
        let conditions = self.conditions.values();
        resources
            .chain(outputs)
            .chain(conditions)
            .any(|v| has(v, function))
    }

    /// The parameters' declarations by name.
    pub fn declared(&self) -> BTreeMap<&str, &parameters::Declared> {
        self.parameters
            .iter()
            .map(|(name, p)| (name.as_str(), p))
            .collect()
    }
}

fn has(value: &Value, function: &str) -> bool {
    match value {
        Value::Object(map) => map.contains_key(function) || map.values().any(|v| has(v, function)),
        Value::Array(items) => items.iter().any(|v| has(v, function)),
        _ => false,
    }
}

fn section(tree: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, String> {
    match tree.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => {
            let is_name = |name: &&String| {
                name.is_empty()
                    || name.len() > 255
                    || !name.bytes().all(|b| b.is_ascii_alphanumeric())
            };
            match map.keys().find(is_name) {
                Some(bad) if name == "Resources" || name == "Parameters" || name == "Outputs" => {
                    Err(format!(
                        "Template format error: {name} name '{bad}' is non alphanumeric."
                    ))
                }
                _ => Ok(map),
            }
        }
        Some(_) => Err(format!("Template format error: {name} must be an object.")),
    }
}

fn transforms(given: Option<Value>) -> Result<Vec<String>, String> {
    let all = match given {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(items)) => items.iter().map(text_of).collect(),
        Some(_) => return Err("Neargate does not support transforms with parameters yet.".into()),
    };
    match all.iter().find(|name| *name != "AWS::LanguageExtensions") {
        Some(name) => Err(format!(
            "Neargate does not support the transform {name} yet."
        )),
        None => Ok(all),
    }
}

fn resource(name: &str, declared: Value) -> Result<Declared, String> {
    const KNOWN: [&str; 10] = [
        "Type",
        "Properties",
        "Condition",
        "DependsOn",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "Metadata",
        "CreationPolicy",
        "UpdatePolicy",
        "Description",
    ];
    let Value::Object(mut map) = declared else {
        return Err("Template format error: Any Resources member must be an object.".into());
    };
    if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("Invalid template resource property '{unknown}'"));
    }
    let kind = match map.remove("Type") {
        Some(Value::String(kind)) => kind,
        None => {
            return Err(format!(
                "Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            ));
        }
        Some(_) => {
            return Err(format!(
                "Template format error: [/Resources/{name}/Type] 'null' values or non-strings are not allowed"
            ));
        }
    };
    let depends_on = match map.remove("DependsOn") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().map(text_of).collect()
        }
        Some(_) => {
            return Err(format!(
                "Template format error: Every DependsOn value must be a string or a list of strings (resource {name})."
            ));
        }
    };
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        let Some(Value::String(text)) = map.get(policy) else {
            continue;
        };
        if !["Delete", "Retain", "Snapshot", "RetainExceptOnCreate"].contains(&text.as_str()) {
            return Err(format!(
                "Template error: Unrecognized {policy} {text} for resource {name}"
            ));
        }
    }
    let properties = match map.remove("Properties") {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(properties @ Value::Object(_)) => properties,
        Some(_) => {
            return Err(format!(
                "Template format error: [/Resources/{name}/Properties] Properties must be an object."
            ));
        }
    };
    Ok(Declared {
        kind,
        properties,
        condition: map.remove("Condition").map(|c| text_of(&c)),
        depends_on,
        deletion_policy: map.remove("DeletionPolicy"),
        replace_policy: map.remove("UpdateReplacePolicy"),
        metadata: map.remove("Metadata"),
        creation_policy: map.remove("CreationPolicy"),
        update_policy: map.remove("UpdatePolicy"),
    })
}

fn output(name: &str, declared: Value) -> Result<Output, String> {
    let Value::Object(mut map) = declared else {
        return Err("Template format error: Any Outputs member must be an object.".into());
    };
    let Some(value) = map.remove("Value") else {
        return Err(format!(
            "Template format error: Output {name} is malformed. Every Outputs member must contain a Value object"
        ));
    };
    let export = match map.remove("Export") {
        None => None,
        Some(Value::Object(mut export)) => export.remove("Name"),
        Some(_) => {
            return Err(format!(
                "Template format error: Output {name} is malformed. Export must be an object"
            ));
        }
    };
    Ok(Output {
        value,
        description: map.remove("Description").map(|d| text_of(&d)),
        condition: map.remove("Condition").map(|c| text_of(&c)),
        export,
    })
}

/// A scalar as the text that it is in a template.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
