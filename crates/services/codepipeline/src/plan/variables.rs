//! `#{namespace.variable}` in configurations
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html>). Pure.

use crate::model::Execution;
use std::collections::BTreeMap;

/// A configuration with every variable filled in.
///
/// # Errors
/// The reference that leads to nothing.
pub fn resolved(
    configuration: &BTreeMap<String, String>,
    execution: &Execution,
) -> Result<BTreeMap<String, String>, String> {
    let filled = |(key, text): (&String, &String)| Ok((key.clone(), fill(text, execution)?));
    configuration.iter().map(filled).collect()
}

fn fill(text: &str, execution: &Execution) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("#{") {
        out.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            out.push_str("#{");
            rest = behind;
            continue;
        };
        let value = value(name.trim(), execution).ok_or_else(|| format!("#{{{name}}}"))?;
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn value(name: &str, execution: &Execution) -> Option<String> {
    let (namespace, key) = name.split_once('.')?;
    match (namespace, key) {
        ("codepipeline", "PipelineExecutionId") => Some(execution.id.clone()),
        ("variables", key) => execution.variables.get(key).cloned(),
        (namespace, key) => execution.namespaces.get(namespace)?.get(key).cloned(),
    }
}
