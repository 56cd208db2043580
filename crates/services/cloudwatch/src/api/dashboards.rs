//! Dashboards: kept and given back; nobody draws them here.

use crate::model::Dashboard;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_base::arn::partition;
use neargate_service::page::page;
use neargate_service::{AwsError, Committed, Ctx, Scope, db, tags};
use std::sync::Arc;

/// AWS's own.
const PAGE: usize = 1_000;
const BODY_BYTES: usize = 1 << 20;

/// Dashboards have no region (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Dashboards.html>).
fn arn(scope: &Scope, name: &str) -> String {
    let partition = partition(&scope.region);
    format!(
        "arn:{partition}:cloudwatch::{}:dashboard/{name}",
        scope.account
    )
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if name.is_empty() || name.len() > 255 || !name.bytes().all(good) {
        return Err(error::invalid_value(
            "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, \
             dash (-) and underscore (_).\n",
        ));
    }
    Ok(())
}

pub async fn put_dashboard(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::PutDashboardInput,
) -> Result<api::PutDashboardOutput, AwsError> {
    check_name(&input.dashboard_name)?;
    if input.dashboard_body.len() > BODY_BYTES {
        return Err(error::dashboard("The dashboard body is larger than 1 MB."));
    }
    let body: serde_json::Value = serde_json::from_str(&input.dashboard_body)
        .map_err(|_| error::dashboard("The field DashboardBody must be a valid JSON object"))?;
    if !body.is_object() {
        return Err(error::dashboard(
            "The field DashboardBody must be a valid JSON object",
        ));
    }
    let pairs = input
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|t| (t.key, t.value));
    let tags = tags::parse(pairs).map_err(error::invalid_tags)?;
    let key = db::key::<Dashboard>(&cx.scope, &input.dashboard_name);
    let before = cx.db().get_key::<Dashboard>(&key).await?;
    let dashboard = Dashboard {
        name: input.dashboard_name,
        body: input.dashboard_body,
        last_modified: cx.now(),
        // "If you are updating an existing dashboard, any tags you specify are ignored."
        tags: before.map_or(tags, |b| b.value.tags),
    };
    // Without a compare there is no conflict: the last one holds.
    let _: Committed = cx.db().tx().put(key, &dashboard).commit().await?;
    let message = match body.get("widgets") {
        Some(widgets) if widgets.is_array() => None,
        _ => Some(api::DashboardValidationMessage {
            data_path: Some("/".into()),
            message: Some("The dashboard body has no array \"widgets\"".into()),
        }),
    };
    Ok(api::PutDashboardOutput {
        dashboard_validation_messages: Some(message.into_iter().collect()),
    })
}

pub async fn get_dashboard(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::GetDashboardInput,
) -> Result<api::GetDashboardOutput, AwsError> {
    check_name(&input.dashboard_name)?;
    let found = cx
        .db()
        .get::<Dashboard>(&cx.scope, &input.dashboard_name)
        .await?;
    let found = found
        .ok_or_else(|| error::dashboards_not_found(std::slice::from_ref(&input.dashboard_name)))?;
    Ok(api::GetDashboardOutput {
        dashboard_arn: Some(arn(&cx.scope, &found.name)),
        dashboard_body: Some(found.value.body),
        dashboard_name: Some(input.dashboard_name),
    })
}

pub async fn list_dashboards(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::ListDashboardsInput,
) -> Result<api::ListDashboardsOutput, AwsError> {
    let mut all = cx.db().list::<Dashboard>(&cx.scope).await?;
    if let Some(prefix) = &input.dashboard_name_prefix {
        all.retain(|d| d.name.starts_with(prefix));
    }
    let paged = page(all, input.next_token.as_deref(), PAGE, |d| d.name.clone());
    let paged = paged.map_err(|_| error::invalid_next_token())?;
    let entry = |d: &Dashboard| api::DashboardEntry {
        dashboard_name: Some(d.name.clone()),
        dashboard_arn: Some(arn(&cx.scope, &d.name)),
        last_modified: Some(d.last_modified),
        size: i64::try_from(d.body.len()).ok(),
    };
    Ok(api::ListDashboardsOutput {
        dashboard_entries: Some(paged.items.iter().map(|d| entry(d)).collect()),
        next_token: paged.next_token,
    })
}

/// All of them, or none.
pub async fn delete_dashboards(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DeleteDashboardsInput,
) -> Result<api::DeleteDashboardsOutput, AwsError> {
    if input.dashboard_names.is_empty() {
        return Err(error::invalid_value(
            "The parameter DashboardNames must not be empty.",
        ));
    }
    let names = &input.dashboard_names;
    db::settle(|| async {
        let mut tx = cx.db().tx();
        let mut missing = Vec::new();
        for name in names {
            match cx.db().get::<Dashboard>(&cx.scope, name).await? {
                Some(found) => tx = tx.delete(&found),
                None => missing.push(name.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(error::dashboards_not_found(&missing));
        }
        Ok((tx, ()))
    })
    .await?;
    Ok(api::DeleteDashboardsOutput {})
}
