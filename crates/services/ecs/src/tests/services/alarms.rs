//! Deployments that alarms watch, with a CloudWatch of four alarms at the internal caller.

use super::{Town, rollout};
use crate::alarms::PACE;
use crate::tests::said;
use neargate_api_cloudwatch as cw;
use neargate_api_ecs as api;
use neargate_base::task;
use neargate_service::{AwsError, Ctx, OperationTable, controller};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What DescribeAlarms answers.
#[derive(Debug, Default)]
struct Watch {
    /// State by name.
    states: Mutex<BTreeMap<String, &'static str>>,
    broken: Mutex<bool>,
    /// Who asked for which names.
    asked: Mutex<Vec<(String, Vec<String>)>>,
}

impl Watch {
    fn set(&self, name: &str, state: &'static str) {
        self.states.lock().insert(name.to_owned(), state);
    }

    fn asked(&self) -> usize {
        self.asked.lock().len()
    }
}

async fn describe(
    watch: Arc<Watch>,
    cx: Ctx,
    input: cw::DescribeAlarmsInput,
) -> Result<cw::DescribeAlarmsOutput, AwsError> {
    let names = input.alarm_names.unwrap_or_default();
    watch.asked.lock().push((cx.principal.arn, names.clone()));
    if *watch.broken.lock() {
        return Err(AwsError::client("Throttling", "Rate exceeded"));
    }
    let states = watch.states.lock();
    let found = names.into_iter().filter_map(|name| {
        Some(cw::MetricAlarm {
            state_value: Some((*states.get(&name)?).into()),
            alarm_name: Some(name),
            period: Some(30),
            evaluation_periods: Some(4),
            ..Default::default()
        })
    });
    Ok(cw::DescribeAlarmsOutput {
        metric_alarms: Some(found.collect()),
        ..Default::default()
    })
}

/// A town in which CloudWatch is served, and a service of two tasks.
async fn served() -> (Town, Arc<Watch>) {
    let town = Town::new().await;
    let watch = Arc::new(Watch::default());
    watch.set("errors", "OK");
    let table = OperationTable::new(&cw::SERVICE, watch.clone());
    let table = table.on(cw::ops::DescribeAlarms, describe);
    town.lab.house.caller.connect(vec![Arc::new(table)]);
    town.lab.register("web").await;
    town.create(|_| {}).await.expect("created");
    town.rest(&[]).await;
    (town, watch)
}

fn watched(names: &[&str], rollback: bool) -> Option<api::DeploymentConfiguration> {
    Some(api::DeploymentConfiguration {
        alarms: Some(api::DeploymentAlarms {
            alarm_names: names.iter().map(|name| (*name).to_owned()).collect(),
            enable: true,
            rollback,
        }),
        ..Default::default()
    })
}

async fn update(town: &Town, names: &[&str], rollback: bool) {
    town.lab.register("web").await;
    let updated = town.update(|u| {
        u.task_definition = Some("web".into());
        u.deployment_configuration = watched(names, rollback);
    });
    updated.await.expect("updated");
    town.settle().await;
}

/// One round of questions, and what follows from the answers.
async fn ask(town: &Town) -> usize {
    let news = town.lab.ecs.alarms.round(&town.lab.house).await;
    town.rest(&[]).await;
    news.len()
}

/// Ten seconds on both clocks.
async fn pace(town: &Town) {
    tokio::time::advance(PACE).await;
    town.lab.advance(PACE);
}

async fn states(town: &Town) -> Vec<String> {
    let shown = rollout(&town.describe().await);
    shown.into_iter().map(|(_, state)| state).collect()
}

async fn last(town: &Town) -> api::ServiceDeployment {
    let mut all = super::deployments::records(town).await;
    all.sort_by_key(|r| (r.created_at, r.started_at));
    let mut watched = all.into_iter().filter(|r| {
        let alarms = r.alarms.as_ref().and_then(|a| a.alarm_names.as_ref());
        alarms.is_some_and(|names| !names.is_empty())
    });
    watched.next_back().expect("one with alarms")
}

fn shown(record: &api::ServiceDeployment) -> (String, Vec<String>) {
    let alarms = record.alarms.clone().expect("shown");
    (
        alarms.status.expect("shown"),
        alarms.triggered_alarm_names.expect("a list"),
    )
}

#[tokio::test(start_paused = true)]
async fn alarms_are_refused_while_cloudwatch_is_not_served() {
    let town = Town::with_service().await;
    let refused = town
        .update(|u| u.deployment_configuration = watched(&["errors"], true))
        .await;
    let (code, message) = said(refused);
    assert_eq!(code, "UnsupportedFeatureException");
    assert!(message.contains("CloudWatch is not served"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_rolls_back() {
    let (town, watch) = served().await;
    update(&town, &["errors", "nobody's"], true).await;
    ask(&town).await;
    let (role, names) = watch.asked.lock()[0].clone();
    assert!(role.ends_with("/AWSServiceRoleForECS"), "{role}");
    assert_eq!(names, ["errors", "nobody's"]);
    assert_eq!(shown(&last(&town).await), ("MONITORING".into(), vec![]));
    assert_eq!(states(&town).await, ["IN_PROGRESS"], "it bakes");
    for state in ["INSUFFICIENT_DATA", "OK"] {
        watch.set("errors", state);
        pace(&town).await;
        ask(&town).await;
        assert_eq!(states(&town).await, ["IN_PROGRESS"], "{state}");
    }
    watch.set("errors", "ALARM");
    pace(&town).await;
    assert_eq!(ask(&town).await, 1);
    assert_eq!(states(&town).await, ["COMPLETED"]);
    let live = town.live().await;
    assert!(live.iter().all(|t| t.spec.assignment.revision == 1));
    let record = last(&town).await;
    assert_eq!(record.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
    assert_eq!(shown(&record), ("TRIGGERED".into(), vec!["errors".into()]));
    let before = watch.asked();
    pace(&town).await;
    ask(&town).await;
    assert_eq!(watch.asked(), before, "nothing is watched any more");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_fails_it_where_no_rollback_is_wanted() {
    let (town, watch) = served().await;
    update(&town, &["errors"], false).await;
    ask(&town).await;
    watch.set("errors", "ALARM");
    pace(&town).await;
    ask(&town).await;
    assert_eq!(states(&town).await[0], "FAILED");
    assert_eq!(last(&town).await.status.as_deref(), Some("STOPPED"));
}

#[tokio::test(start_paused = true)]
async fn an_alarm_at_the_start_switches_them_off() {
    let (town, watch) = served().await;
    watch.set("errors", "ALARM");
    update(&town, &["errors"], true).await;
    ask(&town).await;
    assert_eq!(states(&town).await, ["COMPLETED"], "without baking");
    assert_eq!(shown(&last(&town).await), ("DISABLED".into(), vec![]));
    assert_eq!(watch.asked(), 1);
}

/// Four periods of thirty seconds, unless something else is asked for.
#[tokio::test(start_paused = true)]
async fn it_bakes_as_long_as_the_alarm_looks_back() {
    let (town, watch) = served().await;
    update(&town, &["errors"], true).await;
    ask(&town).await;
    for _ in 0..11 {
        pace(&town).await;
        ask(&town).await;
        assert_eq!(states(&town).await, ["IN_PROGRESS"]);
    }
    pace(&town).await;
    ask(&town).await;
    assert_eq!(states(&town).await, ["COMPLETED"]);
    assert_eq!(watch.asked(), 13, "once in ten seconds");
    let record = last(&town).await;
    assert_eq!(shown(&record), ("MONITORING_COMPLETE".into(), vec![]));
}

/// "There is no other impact on the deployment."
#[tokio::test(start_paused = true)]
async fn a_cloudwatch_that_fails_stops_nothing() {
    let (town, watch) = served().await;
    *watch.broken.lock() = true;
    update(&town, &["errors"], true).await;
    ask(&town).await;
    assert_eq!(states(&town).await, ["IN_PROGRESS"]);
    pace(&town).await;
    ask(&town).await;
    town.lab.advance(Duration::from_secs(300));
    town.rest(&[]).await;
    assert_eq!(states(&town).await, ["COMPLETED"]);
    // An alarm that is seen once it answers again counts.
    update(&town, &["errors"], true).await;
    ask(&town).await;
    *watch.broken.lock() = false;
    pace(&town).await;
    ask(&town).await;
    watch.set("errors", "ALARM");
    pace(&town).await;
    ask(&town).await;
    assert_eq!(states(&town).await, ["COMPLETED"]);
    let record = last(&town).await;
    assert_eq!(record.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
}

/// A control plane that starts anew knows whether an alarm was there at the start.
#[tokio::test(start_paused = true)]
async fn what_was_at_the_start_survives_a_restart() {
    let (town, watch) = served().await;
    update(&town, &["errors"], true).await;
    ask(&town).await;
    town.lab.ecs.alarms.watch(&town.id("web"), None);
    watch.set("errors", "ALARM");
    town.settle().await;
    ask(&town).await;
    let record = last(&town).await;
    assert_eq!(record.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
}

/// The scheduler as it runs wakes itself: nothing else changes when the alarm does.
#[tokio::test(start_paused = true)]
async fn the_scheduler_hears_by_itself() {
    let (town, watch) = served().await;
    let scheduler = Arc::new(crate::Scheduler {
        ecs: town.lab.ecs.clone(),
        house: town.lab.house.clone(),
    });
    let house = &town.lab.house;
    let (db, clock, rng) = (house.db.clone(), house.clock.clone(), house.rng.clone());
    let driver = task::spawn("scheduler", controller::run(scheduler, db, clock, rng));
    town.lab.register("web").await;
    let updated = town.update(|u| {
        u.task_definition = Some("web".into());
        u.deployment_configuration = watched(&["errors"], true);
    });
    updated.await.expect("updated");
    let until = async |done: fn(&api::ServiceDeployment) -> bool| {
        for _ in 0..200 {
            town.obey(&[]).await;
            if done(&last(&town).await) {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("it never comes: {:#?}", town.describe().await);
    };
    until(|r| shown(r).0 == "MONITORING").await;
    while watch.asked() == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    watch.set("errors", "ALARM");
    until(|r| r.status.as_deref() == Some("ROLLBACK_SUCCESSFUL")).await;
    driver.abort();
}
