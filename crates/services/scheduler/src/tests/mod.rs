//! Operations through their table, with the controller driven by hand, on a store in memory.

mod groups;
mod runs;

use crate::Scheduler;
use crate::model::{Group, Ran, Schedule};
use crate::run::Schedules;
use neargate_api_scheduler::{self as api, ops};
use neargate_service::controller::{Applied, Controller};
use neargate_service::golden::check;
use neargate_service::invocation::Invocation;
use neargate_service::{AwsError, Component, Stored};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

pub async fn ask<O: OperationDef>(
    lab: &Lab,
    op: O,
    input: O::Input,
) -> Result<O::Output, AwsError> {
    call(&*Arc::new(Scheduler).table(), lab.cx(), op, input).await
}

pub fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}

pub fn asked(name: &str, expression: &str) -> api::CreateScheduleInput {
    api::CreateScheduleInput {
        name: name.into(),
        schedule_expression: expression.into(),
        flexible_time_window: api::FlexibleTimeWindow {
            mode: "OFF".into(),
            maximum_window_in_minutes: None,
        },
        target: api::Target {
            arn: "arn:aws:sqs:us-east-1:000000000000:q".into(),
            role_arn: "arn:aws:iam::000000000000:role/scheduler".into(),
            ..Default::default()
        },
        ..Default::default()
    }
}

pub async fn create(lab: &Lab, input: api::CreateScheduleInput) -> Result<String, AwsError> {
    let made = ask(lab, ops::CreateSchedule, input).await?;
    Ok(made.schedule_arn.expect("an ARN"))
}

/// Lets the controller look at every schedule once; answers all invocations that there are.
pub async fn run(lab: &Lab) -> Vec<Stored<Invocation>> {
    let controller = Schedules::new(lab.house.clone());
    let all = lab
        .house
        .db
        .list_prefix::<Schedule>("scheduler/schedule/")
        .await;
    for schedule in all.expect("listed") {
        'again: loop {
            let Some(view) = controller.view(&schedule.key).await.expect("viewed") else {
                break;
            };
            let plan = controller.plan(&view, lab.house.now());
            for action in plan.actions {
                if controller.apply(action).await.expect("applied") == Applied::Conflict {
                    continue 'again;
                }
            }
            break;
        }
    }
    let all = lab
        .house
        .db
        .list_prefix::<Invocation>("events/invocation/")
        .await;
    all.expect("listed")
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Group>(dir);
    check::<Schedule>(dir);
    check::<Ran>(dir);
}
