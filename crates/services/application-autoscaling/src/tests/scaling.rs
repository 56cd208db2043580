//! Alarms that lead to desired counts, and what remains of that.

use super::*;

#[tokio::test]
async fn a_service_grows_and_shrinks_by_its_alarms() {
    let p = place();
    p.register(1, 5).await;
    p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
    p.live().await;
    let (high, action) = p.own("AlarmHigh");
    p.evaluated(&high, &action, Some(150.0));
    p.live().await;
    assert_eq!(p.desired("web"), Some(3));
    p.run();
    p.live().await;
    let activity = p.activities().await.remove(0);
    assert_eq!(
        activity.description.as_deref(),
        Some("Setting desired count to 3.")
    );
    assert_eq!(
        activity.cause,
        Some(format!(
            "monitor alarm {high} in state ALARM triggered policy cpu"
        ))
    );
    assert_eq!(
        activity.status_message.as_deref(),
        Some("Successfully set desired count to 3. Change successfully fulfilled by ecs.")
    );
    assert_eq!(p.activities().await.len(), 1);
    p.later(600);
    let (low, action) = p.own("AlarmLow");
    p.evaluated(&low, &action, Some(10.0));
    p.live().await;
    assert_eq!(p.desired("web"), Some(1));
}

/// The process dies behind any write: what was begun is done once.
#[tokio::test]
async fn what_was_begun_is_done_by_whoever_comes_next() {
    for writes in 1..4 {
        let p = place();
        p.register(1, 5).await;
        p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
        p.live().await;
        let (high, action) = p.own("AlarmHigh");
        p.evaluated(&high, &action, Some(150.0));
        let key = crate::model::Named::parse(RESOURCE)
            .unwrap()
            .key(&p.lab.scope);
        for _ in 0..writes {
            let view = p.scaler.view(&key).await.unwrap().unwrap();
            for action in p.scaler.plan(&view, p.lab.house.now()).actions {
                p.scaler.apply(action).await.unwrap();
            }
        }
        let next = Scaler::new(p.lab.house.clone(), p.component.readings.clone());
        let p = Place { scaler: next, ..p };
        p.live().await;
        p.run();
        p.live().await;
        assert_eq!(p.desired("web"), Some(3));
        assert_eq!(p.activities().await.len(), 1, "after {writes} writes");
    }
}

#[tokio::test]
async fn a_service_that_is_gone_is_said() {
    let p = place();
    p.register(1, 5).await;
    p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
    p.live().await;
    let (high, action) = p.own("AlarmHigh");
    p.evaluated(&high, &action, Some(150.0));
    let key = crate::model::Named::parse(RESOURCE)
        .unwrap()
        .key(&p.lab.scope);
    let view = p.scaler.view(&key).await.unwrap().unwrap();
    for action in p.scaler.plan(&view, p.lab.house.now()).actions {
        p.scaler.apply(action).await.unwrap();
    }
    p.fake.services.lock().clear();
    p.live().await;
    let activity = p.activities().await.remove(0);
    assert_eq!(activity.status_code.as_deref(), Some("Failed"));
    assert_eq!(
        activity.status_message.as_deref(),
        Some("Failed to set desired count to 3. Reason: Gone.")
    );
}

#[tokio::test]
async fn what_led_to_nothing_is_shown_to_who_asks() {
    let p = place();
    p.register(1, 1).await;
    p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
    p.live().await;
    let (high, action) = p.own("AlarmHigh");
    for _ in 0..3 {
        p.later(60);
        p.evaluated(&high, &action, Some(150.0));
        p.live().await;
    }
    let all = p.activities().await;
    assert_eq!(all.len(), 1);
    let why = &all[0].not_scaled_reasons.as_ref().unwrap()[0];
    assert_eq!(why.code.as_deref(), Some("AlreadyAtMaxCapacity"));
    assert_eq!((why.max_capacity, why.min_capacity), (Some(1), None));
    let input = api::DescribeScalingActivitiesInput {
        service_namespace: "ecs".into(),
        resource_id: some(RESOURCE),
        ..Default::default()
    };
    let found = p.call(ops::DescribeScalingActivities, input).await.unwrap();
    assert_eq!(found.scaling_activities, Some(vec![]));
}
