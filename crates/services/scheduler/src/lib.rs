//! Amazon EventBridge Scheduler: groups, schedules, and the controller that acts at their times.
//!
//! What is due becomes an invocation ([`neargate_service::invocation`]) in the transaction that writes down
//! that it was; EventBridge carries it out.

mod api;
mod error;
mod model;
mod run;
mod target;

#[cfg(test)]
mod tests;

use neargate_api_scheduler::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Scheduler;

#[async_trait::async_trait]
impl Component for Scheduler {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{groups, schedules, tags};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .on(ops::CreateScheduleGroup, groups::create_schedule_group)
            .on(ops::GetScheduleGroup, groups::get_schedule_group)
            .on(ops::ListScheduleGroups, groups::list_schedule_groups)
            .on(ops::DeleteScheduleGroup, groups::delete_schedule_group)
            .partly(ops::CreateSchedule, schedules::create_schedule, TARGETS)
            .on(ops::GetSchedule, schedules::get_schedule)
            .on(ops::ListSchedules, schedules::list_schedules)
            .partly(ops::UpdateSchedule, schedules::update_schedule, TARGETS)
            .on(ops::DeleteSchedule, schedules::delete_schedule)
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(run::Schedules::new(house));
    }
}

const TARGETS: &str = "templated targets are ECS tasks, SQS, SNS, event buses, CodeBuild and CodePipeline; universal \
                       targets are the operations that are served here; keys of customers are refused";
