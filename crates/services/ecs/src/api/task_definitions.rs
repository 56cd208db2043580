//! Task definitions
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html>).

use super::{api_tags, page_size, parse_tags};
use crate::model::{Family, TaskDefinition};
use crate::plan::task_definition;
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, Ctx, Stored, managed, page};
use neargate_wire::json::Json;
use std::sync::Arc;

/// # Errors
/// It is one of a service's own, and somebody else calls: what runs of it has the service's data.
pub fn may_run(cx: &Ctx, definition: &api::TaskDefinition) -> Result<(), AwsError> {
    let family = definition.family.as_deref().unwrap_or_default();
    match managed::may_make(cx, family) {
        true => Ok(()),
        false => Err(error::reserved_name(family)),
    }
}

/// Registers the family's next revision.
pub async fn register_task_definition(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::RegisterTaskDefinitionInput,
) -> Result<api::RegisterTaskDefinitionOutput, AwsError> {
    task_definition::check(&input)?;
    if !managed::may_make(&cx, &input.family) {
        return Err(error::reserved_name(&input.family));
    }
    let volumes = input.volumes.iter().flatten();
    let mut systems = volumes.filter_map(|v| v.efs_volume_configuration.as_ref());
    if let Some(kept) = systems.find(|efs| !managed::may_mount(&cx, &efs.file_system_id)) {
        return Err(error::reserved_name(&kept.file_system_id));
    }
    let tags = parse_tags(input.tags.clone())?;
    let key = db::key::<Family>(&cx.scope, &input.family);
    loop {
        let read = cx.db().get_key::<Family>(&key).await?;
        let mut family = read.as_ref().map_or_else(
            || Family {
                name: input.family.clone(),
                last_revision: 0,
                active: Vec::new(),
            },
            |f| f.value.clone(),
        );
        family.last_revision += 1;
        let revision = family.last_revision;
        family.active.insert(0, revision);
        let arn = cx.arn(
            "ecs",
            format!("task-definition/{}:{revision}", input.family),
        );
        let by = cx.principal.arn.clone();
        let definition = task_definition::definition(&input, arn, revision, by, cx.now());
        let stored = TaskDefinition {
            definition: Json(definition.clone()),
            tags: tags.clone(),
        };
        let tx = match &read {
            Some(read) => cx.db().tx().update(read, &family),
            None => cx.db().tx().create(key.clone(), &family),
        };
        let id = TaskDefinition::id(&input.family, revision);
        let tx = tx.create(db::key::<TaskDefinition>(&cx.scope, &id), &stored);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::RegisterTaskDefinitionOutput {
                task_definition: Some(definition),
                tags: Some(api_tags(&tags)),
            });
        }
    }
}

/// The definition a caller names: the latest active revision when none is named.
pub(super) async fn find(
    cx: &Ctx,
    named: &str,
) -> Result<Option<Stored<TaskDefinition>>, AwsError> {
    let name = reference::task_definition(&cx.scope, named)?;
    let revision = match name.revision {
        Some(revision) => revision,
        None => {
            let family = cx.db().get::<Family>(&cx.scope, &name.family).await?;
            match family.and_then(|f| f.active.first().copied()) {
                Some(latest) => latest,
                None => return Ok(None),
            }
        }
    };
    cx.db()
        .get(&cx.scope, &TaskDefinition::id(&name.family, revision))
        .await
}

pub async fn describe_task_definition(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeTaskDefinitionInput,
) -> Result<api::DescribeTaskDefinitionOutput, AwsError> {
    let found = find(&cx, &input.task_definition)
        .await?
        .ok_or_else(error::unable_to_describe)?;
    let with_tags = input.include.iter().flatten().any(|i| i == "TAGS");
    Ok(api::DescribeTaskDefinitionOutput {
        task_definition: Some(found.value.definition.0),
        tags: Some(if with_tags {
            api_tags(&found.value.tags)
        } else {
            Vec::new()
        }),
    })
}

/// Its place in lists: by family, then by revision as a number. No family has a NUL.
fn position(t: &Stored<TaskDefinition>) -> String {
    let d = &t.definition.0;
    format!(
        "{}\0{:010}",
        d.family.as_deref().unwrap_or_default(),
        d.revision.unwrap_or(0)
    )
}

/// ARNs by family and revision, ascending unless `sort` says otherwise.
pub async fn list_task_definitions(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListTaskDefinitionsInput,
) -> Result<api::ListTaskDefinitionsOutput, AwsError> {
    let status = input.status.as_deref().unwrap_or("ACTIVE");
    let mut all = cx.db().list::<TaskDefinition>(&cx.scope).await?;
    all.retain(|t| {
        let d = &t.definition.0;
        d.status.as_deref() == Some(status)
            && !d.family.as_deref().is_some_and(managed::is_managed)
            && input
                .family_prefix
                .as_ref()
                .is_none_or(|p| d.family.as_ref() == Some(p))
    });
    all.sort_by_cached_key(position);
    let limit = page_size(input.max_results)?;
    let token = input.next_token.as_deref();
    let page = if input.sort.as_deref() == Some("DESC") {
        all.reverse();
        page::page_descending(all, token, limit, position)
    } else {
        page::page(all, token, limit, position)
    };
    let page = page.map_err(|_| error::invalid_next_token())?;
    let arns = page
        .items
        .into_iter()
        .filter_map(|t| t.value.definition.0.task_definition_arn);
    Ok(api::ListTaskDefinitionsOutput {
        task_definition_arns: Some(arns.collect()),
        next_token: page.next_token,
    })
}

/// Active and inactive families, unless filtered.
pub async fn list_task_definition_families(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListTaskDefinitionFamiliesInput,
) -> Result<api::ListTaskDefinitionFamiliesOutput, AwsError> {
    let prefix = input.family_prefix.as_deref().unwrap_or_default();
    let families = cx
        .db()
        .list_prefix::<Family>(&db::key::<Family>(&cx.scope, prefix))
        .await?;
    let mut wanted = Vec::new();
    for family in families {
        if managed::is_managed(&family.name) {
            continue;
        }
        let is = match input.status.as_deref() {
            Some("ACTIVE") => !family.active.is_empty(),
            Some("INACTIVE") => family.active.is_empty() && has_revisions(&cx, &family).await?,
            _ => !family.active.is_empty() || has_revisions(&cx, &family).await?,
        };
        if is {
            wanted.push(family);
        }
    }
    let limit = page_size(input.max_results)?;
    let page = page::page(wanted, input.next_token.as_deref(), limit, |f| {
        f.name.clone()
    })
    .map_err(|_| error::invalid_next_token())?;
    Ok(api::ListTaskDefinitionFamiliesOutput {
        families: Some(page.items.into_iter().map(|f| f.value.name).collect()),
        next_token: page.next_token,
    })
}

/// A family whose revisions are all deleted is known only for the number of its next one.
async fn has_revisions(cx: &Ctx, family: &Family) -> Result<bool, AwsError> {
    let prefix = db::key::<TaskDefinition>(&cx.scope, &format!("{}:", family.name));
    let page = cx.db().store().range(&prefix, None, 1, None).await?;
    Ok(!page.entries.is_empty())
}

/// Makes a revision `INACTIVE`; running tasks go on, new ones cannot start from it.
pub async fn deregister_task_definition(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DeregisterTaskDefinitionInput,
) -> Result<api::DeregisterTaskDefinitionOutput, AwsError> {
    let name = reference::task_definition(&cx.scope, &input.task_definition)?;
    let revision = name.revision.ok_or_else(|| {
        error::client(format!(
            "Invalid revision number. Number: {}",
            input.task_definition
        ))
    })?;
    loop {
        let id = TaskDefinition::id(&name.family, revision);
        let found = cx.db().get::<TaskDefinition>(&cx.scope, &id).await?;
        let read =
            found.ok_or_else(|| error::client("The specified task definition does not exist."))?;
        let family = cx.db().get::<Family>(&cx.scope, &name.family).await?;
        let family = family.ok_or_else(error::task_definition_not_found)?;
        let mut changed = read.value.clone();
        let definition = &mut changed.definition.0;
        if definition.status.as_deref() != Some("ACTIVE") {
            return Ok(api::DeregisterTaskDefinitionOutput {
                task_definition: Some(definition.clone()),
            });
        }
        definition.status = Some("INACTIVE".into());
        definition.deregistered_at = Some(cx.now());
        let answer = definition.clone();
        let mut rest = family.value.clone();
        rest.active.retain(|r| *r != revision);
        let tx = cx.db().tx().update(&read, &changed).update(&family, &rest);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::DeregisterTaskDefinitionOutput {
                task_definition: Some(answer),
            });
        }
    }
}

/// Marks `INACTIVE` revisions, at most ten a call, as `DELETE_IN_PROGRESS`; others come back as
/// failures. [`crate::Deletion`] deletes them once nothing uses them.
pub async fn delete_task_definitions(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteTaskDefinitionsInput,
) -> Result<api::DeleteTaskDefinitionsOutput, AwsError> {
    if !(1..=10).contains(&input.task_definitions.len()) {
        return Err(error::invalid_parameter(
            "Specify between 1 and 10 task definitions to delete.",
        ));
    }
    let (mut deleted, mut failures) = (Vec::new(), Vec::new());
    for named in &input.task_definitions {
        let failure = |reason: &str| api::Failure {
            arn: Some(named.clone()),
            reason: Some(reason.into()),
            ..Default::default()
        };
        let name = reference::task_definition(&cx.scope, named)?;
        let Some(revision) = name.revision else {
            return Err(error::invalid_parameter(
                "The specified task definition must include a revision.",
            ));
        };
        let id = TaskDefinition::id(&name.family, revision);
        match cx.db().get::<TaskDefinition>(&cx.scope, &id).await? {
            None => failures.push(failure("MISSING")),
            Some(read) if read.definition.0.status.as_deref() == Some("ACTIVE") => {
                failures.push(failure(
                    "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
                ));
            }
            Some(read) => {
                let now = cx.now();
                let marked = cx.db().modify::<TaskDefinition, _>(&read.key, |stored| {
                    let definition = &mut stored.definition.0;
                    if definition.status.as_deref() != Some("INACTIVE") {
                        return Ok(false);
                    }
                    definition.status = Some("DELETE_IN_PROGRESS".into());
                    definition.delete_requested_at = Some(now);
                    Ok(true)
                });
                match marked.await? {
                    Some(marked) => deleted.push(marked.value.definition.0),
                    None => failures.push(failure("MISSING")),
                }
            }
        }
    }
    Ok(api::DeleteTaskDefinitionsOutput {
        task_definitions: Some(deleted),
        failures: Some(failures),
    })
}
