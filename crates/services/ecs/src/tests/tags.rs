//! Tags and their limits.

use super::{Lab, said};
use neargate_api_ecs::{self as api, ops};

fn tags(range: std::ops::Range<usize>) -> Vec<api::Tag> {
    let tag = |i| api::Tag {
        key: Some(format!("k{i}")),
        value: Some("v".into()),
    };
    range.map(tag).collect()
}

fn one(key: &str, value: &str) -> Vec<api::Tag> {
    vec![api::Tag {
        key: Some(key.into()),
        value: Some(value.into()),
    }]
}

async fn tag(lab: &Lab, arn: &str, tags: Vec<api::Tag>) -> Result<(), neargate_service::AwsError> {
    let input = api::TagResourceInput {
        resource_arn: arn.into(),
        tags,
    };
    lab.call(ops::TagResource, input).await.map(|_| ())
}

async fn count(lab: &Lab, arn: &str) -> usize {
    let input = api::ListTagsForResourceInput {
        resource_arn: arn.into(),
    };
    lab.call(ops::ListTagsForResource, input)
        .await
        .expect("listed")
        .tags
        .expect("set")
        .len()
}

#[tokio::test]
async fn a_resource_takes_fifty_tags_and_aws_its_own() {
    let lab = Lab::new();
    let definition = lab.register("web").await;
    let mut request = lab.request("web");
    request.enable_ecs_managed_tags = Some(true);
    request.tags = Some(tags(0..40));
    let task = super::arn(&lab.run(request).await.expect("started")[0]);
    let cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/default";
    assert_eq!(count(&lab, &task).await, 41);
    for (arn, managed) in [(task.as_str(), 1), (definition.as_str(), 0), (cluster, 0)] {
        tag(&lab, arn, tags(0..50)).await.expect("fifty");
        assert_eq!(count(&lab, arn).await, 50 + managed);
        assert_eq!(
            said(tag(&lab, arn, one("more", "")).await).0,
            "InvalidParameterException"
        );
        tag(&lab, arn, one("k0", "other"))
            .await
            .expect("replaces one");
        assert_eq!(count(&lab, arn).await, 50 + managed, "{arn}");
    }
    let untag = |key: &str| {
        let input = api::UntagResourceInput {
            resource_arn: task.clone(),
            tag_keys: vec![key.into()],
        };
        lab.call(ops::UntagResource, input)
    };
    assert_eq!(
        said(untag("aws:ecs:clusterName").await).0,
        "InvalidParameterException"
    );
    untag("k1").await.expect("removed");
    untag("k1").await.expect("already gone");
    assert_eq!(count(&lab, &task).await, 50);
}

#[tokio::test]
async fn tags_that_are_refused() {
    let lab = Lab::new();
    let arn = lab.register("web").await;
    for bad in [
        one("", "v"),
        one(&"k".repeat(129), "v"),
        one("k", &"v".repeat(257)),
        one("k", "<script>"),
        one("AWS:mine", "v"),
        tags(0..51),
        [one("k", "1"), one("k", "2")].concat(),
        vec![api::Tag::default()],
    ] {
        let refused = said(tag(&lab, &arn, bad.clone()).await);
        assert_eq!(
            refused.0, "InvalidParameterException",
            "{bad:?}: {}",
            refused.1
        );
    }
    assert_eq!(count(&lab, &arn).await, 0);
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_tagged() {
    let lab = Lab::new();
    let here = "arn:aws:ecs:us-east-1:000000000000";
    let id = "0123456789abcdef0123456789abcdef";
    for (arn, code) in [
        (format!("{here}:cluster/none"), "InvalidParameterException"),
        (
            format!("{here}:service/default/none"),
            "InvalidParameterException",
        ),
        (format!("{here}:task-definition/none:1"), "ClientException"),
        (
            format!("{here}:task/default/{id}"),
            "InvalidParameterException",
        ),
        (
            format!("{here}:container-instance/default/{id}"),
            "ResourceNotFoundException",
        ),
        ("web".into(), "InvalidParameterException"),
        (format!("{here}:container/x"), "InvalidParameterException"),
        (
            "arn:aws:ecs:eu-west-1:000000000000:cluster/default".into(),
            "ClusterNotFoundException",
        ),
    ] {
        assert_eq!(said(tag(&lab, &arn, tags(0..1)).await).0, code, "{arn}");
    }
}

/// <https://github.com/gruntwork-io/cloud-nuke/issues/145>
#[tokio::test]
async fn a_deleted_cluster_has_no_tags() {
    let lab = Lab::new();
    lab.create_cluster("c").await;
    let delete = || api::DeleteClusterInput {
        cluster: "c".into(),
    };
    lab.call(ops::DeleteCluster, delete())
        .await
        .expect("deleted");
    let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/c";
    let refused = "The specified cluster is inactive. Specify an active cluster and try again.";
    assert_eq!(said(tag(&lab, arn, tags(0..1)).await).1, refused);
    let list = api::ListTagsForResourceInput {
        resource_arn: arn.into(),
    };
    let list = lab.call(ops::ListTagsForResource, list).await;
    assert_eq!(said(list).1, refused);
    // Deleting it again answers it.
    let again = lab.call(ops::DeleteCluster, delete()).await;
    let again = again.expect("answered").cluster.expect("described");
    assert_eq!(again.status.as_deref(), Some("INACTIVE"));
}

#[tokio::test]
async fn a_definitions_tags_propagate_and_the_calls_own_win() {
    let lab = Lab::new();
    let mut definition = super::definition("web");
    definition.tags = Some([one("a", "definition"), one("b", "definition")].concat());
    lab.call(ops::RegisterTaskDefinition, definition)
        .await
        .expect("registered");
    let mut request = lab.request("web");
    request.propagate_tags = Some("TASK_DEFINITION".into());
    request.tags = Some(one("a", "call"));
    let started = lab.run(request.clone()).await.expect("started");
    let expected = [one("a", "call"), one("b", "definition")].concat();
    assert_eq!(started[0].tags, Some(expected));
    request.tags = Some(tags(0..50));
    assert_eq!(
        said(lab.run(request.clone()).await).0,
        "InvalidParameterException",
        "52 in all"
    );
    request.propagate_tags = Some("SERVICE".into());
    request.tags = None;
    assert_eq!(said(lab.run(request).await).0, "InvalidParameterException");
}
