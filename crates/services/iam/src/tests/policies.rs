//! Managed policies and inline ones.

use super::{ALLOW, EXECUTION, Room, said};
use neargate_api_iam::{self as api, ops};

#[tokio::test]
async fn a_policy_has_five_versions() {
    let room = Room::new();
    let arn = room.policy("p").await;
    let create = |default: bool| {
        let input = api::CreatePolicyVersionInput {
            policy_arn: arn.clone(),
            policy_document: ALLOW.into(),
            set_as_default: Some(default),
        };
        room.ask(ops::CreatePolicyVersion, input)
    };
    for _ in 0..3 {
        create(false).await.unwrap();
    }
    let fifth = create(true)
        .await
        .unwrap()
        .policy_version
        .expect("a version");
    assert_eq!(fifth.version_id.as_deref(), Some("v5"));
    assert_eq!(fifth.is_default_version, Some(true));
    assert_eq!(
        said(create(false).await),
        "409 LimitExceeded A managed policy can have up to 5 versions. Before you create a new \
         version, you must delete an existing version."
    );
    let delete = |version: &str| {
        let input = api::DeletePolicyVersionInput {
            policy_arn: arn.clone(),
            version_id: version.into(),
        };
        room.ask(ops::DeletePolicyVersion, input)
    };
    assert_eq!(
        said(delete("v5").await),
        "409 DeleteConflict Cannot delete the default version of a policy."
    );
    assert_eq!(
        said(delete("v9").await),
        format!("404 NoSuchEntity Policy {arn} version v9 does not exist or is not attachable.")
    );
    let gone = api::DeletePolicyInput {
        policy_arn: arn.clone(),
    };
    assert!(
        said(room.ask(ops::DeletePolicy, gone.clone()).await).contains("more than one version")
    );
    for version in ["v1", "v2", "v3", "v4"] {
        delete(version).await.unwrap();
    }
    // A number is never given out twice.
    let sixth = create(false)
        .await
        .unwrap()
        .policy_version
        .expect("a version");
    assert_eq!(sixth.version_id.as_deref(), Some("v6"));
    let default = api::SetDefaultPolicyVersionInput {
        policy_arn: arn.clone(),
        version_id: "v6".into(),
    };
    room.ask(ops::SetDefaultPolicyVersion, default)
        .await
        .unwrap();
    let list = api::ListPolicyVersionsInput {
        policy_arn: arn.clone(),
        ..Default::default()
    };
    let versions = room
        .ask(ops::ListPolicyVersions, list)
        .await
        .unwrap()
        .versions;
    let ids: Vec<_> = versions
        .into_iter()
        .flatten()
        .filter_map(|v| v.version_id)
        .collect();
    assert_eq!(ids, ["v6", "v5"]);
    delete("v5").await.unwrap();
    room.ask(ops::DeletePolicy, gone).await.unwrap();
    let get = api::GetPolicyInput {
        policy_arn: arn.clone(),
    };
    assert_eq!(
        said(room.ask(ops::GetPolicy, get).await),
        format!("404 NoSuchEntity Policy {arn} was not found.")
    );
}

#[tokio::test]
async fn aws_policies_are_there_and_stay_as_they_are() {
    let room = Room::new();
    let get = api::GetPolicyVersionInput {
        policy_arn: EXECUTION.into(),
        version_id: "v1".into(),
    };
    let version = room
        .ask(ops::GetPolicyVersion, get)
        .await
        .unwrap()
        .policy_version;
    let document = version.and_then(|v| v.document).expect("a document");
    assert!(
        document.contains("ecr%3AGetAuthorizationToken"),
        "{document}"
    );
    let delete = api::DeletePolicyInput {
        policy_arn: EXECUTION.into(),
    };
    assert!(said(room.ask(ops::DeletePolicy, delete).await).starts_with("403 AccessDenied"));

    room.policy("mine").await;
    let list = |scope: &str, only_attached: bool| {
        let input = api::ListPoliciesInput {
            scope: Some(scope.into()),
            only_attached: Some(only_attached),
            max_items: Some(1_000),
            ..Default::default()
        };
        room.ask(ops::ListPolicies, input)
    };
    let count = |listed: api::ListPoliciesOutput| listed.policies.map_or(0, |p| p.len());
    assert_eq!(count(list("Local", false).await.unwrap()), 1);
    assert!(count(list("AWS", false).await.unwrap()) > 200);
    assert_eq!(count(list("All", true).await.unwrap()), 0);
    room.role("task").await;
    let attach = api::AttachRolePolicyInput {
        role_name: "task".into(),
        policy_arn: EXECUTION.into(),
    };
    room.ask(ops::AttachRolePolicy, attach).await.unwrap();
    let attached = list("All", true).await.unwrap().policies.expect("policies");
    assert_eq!(attached[0].attachment_count, Some(1));
    let entities = api::ListEntitiesForPolicyInput {
        policy_arn: EXECUTION.into(),
        ..Default::default()
    };
    let entities = room
        .ask(ops::ListEntitiesForPolicy, entities)
        .await
        .unwrap();
    let roles = entities.policy_roles.expect("roles");
    assert_eq!(roles[0].role_name.as_deref(), Some("task"));
}

#[tokio::test]
async fn policies_are_as_long_as_aws_takes_them() {
    let room = Room::new();
    room.user("ann").await;
    let long = ALLOW.replace("ecs:List*", &format!("ecs:{}", "x".repeat(2_000)));
    let put = |name: &str, text: &str| {
        let input = api::PutUserPolicyInput {
            user_name: "ann".into(),
            policy_name: name.into(),
            policy_document: text.into(),
        };
        room.ask(ops::PutUserPolicy, input)
    };
    // White space does not count.
    put("a", &ALLOW.replace(':', ": ".repeat(3).trim_end()))
        .await
        .unwrap_err();
    put("a", &ALLOW.replace(",", &format!(",{}", " ".repeat(3_000))))
        .await
        .unwrap();
    assert_eq!(
        said(put("b", &long).await),
        "409 LimitExceeded Maximum policy size of 2048 bytes exceeded for user ann"
    );
    let longer = ALLOW.replace("ecs:List*", &format!("ecs:{}", "x".repeat(6_200)));
    let managed = api::CreatePolicyInput {
        policy_name: "p".into(),
        policy_document: longer,
        ..Default::default()
    };
    assert_eq!(
        said(room.ask(ops::CreatePolicy, managed).await),
        "409 LimitExceeded Cannot exceed quota for PolicySize: 6144"
    );
    let managed = api::CreatePolicyInput {
        policy_name: "p".into(),
        policy_document: "{}".into(),
        ..Default::default()
    };
    assert!(said(room.ask(ops::CreatePolicy, managed).await).starts_with("400 Malformed"));
    let get = api::GetUserPolicyInput {
        user_name: "ann".into(),
        policy_name: "a".into(),
    };
    let got = room.ask(ops::GetUserPolicy, get).await.unwrap();
    assert_eq!(got.user_name.as_deref(), Some("ann"));
    let names = api::ListUserPoliciesInput {
        user_name: "ann".into(),
        ..Default::default()
    };
    let names = room
        .ask(ops::ListUserPolicies, names)
        .await
        .unwrap()
        .policy_names;
    assert_eq!(names, Some(vec!["a".to_owned()]));
}

/// Managed policies say the version of 2012; inline ones may be as old as they like
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html>).
#[tokio::test]
async fn inline_policies_need_no_version() {
    let room = Room::new();
    room.user("ann").await;
    for version in ["", r#""Version":"2008-10-17","#] {
        let text = format!(
            r#"{{{version}"Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${{aws:username}}"}}}}"#
        );
        let inline = api::PutUserPolicyInput {
            user_name: "ann".into(),
            policy_name: "old".into(),
            policy_document: text.clone(),
        };
        room.ask(ops::PutUserPolicy, inline).await.expect("inline");
        let managed = api::CreatePolicyInput {
            policy_name: "old".into(),
            policy_document: text,
            ..Default::default()
        };
        assert_eq!(
            said(room.ask(ops::CreatePolicy, managed).await),
            "400 MalformedPolicyDocument Policy document must be version 2012-10-17 or greater."
        );
    }
}
