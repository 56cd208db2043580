//! Scalable targets, their scheduled actions and tags.

use super::*;

#[tokio::test]
async fn a_target_is_shown_as_it_was_registered() {
    let p = place();
    let input = api::RegisterScalableTargetInput {
        min_capacity: Some(1),
        max_capacity: Some(4),
        role_arn: some("arn:aws:iam::000000000000:role/mine"),
        suspended_state: Some(api::SuspendedState {
            dynamic_scaling_in_suspended: Some(true),
            ..Default::default()
        }),
        tags: Some([("k".to_owned(), "v".to_owned())].into()),
        ..registration()
    };
    let made = p.call(ops::RegisterScalableTarget, input.clone()).await;
    let arn = made.unwrap().scalable_target_arn.unwrap();
    assert!(
        arn.starts_with("arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/"),
        "{arn}"
    );
    let shown = p.targets().await.remove(0);
    assert_eq!(shown.scalable_target_arn.as_ref(), Some(&arn));
    assert_eq!((shown.min_capacity, shown.max_capacity), (Some(1), Some(4)));
    let role = shown.role_arn.unwrap();
    assert!(
        role.ends_with("AWSServiceRoleForApplicationAutoScaling_ECSService"),
        "{role}"
    );
    let suspended = shown.suspended_state.unwrap();
    assert_eq!(suspended.dynamic_scaling_in_suspended, Some(true));
    assert_eq!(suspended.scheduled_scaling_suspended, Some(false));
    let again = p
        .call(ops::RegisterScalableTarget, input)
        .await
        .unwrap_err();
    assert!(again.message.contains("use the TagResource API"), "{again}");
    // What is not said stays.
    let input = api::RegisterScalableTargetInput {
        max_capacity: Some(9),
        ..registration()
    };
    let same = p.call(ops::RegisterScalableTarget, input).await.unwrap();
    assert_eq!(same.scalable_target_arn.as_ref(), Some(&arn));
    let shown = p.targets().await.remove(0);
    assert_eq!((shown.min_capacity, shown.max_capacity), (Some(1), Some(9)));

    let tag = api::TagResourceInput {
        resource_arn: arn.clone(),
        tags: [("l".to_owned(), "w".to_owned())].into(),
    };
    p.call(ops::TagResource, tag).await.unwrap();
    let untag = api::UntagResourceInput {
        resource_arn: arn.clone(),
        tag_keys: vec!["k".into()],
    };
    p.call(ops::UntagResource, untag).await.unwrap();
    let list = api::ListTagsForResourceInput { resource_arn: arn };
    let tags = p.call(ops::ListTagsForResource, list).await.unwrap().tags;
    assert_eq!(tags, Some([("l".to_owned(), "w".to_owned())].into()));
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused() {
    let p = place();
    let of = |namespace: &str, resource: &str, dimension: &str| api::RegisterScalableTargetInput {
        service_namespace: namespace.into(),
        resource_id: resource.into(),
        scalable_dimension: dimension.into(),
        min_capacity: Some(1),
        max_capacity: Some(2),
        ..Default::default()
    };
    let unsupported = "Unsupported service namespace, resource type or scalable dimension";
    for (input, message) in [
        (
            of("ecs", "service/c/none", DIMENSION),
            "ECS service doesn't exist: service/c/none",
        ),
        (
            of("ecs", "service/d/web", DIMENSION),
            "ECS service doesn't exist: service/d/web",
        ),
        (of("ecs", "banana/c/web", DIMENSION), unsupported),
        (of("ecs", "service/web", DIMENSION), unsupported),
        (of("rds", "service/c/web", DIMENSION), unsupported),
        (
            of("dynamodb", "table/t", "dynamodb:table:ReadCapacityUnits"),
            "Neargate does not scale resources of the service namespace dynamodb yet.",
        ),
        (registration(), "Minimum capacity must be specified"),
        (
            api::RegisterScalableTargetInput {
                min_capacity: Some(3),
                ..of("ecs", RESOURCE, DIMENSION)
            },
            "Maximum capacity cannot be less than minimum capacity",
        ),
        (
            api::RegisterScalableTargetInput {
                min_capacity: Some(-1),
                ..of("ecs", RESOURCE, DIMENSION)
            },
            "Minimum capacity cannot be less than 0",
        ),
    ] {
        let answer = p.call(ops::RegisterScalableTarget, input).await;
        refused(answer, "ValidationException", message);
    }
    let unknown = of("foo", RESOURCE, DIMENSION);
    let error = p
        .call(ops::RegisterScalableTarget, unknown)
        .await
        .unwrap_err();
    let sentence = "1 validation error detected: Value 'foo' at 'serviceNamespace' failed to satisfy constraint: Member must satisfy enum value set: ";
    assert!(error.message.starts_with(sentence), "{error}");
    let gone = api::DeregisterScalableTargetInput {
        service_namespace: "ecs".into(),
        resource_id: RESOURCE.into(),
        scalable_dimension: DIMENSION.into(),
    };
    refused(
        p.call(ops::DeregisterScalableTarget, gone).await,
        "ObjectNotFoundException",
        "No scalable target found for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount",
    );
}

#[tokio::test]
async fn the_desired_count_comes_within_new_bounds_at_once() {
    let p = place();
    p.register(2, 4).await;
    p.live().await;
    assert_eq!(p.desired("web"), Some(2));
    let activity = p.activities().await.remove(0);
    assert_eq!(activity.status_code.as_deref(), Some("InProgress"));
    assert_eq!(
        activity.status_message.as_deref(),
        Some("Successfully set desired count to 2. Waiting for change to be fulfilled by ecs.")
    );
    p.run();
    p.live().await;
    let activity = p.activities().await.remove(0);
    assert_eq!(
        activity.cause.as_deref(),
        Some("minimum capacity was set to 2")
    );
    assert_eq!(activity.status_code.as_deref(), Some("Successful"));
    p.has("web", 9);
    p.live().await;
    assert_eq!(p.desired("web"), Some(9), "set by hand");
    p.register(0, 4).await;
    p.live().await;
    assert_eq!(p.desired("web"), Some(4));
}

#[tokio::test]
async fn a_scheduled_action_happens_at_its_time() {
    let p = place();
    p.register(1, 5).await;
    p.live().await;
    let action = |name: &str, schedule: &str, min| api::PutScheduledActionInput {
        service_namespace: "ecs".into(),
        resource_id: RESOURCE.into(),
        scalable_dimension: DIMENSION.into(),
        scheduled_action_name: name.into(),
        schedule: some(schedule),
        scalable_target_action: Some(api::ScalableTargetAction {
            min_capacity: Some(min),
            max_capacity: None,
        }),
        ..Default::default()
    };
    // It is 22:13:20 in UTC, 17:13:20 in New York.
    let evening = api::PutScheduledActionInput {
        timezone: some("America/New_York"),
        ..action("evening", "cron(14 17 * * ? *)", 3)
    };
    p.call(ops::PutScheduledAction, evening).await.unwrap();
    for (schedule, message) in [
        (
            "cron(14 17 * * *)",
            "Invalid schedule expression: cron(14 17 * * *)",
        ),
        (
            "at(2020-01-01T00:00:00)",
            "The schedule has no time in the future before its EndTime",
        ),
    ] {
        let answer = p
            .call(ops::PutScheduledAction, action("x", schedule, 1))
            .await;
        refused(answer, "ValidationException", message);
    }
    p.later(39);
    p.live().await;
    assert_eq!(p.desired("web"), Some(1));
    p.later(1);
    p.live().await;
    assert_eq!(p.desired("web"), Some(3));
    assert_eq!(p.targets().await[0].min_capacity, Some(3));
    let list = api::DescribeScheduledActionsInput {
        service_namespace: "ecs".into(),
        ..Default::default()
    };
    let shown = p
        .call(ops::DescribeScheduledActions, list.clone())
        .await
        .unwrap();
    let shown = shown.scheduled_actions.unwrap().remove(0);
    let arn = shown.scheduled_action_arn.unwrap();
    assert!(
        arn.ends_with(":resource/ecs/service/c/web:scheduledActionName/evening"),
        "{arn}"
    );
    assert_eq!(shown.timezone.as_deref(), Some("America/New_York"));
    let delete = api::DeleteScheduledActionInput {
        service_namespace: "ecs".into(),
        scheduled_action_name: "evening".into(),
        resource_id: RESOURCE.into(),
        scalable_dimension: DIMENSION.into(),
    };
    p.call(ops::DeleteScheduledAction, delete.clone())
        .await
        .unwrap();
    refused(
        p.call(ops::DeleteScheduledAction, delete).await,
        "ObjectNotFoundException",
        "No scheduled action found for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount, scheduled action name: evening",
    );
}
