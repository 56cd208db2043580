//! Parameter groups. Those named `default.<family>` are there without a record, and nobody changes them.

use super::{is_key, paged, tags};
use crate::model::{Instance, ParameterGroup};
use crate::plan::checks;
use crate::plan::engine::{self, ENGINES, Engine};
use crate::plan::parameters::{self, Parameter};
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;
use std::sync::Arc;

fn families() -> impl Iterator<Item = &'static str> {
    ENGINES.iter().flat_map(|e| e.versions).map(|v| v.family)
}

fn default(family: &str) -> ParameterGroup {
    ParameterGroup {
        family: family.to_owned(),
        description: format!("Default parameter group for {family}"),
        values: BTreeMap::new(),
        tags: Default::default(),
    }
}

/// The group of this name with what it is.
async fn find(cx: &Ctx, given: &str) -> Result<(String, ParameterGroup), AwsError> {
    let name = super::id(cx, "pg", given);
    let family = name.strip_prefix("default.");
    if let Some(family) = family.filter(|family| families().any(|one| one == *family)) {
        return Ok((name.clone(), default(family)));
    }
    let stored = stored(cx, given).await?;
    Ok((stored.id().to_owned(), stored.value))
}

async fn stored(cx: &Ctx, given: &str) -> Result<Stored<ParameterGroup>, AwsError> {
    let name = super::id(cx, "pg", given);
    if name.starts_with("default.") {
        return Err(error::parameter_group_state(
            "Default parameter groups cannot be modified or deleted.",
        ));
    }
    let found = match is_key(&name) {
        true => cx.db().get::<ParameterGroup>(&cx.scope, &name).await?,
        false => None,
    };
    found.ok_or_else(|| error::parameter_group_not_found(given))
}

fn family(given: &str) -> Result<&'static Engine, AwsError> {
    engine::of_family(given).ok_or_else(|| {
        error::value(format!(
            "ParameterGroupFamily {given} is not a valid parameter group family"
        ))
    })
}

fn shown(cx: &Ctx, name: &str, group: &ParameterGroup) -> api::DBParameterGroup {
    api::DBParameterGroup {
        db_parameter_group_name: Some(name.to_owned()),
        db_parameter_group_family: Some(group.family.clone()),
        description: Some(group.description.clone()),
        db_parameter_group_arn: Some(cx.arn("rds", format!("pg:{name}"))),
    }
}

pub async fn create_db_parameter_group(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::CreateDBParameterGroupInput,
) -> Result<api::CreateDBParameterGroupOutput, AwsError> {
    let given = &input.db_parameter_group_name;
    let name = checks::identifier("DBParameterGroupName", given, 255)?;
    family(&input.db_parameter_group_family)?;
    let group = ParameterGroup {
        family: input.db_parameter_group_family,
        description: input.description,
        values: BTreeMap::new(),
        tags: tags::parse(input.tags)?,
    };
    let key = db::key::<ParameterGroup>(&cx.scope, &name);
    match cx.db().tx().create(key, &group).commit().await? {
        Committed::At(_) => Ok(api::CreateDBParameterGroupOutput {
            db_parameter_group: Some(shown(&cx, &name, &group)),
        }),
        Committed::Conflict => Err(error::parameter_group_exists(&name)),
    }
}

pub async fn describe_db_parameter_groups(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeDBParameterGroupsInput,
) -> Result<api::DescribeDBParameterGroupsOutput, AwsError> {
    let named = input.db_parameter_group_name.as_deref();
    let mut all = match named.filter(|named| !named.is_empty()) {
        Some(named) => vec![find(&cx, named).await?],
        None => {
            let own = cx.db().list::<ParameterGroup>(&cx.scope).await?;
            let own = own.into_iter().map(|g| (g.id().to_owned(), g.value));
            let defaults = families().map(|f| (format!("default.{f}"), default(f)));
            own.chain(defaults).collect()
        }
    };
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let marker = input.marker.as_deref();
    let (page, marker) = paged(all, marker, input.max_records, |g| g.0.clone())?;
    let shown = page.iter().map(|(name, group)| shown(&cx, name, group));
    Ok(api::DescribeDBParameterGroupsOutput {
        marker,
        db_parameter_groups: Some(shown.collect()),
    })
}

pub async fn delete_db_parameter_group(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DeleteDBParameterGroupInput,
) -> Result<Unit, AwsError> {
    loop {
        let found = stored(&cx, &input.db_parameter_group_name).await?;
        let all = cx.db().list::<Instance>(&cx.scope).await?;
        if all.iter().any(|i| i.asked.parameter_group == found.id()) {
            return Err(error::parameter_group_state(
                "One or more database instances are still members of this parameter group, so the group \
                 cannot be deleted",
            ));
        }
        if let Committed::At(_) = cx.db().tx().delete(&found).commit().await? {
            return Ok(Unit);
        }
    }
}

/// Changes a group, and says of the instances that have it that they are to be rebooted.
async fn change(
    cx: &Ctx,
    given: &str,
    change: impl Fn(&Engine, &mut BTreeMap<String, String>) -> Result<(), AwsError>,
) -> Result<api::DBParameterGroupNameMessage, AwsError> {
    let found = stored(cx, given).await?;
    let engine = family(&found.family)?;
    let changed = cx.db().modify::<ParameterGroup, _>(&found.key, |group| {
        let before = group.values.clone();
        change(engine, &mut group.values)?;
        Ok(group.values != before)
    });
    let changed = changed
        .await?
        .ok_or_else(|| error::parameter_group_not_found(given))?;
    if changed.revision != found.revision {
        for instance in cx.db().list::<Instance>(&cx.scope).await? {
            let mark = |instance: &mut Instance| {
                let has = instance.asked.parameter_group == changed.id();
                let is_new = has && !instance.parameters_are_new;
                instance.parameters_are_new |= has;
                Ok(is_new)
            };
            cx.db().modify::<Instance, _>(&instance.key, mark).await?;
        }
    }
    Ok(api::DBParameterGroupNameMessage {
        db_parameter_group_name: Some(changed.id().to_owned()),
    })
}

fn named<'a>(
    engine: &Engine,
    given: &'a api::Parameter,
) -> Result<(&'static Parameter, &'a str), AwsError> {
    let name = given.parameter_name.as_deref().unwrap_or_default();
    let found = parameters::find(engine, name);
    let found = found.ok_or_else(|| {
        error::value(format!(
            "Could not find parameter with name: {name}. Neargate has those that DescribeDBParameters lists."
        ))
    })?;
    Ok((found, given.parameter_value.as_deref().unwrap_or_default()))
}

pub async fn modify_db_parameter_group(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::ModifyDBParameterGroupInput,
) -> Result<api::DBParameterGroupNameMessage, AwsError> {
    if input.parameters.len() > 20 {
        return Err(error::value(
            "A maximum of 20 parameters can be modified in a single request.",
        ));
    }
    change(&cx, &input.db_parameter_group_name, |engine, values| {
        for given in &input.parameters {
            let (parameter, value) = named(engine, given)?;
            if parameter.is_static && given.apply_method.as_deref() == Some("immediate") {
                return Err(error::combination(format!(
                    "cannot use immediate apply method for static parameter: {}",
                    parameter.name
                )));
            }
            if !parameter.kind.takes(value) {
                return Err(error::value(format!(
                    "Invalid parameter value: {value} for: {} allowed values are: {}",
                    parameter.name,
                    parameter.kind.allowed().unwrap_or_default()
                )));
            }
            values.insert(parameter.name.to_owned(), value.to_owned());
        }
        Ok(())
    })
    .await
}

pub async fn reset_db_parameter_group(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::ResetDBParameterGroupInput,
) -> Result<api::DBParameterGroupNameMessage, AwsError> {
    let given = input.parameters.unwrap_or_default();
    let all = input.reset_all_parameters.unwrap_or(given.is_empty());
    change(&cx, &input.db_parameter_group_name, |engine, values| {
        if all {
            values.clear();
        }
        for one in &given {
            values.remove(named(engine, one)?.0.name);
        }
        Ok(())
    })
    .await
}

fn parameter(parameter: &Parameter, value: Option<&String>) -> api::Parameter {
    let (apply_type, method) = match parameter.is_static {
        true => ("static", "pending-reboot"),
        false => ("dynamic", "pending-reboot"),
    };
    api::Parameter {
        parameter_name: Some(parameter.name.into()),
        parameter_value: value.cloned(),
        description: Some(parameter.description.into()),
        source: Some(
            if value.is_some() {
                "user"
            } else {
                "engine-default"
            }
            .into(),
        ),
        apply_type: Some(apply_type.into()),
        data_type: Some(parameter.kind.data_type().into()),
        allowed_values: parameter.kind.allowed(),
        is_modifiable: Some(true),
        apply_method: Some(method.into()),
        ..Default::default()
    }
}

pub async fn describe_db_parameters(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeDBParametersInput,
) -> Result<api::DescribeDBParametersOutput, AwsError> {
    let (_, group) = find(&cx, &input.db_parameter_group_name).await?;
    let engine = family(&group.family)?;
    let all = parameters::all(engine).iter();
    let mut all: Vec<_> = all
        .map(|p| parameter(p, group.values.get(p.name)))
        .collect();
    if let Some(source) = input.source.as_ref().filter(|source| !source.is_empty()) {
        all.retain(|p| p.source.as_ref() == Some(source));
    }
    let marker = input.marker.as_deref();
    let name = |p: &api::Parameter| p.parameter_name.clone().unwrap_or_default();
    let (page, marker) = paged(all, marker, input.max_records, name)?;
    Ok(api::DescribeDBParametersOutput {
        parameters: Some(page),
        marker,
    })
}

pub async fn describe_engine_default_parameters(
    _: Arc<Rds>,
    _: Ctx,
    input: api::DescribeEngineDefaultParametersInput,
) -> Result<api::DescribeEngineDefaultParametersOutput, AwsError> {
    let engine = family(&input.db_parameter_group_family)?;
    let all = parameters::all(engine).iter().map(|p| parameter(p, None));
    let marker = input.marker.as_deref();
    let name = |p: &api::Parameter| p.parameter_name.clone().unwrap_or_default();
    let (page, marker) = paged(all.collect(), marker, input.max_records, name)?;
    Ok(api::DescribeEngineDefaultParametersOutput {
        engine_defaults: Some(api::EngineDefaults {
            db_parameter_group_family: Some(input.db_parameter_group_family),
            marker,
            parameters: Some(page),
        }),
    })
}
