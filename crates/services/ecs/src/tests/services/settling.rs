//! Which tasks count as healthy after the clock was set, and after an upgrade.

use super::Town;
use crate::fleet::Row;
use crate::model::Task;
use crate::service::settling;
use neargate_service::Stored;
use neargate_service::db::Committed;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// Two tasks that count.
async fn settled() -> Town {
    let town = Town::settling().await;
    town.lab.register("web").await;
    town.create(|_| {}).await.expect("created");
    town.rest(&[]).await;
    pass(&town, Duration::from_secs(40)).await;
    town.rest(&[]).await;
    town
}

async fn pass(town: &Town, by: Duration) {
    tokio::time::advance(by).await;
    town.lab.advance(by);
}

fn counted(town: &Town, rows: &[Arc<Row>]) -> usize {
    let settling = settling(&town.lab.ecs, &town.lab.house, rows);
    rows.iter().filter(|row| settling.counts(row)).count()
}

async fn known(town: &Town) -> Vec<Arc<Row>> {
    let fleet = &town.lab.ecs.fleet;
    fleet.current(&town.lab.house.db).await.expect("current");
    fleet.of_service(&town.id("web"))
}

async fn again(town: &Town, key: &str) -> Stored<Task> {
    let read = town.lab.house.db.get_key::<Task>(key).await;
    read.expect("read").expect("kept")
}

#[tokio::test(start_paused = true)]
async fn no_clock_makes_a_task_young_that_was_seen_to_run() {
    let town = settled().await;
    assert_eq!(counted(&town, &known(&town).await), 2);
    let clock = &town.lab.clock;
    clock.set(town.lab.house.now() - HOUR);
    assert_eq!(counted(&town, &known(&town).await), 2);
    // The time at which they came to run comes again.
    pass(&town, HOUR - Duration::from_secs(30)).await;
    assert_eq!(counted(&town, &known(&town).await), 2);
}

/// The index of a process that has just begun has not seen for how long they run.
#[tokio::test(start_paused = true)]
async fn tasks_from_before_the_time_was_kept_count_from_their_start_on() {
    let town = settled().await;
    for mut read in town.tasks().await {
        let started = read.status.started_at;
        assert!(started.is_some() && read.status.running_at.is_some());
        let mut task = read.value.clone();
        (task.status.running_at, task.status.healthy_at) = (None, None);
        let tx = town.lab.house.db.tx().update(&read, &task);
        let written = tx.commit().await.expect("written");
        assert!(matches!(written, Committed::At(_)));
        read = again(&town, &read.key).await;
        assert_eq!(counted(&town, &[Arc::new(Row::of(&read))]), 1);
        town.report(&read, |_| {}).await;
        read = again(&town, &read.key).await;
        assert_eq!(read.status.running_at, started);
        assert_eq!(counted(&town, &[Arc::new(Row::of(&read))]), 1);
    }
}
