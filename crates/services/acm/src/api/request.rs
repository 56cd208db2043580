//! Certificates that are issued here
//! (<https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html>).

use super::import::check_count;
use super::tags_of;
use crate::{Acm, authority, error, pem, x509};
use neargate_api_acm as api;
use neargate_service::certificate::{self, Certificate, KeptKey, Origin};
use neargate_service::db::{self, Tx, settle};
use neargate_service::{AwsError, Ctx};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm};
use std::sync::Arc;
use std::time::Duration;

/// Of a certificate
/// (<https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html>).
const MAX_NAMES: usize = 10;
/// Octets of a common name.
const MAX_COMMON_NAME: usize = 64;
/// How long a token means the same call.
const TOKEN: Duration = Duration::from_secs(3_600);

pub async fn request_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::RequestCertificateInput,
) -> Result<api::RequestCertificateOutput, AwsError> {
    let domain = input.domain_name.to_ascii_lowercase();
    let names = names(&domain, input.subject_alternative_names.as_deref())?;
    let method = input.validation_method.as_deref().unwrap_or("EMAIL");
    let algorithm = algorithm(&input)?;
    check_options(&input, &names)?;
    if let Some(made) = made_before(&cx, &input, &domain, &names).await? {
        return Ok(api::RequestCertificateOutput {
            certificate_arn: Some(made),
        });
    }
    let tags = tags_of(input.tags.clone())?;
    check_count(&cx).await?;
    let private_key = authority::new_key(algorithm)?;
    let signed = authority::sign(&cx.house, &domain, &names, &private_key).await?;
    let read = pem::certificates(signed.certificate.as_bytes());
    let read = read
        .and_then(|all| x509::read(&all[0]))
        .ok_or_else(error::not_pem)?;
    let id = cx.house.rng.uuid();
    let key = db::key::<Certificate>(&cx.scope, &id);
    let options = input.options.clone().unwrap_or_default();
    let logging = options.certificate_transparency_logging_preference;
    let new = Certificate {
        domain_name: domain,
        alternative_names: names,
        origin: Origin::Issued {
            validation_method: method.to_owned(),
        },
        certificate: signed.certificate,
        chain: Some(signed.chain),
        private_key: KeptKey::seal(&cx.house.root_key, &key, &private_key),
        facts: read.facts,
        transparency_logging: logging.unwrap_or_else(|| "ENABLED".into()),
        client_token: input.idempotency_token.clone(),
        tags,
        in_use_by: Default::default(),
        created_at: cx.now(),
    };
    settle(async || -> Result<(Tx, ()), AwsError> {
        Ok((cx.db().tx().create(key.clone(), &new), ()))
    })
    .await?;
    Ok(api::RequestCertificateOutput {
        certificate_arn: Some(certificate::arn(&cx.scope, &id)),
    })
}

/// All names, the first one first, each once.
fn names(domain: &str, others: Option<&[String]>) -> Result<Vec<String>, AwsError> {
    let mut names = vec![domain.to_owned()];
    for other in others.unwrap_or_default() {
        let other = other.to_ascii_lowercase();
        if !names.contains(&other) {
            names.push(other);
        }
    }
    if domain.len() > MAX_COMMON_NAME {
        return Err(error::common_name_too_long());
    }
    if names.len() > MAX_NAMES {
        return Err(error::too_many_names());
    }
    match names.iter().find(|name| !is_domain(name)) {
        Some(bad) => Err(error::domain_name(bad)),
        None => Ok(names),
    }
}

/// The model's pattern: at least two labels, of which the first may be a wildcard.
fn is_domain(name: &str) -> bool {
    let behind = name.strip_prefix("*.").unwrap_or(name);
    let labels: Vec<_> = behind.split('.').collect();
    let is_label = |label: &&str| {
        let inner = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    labels.len() >= 2 && labels.iter().all(is_label) && labels[labels.len() - 1].len() >= 2
}

fn algorithm(
    input: &api::RequestCertificateInput,
) -> Result<&'static SignatureAlgorithm, AwsError> {
    match input.key_algorithm.as_deref() {
        None | Some("EC_prime256v1") => Ok(&PKCS_ECDSA_P256_SHA256),
        Some("EC_secp384r1") => Ok(&PKCS_ECDSA_P384_SHA384),
        Some(other) => Err(error::unsupported(&format!("the key algorithm {other}"))),
    }
}

fn check_options(input: &api::RequestCertificateInput, names: &[String]) -> Result<(), AwsError> {
    let options = input.options.as_ref();
    for (what, given) in [
        (
            "CertificateAuthorityArn",
            input.certificate_authority_arn.is_some(),
        ),
        ("ManagedBy", input.managed_by.is_some()),
        (
            "the validation method HTTP",
            input.validation_method.as_deref() == Some("HTTP"),
        ),
        (
            "export",
            options.is_some_and(|o| o.export.as_deref() == Some("ENABLED")),
        ),
    ] {
        if given {
            return Err(error::unsupported(what));
        }
    }
    for option in input
        .domain_validation_options
        .as_deref()
        .unwrap_or_default()
    {
        let of = option.domain_name.to_ascii_lowercase();
        let by = option.validation_domain.to_ascii_lowercase();
        let is_above = of == by || of.ends_with(&format!(".{by}"));
        if !names.contains(&of) || !is_above {
            return Err(error::validation_option(&option.domain_name));
        }
    }
    Ok(())
}

/// What a call with the same token and the same names has made within the hour.
async fn made_before(
    cx: &Ctx,
    input: &api::RequestCertificateInput,
    domain: &str,
    names: &[String],
) -> Result<Option<String>, AwsError> {
    if input.idempotency_token.is_none() {
        return Ok(None);
    }
    let all = cx.db().list::<Certificate>(&cx.scope).await?;
    let same = all.iter().find(|c| {
        c.client_token == input.idempotency_token
            && c.domain_name == domain
            && c.alternative_names == names
            && cx.now().since(c.created_at) < TOKEN
    });
    Ok(same.map(|c| certificate::arn(&cx.scope, c.id())))
}
