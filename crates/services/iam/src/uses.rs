//! When keys were last used: noted in memory by every call that is signed, and written now and then,
//! so that no call waits for it. What was noted since the last time is lost with the process.

use crate::call::key;
use crate::index::Account;
use crate::model::{AccessKey, KeyUse};
use neargate_base::{Timestamp, access_key};
use neargate_service::{AwsError, Committed, Db, Stored};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const WRITTEN_EVERY: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Default)]
pub struct Uses {
    /// By the key's id; `true`: not written yet.
    noted: Mutex<BTreeMap<String, (KeyUse, bool)>>,
}

impl Uses {
    pub fn note(&self, id: &str, service: &str, region: &str, at: Timestamp) {
        let mut noted = self.noted.lock();
        if let Some((there, unwritten)) = noted.get_mut(id) {
            // The same second, service and region say nothing new.
            let same = there.service == service && there.region == region;
            if same && at.as_millis() / 1_000 == there.at.as_millis() / 1_000 {
                return;
            }
            there.at = at;
            service.clone_into(&mut there.service);
            region.clone_into(&mut there.region);
            *unwritten = true;
            return;
        }
        let used = KeyUse {
            id: id.to_owned(),
            at,
            service: service.to_owned(),
            region: region.to_owned(),
        };
        noted.insert(id.to_owned(), (used, true));
    }

    /// The last use of a key of the account.
    pub fn of(&self, account: &Account, id: &str) -> Option<KeyUse> {
        let noted = self.noted.lock().get(id).map(|(used, _)| used.clone());
        noted.or_else(|| Some(account.key_uses.named(id)?.value.clone()))
    }

    fn unwritten(&self) -> Vec<KeyUse> {
        let mut noted = self.noted.lock();
        let new = noted.values_mut().filter(|(_, unwritten)| *unwritten);
        let new = new.map(|(used, unwritten)| {
            *unwritten = false;
            used.clone()
        });
        new.collect()
    }
}

/// Writes what was noted, until the future is dropped.
pub async fn write(uses: Arc<Uses>, db: Db) {
    loop {
        tokio::time::sleep(WRITTEN_EVERY).await;
        for used in uses.unwritten() {
            if let Err(error) = put(&db, &used).await {
                tracing::debug!(%error, key = used.id, "its last use is not written");
            }
        }
    }
}

/// A key that is gone keeps no last use.
async fn put(db: &Db, used: &KeyUse) -> Result<(), AwsError> {
    let Some(account) = access_key::account(&used.id) else {
        return Ok(());
    };
    let owner = db.get_key(&key::<AccessKey>(&account, &used.id)).await?;
    let Some::<Stored<AccessKey>>(owner) = owner else {
        return Ok(());
    };
    let tx = db
        .tx()
        .unchanged(&owner)
        .put(key::<KeyUse>(&account, &used.id), used);
    // A conflict says that the key was changed just now: its next use is written.
    let _: Committed = tx.commit().await?;
    Ok(())
}
