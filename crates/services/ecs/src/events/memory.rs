//! What is remembered of every resource: no more than decides whether a change makes an event.

use super::instance;
use super::service::{self, Made, Seen};
use super::task::{self, Trace};
use crate::fleet::ClusterId;
use crate::model::{Agent, ContainerInstance, Service, ServiceEvent, Task};
use neargate_base::{AccountId, Region, Timestamp};
use neargate_service::{AwsError, Resource, Scope, db};
use neargate_store::{Entry, Event, Revision};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A hash of a store key, long enough that no two are the same: tasks are many.
type KeyHash = u128;

#[derive(Debug, Default)]
pub(super) struct Memory {
    tasks: HashMap<KeyHash, Trace>,
    services: HashMap<KeyHash, Seen>,
    /// By store key.
    instances: BTreeMap<String, Arc<ContainerInstance>>,
    /// The newest change of what their events tell, by the instance's store key.
    versions: HashMap<String, Revision>,
    /// What was last said of their agents, by the instance's store key.
    agents: HashMap<String, bool>,
    /// Rises with every change of an instance or an agent.
    instance_changes: u64,
}

/// An event that is to be made.
#[derive(Debug)]
pub(super) enum Due {
    Task {
        cluster: ClusterId,
        entry: Entry,
        time: Timestamp,
        /// The task's.
        group: String,
    },
    /// An event of the instance at `key` is due, because of `cause`.
    Instance {
        cluster: ClusterId,
        key: String,
        cause: Revision,
    },
    /// An event of the service at `key`, or of its stored event there, is due.
    Service {
        cluster: ClusterId,
        key: String,
        cause: Revision,
        index: usize,
        made: Made,
    },
}

impl Memory {
    /// Take note of a change and say which events it makes. Instances come last, each once.
    /// A record that cannot be read makes none.
    pub(super) fn apply(&mut self, events: &[Event], now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        let mut touched: BTreeSet<(String, Revision)> = BTreeSet::new();
        for event in events {
            match event {
                Event::Put(entry) => {
                    if let Err(error) = self.put(entry, now, &mut due, &mut touched) {
                        tracing::error!(%error, key = entry.key, "a record makes no event");
                    }
                }
                Event::Delete { key, .. } => self.delete(key),
            }
        }
        for (key, cause) in touched {
            let version = self.versions.entry(key.clone()).or_default();
            *version = cause.max(*version);
            if let (Some(cluster), true) = (cluster_of(&key), self.instances.contains_key(&key)) {
                due.push(Due::Instance {
                    cluster,
                    key,
                    cause,
                });
            }
        }
        due
    }

    fn put(
        &mut self,
        entry: &Entry,
        now: Timestamp,
        due: &mut Vec<Due>,
        touched: &mut BTreeSet<(String, Revision)>,
    ) -> Result<(), AwsError> {
        match kind(&entry.key) {
            Task::KIND => {
                let hash = hash(&entry.key);
                let seen = task::look(self.tasks.get(&hash).copied(), entry, now)?;
                self.tasks.insert(hash, seen.trace);
                let Some(cluster) = cluster_of(&entry.key) else {
                    return Ok(());
                };
                if let Some(id) = &seen.instance {
                    touched.insert((cluster.key::<ContainerInstance>(id), entry.mod_revision));
                }
                if let Some(time) = seen.due {
                    due.push(Due::Task {
                        cluster,
                        entry: entry.clone(),
                        time,
                        group: seen.group,
                    });
                }
            }
            ContainerInstance::KIND => {
                let after = Arc::new(db::decode::<ContainerInstance>(entry)?.value);
                self.instance_changes += 1;
                let before = self.instances.insert(entry.key.clone(), after.clone());
                if instance::is_due(before.as_deref(), &after) {
                    touched.insert((entry.key.clone(), entry.mod_revision));
                }
            }
            Service::KIND => {
                let after = db::decode::<Service>(entry)?.value;
                let hash = hash(&entry.key);
                let before = self.services.insert(hash, service::seen(&after));
                let made = service::changes(&before.unwrap_or_default(), &after, now);
                due.extend(services(entry, made));
            }
            ServiceEvent::KIND => {
                let said = db::decode::<ServiceEvent>(entry)?.value;
                let (Some(cluster), Some(name)) = (cluster_of(&entry.key), part(&entry.key, 5))
                else {
                    return Ok(());
                };
                due.extend(services(entry, service::action(&cluster, name, &said)));
            }
            Agent::KIND => {
                let connected = db::decode::<Agent>(entry)?.value.connected;
                let key = instance_key(&entry.key);
                self.instance_changes += 1;
                if self.agents.insert(key.clone(), connected) != Some(connected) {
                    touched.insert((key, entry.mod_revision));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn delete(&mut self, key: &str) {
        match kind(key) {
            Task::KIND => {
                self.tasks.remove(&hash(key));
            }
            Service::KIND => {
                self.services.remove(&hash(key));
            }
            ContainerInstance::KIND => {
                self.instances.remove(key);
                self.versions.remove(key);
                self.instance_changes += 1;
            }
            Agent::KIND => {
                self.agents.remove(&instance_key(key));
            }
            _ => {}
        }
    }

    /// How much memory the tasks take, but for the map's control bytes (one a place).
    #[cfg(test)]
    pub(super) fn task_bytes(&self) -> usize {
        self.tasks.capacity() * (size_of::<(KeyHash, Trace)>() + 1)
    }

    pub(super) fn instance(&self, key: &str) -> Option<Arc<ContainerInstance>> {
        self.instances.get(key).cloned()
    }

    /// The `version` of the instance's last event.
    pub(super) fn version(&self, instance: &str) -> Option<Revision> {
        self.versions.get(instance).copied()
    }

    pub(super) fn instance_changes(&self) -> u64 {
        self.instance_changes
    }

    pub(super) fn agent(&self, instance: &str) -> bool {
        self.agents.get(instance).copied().unwrap_or(false)
    }

    /// Every instance and what was last said of its agent.
    pub(super) fn agents(&self) -> Vec<(String, Arc<ContainerInstance>, Option<bool>)> {
        let instances = self.instances.iter();
        let said = |key: &String| self.agents.get(key).copied();
        instances
            .map(|(key, i)| (key.clone(), i.clone(), said(key)))
            .collect()
    }

    /// Agents of instances that are gone, by the instance's store key.
    pub(super) fn orphans(&self) -> Vec<String> {
        let keys = self.agents.keys();
        let gone = keys.filter(|key| !self.instances.contains_key(*key));
        gone.cloned().collect()
    }
}

fn services(entry: &Entry, made: impl IntoIterator<Item = Made>) -> Vec<Due> {
    let Some(cluster) = cluster_of(&entry.key) else {
        return Vec::new();
    };
    let made = made.into_iter().enumerate();
    made.map(|(index, made)| Due::Service {
        cluster: cluster.clone(),
        key: entry.key.clone(),
        cause: entry.mod_revision,
        index,
        made,
    })
    .collect()
}

/// The part of a store key at this place, counted from 0.
pub(super) fn part(key: &str, at: usize) -> Option<&str> {
    key.split('/').nth(at)
}

fn hash(key: &str) -> KeyHash {
    let hash = Sha256::digest(key.as_bytes());
    KeyHash::from_be_bytes(hash[..16].try_into().expect("a hash of 32 bytes"))
}

/// The first two parts of a store key.
fn kind(key: &str) -> &str {
    let end = key.match_indices('/').nth(1).map_or(key.len(), |(i, _)| i);
    &key[..end]
}

fn instance_key(agent: &str) -> String {
    agent.replacen(Agent::KIND, ContainerInstance::KIND, 1)
}

pub(super) fn agent_key(instance: &str) -> String {
    instance.replacen(ContainerInstance::KIND, Agent::KIND, 1)
}

/// The cluster of `service/kind/account/region/cluster/…`.
fn cluster_of(key: &str) -> Option<ClusterId> {
    let mut parts = key.splitn(6, '/').skip(2);
    let account: AccountId = parts.next()?.parse().ok()?;
    let region: Region = parts.next()?.parse().ok()?;
    Some(ClusterId {
        scope: Scope { account, region },
        name: parts.next()?.to_owned(),
    })
}
