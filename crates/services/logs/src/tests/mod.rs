//! The service as a client sees it: handlers over a store in memory and an engine on disk.

use super::api::{events, filters, groups, retention, streams, tags};
use super::controller::{self, Expire, View};
use super::*;
use neargate_api_logs as api;
use neargate_base::time::ManualClock;
use neargate_base::{Clock, Timestamp};
use neargate_domain::{LogLine, LogTarget};
use neargate_service::controller::{Applied, Controller};
use neargate_service::{Ctx, House, Service};
use neargate_testkit::Lab;
use std::time::Duration;

mod describing;
mod exporting;
mod filtering;
mod querying;
mod reading;
mod tailing;
mod writing;

const NOW: i64 = 1_700_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

struct World {
    clock: Arc<ManualClock>,
    house: Arc<House>,
    logs: Arc<Logs>,
    lab: Lab,
}

fn world() -> World {
    let lab = Lab::seeded(7);
    let engine = LogEngine::open(&lab.path().join("logs"), lab.clock.clone()).expect("opens");
    World {
        clock: lab.clock.clone(),
        house: lab.house.clone(),
        logs: Arc::new(Logs::new(engine)),
        lab,
    }
}

impl World {
    fn cx(&self) -> Ctx {
        self.lab.cx()
    }

    async fn group(&self, name: &str) {
        let input = api::CreateLogGroupInput {
            log_group_name: name.into(),
            ..Default::default()
        };
        groups::create_log_group(self.logs.clone(), self.cx(), input)
            .await
            .expect("creates");
    }

    async fn stream(&self, group: &str, name: &str) {
        let input = api::CreateLogStreamInput {
            log_group_name: group.into(),
            log_stream_name: name.into(),
        };
        streams::create_log_stream(self.logs.clone(), self.cx(), input)
            .await
            .expect("creates");
    }

    async fn put(
        &self,
        stream: &str,
        list: &[(i64, &str)],
    ) -> Result<api::PutLogEventsOutput, AwsError> {
        let event = |(timestamp, m): &(i64, &str)| api::InputLogEvent {
            timestamp: *timestamp,
            message: (*m).into(),
        };
        let input = api::PutLogEventsInput {
            log_group_name: "g".into(),
            log_stream_name: stream.into(),
            log_events: list.iter().map(event).collect(),
            ..Default::default()
        };
        events::put_log_events(self.logs.clone(), self.cx(), input).await
    }

    async fn get(&self, token: Option<String>, head: bool, limit: i32) -> api::GetLogEventsOutput {
        let input = api::GetLogEventsInput {
            log_group_name: Some("g".into()),
            log_stream_name: "s".into(),
            next_token: token,
            start_from_head: Some(head),
            limit: Some(limit),
            ..Default::default()
        };
        events::get_log_events(self.logs.clone(), self.cx(), input)
            .await
            .expect("gets")
    }

    async fn filter(
        &self,
        change: impl FnOnce(&mut api::FilterLogEventsInput),
    ) -> Result<api::FilterLogEventsOutput, AwsError> {
        let mut input = api::FilterLogEventsInput {
            log_group_name: Some("g".into()),
            ..Default::default()
        };
        change(&mut input);
        events::filter_log_events(self.logs.clone(), self.cx(), input).await
    }

    async fn describe(
        &self,
        change: impl FnOnce(&mut api::DescribeLogGroupsInput),
    ) -> Result<api::DescribeLogGroupsOutput, AwsError> {
        let mut input = api::DescribeLogGroupsInput::default();
        change(&mut input);
        groups::describe_log_groups(self.logs.clone(), self.cx(), input).await
    }
}

fn messages(events: Option<Vec<api::OutputLogEvent>>) -> Vec<String> {
    events
        .expect("answers")
        .into_iter()
        .filter_map(|e| e.message)
        .collect()
}

fn found(output: &api::FilterLogEventsOutput) -> Vec<&str> {
    output
        .events
        .iter()
        .flatten()
        .filter_map(|e| e.message.as_deref())
        .collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str, message: &str) {
    let e = result.expect_err("is refused");
    assert_eq!((e.code.as_str(), e.message.as_str()), (code, message));
}

#[test]
fn the_stored_form_is_pinned() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    neargate_service::golden::check::<model::Group>(dir);
    neargate_service::golden::check::<model::filters::Filters>(dir);
    neargate_service::golden::check::<model::queries::QueryDefinition>(dir);
    neargate_service::golden::check::<model::exports::ExportTask>(dir);
    neargate_service::golden::check::<model::policies::ResourcePolicy>(dir);
}
