//! The records that load balancers are made from, in memory, and which load balancers a changed
//! record touches.

use crate::model::{Listener, LoadBalancer, Target, TargetGroup, TrustStore};
use crate::names;
use neargate_base::{Secret, Timestamp};
use neargate_service::certificate::{self, Certificate};
use neargate_service::instance::Instance;
use neargate_service::{AwsError, House, Resource, Scope, db};
use neargate_store::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// The ids of load balancers that have to be looked at again.
pub(super) type Touched = BTreeSet<String>;

/// What a listener shows of a certificate, in PEM.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) chain: String,
    pub(super) private_key: Secret<String>,
}

/// Each kind by id: the ids are random, whatever the account and region.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) load_balancers: BTreeMap<String, (Scope, LoadBalancer)>,
    /// By load balancer and id.
    pub(super) listeners: BTreeMap<(String, String), Listener>,
    pub(super) groups: BTreeMap<String, (Scope, TargetGroup)>,
    /// By target group and the last part of the key.
    pub(super) targets: BTreeMap<(String, String), Target>,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) trust_stores: BTreeMap<String, TrustStore>,
    /// By their ARNs.
    pub(super) certificates: BTreeMap<String, Shown>,
    /// Store keys of targets by group and the last part of the key.
    keys: BTreeMap<(String, String), String>,
}

impl Records {
    /// # Errors
    /// The record cannot be read.
    pub(super) fn put(&mut self, house: &House, entry: &Entry) -> Result<Touched, AwsError> {
        let key = entry.key.as_str();
        let (Some(scope), Some((of, id))) = (Scope::of_key(key), ends(key)) else {
            return Ok(Touched::new());
        };
        match kind(key) {
            LoadBalancer::KIND => {
                let value = db::decode::<LoadBalancer>(entry)?.value;
                let touched = self.of_load_balancer(&scope, &id, &value);
                self.load_balancers.insert(id, (scope, value));
                Ok(touched)
            }
            Listener::KIND => {
                let value = db::decode::<Listener>(entry)?.value;
                self.listeners.insert((of.clone(), id), value);
                Ok([of].into())
            }
            TargetGroup::KIND => {
                let value = db::decode::<TargetGroup>(entry)?.value;
                self.groups.insert(id.clone(), (scope, value));
                Ok(self.of_group(&id))
            }
            TrustStore::KIND => {
                let value = db::decode::<TrustStore>(entry)?.value;
                self.trust_stores.insert(id.clone(), value);
                Ok(self.of_trust_store(&id))
            }
            Target::KIND => {
                let value = db::decode::<Target>(entry)?.value;
                let touched = self.of_group(&of);
                self.keys.insert((of.clone(), id.clone()), key.to_owned());
                self.targets.insert((of, id), value);
                Ok(touched)
            }
            Instance::KIND => {
                let value = db::decode::<Instance>(entry)?.value;
                self.instances.insert(id.clone(), value);
                Ok(self.of_instance(&id))
            }
            Certificate::KIND => {
                let value = db::decode::<Certificate>(entry)?.value;
                let arn = certificate::arn(&scope, &id);
                match value.private_key.open(&house.root_key, key) {
                    Some(private_key) => {
                        let chain = value.full_chain();
                        let shown = Shown { chain, private_key };
                        self.certificates.insert(arn.clone(), shown);
                    }
                    None => drop(self.certificates.remove(&arn)),
                }
                Ok(self.of_certificate(&arn))
            }
            _ => Ok(Touched::new()),
        }
    }

    pub(super) fn delete(&mut self, key: &str) -> Touched {
        let (Some(scope), Some((of, id))) = (Scope::of_key(key), ends(key)) else {
            return Touched::new();
        };
        match kind(key) {
            LoadBalancer::KIND => match self.load_balancers.remove(&id) {
                Some((scope, gone)) => self.of_load_balancer(&scope, &id, &gone),
                None => Touched::new(),
            },
            Listener::KIND => {
                self.listeners.remove(&(of.clone(), id));
                [of].into()
            }
            TargetGroup::KIND => {
                let touched = self.of_group(&id);
                self.groups.remove(&id);
                touched
            }
            TrustStore::KIND => {
                self.trust_stores.remove(&id);
                self.of_trust_store(&id)
            }
            Target::KIND => {
                let at = (of, id);
                self.targets.remove(&at);
                self.keys.remove(&at);
                self.of_group(&at.0)
            }
            Instance::KIND => {
                self.instances.remove(&id);
                self.of_instance(&id)
            }
            Certificate::KIND => {
                let arn = certificate::arn(&scope, &id);
                self.certificates.remove(&arn);
                self.of_certificate(&arn)
            }
            _ => Touched::new(),
        }
    }

    pub(super) fn all(&self) -> Touched {
        self.load_balancers.keys().cloned().collect()
    }

    pub(super) fn listeners_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Listener> {
        let from = (id.to_owned(), String::new());
        let those = self.listeners.range(from..);
        those
            .take_while(move |((of, _), _)| of == id)
            .map(|(_, l)| l)
    }

    pub(super) fn targets_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Target> {
        let from = (group.to_owned(), String::new());
        let those = self.targets.range(from..);
        those
            .take_while(move |((of, _), _)| of == group)
            .map(|(_, t)| t)
    }

    /// Store keys of targets whose registration ends, and when: drained, or without their group, or
    /// without their instance. Whoever ends it looks at the store first.
    pub(super) fn ending(&self) -> BTreeMap<String, Timestamp> {
        let mut ending = BTreeMap::new();
        for (at, target) in &self.targets {
            let is_lost = !self.groups.contains_key(&at.0)
                || (target.id.starts_with("i-")
                    && self
                        .instances
                        .get(&target.id)
                        .is_none_or(Instance::has_ended));
            let when = match is_lost {
                true => Some(Timestamp::from_millis(0)),
                false => target.draining_until,
            };
            if let (Some(when), Some(key)) = (when, self.keys.get(at)) {
                ending.insert(key.clone(), when);
            }
        }
        ending
    }

    /// Itself, and those that lead to it.
    fn of_load_balancer(&self, scope: &Scope, id: &str, value: &LoadBalancer) -> Touched {
        let kind = value.load_balancer_type;
        let arn = names::load_balancer_arn(scope, kind, &value.name, id);
        let mut touched = Touched::from([id.to_owned()]);
        let targets = self.targets.iter().filter(|(_, t)| t.id == arn);
        touched.extend(targets.flat_map(|((group, _), _)| self.of_group(group)));
        touched
    }

    /// The load balancers that lead to a target group.
    fn of_group(&self, id: &str) -> Touched {
        let end = format!("/{id}");
        let leads = |l: &Listener| l.target_groups().any(|arn| arn.ends_with(&end));
        let those = self.listeners.iter().filter(|(_, l)| leads(l));
        those.map(|((of, _), _)| of.clone()).collect()
    }

    fn of_instance(&self, id: &str) -> Touched {
        let targets = self.targets.iter().filter(|(_, t)| t.id == id);
        targets
            .flat_map(|((group, _), _)| self.of_group(group))
            .collect()
    }

    /// The load balancers whose listeners believe a trust store.
    fn of_trust_store(&self, id: &str) -> Touched {
        let end = format!("/{id}");
        let those = self.listeners.iter();
        let those = those.filter(|(_, l)| l.trust_store().is_some_and(|arn| arn.ends_with(&end)));
        those.map(|((of, _), _)| of.clone()).collect()
    }

    fn of_certificate(&self, arn: &str) -> Touched {
        let those = self.listeners.iter();
        let those = those.filter(|(_, l)| l.certificates().any(|c| c == arn));
        those.map(|((of, _), _)| of.clone()).collect()
    }
}

/// The last two parts of a key.
fn ends(key: &str) -> Option<(String, String)> {
    let mut parts = key.rsplit('/');
    let id = parts.next()?.to_owned();
    Some((parts.next()?.to_owned(), id))
}

/// The first two parts of a key.
fn kind(key: &str) -> &str {
    let second = key.match_indices('/').nth(1);
    second.map_or(key, |(at, _)| &key[..at])
}
