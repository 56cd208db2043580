//! What alarms say to scalable targets, in memory: the readings that CloudWatch writes
//! (`neargate_service::alarm`), by the targets whose policies are their actions.

use crate::model::{NAMESPACE, Named};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use neargate_base::Arn;
use neargate_base::backoff::Backoff;
use neargate_domain::alarm::AlarmReading;
use neargate_service::alarm::READING;
use neargate_service::{AwsError, House, Scope, db};
use neargate_store::{Event, MAX_PAGE, Revision, Watch};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The readings of every target.
#[derive(Debug, Default)]
pub struct Readings(Mutex<Index>);

#[derive(Debug, Default)]
struct Index {
    /// By the key of the target, then of the reading.
    of_target: HashMap<String, BTreeMap<String, AlarmReading>>,
    /// The targets that a reading is for.
    targets: HashMap<String, BTreeSet<String>>,
}

impl Readings {
    /// What alarms say to the target now.
    pub fn of(&self, target: &str) -> Vec<AlarmReading> {
        let index = self.0.lock();
        let readings = index.of_target.get(target);
        readings
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// Takes up a reading; answers the targets that it is or was for.
    pub fn put(&self, key: &str, reading: &AlarmReading) -> BTreeSet<String> {
        let mut index = self.0.lock();
        let mut touched = index.forget(key);
        let targets: BTreeSet<String> = reading.actions.iter().filter_map(|a| target(a)).collect();
        for target in &targets {
            let readings = index.of_target.entry(target.clone()).or_default();
            readings.insert(key.to_owned(), reading.clone());
        }
        if !targets.is_empty() {
            touched.extend(targets.iter().cloned());
            index.targets.insert(key.to_owned(), targets);
        }
        touched
    }

    fn delete(&self, key: &str) -> BTreeSet<String> {
        self.0.lock().forget(key)
    }

    /// Follows the store, again and again; answers keys of targets whose readings have changed.
    pub fn follow(self: Arc<Self>, house: Arc<House>) -> BoxStream<'static, Vec<String>> {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let following = Following {
            readings: self,
            house,
            backoff,
            watch: None,
        };
        stream::unfold(following, |mut following| async move {
            Some((following.next().await, following))
        })
        .boxed()
    }
}

impl Index {
    fn forget(&mut self, key: &str) -> BTreeSet<String> {
        let targets = self.targets.remove(key).unwrap_or_default();
        for target in &targets {
            if let Some(readings) = self.of_target.get_mut(target) {
                readings.remove(key);
                if readings.is_empty() {
                    self.of_target.remove(target);
                }
            }
        }
        targets
    }
}

/// The key of the target that the policy of an action is of.
fn target(action: &str) -> Option<String> {
    let arn: Arn = action
        .parse()
        .ok()
        .filter(|a: &Arn| a.service == "autoscaling")?;
    let scope = Scope::of_arn(action)?;
    let (_, resource) = arn.resource.split_once(":resource/")?;
    let (resource, _) = resource.split_once(":policyName/")?;
    let named = Named::parse(resource.strip_prefix(NAMESPACE)?.strip_prefix('/')?)?;
    Some(named.key(&scope))
}

struct Following {
    readings: Arc<Readings>,
    house: Arc<House>,
    backoff: Backoff,
    watch: Option<Box<dyn Watch>>,
}

impl Following {
    /// The targets that the next change concerns.
    async fn next(&mut self) -> Vec<String> {
        loop {
            let found = match &mut self.watch {
                None => self.list().await,
                Some(watch) => match watch.next().await {
                    Ok(batch) => {
                        self.backoff.reset();
                        self.take_up(&batch.events)
                    }
                    Err(error) => Err(error.into()),
                },
            };
            match found {
                Ok(keys) => return keys.into_iter().collect(),
                Err(error) => {
                    tracing::debug!(%error, "the readings of alarms are listed again");
                    self.watch = None;
                    tokio::time::sleep(self.backoff.next_delay(&self.house.rng)).await;
                }
            }
        }
    }

    async fn list(&mut self) -> Result<BTreeSet<String>, AwsError> {
        let store = self.house.db.store().clone();
        let prefix = format!("{READING}/");
        let fresh = Readings::default();
        let (mut after, mut at) = (None::<String>, None::<Revision>);
        let revision = loop {
            let page = store.range(&prefix, after.as_deref(), MAX_PAGE, at).await?;
            for entry in &page.entries {
                let stored = db::decode::<AlarmReading>(entry)?;
                fresh.put(&stored.key, &stored.value);
            }
            at = Some(page.revision);
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more {
                break page.revision;
            }
        };
        self.watch = Some(store.watch(&prefix, Some(revision + 1)).await?);
        let fresh = fresh.0.into_inner();
        let mut index = self.readings.0.lock();
        let mut touched: BTreeSet<String> = index.of_target.keys().cloned().collect();
        touched.extend(fresh.of_target.keys().cloned());
        *index = fresh;
        Ok(touched)
    }

    fn take_up(&self, events: &[Event]) -> Result<BTreeSet<String>, AwsError> {
        let mut touched = BTreeSet::new();
        for event in events {
            touched.extend(match event {
                Event::Put(entry) => {
                    let stored = db::decode::<AlarmReading>(entry)?;
                    self.readings.put(&stored.key, &stored.value)
                }
                Event::Delete { key, .. } => self.readings.delete(key),
            });
        }
        Ok(touched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_names_the_target_of_its_policy() {
        let policy = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:0b1c:resource/ecs/service/c/s:policyName/p";
        let key = Some("application-autoscaling/target/000000000000/us-east-1/ecs/c/s".to_owned());
        assert_eq!(target(policy), key);
        assert_eq!(target(&format!("{policy}:createdBy/1-2")), key);
        for other in [
            "arn:aws:sns:us-east-1:000000000000:topic",
            "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:0b1c:autoScalingGroupName/g:policyName/p",
            "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:0b1c:resource/dynamodb/table/t:policyName/p",
            "nothing",
        ] {
            assert_eq!(target(other), None, "{other}");
        }
    }
}
