//! Health checks: endpoints that are asked every 10 or 30 seconds, and what follows from other health
//! checks (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html>).
//!
//! One task follows the records; each health check of an endpoint has a task of its own. What they find is
//! in memory, and stored when it turns.

mod probe;

use crate::model::HealthCheck;
use neargate_api_route53 as api;
use neargate_base::backoff::Backoff;
use neargate_base::task::spawn;
use neargate_base::{AccountId, Timestamp};
use neargate_service::dns;
use neargate_service::dns::HealthStatus;
use neargate_service::{AwsError, House, Resource, Stored, db};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// The keys of health checks and of what they say, which calculated ones follow from.
const CHANGES: &str = "route53/health-";

/// The tasks that ask endpoints, by the store key of the health check, each with its version.
type Running = BTreeMap<String, (i64, AbortOnDropHandle<()>)>;

/// What was seen last of each health check, by its store key.
#[derive(Debug, Default)]
pub struct Checks(Mutex<BTreeMap<String, Observation>>);

/// What one look at an endpoint found.
#[derive(Debug, Clone)]
pub struct Observation {
    pub at: Timestamp,
    /// `Err`: why it failed.
    pub found: Result<String, String>,
}

impl Checks {
    pub fn last(&self, key: &str) -> Option<Observation> {
        self.0.lock().get(key).cloned()
    }

    /// Checks what there is until the future is dropped.
    pub(crate) async fn run(self: Arc<Self>, house: Arc<House>) {
        let mut running = Running::new();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let Err(error) = self.once(&house, &mut running, &mut backoff).await;
            tracing::debug!(%error, "health checks are read again");
            tokio::time::sleep(backoff.next_delay(&house.rng)).await;
        }
    }

    /// Looks at all of them now, and at each change of one or of what one says.
    async fn once(
        self: &Arc<Self>,
        house: &Arc<House>,
        running: &mut Running,
        backoff: &mut Backoff,
    ) -> Result<Infallible, AwsError> {
        let mut watch = house.db.store().watch(CHANGES, None).await?;
        loop {
            let all = house.db.list_prefix::<HealthCheck>(&prefix()).await?;
            self.keep(house, &all, running).await?;
            watch.next().await?;
            backoff.reset();
        }
    }

    async fn keep(
        self: &Arc<Self>,
        house: &Arc<House>,
        all: &[Stored<HealthCheck>],
        running: &mut Running,
    ) -> Result<(), AwsError> {
        let known = |key: &String| all.iter().any(|check| check.key == *key);
        running.retain(|key, _| known(key));
        self.0.lock().retain(|key, _| known(key));
        for check in all {
            if check.config.0.r#type == "CALCULATED" || check.config.0.disabled == Some(true) {
                running.remove(&check.key);
                self.follow(house, check, all).await?;
                continue;
            }
            let is_running = running.get(&check.key);
            if is_running.is_none_or(|(version, _)| *version != check.version) {
                let probes = Arc::clone(self).ask_again(
                    house.clone(),
                    check.key.clone(),
                    check.value.clone(),
                );
                let task = AbortOnDropHandle::new(spawn("health-check", probes));
                running.insert(check.key.clone(), (check.version, task));
            }
        }
        Ok(())
    }

    /// One that follows from others, or from nothing.
    async fn follow(
        &self,
        house: &House,
        check: &Stored<HealthCheck>,
        all: &[Stored<HealthCheck>],
    ) -> Result<(), AwsError> {
        let config = &check.config.0;
        let mut healthy = 0;
        let children = config.child_health_checks.clone().unwrap_or_default();
        if config.disabled != Some(true) {
            for child in all
                .iter()
                .filter(|c| children.iter().any(|id| id == c.id()))
            {
                healthy += i32::from(is_healthy(house, &child.key).await?);
            }
        }
        let threshold = config.health_threshold.unwrap_or(0);
        let found = match config.disabled == Some(true) || healthy >= threshold {
            true => Ok(format!(
                "Success: {healthy} of {} health checks are healthy",
                children.len()
            )),
            false => Err(format!(
                "Failure: {healthy} of {} health checks are healthy",
                children.len()
            )),
        };
        let is_healthy = found.is_ok() != (config.inverted == Some(true));
        self.note(house, &check.key, found, Some(is_healthy)).await
    }

    /// Asks an endpoint for as long as the task lives.
    async fn ask_again(self: Arc<Self>, house: Arc<House>, key: String, check: HealthCheck) {
        let config = &check.config.0;
        let interval = config.request_interval.and_then(|s| u64::try_from(s).ok());
        let interval = Duration::from_secs(interval.unwrap_or(30));
        let threshold = config.failure_threshold.unwrap_or(3);
        let inverted = config.inverted == Some(true);
        let (mut last, mut same) = (None, 0);
        loop {
            let found = probe::ask(config).await;
            same = if last == Some(found.is_ok()) {
                same + 1
            } else {
                1
            };
            last = Some(found.is_ok());
            // It turns after so many of the same, and stays as it was until then.
            let turned = (same >= threshold).then_some(found.is_ok() != inverted);
            if let Err(error) = self.note(&house, &key, found, turned).await {
                tracing::debug!(%error, key, "what a health check says is not stored");
            }
            tokio::time::sleep(interval).await;
        }
    }

    async fn note(
        &self,
        house: &House,
        key: &str,
        found: Result<String, String>,
        healthy: Option<bool>,
    ) -> Result<(), AwsError> {
        let at = house.now();
        let observed = Observation {
            at,
            found: found.clone(),
        };
        self.0.lock().insert(key.to_owned(), observed);
        let Some(healthy) = healthy else {
            return Ok(());
        };
        let key = status_key(key);
        let before = house.db.get_key::<HealthStatus>(&key).await?;
        let was = before.as_ref().is_none_or(|before| before.healthy);
        if was == healthy {
            return Ok(());
        }
        let failed = found.err();
        let of_before = before.map(|before| before.value);
        let status = HealthStatus {
            healthy,
            since: at,
            failed_at: match failed {
                Some(_) => Some(at),
                None => of_before.as_ref().and_then(|b| b.failed_at),
            },
            last_failure: failed
                .or(of_before.map(|b| b.last_failure))
                .unwrap_or_default(),
        };
        house.db.tx().put(key, &status).commit().await.map(drop)
    }
}

fn prefix() -> String {
    format!("{}/", HealthCheck::KIND)
}

/// The key of a health check's status.
pub fn status_key(check_key: &str) -> String {
    check_key.replacen(HealthCheck::KIND, HealthStatus::KIND, 1)
}

/// The key of an account's health check.
pub fn key(account: &AccountId, id: &str) -> String {
    db::key::<HealthCheck>(&dns::global(account), id)
}

async fn is_healthy(house: &House, check_key: &str) -> Result<bool, AwsError> {
    let status = house
        .db
        .get_key::<HealthStatus>(&status_key(check_key))
        .await?;
    Ok(status.is_none_or(|status| status.healthy))
}

/// What a health check asks for, as `GetHealthCheckStatus` says what it found.
pub fn said(observation: &Observation) -> api::StatusReport {
    let (Ok(status) | Err(status)) = &observation.found;
    api::StatusReport {
        status: Some(status.clone()),
        checked_time: Some(observation.at),
    }
}
