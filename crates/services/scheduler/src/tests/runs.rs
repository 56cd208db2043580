//! Schedules at their times.

use super::{ask, asked, create, run};
use neargate_api_scheduler::{self as api, ops};
use neargate_base::Timestamp;
use neargate_service::invocation::{Origin, To};
use neargate_testkit::{Lab, START};
use std::time::Duration;

fn sent(to: &To) -> String {
    match to {
        To::Operation {
            service,
            operation,
            input,
            ..
        } => {
            assert_eq!(
                (service.as_str(), operation.as_str()),
                ("sqs", "SendMessage")
            );
            input["MessageBody"].as_str().expect("a body").to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_rate_begins_at_once_and_each_time_acts_once() {
    let lab = Lab::default();
    create(&lab, asked("often", "rate(5 minutes)"))
        .await
        .expect("made");
    assert_eq!(run(&lab).await.len(), 1);
    assert_eq!(run(&lab).await.len(), 1);
    lab.clock.advance(Duration::from_secs(300));
    assert_eq!(run(&lab).await.len(), 2);
    lab.clock.set(START);
    assert_eq!(run(&lab).await.len(), 2, "the clock was set back");
    lab.clock.advance(Duration::from_secs(3_600));
    assert_eq!(
        run(&lab).await.len(),
        3,
        "of what was missed the last one acts"
    );
}

#[tokio::test]
async fn one_that_is_over_goes_if_it_is_to() {
    let lab = Lab::default();
    // START is 2023-11-14T22:13:20Z.
    let input = api::CreateScheduleInput {
        schedule_expression_timezone: Some("Europe/Berlin".into()),
        action_after_completion: Some("DELETE".into()),
        ..asked("once", "at(2023-11-15T00:00:00)")
    };
    create(&lab, input).await.expect("made");
    assert!(run(&lab).await.is_empty());
    lab.clock.advance(Duration::from_secs(3_599));
    let made = run(&lab).await;
    assert_eq!(made.len(), 1, "it is midnight in Berlin");
    let Origin::Schedule { scheduled_at, .. } = &made[0].origin else {
        panic!("{:?}", made[0].origin);
    };
    assert_eq!(*scheduled_at, Timestamp::from_millis(1_700_002_800_000));
    let left = ask(&lab, ops::ListSchedules, Default::default())
        .await
        .expect("listed");
    assert_eq!(left.schedules, Some(Vec::new()));
}

#[tokio::test]
async fn bounds_hold() {
    let lab = Lab::default();
    let input = api::CreateScheduleInput {
        start_date: Some(START + Duration::from_secs(600)),
        end_date: Some(START + Duration::from_secs(1_300)),
        ..asked("bounded", "rate(10 minutes)")
    };
    create(&lab, input).await.expect("made");
    assert!(run(&lab).await.is_empty());
    for (after, wanted) in [(600, 1), (600, 2), (600, 2)] {
        lab.clock.advance(Duration::from_secs(after));
        assert_eq!(run(&lab).await.len(), wanted);
    }
}

#[tokio::test]
async fn a_window_delays() {
    let lab = Lab::default();
    let input = api::CreateScheduleInput {
        flexible_time_window: api::FlexibleTimeWindow {
            mode: "FLEXIBLE".into(),
            maximum_window_in_minutes: Some(10),
        },
        ..asked("late", "rate(1 hour)")
    };
    create(&lab, input).await.expect("made");
    let made = run(&lab).await;
    let by = made[0].next_at.since(START);
    assert!(by < Duration::from_secs(600), "{by:?}");
}

#[tokio::test]
async fn the_input_knows_its_context() {
    let lab = Lab::default();
    let mut input = asked("told", "rate(1 hour)");
    input.target.input =
        Some("<aws.scheduler.schedule-arn> at <aws.scheduler.scheduled-time>".into());
    create(&lab, input).await.expect("made");
    let made = run(&lab).await;
    assert_eq!(
        sent(&made[0].to),
        "arn:aws:scheduler:us-east-1:000000000000:schedule/default/told at 2023-11-14T22:13:20Z"
    );
    create(&lab, asked("plain", "rate(1 hour)"))
        .await
        .expect("made");
    let made = run(&lab).await;
    let bodies: Vec<String> = made.iter().map(|i| sent(&i.to)).collect();
    let plain = bodies
        .iter()
        .find(|body| body.starts_with('{'))
        .expect("a notification");
    let event: serde_json::Value = serde_json::from_str(plain).expect("JSON");
    assert_eq!(
        (&event["source"], &event["detail"]),
        (&"aws.scheduler".into(), &"{}".into())
    );
}
