//! Custom attributes of container instances
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html>).

use super::{active_cluster, page_size};
use crate::fleet::ClusterId;
use crate::instances::{is_reserved, valid_name, valid_value};
use crate::model::{Cluster, ContainerInstance, InstanceStatus};
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_service::db::Committed;
use neargate_service::{AwsError, Ctx, Stored, page};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most attributes of one call, and the most custom ones of one instance.
const MAX_ATTRIBUTES: usize = 10;

/// Creates or replaces attributes: all of the call, or none.
pub async fn put_attributes(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::PutAttributesInput,
) -> Result<api::PutAttributesOutput, AwsError> {
    for attribute in &input.attributes {
        if !attribute.value.as_deref().is_none_or(valid_value) {
            return Err(error::invalid_attribute_value());
        }
    }
    let put = |instance: &mut ContainerInstance, of: &[&api::Attribute]| {
        for a in of {
            instance.attributes.insert(a.name.clone(), a.value.clone());
        }
        let custom = instance.attributes.keys().filter(|n| !is_reserved(n));
        if custom.count() > MAX_ATTRIBUTES {
            Err(error::too_many_attributes())
        } else {
            Ok(())
        }
    };
    let attributes = change(&cx, input.cluster.as_deref(), &input.attributes, put).await?;
    Ok(api::PutAttributesOutput {
        attributes: Some(attributes),
    })
}

/// Deletes attributes, those that are not there too.
pub async fn delete_attributes(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteAttributesInput,
) -> Result<api::DeleteAttributesOutput, AwsError> {
    let delete = |instance: &mut ContainerInstance, of: &[&api::Attribute]| {
        for a in of {
            instance.attributes.remove(&a.name);
        }
        Ok(())
    };
    let attributes = change(&cx, input.cluster.as_deref(), &input.attributes, delete).await?;
    Ok(api::DeleteAttributesOutput {
        attributes: Some(attributes),
    })
}

/// Apply `apply` to every instance that `attributes` name, in one transaction; answers them with
/// their targets' ARNs.
async fn change(
    cx: &Ctx,
    cluster: Option<&str>,
    attributes: &[api::Attribute],
    apply: impl Fn(&mut ContainerInstance, &[&api::Attribute]) -> Result<(), AwsError>,
) -> Result<Vec<api::Attribute>, AwsError> {
    let cluster = active_cluster(cx, cluster).await?;
    if attributes.is_empty() || attributes.len() > MAX_ATTRIBUTES {
        return Err(error::invalid_parameter(format!(
            "attributes must have between 1 and {MAX_ATTRIBUTES} items."
        )));
    }
    let mut by_target: BTreeMap<String, Vec<&api::Attribute>> = BTreeMap::new();
    for attribute in attributes {
        if !valid_name(&attribute.name) {
            return Err(error::invalid_attribute_name());
        }
        if is_reserved(&attribute.name) {
            return Err(error::reserved_attribute(&attribute.name));
        }
        let id = target(cx, &cluster, attribute)?;
        by_target.entry(id).or_default().push(attribute);
    }
    loop {
        let mut tx = cx.db().tx();
        for (id, of) in &by_target {
            let read = instance(cx, &cluster, id).await?;
            let mut changed = read.value.clone();
            apply(&mut changed, of)?;
            if changed != read.value {
                changed.version += 1;
                tx = tx.update(&read, &changed);
            }
        }
        if let Committed::At(_) = tx.commit().await? {
            break;
        }
    }
    let shown = attributes.iter().map(|a| {
        let id = target(cx, &cluster, a)?;
        Ok(api::Attribute {
            target_id: Some(arn(cx, &cluster, &id)),
            ..a.clone()
        })
    });
    shown.collect()
}

/// The id of the instance an attribute is for.
fn target(cx: &Ctx, cluster: &Cluster, attribute: &api::Attribute) -> Result<String, AwsError> {
    let named = attribute.target_id.as_deref().filter(|t| !t.is_empty());
    let named = named.ok_or_else(|| error::invalid_parameter("targetId cannot be empty."))?;
    if !named.starts_with("arn:") && attribute.target_type.is_none() {
        return Err(error::invalid_parameter(
            "targetType must be specified when targetId is not an ARN.",
        ));
    }
    reference::container_instance(&cx.scope, &cluster.name, named)
}

fn arn(cx: &Ctx, cluster: &Cluster, id: &str) -> String {
    cx.arn("ecs", format!("container-instance/{}/{id}", cluster.name))
}

async fn instance(
    cx: &Ctx,
    cluster: &Cluster,
    id: &str,
) -> Result<Stored<ContainerInstance>, AwsError> {
    let found = super::instances::find(cx, cluster, id).await?;
    let present = found.filter(|i| i.status != InstanceStatus::Inactive);
    present.ok_or_else(error::target_not_found)
}

/// Attributes of every instance of the cluster, by instance and name.
pub async fn list_attributes(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::ListAttributesInput,
) -> Result<api::ListAttributesOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    let limit = page_size(input.max_results)?;
    let name = input.attribute_name.as_deref().filter(|n| !n.is_empty());
    let value = input.attribute_value.as_deref().filter(|v| !v.is_empty());
    if value.is_some() && name.is_none() {
        return Err(error::invalid_parameter(
            "attributeName must be specified with attributeValue.",
        ));
    }
    ecs.fleet.current(cx.db()).await?;
    let instances = ecs
        .fleet
        .instances(&ClusterId::new(&cx.scope, &cluster.name));
    let mut all = Vec::new();
    for instance in instances {
        if instance.status == InstanceStatus::Inactive {
            continue;
        }
        for (n, v) in &instance.attributes {
            if name.is_none_or(|name| name == n) && value.is_none_or(|x| v.as_deref() == Some(x)) {
                all.push(api::Attribute {
                    name: n.clone(),
                    value: v.clone(),
                    target_id: Some(instance.arn.clone()),
                    target_type: None,
                });
            }
        }
    }
    // No ARN has a NUL, and the ARNs of one cluster sort like the instances' ids.
    let position =
        |a: &api::Attribute| format!("{}\0{}", a.target_id.as_deref().unwrap_or_default(), a.name);
    let page = page::page(all, input.next_token.as_deref(), limit, position);
    let page = page.map_err(|_| error::invalid_next_token())?;
    Ok(api::ListAttributesOutput {
        attributes: Some(page.items),
        next_token: page.next_token,
    })
}
