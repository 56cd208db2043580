//! Keeps the records of services' names: those that registered instances have, which are healthy and
//! which not. An operation has succeeded once the records show it.

use crate::model::{
    Check, Checked, Instance, InstancesRevision, Namespace, Operation, Service, Status, Submitted,
};
use crate::{checks, plan};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::dns::{self, RecordSet};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, db};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes of one transaction.
const AT_ONCE: usize = 50;

#[derive(Debug)]
pub struct Registrar {
    pub house: Arc<House>,
}

/// A service and everything that its names are made from.
pub struct View {
    scope: Scope,
    service_id: String,
    namespace: Namespace,
    service: Service,
    instances: Vec<Stored<Instance>>,
    submitted: Vec<Stored<Submitted>>,
    records: BTreeMap<String, RecordSet>,
    checks: Vec<Stored<Check>>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Records by their keys; `None`: it goes.
    Write {
        scope: Scope,
        service_id: String,
        records: Vec<(String, Option<RecordSet>)>,
        /// The status of an instance changed, which is a new revision.
        is_news: bool,
    },
    /// A health check of Route 53 follows an instance from now on.
    Follow {
        scope: Scope,
        service_id: String,
        instance_id: String,
        of: Checked,
    },
    /// And this one no more.
    Unfollow {
        scope: Scope,
        service_id: String,
        check: Check,
    },
    Succeed {
        scope: Scope,
        service_id: String,
        operations: Vec<String>,
    },
}

#[async_trait]
impl Controller for Registrar {
    type View = View;
    type Action = Action;

    fn name(&self) -> &'static str {
        "cloud-map"
    }

    fn prefixes(&self) -> Vec<String> {
        let kinds = [Service::KIND, Instance::KIND, Submitted::KIND, Check::KIND];
        kinds.map(|kind| format!("{kind}/")).to_vec()
    }

    /// `<account>/<region>/<service id>`.
    fn key_of(&self, store_key: &str) -> Option<String> {
        let parts: Vec<&str> = store_key.split('/').skip(2).take(3).collect();
        (parts.len() == 3).then(|| parts.join("/"))
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let mut parts = key.split('/');
        let (Some(account), Some(region), Some(id)) = (parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        let (Ok(account), Ok(region)) = (account.parse(), region.parse()) else {
            return Ok(None);
        };
        let scope = Scope { account, region };
        let db = &self.house.db;
        // In this order: an operation that is seen is one whose instance is.
        let submitted = db.list_prefix(&of_service::<Submitted>(&scope, id)).await?;
        let Some(service) = db.get::<Service>(&scope, id).await? else {
            return Ok(None);
        };
        let namespace = db.get::<Namespace>(&scope, &service.namespace_id).await?;
        let Some(namespace) = namespace else {
            return Ok(None);
        };
        let instances = db.list_prefix(&of_service::<Instance>(&scope, id)).await?;
        let checks = db.list_prefix(&of_service::<Check>(&scope, id)).await?;
        let records = match &namespace.zone {
            Some(zone) => {
                let name = format!("{}.{}", service.name, namespace.name);
                let records = dns::records_of(&scope.account, &zone.id);
                let prefix = format!("{records}{}", dns::reversed(&dns::name(&name)));
                let all = db.list_prefix::<RecordSet>(&prefix).await?;
                all.into_iter().map(|r| (r.key, r.value)).collect()
            }
            None => BTreeMap::new(),
        };
        Ok(Some(View {
            scope,
            service_id: id.to_owned(),
            namespace: namespace.value,
            service: service.value,
            instances,
            submitted,
            records,
            checks,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Action> {
        // Records name the checks, which come before them.
        let mut actions = view.checks_to_change();
        if !actions.is_empty() {
            return Plan {
                actions,
                wake_at: None,
                reason: "health checks follow instances",
            };
        }
        if let Some(zone) = &view.namespace.zone {
            let service = (view.service_id.as_str(), &view.service);
            let instances = view.instances.iter().map(|i| &i.value);
            let checks = view.checks.iter().map(|c| &c.value);
            let checks = checks.map(|c| (c.instance_id.as_str(), c.health_check_id.as_str()));
            let checks = checks.collect();
            let wanted = plan::records(&view.namespace.name, service, instances, &checks, now);
            let key = |set: &RecordSet| set.key(&view.scope.account, &zone.id);
            let wanted: BTreeMap<_, _> = wanted.into_iter().map(|set| (key(&set), set)).collect();
            // Another service's name may be below this one's.
            let is_ours = |set: &RecordSet| set.service_id.as_ref() == Some(&view.service_id);
            let gone = view.records.iter().filter(|(_, set)| is_ours(set));
            let gone = gone
                .map(|(key, _)| key)
                .filter(|key| !wanted.contains_key(*key));
            let mut changes: Vec<_> = gone.map(|key| (key.clone(), None)).collect();
            let mut is_news = false;
            for (key, set) in wanted {
                let there = view.records.get(&key);
                is_news |= there.is_some_and(|there| there.unhealthy != set.unhealthy);
                if there != Some(&set) {
                    changes.push((key, Some(set)));
                }
            }
            for changes in changes.chunks(AT_ONCE) {
                actions.push(Action::Write {
                    scope: view.scope.clone(),
                    service_id: view.service_id.clone(),
                    records: changes.to_vec(),
                    is_news,
                });
            }
        }
        let submitted: Vec<String> = view.submitted.iter().map(|s| s.id().to_owned()).collect();
        for operations in submitted.chunks(AT_ONCE) {
            actions.push(Action::Succeed {
                scope: view.scope.clone(),
                service_id: view.service_id.clone(),
                operations: operations.to_vec(),
            });
        }
        let health = view.instances.iter().filter_map(|i| i.health.as_ref());
        let due = health.filter_map(|h| h.changes_at()).filter(|at| *at > now);
        Plan {
            actions,
            wake_at: due.min(),
            reason: "instances come or go, or are healthy or not",
        }
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        let house = &self.house;
        let tx = match action {
            Action::Write {
                scope,
                service_id,
                records,
                is_news,
            } => {
                let mut tx = house.db.tx();
                for (key, set) in records {
                    tx = match set {
                        Some(set) => tx.put(key, &set),
                        None => tx.delete_key(key),
                    };
                }
                if is_news {
                    let revision = db::key::<InstancesRevision>(&scope, &service_id);
                    tx = tx.put(revision, &InstancesRevision {});
                }
                tx
            }
            Action::Follow {
                scope,
                service_id,
                instance_id,
                of,
            } => checks::follow(house, &scope, &service_id, &instance_id, of).await?,
            Action::Unfollow {
                scope,
                service_id,
                check,
            } => checks::unfollow(house, &scope, &service_id, &check).await?,
            Action::Succeed {
                scope,
                service_id,
                operations,
            } => {
                let mut tx = house.db.tx();
                for id in operations {
                    if let Some(operation) = house.db.get::<Operation>(&scope, &id).await? {
                        let succeeded = Operation {
                            status: Status::Success,
                            updated_at: house.now(),
                            ..operation.value.clone()
                        };
                        tx = tx.update(&operation, &succeeded);
                    }
                    let submitted = db::key::<Submitted>(&scope, &format!("{service_id}/{id}"));
                    tx = tx.delete_key(submitted);
                }
                tx
            }
        };
        Ok(match tx.commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

impl View {
    /// The checks that are wanted and not there, or there and not wanted.
    fn checks_to_change(&self) -> Vec<Action> {
        let wanted = plan::checks(&self.service, self.instances.iter().map(|i| &i.value));
        let (scope, service_id) = (&self.scope, &self.service_id);
        let over = self.checks.iter().map(|check| &check.value);
        let over = over.filter(|check| wanted.get(check.instance_id.as_str()) != Some(&check.of));
        let over: Vec<Action> = over
            .map(|check| Action::Unfollow {
                scope: scope.clone(),
                service_id: service_id.clone(),
                check: check.clone(),
            })
            .collect();
        if !over.is_empty() {
            return over;
        }
        let is_there = |id: &str| self.checks.iter().any(|c| c.value.instance_id == id);
        let new = wanted.into_iter().filter(|(id, _)| !is_there(id));
        new.map(|(instance_id, of)| Action::Follow {
            scope: scope.clone(),
            service_id: service_id.clone(),
            instance_id: instance_id.to_owned(),
            of,
        })
        .collect()
    }
}

/// What the keys of a service's records of this kind begin with.
pub fn of_service<T: Resource>(scope: &Scope, service_id: &str) -> String {
    format!("{}{service_id}/", db::prefix::<T>(scope))
}
