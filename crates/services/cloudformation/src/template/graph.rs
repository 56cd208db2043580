//! What refers to what: names that a template must hold, and the order in which its resources come.

use super::Template;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The names that a value refers to.
#[derive(Debug, Default)]
pub struct Refers {
    /// By `Ref`, and by `${Name}`.
    pub refs: BTreeSet<String>,
    /// By `Fn::GetAtt`, and by `${Name.Attribute}`.
    pub attributes: BTreeSet<(String, String)>,
    pub conditions: BTreeSet<String>,
}

impl Refers {
    pub fn of(value: &Value) -> Refers {
        let mut refers = Refers::default();
        refers.walk(value);
        refers
    }

    fn walk(&mut self, value: &Value) {
        let map = match value {
            Value::Array(items) => return items.iter().for_each(|item| self.walk(item)),
            Value::Object(map) => map,
            _ => return,
        };
        let only = if map.len() == 1 {
            map.iter().next()
        } else {
            None
        };
        match only.map(|(name, of)| (name.as_str(), of)) {
            Some(("Ref", Value::String(name))) => {
                self.refs.insert(name.clone());
            }
            Some(("Condition", Value::String(name))) => {
                self.conditions.insert(name.clone());
            }
            Some(("Fn::GetAtt", of)) => match get_att(of) {
                Some((resource, attribute)) => {
                    self.attributes.insert((resource, attribute));
                }
                None => self.walk(of),
            },
            Some(("Fn::Sub", of)) => {
                let (text, own) = match of {
                    Value::Array(both) => (both.first(), both.get(1)),
                    text => (Some(text), None),
                };
                let own = own.and_then(Value::as_object);
                for name in variables(text.and_then(Value::as_str).unwrap_or_default()) {
                    if own.is_some_and(|own| own.contains_key(&name)) {
                        continue;
                    }
                    match name.split_once('.') {
                        Some((resource, attribute)) => {
                            self.attributes
                                .insert((resource.to_owned(), attribute.to_owned()));
                        }
                        None => {
                            self.refs.insert(name);
                        }
                    }
                }
                own.into_iter()
                    .flat_map(|own| own.values())
                    .for_each(|v| self.walk(v));
            }
            Some(("Fn::If", Value::Array(parts))) => {
                if let Some(Value::String(name)) = parts.first() {
                    self.conditions.insert(name.clone());
                }
                parts.iter().skip(1).for_each(|part| self.walk(part));
            }
            _ => map.values().for_each(|v| self.walk(v)),
        }
    }
}

/// The resource and the attribute of a `Fn::GetAtt` whose name is written out.
pub fn get_att(of: &Value) -> Option<(String, String)> {
    match of {
        Value::String(text) => {
            let (resource, attribute) = text.split_once('.')?;
            Some((resource.to_owned(), attribute.to_owned()))
        }
        Value::Array(parts) => {
            let texts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            let texts = texts?;
            let (resource, attribute) = texts.split_first()?;
            Some(((*resource).to_owned(), attribute.join(".")))
        }
        _ => None,
    }
}

/// The names in `${…}` of a text for `Fn::Sub`; `${!x}` is none.
pub fn variables(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        rest = &rest[at + 2..];
        let Some(end) = rest.find('}') else { break };
        let name = rest[..end].trim();
        if !name.starts_with('!') {
            names.push(name.to_owned());
        }
        rest = &rest[end + 1..];
    }
    names
}

const PSEUDO: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// What a resource comes after: by its references, and by `DependsOn`.
pub fn dependencies(template: &Template) -> BTreeMap<&str, BTreeSet<String>> {
    let names: BTreeSet<&str> = template.resources.iter().map(|(n, _)| n.as_str()).collect();
    let of = |(name, declared): &'_ (String, super::Declared)| {
        let refers = Refers::of(&declared.properties);
        let attributes = refers.attributes.into_iter().map(|(resource, _)| resource);
        let all = refers
            .refs
            .into_iter()
            .chain(attributes)
            .chain(declared.depends_on.clone());
        let all: BTreeSet<String> = all
            .filter(|n| names.contains(n.as_str()) && n != name)
            .collect();
        all
    };
    template
        .resources
        .iter()
        .map(|one| (one.0.as_str(), of(one)))
        .collect()
}

/// # Errors
/// AWS's sentences for names that are not there and for circles.
pub fn check(template: &Template) -> Result<(), String> {
    let resources: BTreeSet<&str> = template.resources.iter().map(|(n, _)| n.as_str()).collect();
    let parameters: BTreeSet<&str> = template
        .parameters
        .iter()
        .map(|(n, _)| n.as_str())
        .collect();
    let unresolved = |refers: &Refers, with_resources: bool| -> Vec<String> {
        let known = |n: &str| {
            parameters.contains(n)
                || PSEUDO.contains(&n)
                || (with_resources && resources.contains(n))
        };
        refers.refs.iter().filter(|n| !known(n)).cloned().collect()
    };
    for (name, condition) in &template.conditions {
        let refers = Refers::of(condition);
        let missing = unresolved(&refers, false);
        if !missing.is_empty() {
            return Err(format!(
                "Template format error: Unresolved dependencies [{}]. Cannot reference resources in the Conditions block of the template",
                missing.join(", ")
            ));
        }
        if let Some(missing) = refers
            .conditions
            .iter()
            .find(|c| !template.conditions.contains_key(*c))
        {
            return Err(format!(
                "Template format error: Unresolved condition dependency {missing} in the Conditions block of the template (condition {name})"
            ));
        }
    }
    let in_resources = template
        .resources
        .iter()
        .map(|(_, r)| ("Resources", &r.properties, &r.condition));
    let in_outputs = template
        .outputs
        .iter()
        .map(|(_, o)| ("Outputs", &o.value, &o.condition));
    let mut missing = BTreeMap::<&str, BTreeSet<String>>::new();
    for (block, value, condition) in in_resources.chain(in_outputs) {
        let refers = Refers::of(value);
        missing
            .entry(block)
            .or_default()
            .extend(unresolved(&refers, true));
        if let Some((resource, _)) = refers
            .attributes
            .iter()
            .find(|(r, _)| !resources.contains(r.as_str()))
        {
            return Err(format!(
                "Template error: instance of Fn::GetAtt references undefined resource {resource}"
            ));
        }
        for name in refers.conditions.iter().chain(condition) {
            if !template.conditions.contains_key(name) && (condition.as_ref() == Some(name)) {
                return Err(format!(
                    "Template format error: Unresolved condition {name} in the {block} block of the template"
                ));
            }
        }
    }
    for (_, declared) in &template.resources {
        let names = declared
            .depends_on
            .iter()
            .filter(|n| !resources.contains(n.as_str()));
        missing
            .entry("Resources")
            .or_default()
            .extend(names.cloned());
    }
    for (block, names) in missing {
        if !names.is_empty() {
            let names: Vec<String> = names.into_iter().collect();
            return Err(format!(
                "Template format error: Unresolved resource dependencies [{}] in the {block} block of the template",
                names.join(", ")
            ));
        }
    }
    let circle = circle(&dependencies(template));
    if circle.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Circular dependency between resources: [{}]",
        circle.join(", ")
    ))
}

/// The resources that wait for each other, and for those: what is left once all that can come has come.
fn circle(dependencies: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let mut waits = dependencies.clone();
    // First those that need nothing, again and again; then those that nobody left needs.
    loop {
        let before = waits.len();
        let left: BTreeSet<String> = waits.keys().map(|n| (*n).to_owned()).collect();
        waits.retain(|_, needs| needs.iter().any(|n| left.contains(n)));
        let needed: BTreeSet<String> = waits.values().flatten().cloned().collect();
        waits.retain(|name, _| needed.contains(*name));
        if waits.len() == before {
            return waits.into_keys().map(str::to_owned).collect();
        }
    }
}
