//! Certificates that are issued here are renewed before they end, with the same key
//! (<https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html>). AWS renews those that
//! are in use; here it costs nothing to renew all.

use crate::{authority, pem, x509};
use neargate_service::certificate::{Certificate, Origin};
use neargate_service::db::{Committed, Stored};
use neargate_service::{AwsError, House, Resource};
use std::sync::Arc;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(60 * 60);
/// Before its end.
const EARLY: Duration = Duration::from_secs(60 * 24 * 60 * 60);

pub(crate) async fn run(house: Arc<House>) {
    loop {
        if let Err(error) = renew_due(&house).await {
            tracing::warn!(%error, "certificates are renewed later");
        }
        tokio::time::sleep(LOOK).await;
    }
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
    let signed = authority::sign(house, domain, names, &stored.private_key).await?;
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
