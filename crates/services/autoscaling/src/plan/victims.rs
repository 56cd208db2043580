//! Which instance goes when a group shrinks
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html>):
//! one in a zone that has the most, then as the termination policies say.

use super::places;
use crate::model::{From, Group, Lifecycle, Member, Source};
use neargate_base::Timestamp;

type Candidate<'a> = (&'a String, &'a Member);

/// The next one to go; `None`: all are protected, or on their way already.
pub(super) fn next(group: &Group, now: Timestamp) -> Option<String> {
    let may_go = |m: &Member| m.state.counts() && !m.protected;
    let mut all: Vec<Candidate> = group.instances.iter().filter(|(_, m)| may_go(m)).collect();
    let zones = places::by_zone(group);
    let of_zone = |m: &Member| {
        // A zone that is not the group's any more goes first.
        let is_foreign = !group.places.iter().any(|p| p.zone == m.place.zone);
        (is_foreign, zones.get(&m.place.zone).copied().unwrap_or(0))
    };
    best(&mut all, |(_, m)| std::cmp::Reverse(of_zone(m)));
    // What is not in service yet serves nobody.
    best(&mut all, |(_, m)| m.healthy);
    for policy in &group.settings.termination_policies {
        if all.len() > 1 {
            narrow(policy, group, &mut all, now);
        }
    }
    best(&mut all, |(_, m)| m.state == Lifecycle::InService);
    all.first().map(|(id, _)| (*id).clone())
}

/// Keeps those with the least key.
fn best<K: Ord>(all: &mut Vec<Candidate>, key: impl Fn(&Candidate) -> K) {
    if let Some(least) = all.iter().map(&key).min() {
        all.retain(|one| key(one) == least);
    }
}

fn narrow(policy: &str, group: &Group, all: &mut Vec<Candidate>, now: Timestamp) {
    match policy {
        "OldestInstance" => best(all, |(_, m)| m.since),
        "NewestInstance" => best(all, |(_, m)| std::cmp::Reverse(m.since)),
        "OldestLaunchConfiguration" => best(all, |(_, m)| configuration_age(m)),
        "OldestLaunchTemplate" => best(all, |(_, m)| template_age(group, m)),
        "ClosestToNextInstanceHour" => best(all, |(_, m)| to_next_hour(m, now)),
        "Default" => {
            best(all, |(_, m)| template_age(group, m));
            best(all, |(_, m)| configuration_age(m));
            best(all, |(_, m)| to_next_hour(m, now));
        }
        // There is one kind of capacity, so that every allocation strategy is kept.
        _ => {}
    }
}

/// Instances of launch configurations by their age; others behind them.
fn configuration_age(member: &Member) -> (u8, Timestamp) {
    match &member.from {
        From::Configuration { created_at, .. } => (0, *created_at),
        From::Template(_) | From::Elsewhere => (1, Timestamp::default()),
    }
}

/// In a group with a launch template: those of a launch configuration first, then of other
/// templates, then of the oldest version of the current one.
fn template_age(group: &Group, member: &Member) -> (u8, u64) {
    let current = match &group.source {
        Source::Configuration(_) => return (0, 0),
        Source::Template(template) => Some(template.id.as_str()),
        Source::Mixed(policy) => policy
            .launch_template
            .as_ref()
            .and_then(|t| t.launch_template_specification.as_ref())
            .and_then(|s| s.launch_template_id.as_deref()),
    };
    match &member.from {
        From::Configuration { .. } | From::Elsewhere => (0, 0),
        From::Template(of) if Some(of.id.as_str()) != current => (1, 0),
        From::Template(of) => {
            let version = of.version.as_ref().and_then(|v| v.parse().ok());
            (2, version.unwrap_or(0))
        }
    }
}

fn to_next_hour(member: &Member, now: Timestamp) -> u64 {
    3_600 - now.since(member.since).as_secs() % 3_600
}
