//! Certificates, described, given out and deleted
//! (<https://docs.aws.amazon.com/acm/latest/APIReference/API_CertificateDetail.html>).

use super::{find, text};
use crate::{Acm, error};
use neargate_api_acm as api;
use neargate_base::Timestamp;
use neargate_service::certificate::{Certificate, Origin};
use neargate_service::db::{Tx, settle};
use neargate_service::{AwsError, Ctx};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

pub async fn describe_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::DescribeCertificateInput,
) -> Result<api::DescribeCertificateOutput, AwsError> {
    let stored = find(&cx, &input.certificate_arn).await?;
    Ok(api::DescribeCertificateOutput {
        certificate: Some(detail(&cx, &input.certificate_arn, &stored)),
    })
}

pub async fn get_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::GetCertificateInput,
) -> Result<api::GetCertificateOutput, AwsError> {
    let stored = find(&cx, &input.certificate_arn).await?;
    Ok(api::GetCertificateOutput {
        certificate: Some(stored.certificate.clone()),
        certificate_chain: stored.chain.clone(),
    })
}

pub async fn delete_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::DeleteCertificateInput,
) -> Result<api::DeleteCertificateOutput, AwsError> {
    let arn = &input.certificate_arn;
    settle(async || -> Result<(Tx, ()), AwsError> {
        let stored = find(&cx, arn).await?;
        match stored.in_use_by.is_empty() {
            true => Ok((cx.db().tx().delete(&stored), ())),
            false => Err(error::in_use(arn)),
        }
    })
    .await?;
    Ok(Default::default())
}

/// `ISSUED`, until it has ended.
pub(super) fn status(of: &Certificate, now: Timestamp) -> &'static str {
    match now > of.facts.not_after {
        true => "EXPIRED",
        false => "ISSUED",
    }
}

pub(super) fn kind(of: &Certificate) -> &'static str {
    match of.origin {
        Origin::Imported => "IMPORTED",
        Origin::Issued { .. } => "AMAZON_ISSUED",
    }
}

/// AWS renews what it issued and somebody uses.
pub(super) fn renewal(of: &Certificate) -> &'static str {
    match matches!(of.origin, Origin::Issued { .. }) && !of.in_use_by.is_empty() {
        true => "ELIGIBLE",
        false => "INELIGIBLE",
    }
}

/// ACM's name of an extended key usage.
pub(super) fn usage_name(oid: &str) -> &'static str {
    match oid {
        "1.3.6.1.5.5.7.3.1" => "TLS_WEB_SERVER_AUTHENTICATION",
        "1.3.6.1.5.5.7.3.2" => "TLS_WEB_CLIENT_AUTHENTICATION",
        "1.3.6.1.5.5.7.3.3" => "CODE_SIGNING",
        "1.3.6.1.5.5.7.3.4" => "EMAIL_PROTECTION",
        "1.3.6.1.5.5.7.3.8" => "TIME_STAMPING",
        "1.3.6.1.5.5.7.3.9" => "OCSP_SIGNING",
        "2.5.29.37.0" => "ANY",
        _ => "CUSTOM",
    }
}

fn detail(cx: &Ctx, arn: &str, of: &Certificate) -> api::CertificateDetail {
    let is_issued = matches!(of.origin, Origin::Issued { .. });
    let facts = &of.facts;
    let usage = |oid: &String| api::ExtendedKeyUsage {
        name: text(usage_name(oid)),
        oid: Some(oid.clone()),
    };
    api::CertificateDetail {
        certificate_arn: text(arn),
        domain_name: text(&of.domain_name),
        subject_alternative_names: Some(of.alternative_names.clone()),
        domain_validation_options: Some(
            of.alternative_names
                .iter()
                .map(|name| validation(cx, of, name))
                .collect(),
        ),
        serial: text(&facts.serial),
        subject: text(&facts.subject),
        issuer: text(&facts.issuer),
        created_at: Some(of.created_at),
        issued_at: is_issued.then_some(of.created_at),
        imported_at: (!is_issued).then_some(of.created_at),
        status: text(status(of, cx.now())),
        not_before: Some(facts.not_before),
        not_after: Some(facts.not_after),
        key_algorithm: text(&facts.key_algorithm),
        signature_algorithm: text(&facts.signature_algorithm),
        in_use_by: Some(of.in_use_by.iter().cloned().collect()),
        r#type: text(kind(of)),
        key_usages: Some(
            facts
                .key_usages
                .iter()
                .map(|name| api::KeyUsage { name: text(name) })
                .collect(),
        ),
        extended_key_usages: Some(facts.extended_key_usages.iter().map(usage).collect()),
        renewal_eligibility: text(renewal(of)),
        options: Some(api::CertificateOptions {
            certificate_transparency_logging_preference: text(&of.transparency_logging),
            export: is_issued.then(|| "DISABLED".to_owned()),
            validation_method: None,
        }),
        ..Default::default()
    }
}

/// How a name was validated: of what is issued here, at once.
fn validation(cx: &Ctx, of: &Certificate, name: &str) -> api::DomainValidation {
    let Origin::Issued { validation_method } = &of.origin else {
        return api::DomainValidation {
            domain_name: text(name),
            ..Default::default()
        };
    };
    let is_dns = validation_method == "DNS";
    api::DomainValidation {
        domain_name: text(name),
        validation_domain: text(name),
        validation_status: text("SUCCESS"),
        validation_method: text(validation_method),
        resource_record: is_dns.then(|| record(cx, name)),
        validation_emails: (!is_dns).then(Vec::new),
        ..Default::default()
    }
}

/// The record that would prove the name: the same for a name and for its wildcard.
fn record(cx: &Ctx, name: &str) -> api::ResourceRecord {
    let base = name.strip_prefix("*.").unwrap_or(name);
    let hash = |what: &str| {
        let text = format!("{what}/{}/{base}", cx.scope.account);
        hex::encode(&Sha256::digest(text)[..16])
    };
    api::ResourceRecord {
        name: Some(format!("_{}.{base}.", hash("name"))),
        r#type: text("CNAME"),
        value: Some(format!("_{}.acm-validations.aws.", hash("value"))),
    }
}
