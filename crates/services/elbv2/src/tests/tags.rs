//! Tags, everywhere.

use super::*;

fn pairs(tags: &[(&str, &str)]) -> Vec<api::Tag> {
    let tag = |(key, value): &(&str, &str)| api::Tag {
        key: (*key).into(),
        value: some(value),
    };
    tags.iter().map(tag).collect()
}

#[tokio::test]
async fn everything_has_tags() {
    let place = place();
    let tags = Some(pairs(&[("made", "1")]));
    let balancer = api::CreateLoadBalancerInput {
        tags: tags.clone(),
        ..place.application("web")
    };
    let balancer = place.make(balancer).await;
    let group = api::CreateTargetGroupInput {
        tags: tags.clone(),
        ..place.group_input("web", "HTTP")
    };
    let group = place
        .try_group(group)
        .await
        .unwrap()
        .target_group_arn
        .unwrap();
    let listener = api::CreateListenerInput {
        load_balancer_arn: balancer.clone(),
        protocol: some("HTTP"),
        port: Some(80),
        default_actions: vec![forward(&group)],
        tags: tags.clone(),
        ..Default::default()
    };
    let out = place.call(ops::CreateListener, listener).await.unwrap();
    let listener = out.listeners.unwrap().remove(0).listener_arn.unwrap();
    let rule = api::CreateRuleInput {
        listener_arn: listener.clone(),
        conditions: vec![path("/a")],
        priority: 1,
        actions: vec![answer("200")],
        tags,
        transforms: None,
    };
    let out = place.call(ops::CreateRule, rule).await.unwrap();
    let rule = out.rules.unwrap().remove(0).rule_arn.unwrap();

    let arns = vec![balancer, group, listener, rule];
    let add = api::AddTagsInput {
        resource_arns: arns.clone(),
        tags: pairs(&[("later", "2")]),
    };
    place.call(ops::AddTags, add).await.unwrap();
    let remove = api::RemoveTagsInput {
        resource_arns: arns.clone(),
        tag_keys: vec!["made".into()],
    };
    place.call(ops::RemoveTags, remove).await.unwrap();
    let describe = api::DescribeTagsInput {
        resource_arns: arns.clone(),
    };
    let out = place.call(ops::DescribeTags, describe).await.unwrap();
    let found = out.tag_descriptions.unwrap();
    assert_eq!(found.len(), 4);
    for (one, arn) in found.iter().zip(&arns) {
        assert_eq!(one.resource_arn.as_ref(), Some(arn));
        assert_eq!(one.tags, Some(pairs(&[("later", "2")])));
    }
}

#[tokio::test]
async fn bad_tags_are_refused() {
    let place = place();
    let group = place.group("web").await;
    let add = async |arn: &str, tags: Vec<api::Tag>| {
        let input = api::AddTagsInput {
            resource_arns: vec![arn.into()],
            tags,
        };
        place.call(ops::AddTags, input).await
    };
    refused_as(
        add(&group, pairs(&[("a", "1"), ("a", "2")])).await,
        "DuplicateTagKeys",
    );
    let many: Vec<_> = (0..51).map(|n| format!("k{n}")).collect();
    let many: Vec<_> = many.iter().map(|k| (k.as_str(), "")).collect();
    refused_as(add(&group, pairs(&many)).await, "TooManyTags");
    refused_as(
        add(&group, pairs(&[("aws:a", "1")])).await,
        "ValidationError",
    );
    let start = "arn:aws:elasticloadbalancing:us-east-1:000000000000:";
    let one = || pairs(&[("a", "1")]);
    for (resource, code) in [
        (
            "loadbalancer/app/x/0123456789abcdef",
            "LoadBalancerNotFound",
        ),
        ("targetgroup/x/0123456789abcdef", "TargetGroupNotFound"),
        ("listener/app/x/0123456789abcdef/1", "ListenerNotFound"),
        ("listener-rule/app/x/0123456789abcdef/1/2", "RuleNotFound"),
        ("truststore/x/0123456789abcdef", "TrustStoreNotFound"),
        ("x", "ValidationError"),
    ] {
        refused_as(add(&format!("{start}{resource}"), one()).await, code);
    }
}
