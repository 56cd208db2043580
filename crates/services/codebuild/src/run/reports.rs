//! Reports of tests: files that a build wrote, taken out of its container and kept as test cases.

use super::artifacts::{Unmade, taken};
use super::follow;
use crate::buildspec::ReportFiles;
use crate::model::{Build, Report, ReportCases, group_arn, report_arn};
use crate::plan::report::{self, Case, ERROR, FAILED};
use neargate_api_codebuild::{self as api, ops};
use neargate_service::session::Place;
use neargate_service::{AwsError, Caller, House, Scope, db};
use neargate_wire::json::Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a report is kept for.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most cases that are kept of a report; the summary counts all.
const MOST_CASES: usize = 5_000;
/// Cases of one record.
const TOGETHER: usize = 200;

/// Takes all reports of a build in: their ARNs, and what the log is told.
pub async fn all(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    place: &Place,
) -> Result<(Vec<String>, Vec<String>), Unmade> {
    let reports = build.kept.clone().unwrap_or_default().reports;
    let (mut arns, mut told) = (Vec::new(), Vec::new());
    if reports.is_empty() {
        return Ok((arns, told));
    }
    let bases = follow::small_files(house, place, "bases");
    let bases = bases.await.map_err(Unmade::Container)?;
    for (at, report) in reports.iter().enumerate() {
        let of = bases.iter().find(|(name, _)| *name == format!("r{at}"));
        let base = of.map(|(_, base)| base.trim_end_matches('\n'));
        let Some(base) = base.filter(|base| !base.is_empty()) else {
            told.push(format!(
                "report {}: its base directory is not there",
                report.0
            ));
            continue;
        };
        match take(house, scope, build, place, report, base).await? {
            Ok(arn) => arns.push(arn),
            Err(why) => told.push(why),
        }
    }
    Ok((arns, told))
}

/// Takes a report in: its ARN, or what the log is told instead.
async fn take(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    place: &Place,
    (name, spec): &(String, ReportFiles),
    base: &str,
) -> Result<Result<String, String>, Unmade> {
    if !report::is_read(&spec.format) {
        return Ok(Err(format!(
            "report {name}: Neargate does not read files of {} yet",
            spec.format
        )));
    }
    let files = match taken(house, place, &spec.files, base).await {
        Ok(files) => files,
        Err(Unmade::Never(why)) => return Ok(Err(format!("report {name}: {why}"))),
        Err(other) => return Err(other),
    };
    let mut cases = Vec::new();
    let mut broken = Vec::new();
    for file in &files {
        let Some(bytes) = file.bytes() else { continue };
        match report::read(&spec.format, bytes) {
            Ok(of_file) => cases.extend(of_file.into_iter().map(|case| (file.path.clone(), case))),
            Err(why) => broken.push(format!("{}: {why}", file.path)),
        }
    }
    if cases.is_empty() && !broken.is_empty() {
        return Ok(Err(format!("report {name}: {}", broken.join("; "))));
    }
    let group = group(house, scope, build, name)
        .await
        .map_err(|error| match error.status {
            500.. => Unmade::NotNow(error),
            _ => Unmade::Never(format!("report {name}: {}: {}", error.code, error.message)),
        })?;
    // A build has one report of a group: that it is taken in again changes nothing.
    let id = format!("{group}:{}", build.uuid());
    keep(house, scope, build, &group, &id, &cases)
        .await
        .map_err(Unmade::NotNow)?;
    Ok(Ok(report_arn(scope, &id)))
}

/// The group that a buildspec's name means: one of its own, made where there is none, or one by its ARN.
async fn group(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    name: &str,
) -> Result<String, AwsError> {
    if let Some((_, group)) = name.split_once(":report-group/") {
        return Ok(group.to_owned());
    }
    let group = format!("{}-{name}", build.project());
    let input = api::CreateReportGroupInput {
        name: group.clone(),
        r#type: "TEST".to_owned(),
        export_config: api::ReportExportConfig {
            export_config_type: Some("NO_EXPORT".to_owned()),
            s3_destination: None,
        },
        tags: None,
    };
    let made = Caller::call::<ops::CreateReportGroup>(house, scope, build.role(), &input).await;
    match made {
        Err(error) if error.is("ResourceAlreadyExistsException") => Ok(group),
        made => made.map(|_| group),
    }
}

async fn keep(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    group: &str,
    id: &str,
    cases: &[(String, Case)],
) -> Result<(), AwsError> {
    let now = house.now();
    let arn = report_arn(scope, id);
    let kept = &cases[..cases.len().min(MOST_CASES)];
    for (at, few) in kept.chunks(TOGETHER).enumerate() {
        let shown = |(path, case): &(String, Case)| {
            Json(api::TestCase {
                report_arn: Some(arn.clone()),
                test_raw_data_path: Some(path.clone()),
                prefix: Some(case.prefix.clone()),
                name: Some(case.name.clone()),
                status: Some(case.status.to_owned()),
                duration_in_nano_seconds: Some(case.nanos),
                message: Some(case.message.clone()),
                expired: Some(now + LIFE),
                test_suite_name: Some(case.suite.clone()),
            })
        };
        let part = ReportCases {
            cases: few.iter().map(shown).collect(),
        };
        let key = db::key::<ReportCases>(scope, &format!("{id}/{at:04}"));
        let _ = house.db.tx().put(key, &part).commit().await?;
    }
    let mut counts: BTreeMap<String, i32> = BTreeMap::new();
    for (_, case) in cases {
        *counts.entry(case.status.to_owned()).or_default() += 1;
    }
    let failed = cases
        .iter()
        .any(|(_, c)| c.status == FAILED || c.status == ERROR);
    let nanos = cases
        .iter()
        .map(|(_, c)| c.nanos)
        .fold(0, i64::saturating_add);
    let shown = api::Report {
        arn: Some(arn),
        r#type: Some("TEST".to_owned()),
        name: Some(id.to_owned()),
        report_group_arn: Some(group_arn(scope, group)),
        execution_id: build.shown.arn.clone(),
        status: Some(if failed { "FAILED" } else { "SUCCEEDED" }.to_owned()),
        created: Some(now),
        expired: Some(now + LIFE),
        export_config: Some(api::ReportExportConfig {
            export_config_type: Some("NO_EXPORT".to_owned()),
            s3_destination: None,
        }),
        truncated: Some(cases.len() > MOST_CASES),
        test_summary: Some(api::TestReportSummary {
            total: i32::try_from(cases.len()).ok(),
            status_counts: Some(counts),
            duration_in_nano_seconds: Some(nanos),
        }),
        code_coverage_summary: None,
    };
    let report = Report { shown: Json(shown) };
    let key = db::key::<Report>(scope, id);
    let _ = house.db.tx().put(key, &report).commit().await?;
    Ok(())
}
