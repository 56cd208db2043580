//! Roles, instance profiles, service-linked roles, boundaries.

use super::{ALLOW, EXECUTION, Room, TRUST, said};
use neargate_api_iam::{self as api, ops};

#[tokio::test]
async fn a_role_is_made_and_goes_in_the_right_order() {
    let room = Room::new();
    let made = room.role("task").await;
    assert_eq!(
        made.arn.as_deref(),
        Some("arn:aws:iam::000000000000:role/task")
    );
    assert_eq!(made.max_session_duration, Some(3_600));
    // Policies are encoded as RFC 3986 says.
    let trust = made.assume_role_policy_document.expect("a policy");
    assert!(
        trust.starts_with("%7B%22Version%22%3A%222012-10-17%22"),
        "{trust}"
    );

    let attach = |arn: &str| {
        let input = api::AttachRolePolicyInput {
            role_name: "task".into(),
            policy_arn: arn.into(),
        };
        room.ask(ops::AttachRolePolicy, input)
    };
    attach(EXECUTION).await.unwrap();
    attach(EXECUTION).await.unwrap();
    assert_eq!(
        said(attach("longpolicynamebutnoarn").await),
        "400 ValidationError Invalid ARN:  Could not be parsed!"
    );
    let missing = "arn:aws:iam::000000000000:policy/missing";
    assert_eq!(
        said(attach(missing).await),
        format!("404 NoSuchEntity Policy {missing} does not exist or is not attachable.")
    );
    let linked = "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy";
    assert!(said(attach(linked).await).starts_with("400 PolicyNotAttachable"));
    let list = api::ListAttachedRolePoliciesInput {
        role_name: "task".into(),
        ..Default::default()
    };
    let attached = room.ask(ops::ListAttachedRolePolicies, list).await.unwrap();
    let attached = attached.attached_policies.expect("policies");
    assert_eq!(
        attached[0].policy_name.as_deref(),
        Some("AmazonECSTaskExecutionRolePolicy")
    );

    let profile = api::CreateInstanceProfileInput {
        instance_profile_name: "task".into(),
        ..Default::default()
    };
    room.ask(ops::CreateInstanceProfile, profile).await.unwrap();
    let add = api::AddRoleToInstanceProfileInput {
        instance_profile_name: "task".into(),
        role_name: "task".into(),
    };
    room.ask(ops::AddRoleToInstanceProfile, add.clone())
        .await
        .unwrap();
    assert_eq!(
        said(room.ask(ops::AddRoleToInstanceProfile, add).await),
        "409 LimitExceeded Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
    );
    let shown = api::GetInstanceProfileInput {
        instance_profile_name: "task".into(),
    };
    let shown = room.ask(ops::GetInstanceProfile, shown).await.unwrap();
    let roles = shown.instance_profile.and_then(|p| p.roles).expect("roles");
    assert_eq!(roles[0].role_name.as_deref(), Some("task"));

    let delete = || {
        let role_name = "task".into();
        room.ask(ops::DeleteRole, api::DeleteRoleInput { role_name })
    };
    let in_use = "409 DeleteConflict Cannot delete entity, must";
    assert_eq!(
        said(delete().await),
        format!("{in_use} remove roles from instance profile first.")
    );
    let remove = api::RemoveRoleFromInstanceProfileInput {
        instance_profile_name: "task".into(),
        role_name: "task".into(),
    };
    room.ask(ops::RemoveRoleFromInstanceProfile, remove)
        .await
        .unwrap();
    assert_eq!(
        said(delete().await),
        format!("{in_use} detach all policies first.")
    );
    let detach = api::DetachRolePolicyInput {
        role_name: "task".into(),
        policy_arn: EXECUTION.into(),
    };
    room.ask(ops::DetachRolePolicy, detach.clone())
        .await
        .unwrap();
    assert_eq!(
        said(room.ask(ops::DetachRolePolicy, detach).await),
        format!("404 NoSuchEntity Policy {EXECUTION} was not found.")
    );
    delete().await.unwrap();
    let gone = api::GetRoleInput {
        role_name: "task".into(),
    };
    assert_eq!(
        said(room.ask(ops::GetRole, gone).await),
        "404 NoSuchEntity The role with name task cannot be found."
    );
}

#[tokio::test]
async fn what_is_no_trust_policy_is_refused() {
    let room = Room::new();
    let create = |document: &str| {
        let input = api::CreateRoleInput {
            role_name: "r".into(),
            assume_role_policy_document: document.into(),
            ..Default::default()
        };
        room.ask(ops::CreateRole, input)
    };
    assert_eq!(
        said(create("not json").await),
        "400 MalformedPolicyDocument This policy contains invalid Json"
    );
    assert!(said(create(ALLOW).await).starts_with("400 MalformedPolicyDocument"));
    let long = TRUST.replace("ecs-tasks", &"x".repeat(2_048));
    assert_eq!(
        said(create(&long).await),
        "409 LimitExceeded Cannot exceed quota for ACLSizePerRole: 2048"
    );
    // Whom a policy trusts must be there, unless it is of another account.
    let ann = r#"{"AWS":"arn:aws:iam::000000000000:user/ann"}"#;
    let trusting = |whom: &str| TRUST.replace(r#"{"Service":"ecs-tasks.amazonaws.com"}"#, whom);
    assert_eq!(
        said(create(&trusting(ann)).await),
        "400 MalformedPolicyDocument Invalid principal in policy: \
         \"AWS\":\"arn:aws:iam::000000000000:user/ann\""
    );
    room.user("ann").await;
    create(&trusting(ann)).await.unwrap();
    let other = trusting(&ann.replace("000000000000", "111111111111"));
    let update = api::UpdateAssumeRolePolicyInput {
        role_name: "r".into(),
        policy_document: other,
    };
    room.ask(ops::UpdateAssumeRolePolicy, update).await.unwrap();
    let reserved = api::CreateRoleInput {
        role_name: "r".into(),
        path: Some("/aws-service-role/ecs.amazonaws.com/".into()),
        assume_role_policy_document: TRUST.into(),
        ..Default::default()
    };
    assert!(said(room.ask(ops::CreateRole, reserved).await).starts_with("400 ValidationError"));
}

#[tokio::test]
async fn a_service_has_its_role() {
    let room = Room::new();
    let create = |service: &str, suffix: Option<&str>| {
        let input = api::CreateServiceLinkedRoleInput {
            aws_service_name: service.into(),
            custom_suffix: suffix.map(Into::into),
            description: None,
        };
        room.ask(ops::CreateServiceLinkedRole, input)
    };
    let made = create("ecs.amazonaws.com", None)
        .await
        .unwrap()
        .role
        .expect("a role");
    assert_eq!(
        made.arn.as_deref(),
        Some(
            "arn:aws:iam::000000000000:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
        )
    );
    assert_eq!(
        said(create("ecs.amazonaws.com", None).await),
        "400 InvalidInput Service role name AWSServiceRoleForECS has been taken in this account, \
         please try a different suffix."
    );
    assert_eq!(
        said(create("ecs.amazonaws.com", Some("x")).await),
        "400 InvalidInput Custom suffix is not allowed for ecs.amazonaws.com"
    );
    create("autoscaling.amazonaws.com", Some("x"))
        .await
        .unwrap();
    let name = "AWSServiceRoleForECS";
    let delete = api::DeleteRoleInput {
        role_name: name.into(),
    };
    assert!(said(room.ask(ops::DeleteRole, delete).await).starts_with("400 UnmodifiableEntity"));
    let delete = api::DeleteServiceLinkedRoleInput {
        role_name: name.into(),
    };
    let task = room
        .ask(ops::DeleteServiceLinkedRole, delete)
        .await
        .unwrap();
    let status = api::GetServiceLinkedRoleDeletionStatusInput {
        deletion_task_id: task.deletion_task_id.expect("a task"),
    };
    let status = room
        .ask(ops::GetServiceLinkedRoleDeletionStatus, status)
        .await;
    assert_eq!(status.unwrap().status.as_deref(), Some("SUCCEEDED"));
}

#[tokio::test]
async fn a_boundary_is_a_policy_that_there_is() {
    let room = Room::new();
    room.role("task").await;
    let put = |arn: &str| {
        let input = api::PutRolePermissionsBoundaryInput {
            role_name: "task".into(),
            permissions_boundary: arn.into(),
        };
        room.ask(ops::PutRolePermissionsBoundary, input)
    };
    let missing = "arn:aws:iam::000000000000:policy/missing";
    assert_eq!(
        said(put(missing).await),
        format!("404 NoSuchEntity Scope ARN: {missing} does not exist or is not attachable.")
    );
    assert!(said(put("arn:aws:iam::000000000000:not_a_boundary").await).contains("is invalid"));
    let arn = room.policy("edge").await;
    put(&arn).await.unwrap();
    let get = || {
        let role_name = "task".into();
        room.ask(ops::GetRole, api::GetRoleInput { role_name })
    };
    let boundary = get()
        .await
        .unwrap()
        .role
        .and_then(|r| r.permissions_boundary);
    let boundary = boundary.expect("a boundary");
    assert_eq!(boundary.permissions_boundary_arn.as_ref(), Some(&arn));
    let delete = api::DeletePolicyInput {
        policy_arn: arn.clone(),
    };
    assert_eq!(
        said(room.ask(ops::DeletePolicy, delete.clone()).await),
        "409 DeleteConflict Cannot delete a policy attached to entities."
    );
    let none = api::DeleteRolePermissionsBoundaryInput {
        role_name: "task".into(),
    };
    room.ask(ops::DeleteRolePermissionsBoundary, none)
        .await
        .unwrap();
    assert_eq!(
        get()
            .await
            .unwrap()
            .role
            .and_then(|r| r.permissions_boundary),
        None
    );
    room.ask(ops::DeletePolicy, delete).await.unwrap();
}
