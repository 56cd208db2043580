//! Certificates that somebody else issued
//! (<https://docs.aws.amazon.com/acm/latest/APIReference/API_ImportCertificate.html>).

use super::{find, tags_of};
use crate::x509::Read;
use crate::{Acm, error, pem, x509};
use neargate_api_acm as api;
use neargate_base::Timestamp;
use neargate_service::certificate::{self, Certificate, KeptKey, Origin};
use neargate_service::db::{self, Tx, settle};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Of an account in a region
/// (<https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html>).
pub(super) const MAX_CERTIFICATES: usize = 2_500;

pub async fn import_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::ImportCertificateInput,
) -> Result<api::ImportCertificateOutput, AwsError> {
    let read = checked(&input, cx.now())?;
    let tags = tags_of(input.tags.clone())?;
    if input.certificate_arn.is_some() && !tags.is_empty() {
        return Err(error::tags_when_again());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut names = read.dns_names.clone();
    let domain = read.common_name.clone();
    let domain = domain
        .or_else(|| names.first().cloned())
        .unwrap_or_default();
    if !domain.is_empty() && !names.contains(&domain) {
        names.insert(0, domain.clone());
    }
    let id = cx.house.rng.uuid();
    let key = db::key::<Certificate>(&cx.scope, &id);
    let sealed =
        |record: &str| KeptKey::seal(&cx.house.root_key, record, &text(&input.private_key));
    let new = Certificate {
        domain_name: domain,
        alternative_names: names,
        origin: Origin::Imported,
        certificate: text(&input.certificate),
        chain: input.certificate_chain.as_deref().map(text),
        private_key: sealed(&key),
        facts: read.facts,
        transparency_logging: "DISABLED".into(),
        client_token: None,
        tags,
        in_use_by: Default::default(),
        created_at: cx.now(),
    };
    let arn = settle(async || -> Result<(Tx, String), AwsError> {
        if let Some(arn) = &input.certificate_arn {
            let before = find(&cx, arn).await?;
            if before.origin != Origin::Imported {
                return Err(error::not_imported(arn));
            }
            let again = Certificate {
                private_key: sealed(&before.key),
                tags: before.tags.clone(),
                in_use_by: before.in_use_by.clone(),
                ..new.clone()
            };
            return Ok((cx.db().tx().update(&before, &again), arn.clone()));
        }
        check_count(&cx).await?;
        Ok((
            cx.db().tx().create(key.clone(), &new),
            certificate::arn(&cx.scope, &id),
        ))
    });
    Ok(api::ImportCertificateOutput {
        certificate_arn: Some(arn.await?),
    })
}

pub(super) async fn check_count(cx: &Ctx) -> Result<(), AwsError> {
    let all = cx.db().list::<Certificate>(&cx.scope).await?;
    match all.len() >= MAX_CERTIFICATES {
        true => Err(error::too_many()),
        false => Ok(()),
    }
}

/// What the certificate says, once it is found good for a listener.
fn checked(input: &api::ImportCertificateInput, now: Timestamp) -> Result<Read, AwsError> {
    let own = pem::certificates(&input.certificate).ok_or_else(error::not_pem)?;
    let [own] = own.as_slice() else {
        return Err(error::several());
    };
    let read = x509::read(own).ok_or_else(error::not_pem)?;
    if now > read.facts.not_after {
        return Err(error::expired());
    }
    if now < read.facts.not_before {
        return Err(error::not_yet());
    }
    let key = pem::private_key(&input.private_key).ok_or_else(error::key_not_pem)?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key);
    let key = key.map_err(|_| error::key_unsupported())?;
    let public = key.public_key().ok_or_else(error::key_unsupported)?;
    if public.as_ref() != read.public_key {
        return Err(error::key_mismatch());
    }
    if let Some(chain) = &input.certificate_chain {
        check_chain(&read, chain)?;
    }
    Ok(read)
}

/// Each one is issued by the next.
fn check_chain(own: &Read, chain: &[u8]) -> Result<(), AwsError> {
    let chain = pem::certificates(chain).ok_or_else(error::chain_invalid)?;
    let mut issuer = own.raw_issuer.clone();
    for one in &chain {
        let read = x509::read(one).ok_or_else(error::chain_invalid)?;
        if read.raw_subject != issuer {
            return Err(error::chain_invalid());
        }
        issuer = read.raw_issuer;
    }
    Ok(())
}
