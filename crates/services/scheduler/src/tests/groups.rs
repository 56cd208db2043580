//! Groups and schedules, as they are asked for.

use super::{ask, asked, create, said};
use neargate_api_scheduler::{self as api, ops};
use neargate_testkit::Lab;

#[tokio::test]
async fn a_group_takes_its_schedules_with_it() {
    let lab = Lab::default();
    let group = || api::CreateScheduleGroupInput {
        name: "nightly".into(),
        ..Default::default()
    };
    let made = ask(&lab, ops::CreateScheduleGroup, group())
        .await
        .expect("made");
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/nightly";
    assert_eq!(made.schedule_group_arn.as_deref(), Some(arn));
    assert_eq!(
        said(ask(&lab, ops::CreateScheduleGroup, group()).await),
        "409 ConflictException Schedule group nightly already exists."
    );
    let input = api::CreateScheduleInput {
        group_name: Some("nightly".into()),
        ..asked("etl", "rate(1 hour)")
    };
    let made = create(&lab, input).await.expect("made");
    assert_eq!(
        made,
        "arn:aws:scheduler:us-east-1:000000000000:schedule/nightly/etl"
    );
    let listed = ask(&lab, ops::ListScheduleGroups, Default::default())
        .await
        .expect("listed");
    let names: Vec<_> = listed
        .schedule_groups
        .expect("groups")
        .into_iter()
        .map(|g| g.name)
        .collect();
    assert_eq!(
        names,
        [Some("default".to_owned()), Some("nightly".to_owned())]
    );
    let gone = api::DeleteScheduleGroupInput {
        name: "nightly".into(),
        ..Default::default()
    };
    ask(&lab, ops::DeleteScheduleGroup, gone)
        .await
        .expect("deleted");
    let asked = api::GetScheduleInput {
        name: "etl".into(),
        group_name: Some("nightly".into()),
    };
    assert_eq!(
        said(ask(&lab, ops::GetSchedule, asked).await),
        "404 ResourceNotFoundException Schedule etl does not exist."
    );
}

#[tokio::test]
async fn a_schedule_is_told_as_it_was_asked_for() {
    let lab = Lab::default();
    let input = api::CreateScheduleInput {
        schedule_expression_timezone: Some("Europe/Berlin".into()),
        client_token: Some("once".into()),
        flexible_time_window: api::FlexibleTimeWindow {
            mode: "FLEXIBLE".into(),
            maximum_window_in_minutes: Some(15),
        },
        ..asked("etl", "cron(0 3 * * ? *)")
    };
    create(&lab, input.clone()).await.expect("made");
    create(&lab, input).await.expect("the same call");
    assert_eq!(
        said(create(&lab, asked("etl", "rate(1 hour)")).await),
        "409 ConflictException Schedule etl already exists."
    );
    let named = api::GetScheduleInput {
        name: "etl".into(),
        group_name: None,
    };
    let shown = ask(&lab, ops::GetSchedule, named).await.expect("shown");
    assert_eq!(
        shown.schedule_expression_timezone.as_deref(),
        Some("Europe/Berlin")
    );
    assert_eq!(shown.action_after_completion.as_deref(), Some("NONE"));
    assert_eq!(
        shown
            .flexible_time_window
            .and_then(|w| w.maximum_window_in_minutes),
        Some(15)
    );
    let retry = shown.target.and_then(|t| t.retry_policy).expect("a policy");
    assert_eq!(retry.maximum_retry_attempts, Some(185));
    let listed = ask(&lab, ops::ListSchedules, Default::default())
        .await
        .expect("listed");
    assert_eq!(listed.schedules.expect("schedules").len(), 1);
}

#[tokio::test]
async fn bad_schedules_are_refused_in_awss_words() {
    let lab = Lab::default();
    for bad in [
        "cron(0 1 * * * *)",
        "rate(10 seconds)",
        " rate(10 minutes)",
        "at(2021-12-31)",
    ] {
        assert_eq!(
            said(create(&lab, asked("bad", bad)).await),
            format!("400 ValidationException Invalid Schedule Expression {bad}.")
        );
    }
    let of = |arn: &str| {
        let mut input = asked("bad", "rate(1 hour)");
        input.target.arn = arn.into();
        input
    };
    let lambda = create(&lab, of("arn:aws:lambda:us-east-1:000000000000:function:f")).await;
    assert!(said(lambda).starts_with("501 NotImplemented"));
    let missing = api::CreateScheduleInput {
        group_name: Some("none".into()),
        ..asked("bad", "rate(1 hour)")
    };
    assert_eq!(
        said(create(&lab, missing).await),
        "404 ResourceNotFoundException Schedule group none does not exist."
    );
    let unserved = create(&lab, of("arn:aws:scheduler:::aws-sdk:ecs:runTask")).await;
    assert_eq!(
        said(unserved),
        "501 NotImplemented Neargate does not implement ecs:RunTask yet."
    );
}
