//! Exports, and who imports them.

use super::paged;
use crate::CloudFormation;
use crate::engine::importers;
use crate::error;
use crate::model::{Export, Stack, arn};
use neargate_api_cloudformation as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn list_exports(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ListExportsInput,
) -> Result<api::ListExportsOutput, AwsError> {
    let all = cx.db().list::<Export>(&cx.scope).await?;
    let page = paged(all, input.next_token.as_deref(), |export| {
        export.key.clone()
    })?;
    let shown = page.items.iter().map(|export| api::Export {
        exporting_stack_id: Some(arn(&cx.scope, &export.stack_name, &export.stack)),
        name: Some(export.name.clone()),
        value: Some(export.value.value.clone()),
    });
    Ok(api::ListExportsOutput {
        exports: Some(shown.collect()),
        next_token: page.next_token,
    })
}

pub async fn list_imports(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ListImportsInput,
) -> Result<api::ListImportsOutput, AwsError> {
    let name = &input.export_name;
    if cx.db().get::<Export>(&cx.scope, name).await?.is_none() {
        return Err(error::validation(format!(
            "Export '{name}' does not exist."
        )));
    }
    let mut users = importers(&cx.db().list::<Stack>(&cx.scope).await?, name);
    users.sort();
    if users.is_empty() {
        return Err(error::validation(format!(
            "Export '{name}' is not imported by any stack."
        )));
    }
    let page = paged(users, input.next_token.as_deref(), String::clone)?;
    Ok(api::ListImportsOutput {
        imports: Some(page.items),
        next_token: page.next_token,
    })
}
