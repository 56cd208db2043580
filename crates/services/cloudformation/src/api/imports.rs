//! Change sets that import: what is there already becomes a stack's
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources.html>).

use crate::engine::changes::Changes;
use crate::error;
use crate::model::Change;
use crate::template::{Template, text_of};
use crate::types::{self, Kind};
use neargate_api_cloudformation as api;
use neargate_service::AwsError;
use std::collections::{BTreeMap, BTreeSet};

/// The physical ids of what is imported, by logical ids.
///
/// # Errors
/// AWS's sentences for what an import may not do.
pub fn checked(
    template: &Template,
    asked: &[api::ResourceToImport],
    found: Option<&Changes>,
) -> Result<BTreeMap<String, String>, AwsError> {
    let mut ids = BTreeMap::new();
    for one in asked {
        let name = &one.logical_resource_id;
        let Some(declared) = template.resource(name) else {
            return Err(error::validation(format!(
                "Resources [{name}] passed in ResourceToImport are not present in the template"
            )));
        };
        if declared.kind != one.resource_type {
            return Err(error::validation(format!(
                "Resource {name} in the template is of type {}, and not {}",
                declared.kind, one.resource_type
            )));
        }
        if declared.deletion_policy.is_none() {
            return Err(error::validation(format!(
                "Resources [{name}] to import must have DeletionPolicy attribute specified in the template"
            )));
        }
        let kind =
            types::kind(&declared.kind).filter(|kind| kind.read.is_some() && kind.own.is_none());
        let Some(kind) = kind else {
            return Err(error::validation(format!(
                "ResourceTypes [{}] are not supported for Import",
                declared.kind
            )));
        };
        let id = identified(kind, &one.resource_identifier);
        let id = id.ok_or_else(|| {
            error::not_built(&format!(
                "the import of {} by these identifiers",
                declared.kind
            ))
        })?;
        ids.insert(name.clone(), id);
    }
    if let Some(found) = found.filter(|_| !asked.is_empty()) {
        let other = |c: &&Change| !(c.action == "Add" && ids.contains_key(&c.logical_id));
        let others: BTreeSet<&str> = found
            .resources
            .iter()
            .filter(other)
            .map(|c| c.logical_id.as_str())
            .collect();
        if !others.is_empty() {
            let others: Vec<&str> = others.into_iter().collect();
            return Err(error::validation(format!(
                "You have modified resources [{}] in your template that are not being imported. Update, create or delete operations cannot be executed during import operations.",
                others.join(", ")
            )));
        }
        let there: BTreeSet<&str> = found
            .resources
            .iter()
            .map(|c| c.logical_id.as_str())
            .collect();
        if let Some(already) = ids.keys().find(|name| !there.contains(name.as_str())) {
            return Err(error::validation(format!(
                "Resource {already} is already managed by the stack"
            )));
        }
    }
    Ok(ids)
}

/// One identifier is the id. Of several that one is which the type's name is, or an ARN.
fn identified(kind: &Kind, identifier: &BTreeMap<String, String>) -> Option<String> {
    if identifier.len() == 1 {
        return identifier.values().next().cloned();
    }
    let named = kind
        .name
        .as_ref()
        .and_then(|naming| identifier.get(&naming.property));
    let arns: Vec<&String> = identifier
        .values()
        .filter(|v| v.starts_with("arn:"))
        .collect();
    match arns.as_slice() {
        [arn] => Some((*arn).clone()),
        _ => named.cloned(),
    }
}

/// As a change set shows them.
pub fn shown(mut changes: Vec<Change>, imports: &BTreeMap<String, String>) -> Vec<Change> {
    for change in &mut changes {
        if let Some(id) = imports.get(&change.logical_id) {
            change.action = "Import".into();
            change.physical_id = Some(id.clone());
        }
    }
    changes
}

/// By which of its properties a resource of this type is imported.
pub fn identifiers(kind: &str) -> Option<Vec<String>> {
    let kind = types::kind(kind).filter(|kind| kind.read.is_some() && kind.own.is_none())?;
    kind.name
        .as_ref()
        .map(|naming| vec![text_of(&naming.property.as_str().into())])
}
