//! Asks for the first token of OAuth connections that were made or changed, and writes down whether there is
//! one.

use crate::connection::{AUTHORIZED, AUTHORIZING, Connection, DEAUTHORIZED};
use crate::destinations;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored};
use std::sync::Arc;

/// See the module.
pub struct Authorize {
    house: Arc<House>,
}

impl Authorize {
    pub fn new(house: Arc<House>) -> Authorize {
        Authorize { house }
    }
}

/// A connection that waits.
#[derive(Clone)]
pub struct Waiting(Scope, Stored<Connection>);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1.key)
    }
}

#[async_trait]
impl Controller for Authorize {
    type View = Waiting;
    type Action = Waiting;

    fn name(&self) -> &'static str {
        "events-authorize"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Connection::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Waiting>, AwsError> {
        let stored = self.house.db.get_key::<Connection>(key).await?;
        Ok(stored.and_then(|stored| Some(Waiting(Scope::of_key(key)?, stored))))
    }

    fn plan(&self, waiting: &Waiting, _: Timestamp) -> Plan<Waiting> {
        if waiting.1.state != AUTHORIZING {
            return Plan::idle("it waits for nothing");
        }
        Plan {
            actions: vec![waiting.clone()],
            wake_at: None,
            reason: "it waits for a token",
        }
    }

    async fn apply(&self, Waiting(scope, stored): Waiting) -> Result<Applied, AwsError> {
        let credentials = destinations::read(&self.house, &scope, &stored).await?;
        let mut then = stored.value.clone();
        match destinations::authorize(&self.house, &credentials).await {
            Ok(()) => {
                then.state = AUTHORIZED.into();
                then.state_reason = None;
                then.authorized_at = Some(self.house.now());
            }
            Err(why) => {
                then.state = DEAUTHORIZED.into();
                then.state_reason = Some(why);
            }
        }
        match self.house.db.tx().update(&stored, &then).commit().await? {
            Committed::At(_) => Ok(Applied::Done),
            Committed::Conflict => Ok(Applied::Conflict),
        }
    }
}
