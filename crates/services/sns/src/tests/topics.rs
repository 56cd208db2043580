//! Topics, their attributes and tags.

use super::{Bench, said};
use neargate_api_sns::{self as api, ops};
use neargate_service::AwsError;
use std::collections::BTreeMap;

const ARN: &str = "arn:aws:sns:us-east-1:000000000000:alarms";

async fn create(
    lab: &Bench,
    name: &str,
    attributes: &[(&str, &str)],
    tags: &[(&str, &str)],
) -> Result<String, AwsError> {
    let tag = |(key, value): &(&str, &str)| api::Tag {
        key: (*key).into(),
        value: (*value).into(),
    };
    let attribute = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
    let input = api::CreateTopicInput {
        name: name.into(),
        attributes: Some(attributes.iter().map(attribute).collect()),
        tags: Some(tags.iter().map(tag).collect()),
        ..Default::default()
    };
    let created = lab.ask(ops::CreateTopic, input).await?;
    Ok(created.topic_arn.expect("an ARN"))
}

async fn attributes(lab: &Bench, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let topic_arn = arn.into();
    let asked = api::GetTopicAttributesInput { topic_arn };
    let got = lab.ask(ops::GetTopicAttributes, asked).await?;
    Ok(got.attributes.expect("attributes"))
}

async fn set(lab: &Bench, name: &str, value: &str) -> Result<(), AwsError> {
    let input = api::SetTopicAttributesInput {
        topic_arn: ARN.into(),
        attribute_name: name.into(),
        attribute_value: Some(value.into()),
    };
    lab.ask(ops::SetTopicAttributes, input).await.map(drop)
}

#[tokio::test]
async fn a_topic_is_made_once() {
    let lab = Bench::new();
    let tags = [("team", "web")];
    assert_eq!(create(&lab, "alarms", &[], &tags).await.unwrap(), ARN);
    assert_eq!(create(&lab, "alarms", &[], &[]).await.unwrap(), ARN);
    assert_eq!(
        said(create(&lab, "alarms", &[("DisplayName", "x")], &[]).await),
        "400 InvalidParameterException Invalid parameter: Attributes Reason: Topic already exists \
         with different attributes"
    );
    assert_eq!(
        said(create(&lab, "alarms", &[], &[("team", "other")]).await),
        "400 InvalidParameterException Invalid parameter: Tags Reason: Topic already exists with \
         different tags"
    );
    let gone = || api::DeleteTopicInput {
        topic_arn: ARN.into(),
    };
    lab.ask(ops::DeleteTopic, gone()).await.unwrap();
    lab.ask(ops::DeleteTopic, gone()).await.unwrap();
    let missing = attributes(&lab, ARN).await;
    assert_eq!(said(missing), "404 NotFoundException Topic does not exist");
}

#[tokio::test]
async fn messages_are_for_topics_that_exist() {
    let lab = Bench::new();
    create(&lab, "alarms", &[], &[]).await.unwrap();
    let to = |arn: &str, message: &str| {
        let input = api::PublishInput {
            topic_arn: Some(arn.into()),
            message: message.into(),
            ..Default::default()
        };
        lab.ask(ops::Publish, input)
    };
    assert!(to(ARN, "hello").await.unwrap().message_id.is_some());
    assert_eq!(
        said(to(&ARN.replace("alarms", "none"), "hello").await),
        "404 NotFoundException Topic does not exist"
    );
    let wanted = "400 InvalidParameterException Invalid parameter: Empty message";
    assert_eq!(said(to(ARN, "").await), wanted);
}

#[tokio::test]
async fn names_follow_aws() {
    let lab = Bench::new();
    let long = "x".repeat(257);
    for name in ["", "a b", "a.fifo", "ä", &long] {
        let said = said(create(&lab, name, &[], &[]).await);
        let wanted = "400 InvalidParameterException Invalid parameter: Topic Name";
        assert_eq!(said, wanted, "{name}");
    }
    let fifo = [("FifoTopic", "true")];
    for name in ["a", ".fifo", "a b.fifo"] {
        let said = said(create(&lab, name, &fifo, &[]).await);
        assert!(
            said.contains("Fifo Topic names must end with .fifo"),
            "{said}"
        );
    }
    let arn = create(&lab, "a.fifo", &fifo, &[]).await.unwrap();
    let shown = attributes(&lab, &arn).await.unwrap();
    assert_eq!(shown["FifoTopic"], "true");
    assert_eq!(shown["ContentBasedDeduplication"], "false");
}

#[tokio::test]
async fn attributes_are_checked_and_kept() {
    let lab = Bench::new();
    create(&lab, "alarms", &[], &[]).await.unwrap();
    let shown = attributes(&lab, ARN).await.unwrap();
    assert_eq!(shown["Owner"], "000000000000");
    assert_eq!(shown["SubscriptionsConfirmed"], "0");
    assert!(shown["Policy"].contains("__default_policy_ID"));
    set(&lab, "DisplayName", "Alarms").await.unwrap();
    set(&lab, "TracingConfig", "Active").await.unwrap();
    set(&lab, "HTTPSuccessFeedbackSampleRate", "100")
        .await
        .unwrap();
    let shown = attributes(&lab, ARN).await.unwrap();
    assert_eq!(shown["DisplayName"], "Alarms");
    let long = "x".repeat(101);
    let refused = [
        ("Nothing", "x", "AttributeName"),
        ("FifoTopic", "true", "AttributeName"),
        ("ContentBasedDeduplication", "true", "AttributeName"),
        ("DisplayName", &long, "DisplayName"),
        ("TracingConfig", "active", "TracingConfig"),
        (
            "SQSSuccessFeedbackSampleRate",
            "101",
            "SQSSuccessFeedbackSampleRate",
        ),
        ("Policy", "{", "Policy Error: null"),
    ];
    for (name, value, why) in refused {
        let wanted = format!("400 InvalidParameterException Invalid parameter: {why}");
        assert_eq!(said(set(&lab, name, value).await), wanted);
    }
}

#[tokio::test]
async fn arns_are_the_callers() {
    let lab = Bench::new();
    let refused = [
        (
            "alarms",
            "400 InvalidParameterException Invalid parameter: TopicArn Reason: An ARN must \
                    have at least 6 elements, not 1",
        ),
        (
            "arn:aws:sns:eu-west-1:000000000000:alarms",
            "400 InvalidParameterException Invalid \
                                                       parameter: TopicArn",
        ),
        (
            "arn:aws:sqs:us-east-1:000000000000:alarms",
            "400 InvalidParameterException Invalid \
                                                       parameter: TopicArn",
        ),
    ];
    for (arn, wanted) in refused {
        assert_eq!(said(attributes(&lab, arn).await), wanted);
    }
    let other = attributes(&lab, "arn:aws:sns:us-east-1:111111111111:alarms").await;
    assert!(said(other).starts_with("403 AuthorizationErrorException User: arn:aws:iam::0"));
}

#[tokio::test]
async fn lists_come_in_pages_of_a_hundred() {
    let lab = Bench::new();
    for n in 0..101 {
        create(&lab, &format!("t{n:03}"), &[], &[]).await.unwrap();
    }
    let first = lab.ask(ops::ListTopics, Default::default()).await.unwrap();
    assert_eq!(first.topics.unwrap().len(), 100);
    let next_token = first.next_token;
    assert!(next_token.is_some());
    let input = api::ListTopicsInput { next_token };
    let second = lab.ask(ops::ListTopics, input).await.unwrap();
    assert_eq!((second.topics.unwrap().len(), second.next_token), (1, None));
    let next_token = Some("%".into());
    let bad = lab
        .ask(ops::ListTopics, api::ListTopicsInput { next_token })
        .await;
    let wanted = "400 InvalidParameterException Invalid parameter: NextToken";
    assert_eq!(said(bad), wanted);
}

#[tokio::test]
async fn tags_are_added_and_removed() {
    let lab = Bench::new();
    create(&lab, "alarms", &[], &[("a", "1"), ("b", "2")])
        .await
        .unwrap();
    let tag = |n: usize| api::Tag {
        key: format!("k{n}"),
        value: String::new(),
    };
    let input = api::UntagResourceInput {
        resource_arn: ARN.into(),
        tag_keys: vec!["a".into(), "none".into()],
    };
    lab.ask(ops::UntagResource, input).await.unwrap();
    let add = |from: usize, to: usize| api::TagResourceInput {
        resource_arn: ARN.into(),
        tags: (from..to).map(tag).collect(),
    };
    lab.ask(ops::TagResource, add(0, 49)).await.unwrap();
    let many = lab.ask(ops::TagResource, add(49, 50)).await;
    assert!(said(many).starts_with("400 TagLimitExceededException"));
    let resource_arn = ARN.into();
    let asked = api::ListTagsForResourceInput { resource_arn };
    let tags = lab.ask(ops::ListTagsForResource, asked).await.unwrap();
    assert_eq!(tags.tags.unwrap().len(), 50);
    let resource_arn = ARN.replace("alarms", "none");
    let asked = api::ListTagsForResourceInput { resource_arn };
    let missing = lab.ask(ops::ListTagsForResource, asked).await;
    assert_eq!(
        said(missing),
        "404 ResourceNotFoundException Resource does not exist"
    );
}
