//! Rules, targets, tags, and events that are sent.

use super::{World, cluster, queue, said};
use neargate_api_events::{self as api, ops};
use serde_json::json;

const ORDERS: &str = r#"{"source": ["shop"], "detail": {"state": ["paid"]}}"#;

#[tokio::test]
async fn a_rule_is_replaced_and_keeps_its_targets() {
    let world = World::new();
    let arn = world.put_rule("paid", ORDERS).await.expect("made");
    assert_eq!(arn, "arn:aws:events:us-east-1:000000000000:rule/paid");
    world.put_target("paid", queue("1")).await.expect("put");
    let input = api::PutRuleInput {
        name: "paid".into(),
        event_pattern: Some(r#"{"source": ["shop"]}"#.into()),
        description: Some("all".into()),
        ..Default::default()
    };
    world.ask(ops::PutRule, input).await.expect("replaced");
    let asked = || api::DescribeRuleInput {
        name: "paid".into(),
        ..Default::default()
    };
    let shown = world.ask(ops::DescribeRule, asked()).await.expect("shown");
    assert_eq!(shown.description.as_deref(), Some("all"));
    assert_eq!(shown.event_bus_name.as_deref(), Some("default"));
    assert_eq!(shown.state.as_deref(), Some("ENABLED"));
    let gone = || api::DeleteRuleInput {
        name: "paid".into(),
        ..Default::default()
    };
    assert_eq!(
        said(world.ask(ops::DeleteRule, gone()).await),
        "400 ValidationException Rule can't be deleted since it has targets."
    );
    let input = api::RemoveTargetsInput {
        rule: "paid".into(),
        ids: vec!["1".into(), "2".into()],
        ..Default::default()
    };
    let removed = world.ask(ops::RemoveTargets, input).await.expect("removed");
    assert_eq!(removed.failed_entry_count, Some(1));
    world.ask(ops::DeleteRule, gone()).await.expect("deleted");
    world
        .ask(ops::DeleteRule, gone())
        .await
        .expect("as good as deleted");
    assert_eq!(
        said(world.ask(ops::DescribeRule, asked()).await),
        "400 ResourceNotFoundException Rule paid does not exist on EventBus default."
    );
}

#[tokio::test]
async fn bad_rules_are_refused_in_awss_words() {
    let world = World::new();
    let refused = async |pattern: Option<&str>, schedule: Option<&str>| {
        let input = api::PutRuleInput {
            name: "bad".into(),
            event_pattern: pattern.map(Into::into),
            schedule_expression: schedule.map(Into::into),
            ..Default::default()
        };
        said(world.ask(ops::PutRule, input).await)
    };
    let cases = [
        (
            None,
            None,
            "400 ValidationException Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ),
        (
            None,
            Some("rate(1 minutes)"),
            "400 ValidationException Parameter ScheduleExpression is not valid.",
        ),
        (
            Some(r#"{"source": "shop"}"#),
            None,
            "400 InvalidEventPatternException Event pattern is not valid. Reason: \"source\" must be an object or \
             an array\n at [Source: (String)\"{\"source\": \"shop\"}\"; line: 1, column: 13]",
        ),
        (
            Some(r#"{"source": [{"cidr": "10.0.0.0"}]}"#),
            None,
            "400 InvalidEventPatternException Event pattern is not valid. Reason: Malformed CIDR, one '/' required",
        ),
    ];
    for (pattern, schedule, wanted) in cases {
        assert_eq!(refused(pattern, schedule).await, wanted);
    }
}

#[tokio::test]
async fn targets_are_checked() {
    let world = World::new();
    world.put_rule("paid", ORDERS).await.expect("made");
    let refused = async |target: api::Target| said(world.put_target("paid", target).await);
    let both = api::Target {
        input: Some("1".into()),
        input_path: Some("$.detail".into()),
        ..queue("t")
    };
    assert_eq!(
        refused(both).await,
        "400 ValidationException Only one of Input, InputPath, or InputTransformer must be provided for target t."
    );
    let unknown = api::Target {
        input_transformer: Some(api::InputTransformer {
            input_paths_map: None,
            input_template: "\"<nothing>\"".into(),
        }),
        ..queue("t")
    };
    assert_eq!(
        refused(unknown).await,
        "400 ValidationException InputTemplate for target t contains invalid placeholder nothing."
    );
    let lambda = api::Target {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
        ..queue("t")
    };
    assert!(refused(lambda).await.starts_with("501 NotImplemented"));
    let without = api::Target {
        ecs_parameters: None,
        ..cluster("t")
    };
    assert!(
        refused(without)
            .await
            .contains("EcsParameters must be specified")
    );
    for n in 0..5 {
        world
            .put_target("paid", queue(&n.to_string()))
            .await
            .expect("put");
    }
    assert_eq!(
        refused(queue("sixth")).await,
        "400 LimitExceededException The requested resource exceeds the maximum number allowed."
    );
}

#[tokio::test]
async fn entries_fail_one_by_one() {
    let world = World::new();
    let entry = |source: Option<&str>, detail: &str| api::PutEventsRequestEntry {
        source: source.map(Into::into),
        detail_type: Some("order".into()),
        detail: Some(detail.into()),
        ..Default::default()
    };
    let input = api::PutEventsInput {
        entries: vec![
            entry(None, "{}"),
            entry(Some("shop"), "[]"),
            entry(Some("aws.ecs"), "{}"),
            entry(Some("shop"), "{}"),
        ],
        ..Default::default()
    };
    let sent = world.ask(ops::PutEvents, input).await.expect("sent");
    assert_eq!(sent.failed_entry_count, Some(3));
    let entries = sent.entries.expect("entries");
    let codes: Vec<_> = entries.iter().map(|e| e.error_code.as_deref()).collect();
    let wanted = [
        Some("InvalidArgument"),
        Some("MalformedDetail"),
        Some("NotAuthorizedForSourceException"),
        None,
    ];
    assert_eq!(codes, wanted);
    assert_eq!(
        entries[0].error_message.as_deref(),
        Some("Parameter Source is not valid. Reason: Source is a required argument.")
    );
    let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(256 << 10));
    let input = api::PutEventsInput {
        entries: vec![entry(Some("shop"), &large)],
        ..Default::default()
    };
    assert_eq!(
        said(world.ask(ops::PutEvents, input).await),
        "400 ValidationException Total size of the entries in the request is over the limit."
    );
}

#[tokio::test]
async fn patterns_can_be_tried() {
    let world = World::new();
    let event = json!({
        "id": "1", "account": "000000000000", "source": "shop", "time": "2026-11-30T12:00:00Z",
        "region": "us-east-1", "detail-type": "order", "detail": {"state": "paid"},
    });
    let tried = async |pattern: &str, event: &str| {
        let input = api::TestEventPatternInput {
            event_pattern: pattern.into(),
            event: event.into(),
        };
        world.ask(ops::TestEventPattern, input).await
    };
    let event = event.to_string();
    assert_eq!(
        tried(ORDERS, &event).await.expect("tried").result,
        Some(true)
    );
    let other = tried(r#"{"source": ["bank"]}"#, &event).await;
    assert_eq!(other.expect("tried").result, Some(false));
    assert!(said(tried(ORDERS, "{").await).contains("Parameter Event is not valid."));
}

#[tokio::test]
async fn tags() {
    let world = World::new();
    let arn = world.put_rule("paid", ORDERS).await.expect("made");
    let input = api::TagResourceInput {
        resource_arn: arn.clone(),
        tags: vec![api::Tag {
            key: "team".into(),
            value: "web".into(),
        }],
    };
    world.ask(ops::TagResource, input).await.expect("tagged");
    let asked = |resource_arn: String| api::ListTagsForResourceInput { resource_arn };
    let tags = world
        .ask(ops::ListTagsForResource, asked(arn))
        .await
        .expect("listed");
    assert_eq!(tags.tags.expect("tags").len(), 1);
    let bus = asked("arn:aws:events:us-east-1:000000000000:event-bus/none".into());
    assert_eq!(
        said(world.ask(ops::ListTagsForResource, bus).await),
        "400 ResourceNotFoundException Event bus none does not exist."
    );
}
