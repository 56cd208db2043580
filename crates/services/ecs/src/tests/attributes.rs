//! Attributes of container instances.

use super::instances::connected;
use super::{Lab, said};
use neargate_api_ecs::{self as api, ops};

fn attribute(target: &str, name: &str, value: Option<&str>) -> api::Attribute {
    api::Attribute {
        name: name.into(),
        value: value.map(Into::into),
        target_type: Some("container-instance".into()),
        target_id: Some(target.into()),
    }
}

async fn put(
    lab: &Lab,
    attributes: Vec<api::Attribute>,
) -> Result<api::PutAttributesOutput, neargate_service::AwsError> {
    let input = api::PutAttributesInput {
        cluster: None,
        attributes,
    };
    lab.call(ops::PutAttributes, input).await
}

async fn list(lab: &Lab, name: Option<&str>, value: Option<&str>) -> Vec<(String, Option<String>)> {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let input = api::ListAttributesInput {
            target_type: "container-instance".into(),
            attribute_name: name.map(Into::into),
            attribute_value: value.map(Into::into),
            max_results: Some(2),
            next_token: token,
            ..Default::default()
        };
        let page = lab.call(ops::ListAttributes, input).await.expect("listed");
        let page_of = page.attributes.expect("set").into_iter();
        all.extend(page_of.map(|a| (a.name, a.value)));
        token = page.next_token;
        if token.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn ten_custom_attributes_and_no_more() {
    let lab = Lab::new();
    let (a, b) = (connected(&lab, "a").await, connected(&lab, "b").await);
    let ten: Vec<_> = (0..10)
        .map(|n| attribute(&a.id, &format!("n{n}"), Some("v")))
        .collect();
    let shown = put(&lab, ten).await.expect("put").attributes.expect("set");
    assert_eq!(shown[0].target_id.as_ref(), Some(&a.arn));
    put(&lab, vec![attribute(&a.arn, "n3", None)])
        .await
        .expect("replaced");
    let both = vec![
        attribute(&b.id, "ok", Some("v")),
        attribute(&a.id, "more", Some("v")),
    ];
    let refused = said(put(&lab, both).await);
    assert_eq!(refused.0, "AttributeLimitExceededException");
    assert_eq!(list(&lab, Some("ok"), None).await, [], "all or nothing");
    assert_eq!(list(&lab, Some("n3"), None).await, [("n3".into(), None)]);
    assert_eq!(list(&lab, Some("n3"), Some("v")).await, []);
    assert_eq!(list(&lab, Some("n4"), Some("v")).await.len(), 1);
    let all = list(&lab, None, None).await;
    assert_eq!(all.len(), 10 + 2 * 5, "five of the machine: {all:?}");
    let input = api::DeleteAttributesInput {
        cluster: None,
        attributes: vec![attribute(&a.id, "n3", None), attribute(&a.id, "none", None)],
    };
    lab.call(ops::DeleteAttributes, input)
        .await
        .expect("deleted");
    assert_eq!(list(&lab, Some("n3"), None).await, []);
}

#[tokio::test]
async fn attributes_that_are_refused() {
    let lab = Lab::new();
    let a = connected(&lab, "a").await;
    let long = "x".repeat(129);
    let eleven = vec![attribute(&a.id, "n", None); 11];
    let no_type = api::Attribute {
        target_type: None,
        ..attribute(&a.id, "n", None)
    };
    let no_target = api::Attribute {
        target_id: None,
        ..attribute(&a.id, "n", None)
    };
    for (attributes, code) in [
        (vec![], "InvalidParameterException"),
        (eleven, "InvalidParameterException"),
        (
            vec![attribute(&a.id, "", None)],
            "InvalidParameterException",
        ),
        (
            vec![attribute(&a.id, "a b", None)],
            "InvalidParameterException",
        ),
        (
            vec![attribute(&a.id, &long, None)],
            "InvalidParameterException",
        ),
        (
            vec![attribute(&a.id, "n", Some(" v"))],
            "InvalidParameterException",
        ),
        (
            vec![attribute(&a.id, "n", Some(&long))],
            "InvalidParameterException",
        ),
        (
            vec![attribute(&a.id, "ecs.os-type", Some("v"))],
            "InvalidParameterException",
        ),
        (vec![no_type], "InvalidParameterException"),
        (vec![no_target], "InvalidParameterException"),
        (
            vec![attribute("short", "n", None)],
            "InvalidParameterException",
        ),
        (
            vec![attribute(&"0".repeat(32), "n", None)],
            "TargetNotFoundException",
        ),
    ] {
        let refused = said(put(&lab, attributes.clone()).await);
        assert_eq!(refused.0, code, "{attributes:?}: {}", refused.1);
    }
    let value_only = api::ListAttributesInput {
        target_type: "container-instance".into(),
        attribute_value: Some("v".into()),
        ..Default::default()
    };
    let refused = said(lab.call(ops::ListAttributes, value_only).await);
    assert_eq!(refused.0, "InvalidParameterException");
}
