//! Reports of tests, and their groups.

use super::paged;
use crate::model::{Report, ReportCases, ReportGroup, group_arn, report_arn};
use crate::{CodeBuild, error};
use neargate_api_codebuild as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Committed, Ctx, Scope, db};
use neargate_wire::json::Json;
use std::sync::Arc;

const ACTIVE: &str = "ACTIVE";
const TOGETHER: usize = 100;

fn group_of(scope: &Scope, named: &str) -> String {
    after(scope, named, "report-group/")
}

fn report_of(scope: &Scope, named: &str) -> String {
    after(scope, named, "report/")
}

fn after(scope: &Scope, named: &str, prefix: &str) -> String {
    let parsed: Result<Arn, _> = named.parse();
    match parsed {
        Ok(arn) if scope.holds(&arn) => arn.resource.trim_start_matches(prefix).to_owned(),
        _ => named.to_owned(),
    }
}

pub async fn create_report_group(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::CreateReportGroupInput,
) -> Result<api::CreateReportGroupOutput, AwsError> {
    if input.r#type != "TEST" {
        return Err(error::not_built(&format!(
            "report groups of type {}",
            input.r#type
        )));
    }
    refuse_export(&input.export_config)?;
    let shown = api::ReportGroup {
        arn: Some(group_arn(&cx.scope, &input.name)),
        name: Some(input.name.clone()),
        r#type: Some(input.r#type),
        export_config: Some(input.export_config),
        created: Some(cx.now()),
        last_modified: Some(cx.now()),
        tags: Some(super::projects::checked_tags(
            input.tags.unwrap_or_default(),
        )?),
        status: Some(ACTIVE.to_owned()),
    };
    let key = db::key::<ReportGroup>(&cx.scope, &input.name);
    let made = ReportGroup {
        shown: Json(shown.clone()),
    };
    match cx.db().tx().create(key, &made).commit().await? {
        Committed::At(_) => Ok(api::CreateReportGroupOutput {
            report_group: Some(shown),
        }),
        Committed::Conflict => Err(AwsError::client(
            "ResourceAlreadyExistsException",
            format!(
                "Report group already exists: {}",
                group_arn(&cx.scope, &input.name)
            ),
        )),
    }
}

fn refuse_export(config: &api::ReportExportConfig) -> Result<(), AwsError> {
    match config.export_config_type.as_deref() {
        None | Some("NO_EXPORT") => Ok(()),
        Some(other) => Err(error::not_built(&format!("exports of reports to {other}"))),
    }
}

fn no_group(scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!("Report group cannot be found: {}", group_arn(scope, name)),
    )
}

pub async fn update_report_group(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::UpdateReportGroupInput,
) -> Result<api::UpdateReportGroupOutput, AwsError> {
    let name = group_of(&cx.scope, &input.arn);
    if let Some(config) = &input.export_config {
        refuse_export(config)?;
    }
    let tags = input.tags.map(super::projects::checked_tags).transpose()?;
    let key = db::key::<ReportGroup>(&cx.scope, &name);
    let now = cx.now();
    let changed = cx.db().modify::<ReportGroup, _>(&key, |group| {
        if let Some(tags) = &tags {
            group.shown.tags = Some(tags.clone());
        }
        if let Some(config) = &input.export_config {
            group.shown.export_config = Some(config.clone());
        }
        group.shown.last_modified = Some(now);
        Ok(true)
    });
    let group = changed.await?.ok_or_else(|| no_group(&cx.scope, &name))?;
    Ok(api::UpdateReportGroupOutput {
        report_group: Some(group.value.shown.0),
    })
}

/// A group that has reports goes only with them.
pub async fn delete_report_group(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::DeleteReportGroupInput,
) -> Result<api::DeleteReportGroupOutput, AwsError> {
    let name = group_of(&cx.scope, &input.arn);
    let reports = reports_of(&cx, &name).await?;
    if !reports.is_empty() && input.delete_reports != Some(true) {
        return Err(error::invalid(
            "Report group has reports: delete them first, or set deleteReports",
        ));
    }
    for report in &reports {
        forget(
            &cx,
            &report_of(&cx.scope, report.arn.as_deref().unwrap_or_default()),
        )
        .await?;
    }
    let key = db::key::<ReportGroup>(&cx.scope, &name);
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(api::DeleteReportGroupOutput {})
}

pub async fn batch_get_report_groups(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::BatchGetReportGroupsInput,
) -> Result<api::BatchGetReportGroupsOutput, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for arn in input.report_group_arns {
        let name = group_of(&cx.scope, &arn);
        match cx.db().get::<ReportGroup>(&cx.scope, &name).await? {
            Some(group) => found.push(group.value.shown.0),
            None => missing.push(arn),
        }
    }
    Ok(api::BatchGetReportGroupsOutput {
        report_groups: Some(found),
        report_groups_not_found: Some(missing),
    })
}

pub async fn list_report_groups(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::ListReportGroupsInput,
) -> Result<api::ListReportGroupsOutput, AwsError> {
    let all = cx.db().list::<ReportGroup>(&cx.scope).await?;
    let by = input.sort_by.unwrap_or_else(|| "NAME".to_owned());
    let place = |group: &api::ReportGroup| {
        let time = match by.as_str() {
            "CREATED_TIME" => group.created,
            "LAST_MODIFIED_TIME" => group.last_modified,
            _ => None,
        };
        let at = time.map_or(0, |t| t.as_millis());
        format!("{at:020}/{}", group.name.as_deref().unwrap_or_default())
    };
    let all = all.into_iter().map(|g| g.value.shown.0).collect();
    let descending = input.sort_order.as_deref() == Some("DESCENDING");
    let page = paged(all, input.next_token.as_deref(), descending, place)?;
    Ok(api::ListReportGroupsOutput {
        report_groups: Some(page.items.into_iter().filter_map(|g| g.arn).collect()),
        next_token: page.next_token,
    })
}

async fn reports_of(cx: &Ctx, group: &str) -> Result<Vec<api::Report>, AwsError> {
    let prefix = db::key::<Report>(&cx.scope, &format!("{group}:"));
    let all = cx.db().list_prefix::<Report>(&prefix).await?;
    Ok(all.into_iter().map(|r| r.value.shown.0).collect())
}

pub async fn batch_get_reports(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::BatchGetReportsInput,
) -> Result<api::BatchGetReportsOutput, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for arn in input.report_arns {
        let id = report_of(&cx.scope, &arn);
        match cx.db().get::<Report>(&cx.scope, &id).await? {
            Some(report) => found.push(report.value.shown.0),
            None => missing.push(arn),
        }
    }
    Ok(api::BatchGetReportsOutput {
        reports: Some(found),
        reports_not_found: Some(missing),
    })
}

/// ARNs, newest first unless the call says otherwise.
fn listed(
    mut all: Vec<api::Report>,
    filter: Option<api::ReportFilter>,
    token: Option<&str>,
    order: Option<&str>,
) -> Result<(Vec<String>, Option<String>), AwsError> {
    if let Some(status) = filter.and_then(|f| f.status) {
        all.retain(|report| report.status.as_ref() == Some(&status));
    }
    let place = |report: &api::Report| {
        let at = report.created.map_or(0, |t| t.as_millis());
        format!("{at:020}/{}", report.arn.as_deref().unwrap_or_default())
    };
    let page = paged(all, token, order != Some("ASCENDING"), place)?;
    let arns = page.items.into_iter().filter_map(|r| r.arn);
    Ok((arns.collect(), page.next_token))
}

pub async fn list_reports(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::ListReportsInput,
) -> Result<api::ListReportsOutput, AwsError> {
    let all = cx.db().list::<Report>(&cx.scope).await?;
    let all = all.into_iter().map(|r| r.value.shown.0).collect();
    let (token, order) = (input.next_token.as_deref(), input.sort_order.as_deref());
    let (reports, next_token) = listed(all, input.filter, token, order)?;
    Ok(api::ListReportsOutput {
        reports: Some(reports),
        next_token,
    })
}

pub async fn list_reports_for_report_group(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::ListReportsForReportGroupInput,
) -> Result<api::ListReportsForReportGroupOutput, AwsError> {
    let name = group_of(&cx.scope, &input.report_group_arn);
    if cx
        .db()
        .get::<ReportGroup>(&cx.scope, &name)
        .await?
        .is_none()
    {
        return Err(no_group(&cx.scope, &name));
    }
    let all = reports_of(&cx, &name).await?;
    let (token, order) = (input.next_token.as_deref(), input.sort_order.as_deref());
    let (reports, next_token) = listed(all, input.filter, token, order)?;
    Ok(api::ListReportsForReportGroupOutput {
        reports: Some(reports),
        next_token,
    })
}

/// A report and its cases.
async fn forget(cx: &Ctx, id: &str) -> Result<(), AwsError> {
    let prefix = db::key::<ReportCases>(&cx.scope, &format!("{id}/"));
    let parts = cx.db().list_prefix::<ReportCases>(&prefix).await?;
    for few in parts.chunks(TOGETHER) {
        let tx = few
            .iter()
            .fold(cx.db().tx(), |tx, part| tx.delete_key(part.key.clone()));
        let _ = tx.commit().await?;
    }
    let key = db::key::<Report>(&cx.scope, id);
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(())
}

pub async fn delete_report(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::DeleteReportInput,
) -> Result<api::DeleteReportOutput, AwsError> {
    forget(&cx, &report_of(&cx.scope, &input.arn)).await?;
    Ok(api::DeleteReportOutput {})
}

pub async fn describe_test_cases(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::DescribeTestCasesInput,
) -> Result<api::DescribeTestCasesOutput, AwsError> {
    let id = report_of(&cx.scope, &input.report_arn);
    if cx.db().get::<Report>(&cx.scope, &id).await?.is_none() {
        return Err(AwsError::client(
            "ResourceNotFoundException",
            format!("Report cannot be found: {}", report_arn(&cx.scope, &id)),
        ));
    }
    let prefix = db::key::<ReportCases>(&cx.scope, &format!("{id}/"));
    let parts = cx.db().list_prefix::<ReportCases>(&prefix).await?;
    let cases = parts.into_iter().flat_map(|part| part.value.cases);
    let filter = input.filter.unwrap_or_default();
    let wanted = |case: &api::TestCase| {
        let has =
            |text: &Option<String>, word: &str| text.as_ref().is_some_and(|t| t.contains(word));
        filter
            .status
            .as_ref()
            .is_none_or(|s| case.status.as_ref() == Some(s))
            && filter
                .keyword
                .as_ref()
                .is_none_or(|word| has(&case.name, word) || has(&case.prefix, word))
    };
    let cases: Vec<(usize, api::TestCase)> =
        cases.map(|c| c.0).filter(wanted).enumerate().collect();
    let most = input.max_results.and_then(|n| usize::try_from(n).ok());
    let most = most.map_or(super::PAGE, |n| n.clamp(1, super::PAGE));
    let token = input.next_token.as_deref();
    let page = neargate_service::page::page(cases, token, most, |(at, _)| format!("{at:08}"));
    let page = page.map_err(|_| error::invalid("Invalid next token"))?;
    Ok(api::DescribeTestCasesOutput {
        test_cases: Some(page.items.into_iter().map(|(_, case)| case).collect()),
        next_token: page.next_token,
    })
}
