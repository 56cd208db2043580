//! Secrets whose recovery window has ended are removed, with their values.

use crate::model::Secret;
use crate::values;
use neargate_service::db::{Committed, Stored, Tx};
use neargate_service::{AwsError, House, Resource, Scope};
use std::sync::Arc;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(10 * 60);

pub(crate) async fn run(house: Arc<House>) {
    loop {
        if let Err(error) = look(&house).await {
            tracing::warn!(%error, "secrets are removed later");
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(crate) async fn look(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", Secret::KIND);
    for stored in house.db.list_prefix::<Secret>(&all).await? {
        let ended = stored.deleted_at.is_some_and(|end| end <= house.now());
        if let Some(scope) = Scope::of_key(&stored.key).filter(|_| ended) {
            let removal = removal(house.db.tx(), &scope, &stored);
            // One that changes meanwhile is looked at again the next time.
            let (Committed::At(_) | Committed::Conflict) = removal.commit().await?;
        }
    }
    Ok(())
}

/// Adds to a transaction that a secret goes with all its values.
pub(crate) fn removal(tx: Tx, scope: &Scope, stored: &Stored<Secret>) -> Tx {
    let mut tx = tx.delete(stored);
    for version in stored.versions.keys() {
        tx = tx.delete_key(values::record(scope, stored, version));
    }
    tx
}
