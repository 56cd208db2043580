//! Carries a step out: what is to be noted first, alone; then the calls, each of which is noted, and
//! told in the service's events, once it has been answered.

use super::{Work, calls};
use crate::fleet::ServiceId;
use crate::model::{Registration, Service, ServiceEvent, Task, TaskTarget};
use crate::plan::service::sentence;
use crate::plan::stop;
use crate::service::Journal;
use neargate_domain::load_balancer::TargetKey;
use neargate_service::controller::Applied;
use neargate_service::{AwsError, Committed, Fault, House, Stored};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tasks of one transaction.
const BATCH: usize = 50;

pub(super) async fn apply(house: &Arc<House>, work: Work) -> Result<Applied, AwsError> {
    let Work { id, tasks, step } = work;
    if !step.noted.is_empty() || !step.released.is_empty() {
        let change = |task: &Stored<Task>| {
            let mut changed = task.value.clone();
            let noted = step.noted.iter().find(|(key, _)| *key == task.key);
            if let Some((_, targets)) = noted {
                changed.status.targets = targets.clone();
            }
            let released = step.released.contains(&task.key) && stop::release(&mut changed);
            (noted.is_some() || released).then_some(changed)
        };
        write(house, &id, &tasks, change, &[]).await?;
        // The tasks are others now.
        return Ok(Applied::Conflict);
    }
    let scope = &id.cluster.scope;
    for (group, targets) in &step.register {
        let keys: BTreeSet<TargetKey> = targets.iter().map(|(_, key)| key.clone()).collect();
        if let Err(error) = calls::register(house, scope, group, &keys).await {
            if error.fault == Fault::Client {
                let event = sentence::unregistered(&id.name, group, &error.message);
                say_once(house, &id, event).await?;
            }
            return Err(error);
        }
        let to = (Registration::Asked, Registration::Registered);
        let event = sentence::registered(&id.name, keys.len(), group);
        let moved = move_on(house, &id, &tasks, (group, &keys), to, &[event]).await?;
        if moved == Applied::Conflict {
            return Ok(moved);
        }
    }
    for (group, targets) in &step.deregister {
        let keys: BTreeSet<TargetKey> = targets.iter().map(|(_, key)| key.clone()).collect();
        calls::deregister(house, scope, group, &keys).await?;
        let events = [
            sentence::draining(&id.name, keys.len()),
            sentence::deregistered(&id.name, keys.len(), group),
        ];
        let to = (Registration::Registered, Registration::Draining);
        let moved = move_on(house, &id, &tasks, (group, &keys), to, &events).await?;
        if moved == Applied::Conflict {
            return Ok(moved);
        }
    }
    Ok(Applied::Done)
}

/// Notes that these targets of a group have come from one state to the next.
async fn move_on(
    house: &Arc<House>,
    id: &ServiceId,
    tasks: &[Stored<Task>],
    (group, keys): (&str, &BTreeSet<TargetKey>),
    (from, to): (Registration, Registration),
    events: &[String],
) -> Result<Applied, AwsError> {
    let moves = |t: &TaskTarget| {
        let comes = t.state == from || t.state == Registration::Asked;
        comes && t.target_group_arn == group && keys.contains(&t.key)
    };
    let change = |task: &Stored<Task>| {
        let mut changed = task.value.clone();
        let mut any = false;
        for target in changed.status.targets.iter_mut().filter(|t| moves(t)) {
            target.state = to;
            any = true;
        }
        any.then_some(changed)
    };
    write(house, id, tasks, change, events).await
}

/// Writes the tasks that change, with the events; each batch finds them as they were read.
async fn write(
    house: &Arc<House>,
    id: &ServiceId,
    tasks: &[Stored<Task>],
    change: impl Fn(&Stored<Task>) -> Option<Task>,
    events: &[String],
) -> Result<Applied, AwsError> {
    let changed: Vec<(&Stored<Task>, Task)> = tasks
        .iter()
        .filter_map(|task| Some((task, change(task)?)))
        .collect();
    let mut applied = Applied::Done;
    for (nth, batch) in changed.chunks(BATCH).enumerate() {
        let mut tx = house.db.tx();
        for (task, changed) in batch {
            tx = tx.update(task, changed);
        }
        let events = if nth == 0 { events } else { &[] };
        let journal = match events.is_empty() {
            true => None,
            false => journal(house, id).await?,
        };
        if let Some(journal) = &journal {
            let status = &journal.read.status;
            (tx, _) = journal.write(house, tx, status, events);
        }
        if tx.commit().await? == Committed::Conflict {
            applied = Applied::Conflict;
        }
    }
    Ok(applied)
}

async fn journal(house: &House, id: &ServiceId) -> Result<Option<Journal>, AwsError> {
    let service = house.db.get_key::<Service>(&id.store_key()).await?;
    Ok(service.map(|service| Journal::new(id.clone(), service)))
}

/// Writes the event unless it is the service's newest one already.
async fn say_once(house: &House, id: &ServiceId, event: String) -> Result<(), AwsError> {
    let Some(mut journal) = journal(house, id).await? else {
        return Ok(());
    };
    let status = journal.read.status.clone();
    if let Some(last) = status.next_event.checked_sub(1) {
        let newest = house
            .db
            .get_key::<ServiceEvent>(&ServiceEvent::key(id, last))
            .await?;
        if newest.is_some_and(|newest| newest.message == event) {
            return Ok(());
        }
    }
    journal.record(house, &status, &[event]).await.map(drop)
}
