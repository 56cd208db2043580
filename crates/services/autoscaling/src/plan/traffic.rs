//! Which instances go into target groups, and which come out: those in service are in.

use super::Healths;
use crate::model::{Group, Lifecycle};
use std::collections::BTreeMap;

/// What is to be done at a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Register(Vec<String>),
    /// It drains from then on.
    Deregister(Vec<String>),
    /// These are out.
    Left(Vec<String>),
}

/// The changes by the ARNs of target groups, as `healths` are the states of their targets.
pub fn changes(group: &Group, healths: &Healths) -> Vec<(String, Change)> {
    let mut changes = Vec::new();
    let none = BTreeMap::new();
    for (arn, source) in &group.traffic_sources {
        let states = healths.get(arn).unwrap_or(&none);
        let is_wanted = |id: &String| {
            let member = group.instances.get(id);
            !source.leaving && member.is_some_and(|m| m.state == Lifecycle::InService)
        };
        let (mut out, mut left) = (Vec::new(), Vec::new());
        for id in source.registered.iter().filter(|id| !is_wanted(id)) {
            match states.get(id).map(String::as_str) {
                None => left.push(id.clone()),
                Some("draining" | "unhealthy.draining") => {}
                Some(_) => out.push(id.clone()),
            }
        }
        let new: Vec<String> = group
            .instances
            .keys()
            .filter(|id| is_wanted(id) && !source.registered.contains(*id))
            .cloned()
            .collect();
        if !new.is_empty() && !group.is_suspended("AddToLoadBalancer") {
            changes.push((arn.clone(), Change::Register(new)));
        }
        if !out.is_empty() {
            changes.push((arn.clone(), Change::Deregister(out)));
        }
        if !left.is_empty() {
            changes.push((arn.clone(), Change::Left(left)));
        }
    }
    changes
}

impl Group {
    /// Is the instance a target somewhere?
    pub fn is_target(&self, id: &str) -> bool {
        let mut sources = self.traffic_sources.values();
        sources.any(|source| source.registered.contains(id))
    }

    /// Do health checks of load balancers count?
    pub fn heeds_balancers(&self) -> bool {
        let types = &self.settings.health_check_type;
        types.split(',').any(|kind| kind.trim() == "ELB")
    }

    /// The target groups whose targets' states matter now.
    pub fn watched_sources(&self) -> Vec<String> {
        let leaves = |id: &String| {
            let member = self.instances.get(id);
            member.is_none_or(|m| m.state != Lifecycle::InService)
        };
        let sources = self.traffic_sources.iter();
        sources
            .filter(|(_, source)| {
                let mut registered = source.registered.iter();
                let someone = !source.registered.is_empty();
                someone && (self.heeds_balancers() || source.leaving || registered.any(leaves))
            })
            .map(|(arn, _)| arn.clone())
            .collect()
    }
}
