//! Simulations, and which context keys policies ask for.

use super::{Room, said};
use neargate_api_iam::{self as api, ops};

const PUT: &str = r#"{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}"#;

/// As AWS was seen to answer it, but for the policy's name.
#[tokio::test]
async fn what_a_user_may_do() {
    let room = Room::new();
    room.user("ann").await;
    let put = api::PutUserPolicyInput {
        user_name: "ann".into(),
        policy_name: "own".into(),
        policy_document: PUT.into(),
    };
    room.ask(ops::PutUserPolicy, put).await.unwrap();
    let input = api::SimulatePrincipalPolicyInput {
        policy_source_arn: "arn:aws:iam::000000000000:user/ann".into(),
        action_names: vec!["s3:PutObject".into(), "s3:GetObjectVersion".into()],
        resource_arns: Some(vec!["arn:aws:s3:::bucket".into()]),
        ..Default::default()
    };
    let results = room.ask(ops::SimulatePrincipalPolicy, input).await.unwrap();
    let results = results.evaluation_results.expect("results");
    let decisions = results.iter().map(|r| r.eval_decision.as_deref());
    assert_eq!(
        decisions.collect::<Vec<_>>(),
        [Some("allowed"), Some("implicitDeny")]
    );
    let matched = results[0].matched_statements.as_ref().expect("statements");
    assert_eq!(matched[0].source_policy_id.as_deref(), Some("own"));
    assert_eq!(
        matched[0].start_position.as_ref().and_then(|p| p.column),
        Some(41)
    );
    assert_eq!(
        matched[0].end_position.as_ref().and_then(|p| p.column),
        Some(113)
    );
    let missing = api::SimulatePrincipalPolicyInput {
        policy_source_arn: "arn:aws:iam::000000000000:user/bea".into(),
        action_names: vec!["s3:PutObject".into()],
        ..Default::default()
    };
    assert_eq!(
        said(room.ask(ops::SimulatePrincipalPolicy, missing).await),
        "404 NoSuchEntity The user with name bea cannot be found."
    );
}

#[tokio::test]
async fn conditions_are_asked_for_and_given() {
    let room = Room::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"},
        {"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    let keys = api::GetContextKeysForCustomPolicyInput {
        policy_input_list: vec![policy.into()],
    };
    let keys = room
        .ask(ops::GetContextKeysForCustomPolicy, keys)
        .await
        .unwrap();
    let names = keys.context_key_names.expect("names");
    assert_eq!(names, ["aws:SecureTransport", "aws:username"]);
    let entry = |key: &str, value: &str| api::ContextEntry {
        context_key_name: Some(key.into()),
        context_key_values: Some(vec![value.into()]),
        context_key_type: Some("string".into()),
    };
    let simulate = |context: Vec<api::ContextEntry>| {
        let input = api::SimulateCustomPolicyInput {
            policy_input_list: vec![policy.into()],
            action_names: vec!["s3:GetObject".into()],
            resource_arns: Some(vec!["arn:aws:s3:::b/ann/x".into()]),
            context_entries: Some(context),
            ..Default::default()
        };
        room.ask(ops::SimulateCustomPolicy, input)
    };
    let mut seen = Vec::new();
    for context in [
        Vec::new(),
        vec![entry("aws:username", "ann")],
        vec![
            entry("aws:username", "ann"),
            entry("aws:SecureTransport", "false"),
        ],
    ] {
        let results = simulate(context)
            .await
            .unwrap()
            .evaluation_results
            .expect("results");
        let result = results.into_iter().next().expect("one");
        let missing = result.missing_context_values.map_or(0, |m| m.len());
        seen.push((result.eval_decision.unwrap_or_default(), missing));
    }
    let expected = [("implicitDeny", 2), ("allowed", 1), ("explicitDeny", 0)];
    assert_eq!(seen, expected.map(|(decision, n)| (decision.to_owned(), n)));
    let organization = api::SimulateCustomPolicyInput {
        policy_input_list: vec![policy.into()],
        action_names: vec!["s3:GetObject".into()],
        ordered_organization_policy_input_list: Some(Vec::new()),
        ..Default::default()
    };
    let refused = room.ask(ops::SimulateCustomPolicy, organization).await;
    assert!(said(refused).starts_with("501 NotImplemented"));
}
