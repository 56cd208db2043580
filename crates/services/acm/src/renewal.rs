//! Certificates that are issued here are renewed before they end, with the same key
//! (<https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html>). AWS renews those that
//! are in use; here it costs nothing to renew all.

use crate::model::LocalAuthority;
use crate::{authority, pem, x509};
use neargate_service::certificate::{Certificate, KeptKey, Origin};
use neargate_service::db::{Committed, Stored};
use neargate_service::{AwsError, House, Resource};
use std::sync::Arc;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(60 * 60);
/// Before its end.
const EARLY: Duration = Duration::from_secs(60 * 24 * 60 * 60);

pub(crate) async fn run(house: Arc<House>) {
    loop {
        if let Err(error) = seal(&house).await {
            tracing::warn!(%error, "keys of certificates are sealed later");
        }
        if let Err(error) = renew_due(&house).await {
            tracing::warn!(%error, "certificates are renewed later");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Seals the keys that a version stored which sealed nothing.
pub(crate) async fn seal(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", Certificate::KIND);
    for stored in house.db.list_prefix::<Certificate>(&all).await? {
        seal_one(house, &stored.key, |certificate: &mut Certificate| {
            &mut certificate.private_key
        })
        .await?;
    }
    let authority = authority::record(house);
    seal_one(house, &authority, |kept: &mut LocalAuthority| {
        &mut kept.private_key
    })
    .await
}

async fn seal_one<T: Resource>(
    house: &House,
    record: &str,
    key: impl Fn(&mut T) -> &mut KeptKey,
) -> Result<(), AwsError> {
    let sealed = house.db.modify(record, |kept: &mut T| {
        let key = key(kept);
        let sealed = key.sealed(&house.root_key, record);
        Ok(sealed.map(|sealed| *key = sealed).is_some())
    });
    sealed.await.map(drop)
}

pub(crate) async fn renew_due(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", Certificate::KIND);
    for stored in house.db.list_prefix::<Certificate>(&all).await? {
        let is_issued = matches!(stored.origin, Origin::Issued { .. });
        if is_issued && house.now() + EARLY >= stored.facts.not_after {
            renew(house, stored).await?;
        }
    }
    Ok(())
}

async fn renew(house: &House, stored: Stored<Certificate>) -> Result<(), AwsError> {
    let (domain, names) = (&stored.domain_name, &stored.alternative_names);
    let Some(key) = stored.private_key.open(&house.root_key, &stored.key) else {
        return Ok(());
    };
    let signed = authority::sign(house, domain, names, key.expose()).await?;
    let read = pem::certificates(signed.certificate.as_bytes());
    let Some(read) = read.and_then(|all| x509::read(&all[0])) else {
        return Ok(());
    };
    let new = Certificate {
        certificate: signed.certificate,
        chain: Some(signed.chain),
        facts: read.facts,
        ..stored.value.clone()
    };
    // One that changes meanwhile is looked at again the next time.
    let (Committed::At(_) | Committed::Conflict) =
        house.db.tx().update(&stored, &new).commit().await?;
    Ok(())
}
