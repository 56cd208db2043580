//! Lifecycle policies: what they would do, and what they do.

use crate::server::Registry;
use neargate_api_ecr::{self as api, ops};
use neargate_ecr::lifecycle::run::evaluate_all;
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn tags(r: &Registry) -> Vec<String> {
    let input = api::DescribeImagesInput {
        repository_name: "web".into(),
        ..Default::default()
    };
    let images = r.call(ops::DescribeImages, input).await.unwrap();
    let images = images.image_details.unwrap().into_iter();
    let mut tags: Vec<String> = images
        .flat_map(|i| i.image_tags.unwrap_or_default())
        .collect();
    tags.sort();
    tags
}

#[tokio::test]
async fn images_expire() {
    let r = Registry::start().await;
    r.create("web").await;
    for n in 1..=4 {
        r.image("web", &format!("v{n}"), &format!("image {n}"))
            .await;
        r.advance(DAY);
    }
    let get = api::GetLifecyclePolicyPreviewInput {
        repository_name: "web".into(),
        ..Default::default()
    };
    let none = r
        .call(ops::GetLifecyclePolicyPreview, get.clone())
        .await
        .unwrap_err();
    assert!(none.is("LifecyclePolicyPreviewNotFoundException"), "{none}");
    let start = api::StartLifecyclePolicyPreviewInput {
        repository_name: "web".into(),
        ..Default::default()
    };
    let none = r
        .call(ops::StartLifecyclePolicyPreview, start.clone())
        .await
        .unwrap_err();
    assert!(none.is("LifecyclePolicyNotFoundException"), "{none}");

    let selection = json!({ "tagStatus": "tagged", "tagPrefixList": ["v"], "countType": "imageCountMoreThan", "countNumber": 2 });
    let text = json!({ "rules": [{ "rulePriority": 7, "selection": selection, "action": { "type": "expire" } }] });
    let start = api::StartLifecyclePolicyPreviewInput {
        lifecycle_policy_text: Some(text.to_string()),
        ..start
    };
    r.call(ops::StartLifecyclePolicyPreview, start)
        .await
        .unwrap();
    let preview = r.call(ops::GetLifecyclePolicyPreview, get).await.unwrap();
    assert_eq!(preview.status.as_deref(), Some("COMPLETE"));
    assert_eq!(preview.summary.unwrap().expiring_image_total_count, Some(2));
    let results = preview.preview_results.unwrap();
    assert!(
        results
            .iter()
            .all(|result| result.applied_rule_priority == Some(7))
    );
    evaluate_all(&r.house).await.unwrap();
    assert_eq!(tags(&r).await, ["v1", "v2", "v3", "v4"]);

    let put = api::PutLifecyclePolicyInput {
        repository_name: "web".into(),
        lifecycle_policy_text: text.to_string(),
        ..Default::default()
    };
    r.call(ops::PutLifecyclePolicy, put).await.unwrap();
    evaluate_all(&r.house).await.unwrap();
    assert_eq!(tags(&r).await, ["v3", "v4"]);
    let get = api::GetLifecyclePolicyInput {
        repository_name: "web".into(),
        ..Default::default()
    };
    let policy = r.call(ops::GetLifecyclePolicy, get).await.unwrap();
    assert_eq!(policy.last_evaluated_at, Some(r.house.now()));
}
