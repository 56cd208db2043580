//! Scheduled actions.

use super::{Place, invalid, place, some};
use neargate_api_autoscaling::{self as api, ops};
use neargate_base::Timestamp;

impl Place {
    async fn scheduled(&self) -> Vec<api::ScheduledUpdateGroupAction> {
        let input = api::DescribeScheduledActionsInput::default();
        let found = self
            .call(ops::DescribeScheduledActions, input)
            .await
            .unwrap();
        found.scheduled_update_group_actions.unwrap()
    }

    async fn schedule(
        &self,
        input: api::PutScheduledUpdateGroupActionInput,
    ) -> Result<(), neargate_service::AwsError> {
        self.call(ops::PutScheduledUpdateGroupAction, input)
            .await
            .map(drop)
    }
}

fn action(name: &str) -> api::PutScheduledUpdateGroupActionInput {
    api::PutScheduledUpdateGroupActionInput {
        auto_scaling_group_name: "web".into(),
        scheduled_action_name: name.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_group_gets_its_size_when_it_is_time() {
    let p = place();
    p.create(p.new_group(0, 5)).await;
    let now = p.lab.house.now();
    p.schedule(api::PutScheduledUpdateGroupActionInput {
        start_time: Some(now.shift(60_000)),
        desired_capacity: Some(2),
        ..action("once")
    })
    .await
    .unwrap();
    // It is 22:13 in UTC, 23:13 in Berlin.
    p.schedule(api::PutScheduledUpdateGroupActionInput {
        recurrence: some("0 0 * * *"),
        time_zone: some("Europe/Berlin"),
        min_size: Some(0),
        max_size: Some(5),
        desired_capacity: Some(0),
        ..action("nightly")
    })
    .await
    .unwrap();
    let all = p.scheduled().await;
    let midnight: Timestamp = Timestamp::from_millis(1_700_002_800_000);
    assert_eq!(all[0].start_time, Some(midnight));
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 0);
    p.later(60);
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 2);
    let cause = p.activities().await[0].cause.clone().unwrap();
    assert!(
        cause.contains("the scheduled action once executed.  Setting desired capacity to 2."),
        "{cause}"
    );
    assert!(cause.contains("a scheduled action update of AutoScalingGroup constraints to min: 0, max: 5, desired: 2 changing the desired capacity from 0 to 2."), "{cause}");
    assert_eq!(p.scheduled().await.len(), 1, "once is over");
    // However late somebody looks, it happens once.
    p.later(3 * 86_400);
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 0);
    let next = p.scheduled().await[0].start_time.unwrap();
    assert_eq!(next.since(midnight).as_secs(), 3 * 86_400);
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_refused() {
    let p = place();
    p.create(p.new_group(0, 5)).await;
    let now = p.lab.house.now();
    let with = |change: fn(&mut api::PutScheduledUpdateGroupActionInput, Timestamp)| {
        let mut input = api::PutScheduledUpdateGroupActionInput {
            desired_capacity: Some(1),
            start_time: Some(now.shift(60_000)),
            ..action("x")
        };
        change(&mut input, now);
        input
    };
    for (input, message) in [
        (
            with(|i, now| i.start_time = Some(now.shift(-1_000))),
            "Given start time is in the past",
        ),
        (
            with(|i, now| i.end_time = Some(now.shift(1_000))),
            "Start time must be before end time",
        ),
        (
            with(|i, _| i.recurrence = some("nope")),
            "Given recurrence string: nope is invalid",
        ),
        (
            with(|i, _| i.desired_capacity = None),
            "At least one of MinSize, MaxSize or DesiredCapacity is required.",
        ),
        (
            with(|i, _| {
                i.recurrence = some("0 0 * * *");
                i.time_zone = some("Mars/Olympus");
            }),
            "Invalid Time Zone: Mars/Olympus",
        ),
    ] {
        invalid(p.schedule(input).await, message);
    }
    let batch = api::BatchDeleteScheduledActionInput {
        auto_scaling_group_name: "web".into(),
        scheduled_action_names: vec!["x".into()],
    };
    let failed = p
        .call(ops::BatchDeleteScheduledAction, batch)
        .await
        .unwrap();
    let failed = failed.failed_scheduled_actions.unwrap();
    assert_eq!(failed[0].error_code.as_deref(), Some("ValidationError"));
}
