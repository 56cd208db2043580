//! Deployment configurations: AWS's own, and customers'.

use super::paged;
use crate::model::{Config, Group, Routing};
use crate::{CodeDeploy, config, error};
use neargate_api_codedeploy as api;
use neargate_service::{AwsError, Committed, Ctx, db};
use neargate_wire::json::Json;
use std::sync::Arc;

/// How the configuration of this name lets traffic go over.
///
/// # Errors
/// `DeploymentConfigDoesNotExistException`.
pub async fn routing(cx: &Ctx, name: &str) -> Result<Routing, AwsError> {
    if let Some(known) = config::known(name) {
        return Ok(known);
    }
    let found = cx.db().get::<Config>(&cx.scope, name).await?;
    let found = found.ok_or_else(|| error::no_config(name))?;
    config::routing(found.info.traffic_routing_config.as_ref())
}

pub async fn create_deployment_config(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::CreateDeploymentConfigInput,
) -> Result<api::CreateDeploymentConfigOutput, AwsError> {
    let name = input.deployment_config_name;
    match input.compute_platform.as_deref() {
        Some("ECS") => {}
        other => {
            return Err(error::not_built(&format!(
                "configurations of the compute platform {}",
                other.unwrap_or("Server")
            )));
        }
    }
    if name.starts_with("CodeDeployDefault.") {
        return Err(error::named(
            "InvalidDeploymentConfigName",
            "Names that start with CodeDeployDefault. are AWS's own",
        ));
    }
    let routing = config::routing(input.traffic_routing_config.as_ref())?;
    let id = cx.house.rng.uuid();
    let made = Config {
        info: Json(api::DeploymentConfigInfo {
            deployment_config_id: Some(id.clone()),
            create_time: Some(cx.now()),
            ..config::shown(&name, routing)
        }),
    };
    let key = db::key::<Config>(&cx.scope, &name);
    match cx.db().tx().create(key, &made).commit().await? {
        Committed::At(_) => Ok(api::CreateDeploymentConfigOutput {
            deployment_config_id: Some(id),
        }),
        Committed::Conflict => Err(error::named(
            "DeploymentConfigAlreadyExists",
            format!("Deployment Configuration already exists with name: {name}"),
        )),
    }
}

pub async fn get_deployment_config(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::GetDeploymentConfigInput,
) -> Result<api::GetDeploymentConfigOutput, AwsError> {
    let name = &input.deployment_config_name;
    let info = match config::known(name) {
        Some(known) => config::shown(name, known),
        None => {
            let found = cx.db().get::<Config>(&cx.scope, name).await?;
            found.ok_or_else(|| error::no_config(name))?.value.info.0
        }
    };
    Ok(api::GetDeploymentConfigOutput {
        deployment_config_info: Some(info),
    })
}

pub async fn list_deployment_configs(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::ListDeploymentConfigsInput,
) -> Result<api::ListDeploymentConfigsOutput, AwsError> {
    let own = cx.db().list::<Config>(&cx.scope).await?;
    let own = own.iter().map(|of| of.id().to_owned());
    let known = config::KNOWN.iter().map(|(name, _)| (*name).to_owned());
    let mut names: Vec<String> = known.chain(own).collect();
    names.sort();
    let page = paged(names, input.next_token.as_deref())?;
    Ok(api::ListDeploymentConfigsOutput {
        deployment_configs_list: Some(page.items),
        next_token: page.next_token,
    })
}

pub async fn delete_deployment_config(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::DeleteDeploymentConfigInput,
) -> Result<api::ops::DeleteDeploymentConfigOutput, AwsError> {
    let name = &input.deployment_config_name;
    if config::known(name).is_some() {
        return Err(error::named(
            "InvalidOperation",
            "AWS's own deployment configurations cannot be deleted",
        ));
    }
    let groups = cx.db().list::<Group>(&cx.scope).await?;
    let uses = |group: &Group| group.info.deployment_config_name.as_ref() == Some(name);
    if groups.iter().any(|group| uses(group)) {
        return Err(error::named(
            "DeploymentConfigInUse",
            format!("The Deployment Configuration {name} is in use"),
        ));
    }
    let key = db::key::<Config>(&cx.scope, name);
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(Default::default())
}
