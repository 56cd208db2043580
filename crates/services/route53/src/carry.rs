//! Carries out what is left of a batch of changes: it was decided as a whole, and its zone takes no other
//! until all of it is written.

use crate::model::{Change, Rest};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::dns::{self, HostedZone};
use neargate_service::{AwsError, House, Resource, Scope};
use std::sync::Arc;

/// Records of one transaction.
const AT_ONCE: usize = 100;

/// Carries out what a Neargate before left.
#[derive(Debug)]
pub struct Carrier {
    pub house: Arc<House>,
}

#[async_trait]
impl Controller for Carrier {
    type View = ();
    type Action = String;

    fn name(&self) -> &'static str {
        "route53-changes"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Change::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<()>, AwsError> {
        out(&self.house, key).await?;
        Ok(None)
    }

    fn plan(&self, (): &(), _: Timestamp) -> Plan<String> {
        Plan::idle("carried out")
    }

    async fn apply(&self, _: String) -> Result<Applied, AwsError> {
        Ok(Applied::Done)
    }
}

/// Writes what is left of this change. To do it twice is to do it once: nobody else writes the zone's
/// records meanwhile.
///
/// # Errors
/// The store's.
pub async fn out(house: &House, key: &str) -> Result<(), AwsError> {
    loop {
        let Some(change) = house.db.get_key::<Change>(key).await? else {
            return Ok(());
        };
        let Some(rest) = &change.rest else {
            return Ok(());
        };
        let (now, later) = rest.records.split_at(rest.records.len().min(AT_ONCE));
        let mut tx = house.db.tx();
        for (key, set) in now {
            tx = match set {
                Some(set) => tx.put(key.clone(), set),
                None => tx.delete_key(key.clone()),
            };
        }
        let left = (!later.is_empty()).then(|| Rest {
            zone_id: rest.zone_id.clone(),
            records: later.to_vec(),
        });
        let zone = match (&left, Scope::of_key(key)) {
            (None, Some(scope)) => {
                let key = dns::zone_key(&scope.account, &rest.zone_id);
                house.db.get_key::<HostedZone>(&key).await?
            }
            _ => None,
        };
        if let Some(zone) = &zone {
            let free = HostedZone {
                pending: None,
                ..zone.value.clone()
            };
            tx = tx.update(zone, &free);
        }
        let changed = Change {
            rest: left,
            ..change.value.clone()
        };
        // Whoever was first did the same.
        let _ = tx.update(&change, &changed).commit().await?;
    }
}
