//! Copies snapshots, and erases those that were deleted. New ones are made by their instance's tasks.

use super::{Action, TASKS, applied, is_of, place_of, task_of};
use crate::happening::{self, To};
use crate::model::{Purpose, Snapshot, SnapshotStatus, TaskSlot};
use crate::plan::definition::{self, Around};
use crate::plan::engine;
use crate::plan::next::{self, FAILURES, Seen, Step};
use crate::tasks::{self, Network};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Fault, House, Resource, Stored};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub struct Snapshots {
    house: Arc<House>,
    /// The key of the snapshot that has the task of this id.
    owners: Mutex<HashMap<String, String>>,
}

pub struct View {
    key: String,
    snapshot: Stored<Snapshot>,
    seen: Option<Seen>,
}

impl Snapshots {
    pub fn new(house: Arc<House>) -> Snapshots {
        Snapshots {
            house,
            owners: Mutex::default(),
        }
    }
}

#[async_trait]
impl Controller for Snapshots {
    type View = View;
    type Action = Action<Snapshot>;

    fn name(&self) -> &'static str {
        "rds-snapshots"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Snapshot::KIND), TASKS.to_owned()]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        if is_of::<Snapshot>(store_key) {
            return Some(store_key.to_owned());
        }
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.get(task_of(store_key)?).cloned()
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let found = self.house.db.get_key::<Snapshot>(key).await?;
        let task = found.as_ref().and_then(|s| s.task.as_ref()?.arn.clone());
        {
            let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
            owners.retain(|_, owner| owner != key);
            if let Some(id) = task.as_deref().and_then(|arn| arn.rsplit('/').next()) {
                owners.insert(id.to_owned(), key.to_owned());
            }
        }
        let Some((snapshot, (scope, _))) = found.zip(place_of(key)) else {
            return Ok(None);
        };
        let seen = match &task {
            Some(arn) => Some(tasks::see(&self.house, &scope, arn).await?),
            None => None,
        };
        Ok(Some(View {
            key: key.to_owned(),
            snapshot,
            seen,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Action<Snapshot>> {
        let step = next::snapshot(&view.snapshot, view.seen.as_ref(), now);
        let (waits, wake_at) = match &step {
            Step::Wait(at) => (true, *at),
            _ => (false, None),
        };
        let action = Action {
            key: view.key.clone(),
            read: view.snapshot.clone(),
            seen: view.seen.clone(),
            step,
        };
        Plan {
            actions: if waits { Vec::new() } else { vec![action] },
            wake_at,
            reason: "the next step of a snapshot",
        }
    }

    async fn apply(&self, action: Action<Snapshot>) -> Result<Applied, AwsError> {
        let Some((scope, identifier)) = place_of(&action.key) else {
            return Ok(Applied::Done);
        };
        let house = &self.house;
        let mut changed = action.read.value.clone();
        let mut tx = house.db.tx();
        let slot = changed.task.clone();
        match action.step {
            Step::Take(purpose) => {
                changed.generation += 1;
                changed.task = Some(TaskSlot {
                    purpose,
                    generation: changed.generation,
                    definition: None,
                    arn: None,
                    stopping: false,
                    sets_password: false,
                });
            }
            Step::Define => {
                let asked = &changed.asked;
                let images = &house.settings.rds_images;
                let around = Around {
                    scope: &scope,
                    identifier,
                    image: engine::image(images, &asked.engine, &asked.engine_version),
                    parameters: &BTreeMap::new(),
                    snapshot: None,
                };
                let from = match slot.as_ref().map(|slot| &slot.purpose) {
                    Some(Purpose::Restore(from)) => Some(from.as_str()),
                    _ => None,
                };
                let input = definition::of_snapshot(&changed.file_system, from, &around);
                let arn = tasks::define(house, &scope, &input).await?;
                if let Some(slot) = &mut changed.task {
                    slot.definition = Some(arn);
                }
            }
            Step::Run => {
                let network = Network {
                    subnets: &changed.subnets,
                    security_groups: &[],
                    public: false,
                };
                let slot = slot.as_ref();
                let generation = slot.map_or(0, |slot| slot.generation);
                // A file system is one snapshot's alone, even when another takes its name.
                let token = format!("{}-{generation}", changed.file_system);
                let definition = slot.and_then(|slot| slot.definition.clone());
                let definition = definition.unwrap_or_default();
                match tasks::run(house, &scope, &definition, &token, &network).await {
                    Ok(Ok(arn)) => {
                        if let Some(slot) = &mut changed.task {
                            slot.arn = Some(arn);
                        }
                    }
                    Ok(Err(why)) => fail(house, &mut changed, &why),
                    Err(error) if error.fault == Fault::Client => {
                        fail(house, &mut changed, &error.message);
                    }
                    Err(error) => return Err(error),
                }
            }
            Step::Stop(reason) => {
                if let Some(arn) = slot.and_then(|slot| slot.arn) {
                    tasks::stop(house, &scope, &arn, reason).await?;
                }
                if let Some(slot) = &mut changed.task {
                    slot.stopping = true;
                }
            }
            Step::Failed(reason) => fail(house, &mut changed, &reason),
            Step::Done => {
                changed.task = None;
                changed.failures = 0;
                let copied = matches!(slot.map(|slot| slot.purpose), Some(Purpose::Restore(_)));
                if copied && changed.status == SnapshotStatus::Copying {
                    changed.status = SnapshotStatus::Available;
                    changed.copy_of = None;
                    let said = ("RDS-EVENT-0042", "creation", "Manual snapshot created");
                    tx = happening::add(tx, house, &scope, (To::Snapshot, identifier), said);
                }
            }
            Step::Forget => {
                let family = definition::snapshot_family(identifier);
                tasks::forget_family(house, &scope, &family).await?;
                let said = ("RDS-EVENT-0041", "deletion", "Deleted manual snapshot");
                let tx = happening::add(tx, house, &scope, (To::Snapshot, identifier), said);
                let tx = tx.delete(&action.read).within_reserve();
                return Ok(applied(tx.commit().await?));
            }
            Step::Wait(_) | Step::Available | Step::Maintain | Step::Rest => {
                return Ok(Applied::Done);
            }
        }
        let tx = tx.update(&action.read, &changed).within_reserve();
        Ok(applied(tx.commit().await?))
    }
}

fn fail(house: &House, changed: &mut Snapshot, reason: &str) {
    tracing::info!(reason, "a task of a snapshot has ended");
    changed.task = None;
    changed.failures += 1;
    changed.retry_at = Some(house.now() + next::pause(changed.failures));
    if changed.status == SnapshotStatus::Copying && changed.failures >= FAILURES {
        changed.status = SnapshotStatus::Failed;
    }
}
