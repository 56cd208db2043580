//! Who is subscribed, and how that is said and changed.

use super::{Bench, message, queue, said};
use neargate_api_sns::{self as api, ops};
use neargate_service::deliver::Sender;
use neargate_service::{Caller, Ctx, Principal};
use std::collections::BTreeMap;

fn anonymous(bench: &Bench) -> Ctx {
    Ctx {
        principal: Principal::anonymous(),
        ..bench.lab.cx()
    }
}

async fn attributes(bench: &Bench, arn: &str) -> Result<BTreeMap<String, String>, String> {
    let input = api::GetSubscriptionAttributesInput {
        subscription_arn: arn.into(),
    };
    let got = bench.ask(ops::GetSubscriptionAttributes, input).await;
    match got {
        Ok(got) => Ok(got.attributes.expect("attributes")),
        Err(error) => Err(error.message),
    }
}

async fn set(bench: &Bench, arn: &str, name: &str, value: &str) -> Result<(), String> {
    let input = api::SetSubscriptionAttributesInput {
        subscription_arn: arn.into(),
        attribute_name: name.into(),
        attribute_value: Some(value.into()),
    };
    let set = bench.ask(ops::SetSubscriptionAttributes, input).await;
    set.map(drop).map_err(|error| error.message)
}

#[tokio::test]
async fn a_queue_is_subscribed_once() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let arn = bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    assert!(arn.starts_with(&format!("{topic}:")));
    let again = bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    assert_eq!(arn, again);
    let raw = [("RawMessageDelivery", "true")];
    assert_eq!(
        said(bench.subscribe(&topic, "sqs", &queue("q"), &raw).await),
        "400 InvalidParameterException Invalid parameter: Attributes Reason: Subscription already \
         exists with different attributes"
    );
    let shown = attributes(&bench, &arn).await.unwrap();
    let wanted = [
        ("ConfirmationWasAuthenticated", "true"),
        ("Endpoint", &queue("q")),
        ("Owner", "000000000000"),
        ("PendingConfirmation", "false"),
        ("Protocol", "sqs"),
        ("RawMessageDelivery", "false"),
        ("SubscriptionArn", &arn),
        ("SubscriptionPrincipal", "arn:aws:iam::000000000000:root"),
        ("TopicArn", &topic),
    ];
    assert_eq!(shown, super::map(&wanted));
    let listed = bench
        .ask(ops::ListSubscriptions, Default::default())
        .await
        .unwrap();
    assert_eq!(listed.subscriptions.unwrap().len(), 1);
    let input = api::ListSubscriptionsByTopicInput {
        topic_arn: topic.clone(),
        next_token: None,
    };
    let listed = bench
        .ask(ops::ListSubscriptionsByTopic, input)
        .await
        .unwrap();
    let listed = listed.subscriptions.unwrap();
    assert_eq!(listed[0].subscription_arn.as_deref(), Some(&*arn));
    let gone = || api::UnsubscribeInput {
        subscription_arn: arn.clone(),
    };
    bench.ask(ops::Unsubscribe, gone()).await.unwrap();
    bench.ask(ops::Unsubscribe, gone()).await.unwrap();
    assert_eq!(
        attributes(&bench, &arn).await.unwrap_err(),
        "Subscription does not exist"
    );
    let input = api::GetTopicAttributesInput { topic_arn: topic };
    let of_topic = bench.ask(ops::GetTopicAttributes, input).await.unwrap();
    let of_topic = of_topic.attributes.unwrap();
    assert_eq!(of_topic["SubscriptionsDeleted"], "1");
    assert_eq!(of_topic["SubscriptionsConfirmed"], "0");
}

#[tokio::test]
async fn what_cannot_be_subscribed_is_said() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let fifo = bench.topic("a.fifo", &[("FifoTopic", "true")]).await;
    let invalid = "400 InvalidParameterException Invalid parameter: ";
    let cases = [
        (&topic, "sqs", "http://localhost/q", "SQS endpoint ARN"),
        (
            &topic,
            "http",
            "https://a/",
            "Endpoint must match the specified protocol",
        ),
        (&topic, "email", "nobody", "Email address"),
        (
            &topic,
            "x",
            "y",
            "Amazon SNS does not support this protocol string: x",
        ),
        (
            &fifo,
            "email",
            "a@b.example",
            "Invalid protocol type: FIFO topics can only be \
                                          subscribed to by SQS queues",
        ),
        (
            &topic,
            "sqs",
            &queue("q.fifo"),
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can \
                                            not be subscribed to standard SNS topics",
        ),
    ];
    for (topic, protocol, endpoint, why) in cases {
        let refused = said(bench.subscribe(topic, protocol, endpoint, &[]).await);
        assert_eq!(refused, format!("{invalid}{why}"));
    }
    for protocol in ["sms", "application", "lambda", "firehose"] {
        let refused = said(bench.subscribe(&topic, protocol, "x", &[]).await);
        assert!(refused.starts_with("501 NotImplemented"), "{refused}");
    }
    let refused = said(
        bench
            .subscribe(&topic, "http", "http://169.254.169.254/", &[])
            .await,
    );
    assert!(refused.contains("Unreachable Endpoint"), "{refused}");
    let none = topic.replace("alarms", "none");
    let refused = said(bench.subscribe(&none, "sqs", &queue("q"), &[]).await);
    assert_eq!(refused, "404 NotFoundException Topic does not exist");
}

#[tokio::test]
async fn attributes_are_checked() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let arn = bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    let cases = [
        ("Nothing", "x", "AttributeName"),
        (
            "RawMessageDelivery",
            "test-ValUe",
            "RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false.",
        ),
        (
            "FilterPolicyScope",
            "RandomValue",
            "FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or \
             MessageAttributes",
        ),
        ("FilterPolicy", "{", "FilterPolicy: failed to parse JSON."),
        (
            "FilterPolicy",
            r#"{"a":{"b":["c"]}}"#,
            "Filter policy scope MessageAttributes does not support nested filter policy",
        ),
        (
            "RedrivePolicy",
            r#"{"deadLetterTargetArn":"x"}"#,
            "RedrivePolicy: deadLetterTargetArn is an invalid arn",
        ),
        (
            "DeliveryPolicy",
            "{}",
            "DeliveryPolicy: protocol [sqs] does not support delivery policies",
        ),
    ];
    for (name, value, why) in cases {
        let refused = set(&bench, &arn, name, value).await.unwrap_err();
        assert_eq!(refused, format!("Invalid parameter: {why}"));
    }
    set(&bench, &arn, "RawMessageDelivery", "True")
        .await
        .unwrap();
    set(&bench, &arn, "FilterPolicyScope", "MessageBody")
        .await
        .unwrap();
    set(&bench, &arn, "FilterPolicy", r#"{"a":{"b":["c"]}}"#)
        .await
        .unwrap();
    let shown = attributes(&bench, &arn).await.unwrap();
    assert_eq!(shown["RawMessageDelivery"], "true");
    assert_eq!(shown["FilterPolicyScope"], "MessageBody");
    let refused = set(&bench, &arn, "FilterPolicyScope", "MessageAttributes").await;
    assert!(refused.unwrap_err().contains("does not support nested"));
}

#[tokio::test]
async fn a_mailbox_confirms_by_the_link_and_leaves_by_another() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let arn = bench
        .subscribe(&topic, "email", "a@b.example", &[])
        .await
        .unwrap();
    bench.publish(&topic, "too early").await;
    let (subject, text) = bench.mails(1).await.pop().unwrap();
    assert_eq!(subject, "AWS Notification - Subscription Confirmation");
    let link = text
        .lines()
        .find(|l| l.starts_with("http://"))
        .expect("a link");
    let token = link.rsplit("Token=").next().expect("a token");
    let confirm = |token: &str| api::ConfirmSubscriptionInput {
        topic_arn: topic.clone(),
        token: token.into(),
        authenticate_on_unsubscribe: None,
    };
    let confirmed = bench
        .ask_as(anonymous(&bench), ops::ConfirmSubscription, confirm("zz"))
        .await;
    assert_eq!(
        said(confirmed),
        "400 InvalidParameterException Invalid token"
    );
    let confirmed = bench
        .ask_as(anonymous(&bench), ops::ConfirmSubscription, confirm("00"))
        .await;
    assert_eq!(
        said(confirmed),
        "400 InvalidParameterException Invalid parameter: Token"
    );
    let confirmed = bench
        .ask_as(anonymous(&bench), ops::ConfirmSubscription, confirm(token))
        .await;
    assert_eq!(confirmed.unwrap().subscription_arn.as_deref(), Some(&*arn));
    assert_eq!(
        attributes(&bench, &arn).await.unwrap()["ConfirmationWasAuthenticated"],
        "false"
    );
    let mut input = message(&topic, "hello");
    input.subject = Some("greetings".into());
    bench.ask(ops::Publish, input).await.unwrap();
    let (subject, text) = bench.mails(2).await.pop().unwrap();
    assert_eq!(subject, "greetings");
    assert!(text.starts_with("hello\n"), "{text}");
    let link = text
        .lines()
        .find(|l| l.starts_with("http://"))
        .expect("a link");
    let left = link.rsplit("SubscriptionArn=").next().expect("an ARN");
    assert_eq!(left, arn);
    let leave = api::UnsubscribeInput {
        subscription_arn: left.into(),
    };
    bench
        .ask_as(anonymous(&bench), ops::Unsubscribe, leave)
        .await
        .unwrap();
    assert!(attributes(&bench, &arn).await.is_err());
    // And it was not meant so.
    let (_, text) = bench.mails(3).await.pop().unwrap();
    let link = text
        .lines()
        .find(|l| l.starts_with("http://"))
        .expect("a link");
    let token = link.rsplit("Token=").next().expect("a token");
    bench
        .ask_as(anonymous(&bench), ops::ConfirmSubscription, confirm(token))
        .await
        .unwrap();
    assert_eq!(
        attributes(&bench, &arn).await.unwrap()["PendingConfirmation"],
        "false"
    );
}

#[tokio::test]
async fn a_guarded_subscription_ends_by_its_owner_alone() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let arn = bench
        .subscribe(&topic, "email-json", "a@b.example", &[])
        .await
        .unwrap();
    let (_, text) = bench.mails(1).await.pop().unwrap();
    let said_json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let input = api::ConfirmSubscriptionInput {
        topic_arn: topic.clone(),
        token: said_json["Token"].as_str().unwrap().into(),
        authenticate_on_unsubscribe: Some("true".into()),
    };
    bench.ask(ops::ConfirmSubscription, input).await.unwrap();
    let leave = || api::UnsubscribeInput {
        subscription_arn: arn.clone(),
    };
    let refused = bench
        .ask_as(anonymous(&bench), ops::Unsubscribe, leave())
        .await;
    assert!(said(refused).starts_with("403 AuthorizationErrorException"));
    bench.ask(ops::Unsubscribe, leave()).await.unwrap();
}

#[tokio::test]
async fn tokens_end() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    bench
        .subscribe(&topic, "email-json", "a@b.example", &[])
        .await
        .unwrap();
    let (_, text) = bench.mails(1).await.pop().unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    bench.lab.clock.advance(day * 2);
    let input = api::ConfirmSubscriptionInput {
        topic_arn: topic.clone(),
        token: json["Token"].as_str().unwrap().into(),
        authenticate_on_unsubscribe: None,
    };
    let late = bench.ask(ops::ConfirmSubscription, input).await;
    assert_eq!(
        said(late),
        "400 InvalidParameterException Invalid parameter: Token"
    );
}

#[tokio::test]
async fn the_topics_policy_lets_others_in() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let account: neargate_base::AccountId = "111111111111".parse().unwrap();
    let stranger = || {
        let cx = bench.lab.cx();
        Ctx {
            scope: cx.scope.of_account(account.clone()),
            principal: Principal::root(&account, "other"),
            ..cx
        }
    };
    let publish = || bench.ask_as(stranger(), ops::Publish, message(&topic, "x"));
    assert!(said(publish().await).starts_with("403 AuthorizationErrorException"));
    let add = |label: &str, action: &str| {
        let input = api::AddPermissionInput {
            topic_arn: topic.clone(),
            label: label.into(),
            aws_account_id: vec!["111111111111".into()],
            action_name: vec![action.into()],
        };
        bench.ask(ops::AddPermission, input)
    };
    add("them", "Publish").await.unwrap();
    assert!(said(add("them", "Publish").await).ends_with("Statement already exists"));
    let out = "Policy statement action out of service scope!";
    assert!(said(add("more", "Nothing").await).ends_with(out));
    publish().await.unwrap();
    let input = api::DeleteTopicInput {
        topic_arn: topic.clone(),
    };
    let refused = bench.ask_as(stranger(), ops::DeleteTopic, input).await;
    assert!(said(refused).starts_with("403 AuthorizationErrorException"));
    let input = api::RemovePermissionInput {
        topic_arn: topic.clone(),
        label: "them".into(),
    };
    bench.ask(ops::RemovePermission, input).await.unwrap();
    assert!(publish().await.is_err());
}

#[tokio::test]
async fn services_are_judged_by_the_topics_policy() {
    let mut lab = neargate_testkit::Lab::default();
    let settings = neargate_service::Settings {
        enforced: true,
        ..neargate_testkit::settings()
    };
    let store = neargate_store::memory::MemoryStore::new(lab.clock.clone());
    let clock = lab.clock.clone();
    lab.house = neargate_testkit::house(lab.path(), store, clock, 1, settings);
    let bench = Bench::in_lab(lab);
    let topic = bench.topic("alarms", &[]).await;
    let publish = async |service: &'static str, account: &str| {
        let sender = Sender {
            service,
            source_arn: format!("arn:aws:cloudwatch:us-east-1:{account}:alarm:a"),
            source_account: account.to_owned(),
        };
        let (house, scope) = (&bench.lab.house, &bench.lab.scope);
        let input = message(&topic, "x");
        Caller::deliver::<ops::Publish>(house, scope, &sender, &input)
            .await
            .is_ok()
    };
    // AWS's default policy lets those in who act for the owner.
    assert!(publish("cloudwatch.amazonaws.com", "000000000000").await);
    assert!(!publish("cloudwatch.amazonaws.com", "111111111111").await);
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": "events.amazonaws.com" },
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:cloudwatch:*:111111111111:*" } },
    }] });
    let input = api::SetTopicAttributesInput {
        topic_arn: topic.clone(),
        attribute_name: "Policy".into(),
        attribute_value: Some(policy.to_string()),
    };
    bench.ask(ops::SetTopicAttributes, input).await.unwrap();
    assert!(publish("events.amazonaws.com", "111111111111").await);
    assert!(!publish("events.amazonaws.com", "000000000000").await);
    assert!(!publish("cloudwatch.amazonaws.com", "000000000000").await);
}
