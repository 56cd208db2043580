//! The credential report: who has which credentials, and how old they are
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>).

use crate::call::{Change, View};
use crate::model::{AccessKey, CredentialReport, SigningCertificate};
use crate::{error, name};
use neargate_api_iam as api;
use neargate_base::Timestamp;
use neargate_service::AwsError;
use neargate_wire::structure::Unit;
use std::time::Duration;

/// A report so young is given out again.
const FRESH: Duration = Duration::from_secs(4 * 3_600);
const HEAD: &str = "user,arn,user_creation_time,password_enabled,password_last_used,\
    password_last_changed,password_next_rotation,mfa_active,access_key_1_active,\
    access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
    access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,\
    cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
const NONE: &str = "N/A";

/// Makes the report at once. AWS says `STARTED` when it begins one, so that callers ask again.
pub fn generate_credential_report(
    call: &mut Change,
    _: Unit,
) -> Result<api::GenerateCredentialReportOutput, AwsError> {
    let there = call.reports.named("report").cloned();
    let now = call.now();
    let state = match there {
        Some(report) if now.since(report.made_at) < FRESH => "COMPLETE",
        there => {
            let report = CredentialReport {
                made_at: now,
                content: content(call),
            };
            match &there {
                Some(old) => call.modify(old, |old| *old = report),
                None => call.create(&report),
            }
            "STARTED"
        }
    };
    let description = "No report exists. Starting a new report generation task";
    Ok(api::GenerateCredentialReportOutput {
        state: Some(state.into()),
        description: (state == "STARTED").then(|| description.into()),
    })
}

pub fn get_credential_report(
    view: &View,
    _: Unit,
) -> Result<api::GetCredentialReportOutput, AwsError> {
    let report = view.reports.named("report");
    let report = report.ok_or_else(error::report_not_present)?;
    Ok(api::GetCredentialReportOutput {
        content: Some(report.content.clone().into()),
        report_format: Some("text/csv".into()),
        generated_time: Some(report.made_at),
    })
}

fn date(at: Timestamp) -> String {
    let text = at.rfc3339();
    format!("{}+00:00", text.get(..19).unwrap_or(&text))
}

fn content(view: &View) -> String {
    let mut lines = vec![HEAD.to_owned(), root(view)];
    for user in view.users.iter() {
        let profile = view.login_profiles.named(&user.unique_id);
        let (enabled, used, changed) = match profile {
            Some(profile) => ("true", "no_information", date(profile.changed_at)),
            None => ("false", NONE, NONE.to_owned()),
        };
        let max_age = view.set().password_policy.and_then(|p| p.max_age_days);
        let rotation = match (profile, max_age) {
            (Some(profile), Some(days)) => {
                let age = Duration::from_secs(u64::from(days) * 86_400);
                date(profile.changed_at + age)
            }
            (Some(_), None) => "not_supported".to_owned(),
            (None, _) => NONE.to_owned(),
        };
        let mut fields = vec![
            user.name.clone(),
            name::arn(view.id(), "user", &user.path, &user.name),
            date(user.created_at),
            enabled.to_owned(),
            used.to_owned(),
            changed,
            rotation,
            view.mfa_devices_of(user).next().is_some().to_string(),
        ];
        fields.extend(keys(view, Some(&user.unique_id)));
        let certificates = view.signing_certificates.iter();
        let certificates = certificates.filter(|c| c.user == user.unique_id);
        let certificates: Vec<&SigningCertificate> = certificates.map(|c| &c.value).collect();
        for place in 0..2 {
            let certificate = certificates.get(place);
            fields.push(certificate.is_some_and(|c| c.active).to_string());
            fields.push(certificate.map_or(NONE.to_owned(), |c| date(c.created_at)));
        }
        lines.push(fields.join(","));
    }
    lines.join("\n")
}

/// The root of an account has neither password nor certificates here, and no date of its own.
fn root(view: &View) -> String {
    let mut fields = vec![
        "<root_account>".to_owned(),
        format!("arn:aws:iam::{}:root", view.id()),
        NONE.to_owned(),
        "false".to_owned(),
        NONE.to_owned(),
        NONE.to_owned(),
        NONE.to_owned(),
        "false".to_owned(),
    ];
    fields.extend(keys(view, None));
    fields.extend(["false", NONE, "false", NONE].map(str::to_owned));
    fields.join(",")
}

/// Ten fields: five of each of the two keys that somebody may have.
fn keys(view: &View, user: Option<&String>) -> Vec<String> {
    let keys = view.access_keys.iter().filter(|k| k.user.as_ref() == user);
    let keys: Vec<&AccessKey> = keys.map(|k| &k.value).collect();
    let mut fields = Vec::new();
    for place in 0..2 {
        let Some(key) = keys.get(place) else {
            fields.extend(["false", NONE, NONE, NONE, NONE].map(str::to_owned));
            continue;
        };
        fields.push(key.active.to_string());
        fields.push(date(key.created_at));
        match view.iam.uses.of(view, &key.id) {
            Some(used) => fields.extend([date(used.at), used.region, used.service]),
            None => fields.extend([NONE, NONE, NONE].map(str::to_owned)),
        }
    }
    fields
}
