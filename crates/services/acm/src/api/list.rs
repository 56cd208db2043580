//! Certificates, listed
//! (<https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html>).

use super::certificates::{kind, renewal, status, usage_name};
use super::text;
use crate::{Acm, error};
use neargate_api_acm as api;
use neargate_service::certificate::{self, Certificate, Origin};
use neargate_service::db::Stored;
use neargate_service::page::{Size, page, page_descending};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const PAGE: Size = Size::up_to(1_000);

pub async fn list_certificates(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::ListCertificatesInput,
) -> Result<api::ListCertificatesOutput, AwsError> {
    let mut all = cx.db().list::<Certificate>(&cx.scope).await?;
    let statuses = input.certificate_statuses.unwrap_or_default();
    let asked = input.includes.unwrap_or_default();
    all.retain(|c| {
        (statuses.is_empty() || statuses.iter().any(|s| s == status(c, cx.now())))
            && includes(&asked, c)
    });
    // By the time at which they were made, then by their ids.
    let by_time = input.sort_by.is_some();
    let place = |c: &Stored<Certificate>| match by_time {
        true => format!("{:020}{}", c.created_at.as_millis(), c.id()),
        false => c.id().to_owned(),
    };
    all.sort_by_key(place);
    let (token, size) = (input.next_token.as_deref(), PAGE.clamp(input.max_items));
    let page = match input.sort_order.as_deref() {
        Some("DESCENDING") => {
            all.reverse();
            page_descending(all, token, size, place)
        }
        _ => page(all, token, size, place),
    };
    let page = page.map_err(|_| error::invalid_token())?;
    Ok(api::ListCertificatesOutput {
        next_token: page.next_token,
        certificate_summary_list: Some(page.items.iter().map(|c| summary(&cx, c)).collect()),
    })
}

fn includes(asked: &api::Filters, of: &Certificate) -> bool {
    let any = |asked: &Option<Vec<String>>, has: &dyn Fn(&str) -> bool| {
        let asked = asked.as_deref().unwrap_or_default();
        asked.is_empty() || asked.iter().any(|a| has(a))
    };
    // `RSA_2048` is shown as `RSA-2048`.
    let key = of.facts.key_algorithm.replacen('-', "_", 1);
    any(&asked.key_types, &|a| a == key)
        && any(&asked.key_usage, &|a| {
            a == "ANY" || of.facts.key_usages.iter().any(|u| u == a)
        })
        && any(&asked.extended_key_usage, &|a| {
            let usages = &of.facts.extended_key_usages;
            match a {
                "ANY" => true,
                "NONE" => usages.is_empty(),
                name => usages.iter().any(|oid| usage_name(oid) == name),
            }
        })
        && asked.export_option.as_deref() != Some("ENABLED")
        && asked.managed_by.is_none()
}

fn summary(cx: &Ctx, of: &Stored<Certificate>) -> api::CertificateSummary {
    let is_issued = matches!(of.origin, Origin::Issued { .. });
    let facts = &of.facts;
    let usages = facts.extended_key_usages.iter();
    api::CertificateSummary {
        certificate_arn: text(certificate::arn(&cx.scope, of.id())),
        domain_name: text(&of.domain_name),
        subject_alternative_name_summaries: Some(of.alternative_names.clone()),
        has_additional_subject_alternative_names: Some(false),
        status: text(status(of, cx.now())),
        r#type: text(kind(of)),
        key_algorithm: text(&facts.key_algorithm),
        key_usages: Some(facts.key_usages.clone()),
        extended_key_usages: Some(usages.map(|oid| usage_name(oid).to_owned()).collect()),
        export_option: is_issued.then(|| "DISABLED".to_owned()),
        exported: is_issued.then_some(false),
        in_use: Some(!of.in_use_by.is_empty()),
        renewal_eligibility: text(renewal(of)),
        not_before: Some(facts.not_before),
        not_after: Some(facts.not_after),
        created_at: Some(of.created_at),
        issued_at: is_issued.then_some(of.created_at),
        imported_at: (!is_issued).then_some(of.created_at),
        ..Default::default()
    }
}
