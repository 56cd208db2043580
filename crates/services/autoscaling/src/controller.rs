//! One controller a group: views it with its instances, takes the step that `plan` answers, and
//! carries out what was written.

use crate::activity::{Activity, KEPT};
use crate::model::{Group, Lifecycle, Member, Place};
use crate::plan::traffic::{self, Change};
use crate::plan::{self, Healths, Seen};
use crate::{alarms, ec2, elbv2, launch, metrics, tell};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::db::{self, Tx};
use neargate_service::instance::{Instance, Power};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::RwLock;

/// Changes that tell of something in one transaction, which takes 128 in all.
const TOLD_AT_ONCE: usize = 100;

/// Between two looks at the targets of a group, where their states matter.
const TRAFFIC_PACE: Duration = Duration::from_secs(2);

/// Keeps the instances of groups.
#[derive(Debug)]
pub struct Keeper {
    pub house: Arc<House>,
    /// The key of the group that has the instance of a key, as far as groups were looked at.
    owners: Mutex<HashMap<String, String>>,
    /// See [`crate::Autoscaling`].
    starting: Arc<RwLock<()>>,
    /// When metrics of the group of a key were last published.
    published: Mutex<HashMap<String, Timestamp>>,
}

/// A group and its instances.
#[derive(Debug)]
pub struct View {
    group: Stored<Group>,
    seen: BTreeMap<String, Seen>,
    /// Those that EC2 was asked to end.
    asked: Vec<String>,
    healths: Healths,
}

#[derive(Debug)]
pub enum Action {
    /// The next step, which nothing may have crossed.
    Write(Box<Stored<Group>>, Box<Group>, Vec<Activity>),
    /// Start what a launch of this number stands for.
    Run { key: String, number: u64 },
    /// Ask EC2 to end an instance.
    End { key: String, id: String },
    /// Mark an instance that was attached.
    Tag { key: String, id: String },
    /// Let an instance go that is detached.
    Release { key: String, id: String },
    /// Change who is a target of a target group.
    Traffic {
        key: String,
        source: String,
        change: Change,
    },
    /// Make and delete the alarms of its policies.
    Alarms(String),
    /// The group is deleted and empty.
    Forget(Box<Stored<Group>>),
}

impl Keeper {
    pub fn new(house: Arc<House>, starting: Arc<RwLock<()>>) -> Keeper {
        Keeper {
            house,
            owners: Mutex::default(),
            starting,
            published: Mutex::default(),
        }
    }

    /// Once a minute, the metrics of a group that are collected.
    fn publish(&self, scope: &Scope, group: &Stored<Group>) {
        let now = self.house.now();
        let mut published = self.published.lock();
        if group.metrics.is_empty() {
            published.remove(&group.key);
            return;
        }
        let last = published.get(&group.key);
        if last.is_some_and(|at| now.since(*at) < metrics::PACE) {
            return;
        }
        published.insert(group.key.clone(), now);
        for datum in metrics::of(group, now) {
            self.house.metrics.put(scope, datum);
        }
    }

    async fn group(&self, key: &str) -> Result<Option<(Scope, Stored<Group>)>, AwsError> {
        let found = self.house.db.get_key::<Group>(key).await?;
        Ok(found.and_then(|group| Some((Scope::of_key(key)?, group))))
    }

    async fn write(
        &self,
        read: &Stored<Group>,
        group: &Group,
        mut ended: Vec<Activity>,
    ) -> Result<Applied, AwsError> {
        let Some(scope) = Scope::of_key(&read.key) else {
            return Ok(Applied::Done);
        };
        // Many at once are told of before the group says so: telling it again changes nothing.
        let mut waiting = tell::waiting(read, group);
        while waiting.len() > TOLD_AT_ONCE / 4 {
            let rest = waiting.split_off(TOLD_AT_ONCE / 4);
            let _: Committed = tell::all(&self.house, &scope, group, &[], &waiting)
                .commit()
                .await?;
            waiting = rest;
        }
        // A record, an event, and a message for each topic.
        let ended_at_once = TOLD_AT_ONCE / 2 / (2 + group.notifications.len());
        while ended.len() > ended_at_once {
            let rest = ended.split_off(ended_at_once);
            let _: Committed = tell::all(&self.house, &scope, group, &ended, &[])
                .commit()
                .await?;
            ended = rest;
        }
        let tx = tell::all(&self.house, &scope, group, &ended, &waiting);
        let mut tx = tx.update(read, group);
        if !ended.is_empty() {
            tx = self.prune(tx, &scope, group).await?;
        }
        Ok(match tx.commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }

    /// Forgets the oldest activities of a group that has had many.
    async fn prune(&self, tx: Tx, scope: &Scope, group: &Group) -> Result<Tx, AwsError> {
        let mut kept = crate::api::ended_of(&self.house, scope, &group.name).await?;
        kept.retain(|e| e.group_id == group.id);
        let over = kept.len().saturating_sub(KEPT).min(20);
        kept.sort_by_key(|e| e.activity.started_at);
        let doomed = kept.into_iter().take(over);
        Ok(doomed.fold(tx, |tx, one| tx.delete_key(one.key)))
    }

    async fn run(&self, key: &str, number: u64) -> Result<Applied, AwsError> {
        let _starting = self.starting.read().await;
        let Some((scope, group)) = self.group(key).await? else {
            return Ok(Applied::Done);
        };
        let Some(launch) = group.launches.get(&number) else {
            return Ok(Applied::Done);
        };
        let settled = match &launch.from {
            Some(from) => Ok(from.clone()),
            None => launch::settle(&self.house, &scope, &group, launch).await,
        };
        let from = match settled {
            Ok(from) => from,
            Err(e) => return self.failed(&group, number, e).await,
        };
        if launch.from.is_none() {
            let write = |g: &mut Group| {
                let launch = g.launches.get_mut(&number);
                Ok(launch.is_some_and(|l| l.from.replace(from.clone()).is_none()))
            };
            self.house.db.modify::<Group, _>(key, write).await?;
        }
        let run = launch::run(&self.house, &scope, &group, number, launch, &from);
        let started = match run.await {
            Ok(started) => started,
            Err(e) => return self.failed(&group, number, e).await,
        };
        let now = self.house.now();
        let write = |g: &mut Group| {
            let Some(launch) = g.launches.remove(&number) else {
                return Ok(false);
            };
            let mut activity = launch.activity.at("PreInService", 30);
            activity.description = format!("Launching a new EC2 instance: {}", started.id);
            let member = Member {
                instance_type: started.instance_type.clone(),
                image_id: started.image_id.clone(),
                place: Place {
                    zone: started.zone.clone(),
                    subnet: launch.place.subnet,
                },
                state: Lifecycle::Pending,
                healthy: true,
                protected: g.settings.protects_new,
                from: from.clone(),
                since: now,
                in_service_at: None,
                activity: Some(activity),
                waits: BTreeMap::new(),
                untagged: false,
            };
            g.instances.insert(started.id.clone(), member);
            Ok(true)
        };
        self.house.db.modify::<Group, _>(key, write).await?;
        Ok(Applied::Done)
    }

    /// The launch tries its next candidate, or has failed.
    async fn failed(
        &self,
        seen: &Stored<Group>,
        number: u64,
        why: AwsError,
    ) -> Result<Applied, AwsError> {
        if why.status >= 500 && why.code != "NotImplemented" {
            return Err(why);
        }
        let tried = seen.launches.get(&number).map_or(0, |l| l.candidate);
        loop {
            let Some((_, read)) = self.group(&seen.key).await? else {
                return Ok(Applied::Done);
            };
            let mut group = read.value.clone();
            let candidates = launch::candidates(group.source_now());
            let mut ended = Vec::new();
            match group.launches.get_mut(&number) {
                Some(launch) if launch.candidate != tried => return Ok(Applied::Done),
                Some(launch) if tried + 1 < candidates => {
                    launch.candidate += 1;
                    launch.from = None;
                }
                Some(_) => {}
                None => return Ok(Applied::Done),
            }
            if tried + 1 >= candidates
                && let Some(launch) = group.launches.remove(&number)
            {
                let now = self.house.now();
                let words = why.message.trim_end_matches('.');
                let message = format!("{words}. Launching EC2 instance failed.");
                ended.push(launch.activity.ended("Failed", &message, now));
                plan::failed(&mut group, &launch.place.zone, now);
            }
            if self.write(&read, &group, ended).await? == Applied::Done {
                return Ok(Applied::Done);
            }
        }
    }

    async fn release(&self, key: &str, id: &str) -> Result<Applied, AwsError> {
        let Some((scope, read)) = self.group(key).await? else {
            return Ok(Applied::Done);
        };
        ec2::untag(&self.house, &scope, id).await?;
        let mut group = read.value.clone();
        let Some(member) = group.instances.remove(id) else {
            return Ok(Applied::Done);
        };
        let now = self.house.now();
        let ended = member.activity.map(|a| a.succeeded(now));
        group.scaled_at = Some(now);
        self.write(&read, &group, ended.into_iter().collect()).await
    }

    async fn traffic(&self, key: &str, arn: &str, change: Change) -> Result<Applied, AwsError> {
        let Some(scope) = Scope::of_key(key) else {
            return Ok(Applied::Done);
        };
        let (ids, is_in) = match change {
            // Said before it is written: a replay says it again, which changes nothing.
            Change::Register(ids) => {
                if !elbv2::register(&self.house, &scope, arn, &ids).await? {
                    return Ok(Applied::Done);
                }
                (ids, true)
            }
            Change::Deregister(ids) => {
                elbv2::deregister(&self.house, &scope, arn, &ids).await?;
                return Ok(Applied::Done);
            }
            Change::Left(ids) => (ids, false),
        };
        self.targets(key, arn, &ids, is_in).await?;
        Ok(Applied::Done)
    }

    async fn targets(
        &self,
        key: &str,
        arn: &str,
        ids: &[String],
        is_in: bool,
    ) -> Result<(), AwsError> {
        let write = |g: &mut Group| {
            let Some(source) = g.traffic_sources.get_mut(arn) else {
                return Ok(false);
            };
            let before = source.registered.len();
            for id in ids {
                match is_in {
                    true => source.registered.insert(id.clone()),
                    false => source.registered.remove(id),
                };
            }
            Ok(source.registered.len() != before)
        };
        self.house.db.modify::<Group, _>(key, write).await?;
        Ok(())
    }

    async fn tag(&self, key: &str, id: &str) -> Result<Applied, AwsError> {
        let Some((scope, group)) = self.group(key).await? else {
            return Ok(Applied::Done);
        };
        ec2::tag(&self.house, &scope, id, launch::tags(&group)).await?;
        let write = |g: &mut Group| {
            let member = g.instances.get_mut(id);
            Ok(member.is_some_and(|m| std::mem::take(&mut m.untagged)))
        };
        self.house.db.modify::<Group, _>(key, write).await?;
        Ok(Applied::Done)
    }
}

#[async_trait]
impl Controller for Keeper {
    type View = View;
    type Action = Action;

    fn name(&self) -> &'static str {
        "autoscaling-group"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Group::KIND), format!("{}/", Instance::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        match store_key.starts_with(Instance::KIND) {
            true => self.owners.lock().get(store_key).cloned(),
            false => Some(store_key.to_owned()),
        }
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let found = self.group(key).await?;
        let of = |scope: &Scope, id: &str| db::key::<Instance>(scope, id);
        {
            // Before the instances are read: a change after that wakes the group.
            let mut owners = self.owners.lock();
            owners.retain(|_, group| group != key);
            if let Some((scope, group)) = &found {
                let ids = group.instances.keys();
                owners.extend(ids.map(|id| (of(scope, id), key.to_owned())));
            }
        }
        let Some((scope, group)) = found else {
            self.published.lock().remove(key);
            return Ok(None);
        };
        self.publish(&scope, &group);
        let (mut seen, mut asked) = (BTreeMap::new(), Vec::new());
        for id in group.instances.keys() {
            let found = self.house.db.get_key::<Instance>(&of(&scope, id)).await?;
            if found.as_ref().is_none_or(|i| i.wanted == Power::Terminated) {
                asked.push(id.clone());
            }
            let one = Seen {
                state: found.as_ref().map(|i| i.shown_state()),
                problem: found.and_then(|i| i.value.problem),
            };
            seen.insert(id.clone(), one);
        }
        let mut healths = Healths::new();
        for arn in group.watched_sources() {
            let states = elbv2::health(&self.house, &scope, &arn).await?;
            healths.insert(arn, states);
        }
        Ok(Some(View {
            group,
            seen,
            asked,
            healths,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Action> {
        let step = plan::next(&view.group, &view.seen, &view.healths, now);
        if step.group != view.group.value || !step.ended.is_empty() {
            let write = Action::Write(
                Box::new(view.group.clone()),
                Box::new(step.group),
                step.ended,
            );
            return Plan {
                actions: vec![write],
                wake_at: step.wake_at,
                reason: "the next step",
            };
        }
        let key = || view.group.key.clone();
        let mut actions = Vec::new();
        for number in view.group.launches.keys() {
            actions.push(Action::Run {
                key: key(),
                number: *number,
            });
        }
        for (id, member) in &view.group.instances {
            let id = id.clone();
            match member.state {
                // It serves to the end those that it serves.
                Lifecycle::TerminatingProceed | Lifecycle::Detaching
                    if view.group.is_target(&id) => {}
                Lifecycle::TerminatingProceed if !view.asked.contains(&id) => {
                    actions.push(Action::End { key: key(), id });
                }
                Lifecycle::Detaching => actions.push(Action::Release { key: key(), id }),
                _ if member.untagged => actions.push(Action::Tag { key: key(), id }),
                _ => {}
            }
        }
        let changes = traffic::changes(&view.group, &view.healths);
        let looks = !changes.is_empty() || !view.healths.is_empty();
        for (source, change) in changes {
            actions.push(Action::Traffic {
                key: key(),
                source,
                change,
            });
        }
        let look_at = looks.then(|| now + TRAFFIC_PACE);
        let is_empty = view.group.instances.is_empty() && view.group.launches.is_empty();
        let has_alarms = alarms::are_due(&view.group);
        if view.group.deleting && is_empty && !has_alarms {
            actions.push(Action::Forget(Box::new(view.group.clone())));
        }
        let publish_at = (!view.group.metrics.is_empty()).then(|| now + metrics::PACE);
        // Last: nothing else waits for CloudWatch.
        if has_alarms {
            actions.push(Action::Alarms(key()));
        }
        Plan {
            actions,
            wake_at: step
                .wake_at
                .into_iter()
                .chain(look_at)
                .chain(publish_at)
                .min(),
            reason: "what was written is carried out",
        }
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        match action {
            Action::Write(read, group, ended) => self.write(&read, &group, ended).await,
            Action::Run { key, number } => self.run(&key, number).await,
            Action::End { key, id } => {
                if let Some(scope) = Scope::of_key(&key) {
                    ec2::terminate(&self.house, &scope, &id).await?;
                }
                Ok(Applied::Done)
            }
            Action::Tag { key, id } => self.tag(&key, &id).await,
            Action::Release { key, id } => self.release(&key, &id).await,
            Action::Traffic {
                key,
                source,
                change,
            } => self.traffic(&key, &source, change).await,
            Action::Alarms(key) => {
                alarms::settle(&self.house, &key).await?;
                Ok(Applied::Done)
            }
            Action::Forget(group) => {
                let tx = self.house.db.tx().delete(&group);
                Ok(match tx.commit().await? {
                    Committed::At(_) => Applied::Done,
                    Committed::Conflict => Applied::Conflict,
                })
            }
        }
    }
}
