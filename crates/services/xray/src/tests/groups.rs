//! Groups, policies and tags.

use super::{Desk, said};
use neargate_api_xray::{self as api, ops};

fn made(name: &str, filter: &str) -> api::CreateGroupInput {
    api::CreateGroupInput {
        group_name: name.into(),
        filter_expression: Some(filter.into()),
        ..Default::default()
    }
}

#[tokio::test]
async fn groups_come_and_go() {
    let desk = Desk::new();
    let group = desk
        .ask(ops::CreateGroup, made("slow", "responsetime > 5"))
        .await;
    let group = group.expect("made").group.expect("a group");
    let arn = group.group_arn.clone().expect("an ARN");
    assert!(arn.contains(":group/slow/"), "{arn}");
    for (input, why) in [
        (made("slow", "ok"), "A group named slow already exists."),
        (made("Default", "ok"), "Default is a reserved group name."),
        (made("bad", "ok AND"), "Invalid filter expression"),
        (
            made("own", "group.name = \"own\""),
            "a group does not name itself",
        ),
        (made("other", "group.name = \"none\""), "Group not found."),
    ] {
        let refused = said(desk.ask(ops::CreateGroup, input).await);
        assert!(refused.contains(why), "{refused}");
    }
    let mut insights = made("insights", "ok");
    insights.insights_configuration = Some(api::InsightsConfiguration {
        insights_enabled: Some(true),
        ..Default::default()
    });
    let refused = said(desk.ask(ops::CreateGroup, insights).await);
    assert!(refused.starts_with("NotImplemented"), "{refused}");
    let change = api::UpdateGroupInput {
        group_arn: Some(arn.clone()),
        filter_expression: Some("responsetime > 9".into()),
        ..Default::default()
    };
    desk.ask(ops::UpdateGroup, change).await.expect("changed");
    let one = api::GetGroupInput {
        group_name: Some("slow".into()),
        ..Default::default()
    };
    let one = desk
        .ask(ops::GetGroup, one)
        .await
        .expect("there")
        .group
        .expect("a group");
    assert_eq!(one.filter_expression.as_deref(), Some("responsetime > 9"));
    let all = desk
        .ask(ops::GetGroups, api::GetGroupsInput::default())
        .await;
    let all = all.expect("listed").groups.expect("groups");
    let names: Vec<&str> = all.iter().filter_map(|g| g.group_name.as_deref()).collect();
    assert_eq!(names, ["Default", "slow"]);
    let gone = |name: Option<&str>, arn: Option<&str>| api::DeleteGroupInput {
        group_name: name.map(str::to_owned),
        group_arn: arn.map(str::to_owned),
    };
    desk.ask(ops::DeleteGroup, gone(None, Some(&arn)))
        .await
        .expect("deleted");
    for name in ["slow", "Default"] {
        let refused = said(desk.ask(ops::DeleteGroup, gone(Some(name), None)).await);
        assert!(refused.starts_with("InvalidRequestException"), "{refused}");
    }
    for number in 0..25 {
        desk.ask(ops::CreateGroup, made(&format!("g{number}"), ""))
            .await
            .expect("made");
    }
    let refused = said(desk.ask(ops::CreateGroup, made("more", "")).await);
    assert!(refused.contains("25"), "{refused}");
}

#[tokio::test]
async fn tags() {
    let desk = Desk::new();
    let group = desk
        .ask(ops::CreateGroup, made("slow", ""))
        .await
        .expect("made");
    let arn = group.group.and_then(|g| g.group_arn).expect("an ARN");
    let tag = |key: &str| api::Tag {
        key: key.into(),
        value: "1".into(),
    };
    let input = api::TagResourceInput {
        resource_arn: arn.clone(),
        tags: vec![tag("a"), tag("b")],
    };
    desk.ask(ops::TagResource, input).await.expect("tagged");
    let input = api::UntagResourceInput {
        resource_arn: arn.clone(),
        tag_keys: vec!["a".into()],
    };
    desk.ask(ops::UntagResource, input).await.expect("untagged");
    let list = |arn: &str| api::ListTagsForResourceInput {
        resource_arn: arn.into(),
        ..Default::default()
    };
    let tags = desk
        .ask(ops::ListTagsForResource, list(&arn))
        .await
        .expect("listed");
    assert_eq!(tags.tags, Some(vec![tag("b")]));
    for arn in [
        format!("{arn}x"),
        "arn:aws:xray:us-east-1:1:sampling-rule/x".into(),
    ] {
        let refused = said(desk.ask(ops::ListTagsForResource, list(&arn)).await);
        assert!(
            refused.starts_with("ResourceNotFoundException"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn policies_have_revisions() {
    let desk = Desk::new();
    let document = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\
        {\"Service\":\"sns.amazonaws.com\"},\"Action\":\"xray:PutTraceSegments\",\"Resource\":\"*\"}]}";
    let put = |name: &str, document: &str, revision: Option<&str>| api::PutResourcePolicyInput {
        policy_name: name.into(),
        policy_document: document.into(),
        policy_revision_id: revision.map(str::to_owned),
        ..Default::default()
    };
    let made = desk
        .ask(ops::PutResourcePolicy, put("p", document, Some("0")))
        .await;
    let revision = made
        .expect("put")
        .resource_policy
        .and_then(|p| p.policy_revision_id);
    assert_eq!(revision.as_deref(), Some("1"));
    let refused = said(
        desk.ask(ops::PutResourcePolicy, put("p", document, Some("0")))
            .await,
    );
    assert!(
        refused.starts_with("InvalidPolicyRevisionIdException"),
        "{refused}"
    );
    let refused = said(desk.ask(ops::PutResourcePolicy, put("q", "{", None)).await);
    assert!(
        refused.starts_with("MalformedPolicyDocumentException"),
        "{refused}"
    );
    let refused = said(
        desk.ask(ops::PutResourcePolicy, put("q", &" ".repeat(6_000), None))
            .await,
    );
    assert!(
        refused.starts_with("PolicySizeLimitExceededException"),
        "{refused}"
    );
    for name in ["a", "b", "c", "d"] {
        desk.ask(ops::PutResourcePolicy, put(name, document, None))
            .await
            .expect("put");
    }
    let refused = said(
        desk.ask(ops::PutResourcePolicy, put("e", document, None))
            .await,
    );
    assert!(
        refused.starts_with("PolicyCountLimitExceededException"),
        "{refused}"
    );
    let delete = api::DeleteResourcePolicyInput {
        policy_name: "p".into(),
        policy_revision_id: Some("1".into()),
    };
    desk.ask(ops::DeleteResourcePolicy, delete)
        .await
        .expect("deleted");
    let all = desk
        .ask(
            ops::ListResourcePolicies,
            api::ListResourcePoliciesInput::default(),
        )
        .await;
    assert_eq!(
        all.expect("listed").resource_policies.map(|p| p.len()),
        Some(4)
    );
}
