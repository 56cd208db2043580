//! Applications of the ECS compute platform.

use super::{application, paged, tags};
use crate::model::{Application, Deployment, Group};
use crate::{CodeDeploy, error};
use neargate_api_codedeploy as api;
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

pub async fn create_application(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::CreateApplicationInput,
) -> Result<api::CreateApplicationOutput, AwsError> {
    match input.compute_platform.as_deref() {
        Some("ECS") => {}
        other => {
            return Err(error::not_built(&format!(
                "the compute platform {}",
                other.unwrap_or("Server")
            )));
        }
    }
    let made = Application {
        id: cx.house.rng.uuid(),
        name: input.application_name,
        created_at: cx.now(),
        tags: tags::parse(input.tags.unwrap_or_default())?,
    };
    let key = db::key::<Application>(&cx.scope, &made.name);
    match cx.db().tx().create(key, &made).commit().await? {
        Committed::At(_) => Ok(api::CreateApplicationOutput {
            application_id: Some(made.id),
        }),
        Committed::Conflict => Err(error::application_exists(&made.name)),
    }
}

fn shown(of: Application) -> api::ApplicationInfo {
    api::ApplicationInfo {
        application_id: Some(of.id),
        application_name: Some(of.name),
        create_time: Some(of.created_at),
        linked_to_git_hub: Some(false),
        git_hub_account_name: None,
        compute_platform: Some("ECS".into()),
    }
}

pub async fn get_application(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::GetApplicationInput,
) -> Result<api::GetApplicationOutput, AwsError> {
    let found = application(&cx, &input.application_name).await?;
    Ok(api::GetApplicationOutput {
        application: Some(shown(found.value)),
    })
}

pub async fn batch_get_applications(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::BatchGetApplicationsInput,
) -> Result<api::BatchGetApplicationsOutput, AwsError> {
    let mut all = Vec::new();
    for name in &input.application_names {
        all.push(shown(application(&cx, name).await?.value));
    }
    Ok(api::BatchGetApplicationsOutput {
        applications_info: Some(all),
    })
}

pub async fn list_applications(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::ListApplicationsInput,
) -> Result<api::ListApplicationsOutput, AwsError> {
    let all = cx.db().list::<Application>(&cx.scope).await?;
    let names = all.into_iter().map(|of| of.value.name).collect();
    let page = paged(names, input.next_token.as_deref())?;
    Ok(api::ListApplicationsOutput {
        applications: Some(page.items),
        next_token: page.next_token,
    })
}

/// Its groups go with it; one whose deployment is under way keeps it.
pub async fn delete_application(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::DeleteApplicationInput,
) -> Result<api::ops::DeleteApplicationOutput, AwsError> {
    loop {
        let name = &input.application_name;
        let Some(there) = cx.db().get::<Application>(&cx.scope, name).await? else {
            return Ok(Default::default());
        };
        let prefix = db::key::<Group>(&cx.scope, &Deployment::group_id(name, ""));
        let mut tx = cx.db().tx().within_reserve().delete(&there);
        for group in cx.db().list_prefix::<Group>(&prefix).await? {
            super::groups::is_idle(&cx, &group).await?;
            tx = tx.delete(&group);
        }
        if let Committed::At(_) = tx.commit().await? {
            return Ok(Default::default());
        }
    }
}
