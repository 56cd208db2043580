//! What is set, counted and told of an account as a whole; identity providers.

use super::{EXECUTION, Room, said};
use neargate_api_iam::{self as api, ops};
use neargate_wire::structure::Unit;

#[tokio::test]
async fn an_alias_is_one_accounts() {
    let room = Room::new();
    let alias = |name: &str| api::CreateAccountAliasInput {
        account_alias: name.into(),
    };
    room.ask(ops::CreateAccountAlias, alias("acme"))
        .await
        .unwrap();
    room.ask(ops::CreateAccountAlias, alias("acme-two"))
        .await
        .unwrap();
    let list = room
        .ask(ops::ListAccountAliases, Default::default())
        .await
        .unwrap();
    assert_eq!(list.account_aliases, Some(vec!["acme-two".to_owned()]));
    let mut other = room.lab.cx();
    other.scope.account = "111111111111".parse().unwrap();
    let taken = room
        .ask_as(other, ops::CreateAccountAlias, alias("acme-two"))
        .await;
    assert_eq!(
        said(taken),
        "409 EntityAlreadyExists The account alias acme-two already exists."
    );
    let gone = api::DeleteAccountAliasInput {
        account_alias: "acme".into(),
    };
    assert!(said(room.ask(ops::DeleteAccountAlias, gone).await).starts_with("404 NoSuchEntity"));
}

#[tokio::test]
async fn accounts_know_nothing_of_each_other() {
    let room = Room::new();
    room.user("ann").await;
    let mut other = room.lab.cx();
    other.scope.account = "111111111111".parse().unwrap();
    // IAM is one for all regions.
    other.scope.region = "eu-west-1".parse().unwrap();
    let list = |cx| room.ask_as(cx, ops::ListUsers, api::ListUsersInput::default());
    let count = |listed: api::ListUsersOutput| listed.users.map(|u| u.len());
    assert_eq!(count(list(other.clone()).await.unwrap()), Some(0));
    other.scope.account = room.lab.scope.account.clone();
    assert_eq!(count(list(other).await.unwrap()), Some(1));
}

#[tokio::test]
async fn the_password_policy_goes_back_to_its_defaults() {
    let room = Room::new();
    let get = || room.ask(ops::GetAccountPasswordPolicy, Unit);
    assert_eq!(
        said(get().await),
        "404 NoSuchEntity The Password Policy with domain name 000000000000 cannot be found."
    );
    let policy = api::UpdateAccountPasswordPolicyInput {
        max_password_age: Some(90),
        require_numbers: Some(true),
        ..Default::default()
    };
    room.ask(ops::UpdateAccountPasswordPolicy, policy)
        .await
        .unwrap();
    let policy = get().await.unwrap().password_policy.expect("a policy");
    assert_eq!(
        (policy.minimum_password_length, policy.expire_passwords),
        (Some(6), Some(true))
    );
    let policy = api::UpdateAccountPasswordPolicyInput::default();
    room.ask(ops::UpdateAccountPasswordPolicy, policy)
        .await
        .unwrap();
    let policy = get().await.unwrap().password_policy.expect("a policy");
    assert_eq!(
        (policy.require_numbers, policy.max_password_age),
        (Some(false), None)
    );
    room.ask(ops::DeleteAccountPasswordPolicy, Unit)
        .await
        .unwrap();
    assert!(get().await.is_err());
}

#[tokio::test]
async fn counts_details_and_the_report() {
    let room = Room::new();
    room.user("ann").await;
    room.role("task").await;
    let attach = api::AttachRolePolicyInput {
        role_name: "task".into(),
        policy_arn: EXECUTION.into(),
    };
    room.ask(ops::AttachRolePolicy, attach).await.unwrap();
    let summary = room
        .ask(ops::GetAccountSummary, Unit)
        .await
        .unwrap()
        .summary_map;
    let summary = summary.expect("a summary");
    let counts = ["Users", "Roles", "PolicyVersionsInUse", "UsersQuota"].map(|n| summary[n]);
    assert_eq!(counts, [1, 1, 1, 5_000]);

    let details = api::GetAccountAuthorizationDetailsInput::default();
    let details = room
        .ask(ops::GetAccountAuthorizationDetails, details)
        .await
        .unwrap();
    assert_eq!(details.user_detail_list.map(|u| u.len()), Some(1));
    let roles = details.role_detail_list.expect("roles");
    assert_eq!(
        roles[0].attached_managed_policies.as_ref().map(Vec::len),
        Some(1)
    );
    assert_eq!(
        details.policies.map(|p| p.len()),
        Some(1),
        "AWS's that is attached"
    );
    let only = api::GetAccountAuthorizationDetailsInput {
        filter: Some(vec!["Group".into()]),
        ..Default::default()
    };
    let only = room
        .ask(ops::GetAccountAuthorizationDetails, only)
        .await
        .unwrap();
    assert_eq!(only.role_detail_list.map(|r| r.len()), Some(0));

    assert!(
        said(room.ask(ops::GetCredentialReport, Unit).await).starts_with("410 ReportNotPresent")
    );
    let generate = || room.ask(ops::GenerateCredentialReport, Unit);
    assert_eq!(generate().await.unwrap().state.as_deref(), Some("STARTED"));
    assert_eq!(generate().await.unwrap().state.as_deref(), Some("COMPLETE"));
    let report = room.ask(ops::GetCredentialReport, Unit).await.unwrap();
    let content = String::from_utf8(report.content.expect("content").to_vec()).unwrap();
    let lines: Vec<&str> = content.lines().collect();
    assert!(lines[0].starts_with("user,arn,") && lines[1].starts_with("<root_account>,"));
    assert!(
        lines[2].starts_with("ann,arn:aws:iam::000000000000:user/ann,2023-11-14T22:13:20+00:00")
    );
    let fields: Vec<usize> = lines.iter().map(|l| l.split(',').count()).collect();
    assert_eq!(fields, [22, 22, 22]);
}

#[tokio::test]
async fn an_identity_provider() {
    let room = Room::new();
    let create = api::CreateOpenIDConnectProviderInput {
        url: "https://token.example.com/id".into(),
        client_id_list: Some(vec!["sts.amazonaws.com".into()]),
        ..Default::default()
    };
    let made = room
        .ask(ops::CreateOpenIDConnectProvider, create.clone())
        .await
        .unwrap();
    let arn = made.openid_connect_provider_arn.expect("an ARN");
    assert_eq!(
        arn,
        "arn:aws:iam::000000000000:oidc-provider/token.example.com/id"
    );
    assert_eq!(
        said(room.ask(ops::CreateOpenIDConnectProvider, create).await),
        "409 EntityAlreadyExists Provider with url https://token.example.com/id already exists."
    );
    let add = api::AddClientIDToOpenIDConnectProviderInput {
        openid_connect_provider_arn: arn.clone(),
        client_id: "other".into(),
    };
    room.ask(ops::AddClientIDToOpenIDConnectProvider, add)
        .await
        .unwrap();
    let get = || {
        let openid_connect_provider_arn = arn.clone();
        let input = api::GetOpenIDConnectProviderInput {
            openid_connect_provider_arn,
        };
        room.ask(ops::GetOpenIDConnectProvider, input)
    };
    let shown = get().await.unwrap();
    assert_eq!(shown.url.as_deref(), Some("token.example.com/id"));
    assert_eq!(shown.client_id_list.map(|c| c.len()), Some(2));
    let delete = api::DeleteOpenIDConnectProviderInput {
        openid_connect_provider_arn: arn.clone(),
    };
    room.ask(ops::DeleteOpenIDConnectProvider, delete)
        .await
        .unwrap();
    assert_eq!(
        said(get().await),
        format!("404 NoSuchEntity OpenIDConnect Provider not found for arn {arn}")
    );
}
