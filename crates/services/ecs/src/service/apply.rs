//! Carries a step out, in its order; gives up as soon as the service is no longer what it was
//! planned for.

use super::scheduler::Work;
use super::{Journal, purge, start, stop, traffic};
use crate::Ecs;
use crate::fleet::Row;
use neargate_service::controller::Applied;
use neargate_service::{AwsError, Committed, House};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tasks of one transaction.
const FORGOTTEN_AT_ONCE: usize = 100;

pub(super) async fn apply(ecs: &Ecs, house: &Arc<House>, work: Work) -> Result<Applied, AwsError> {
    let Work {
        id,
        read,
        records,
        step,
    } = work;
    if step.purge {
        return purge::purge(house, &id, &read).await;
    }
    let mut journal = Journal::new(id, read);
    if step.status.is_some() || !step.events.is_empty() || !step.records.is_empty() {
        if step.steady {
            journal.providers = providers(&ecs.fleet.rows_of_service(&journal.id));
        }
        let status = step.status.as_ref().unwrap_or(&journal.read.status);
        let (mut tx, service) = journal.write(house, house.db.tx(), status, &step.events);
        for record in &step.records {
            if let Some(read) = records.iter().find(|r| r.id == record.id) {
                tx = tx.update(read, record);
            }
        }
        let committed = tx.commit().await?;
        journal.providers.clear();
        let adopted = journal.read.status.adopted != service.status.adopted;
        if committed == Committed::Conflict || !journal.wrote(committed, service) {
            return Ok(Applied::Conflict);
        }
        if adopted {
            purge::trim(house, &journal.id, &journal.read).await?;
        }
    }
    if let Some(traffic) = &step.traffic {
        traffic::tell(house, &journal, traffic).await?;
        // What was told is noted: the next step goes on from there.
        return Ok(Applied::Conflict);
    }
    if !stop::stop_tasks(house, &mut journal, &step.stop).await? {
        return Ok(Applied::Conflict);
    }
    if let Some(starting) = &step.start
        && !start::start(ecs, house, &mut journal, starting).await?
    {
        return Ok(Applied::Conflict);
    }
    forget(house, &step.forget).await?;
    Ok(Applied::Done)
}

/// A stopped task does not change any more: nothing is compared, so nothing conflicts.
async fn forget(house: &House, rows: &[Arc<Row>]) -> Result<(), AwsError> {
    for batch in rows.chunks(FORGOTTEN_AT_ONCE) {
        let keys = batch.iter().map(|row| row.key.clone());
        let tx = keys.fold(house.db.tx(), |tx, key| tx.delete_key(key));
        let _ = tx.commit().await?;
    }
    Ok(())
}

/// The capacity providers that the service's tasks run on, by name.
fn providers(rows: &[Arc<Row>]) -> Vec<String> {
    let live = rows.iter().filter(|row| row.is_live());
    let names: BTreeSet<&String> = live.filter_map(|r| r.capacity_provider.as_ref()).collect();
    names.into_iter().cloned().collect()
}
