//! `GetSessionToken` and `GetFederationToken`.

use super::*;
use neargate_service::identity::Kind;

#[tokio::test]
async fn a_users_session_is_the_user() {
    let (lab, table) = lab(Known::default());
    let ann = by_user(&lab, "ann");
    let given = call(
        &*table,
        ann.clone(),
        ops::GetSessionToken,
        Default::default(),
    )
    .await;
    let keys = given.expect("a session").credentials.expect("keys");
    assert_eq!(
        keys.expiration,
        Some(lab.house.now() + Duration::from_secs(12 * 3_600))
    );
    let cx = by_keys(&lab, &keys);
    assert_eq!(
        (cx.principal.kind, &cx.principal.arn),
        (Kind::User, &ann.principal.arn)
    );
    assert!(session::policies(&lab.house, &cx.principal).is_none());
    // Not out of a session.
    let refused = call(
        &*table,
        cx.clone(),
        ops::GetSessionToken,
        Default::default(),
    )
    .await;
    let refused = refused.expect_err("a session");
    assert_eq!(code(&refused), (403, "AccessDenied"));
    assert_eq!(
        refused.message,
        "Cannot call GetSessionToken with session credentials"
    );
    let input = api::GetFederationTokenInput {
        name: "bob".into(),
        ..Default::default()
    };
    let refused = call(&*table, cx, ops::GetFederationToken, input)
        .await
        .expect_err("a session");
    assert_eq!(code(&refused), (403, "AccessDenied"));
}

#[tokio::test]
async fn a_root_gets_an_hour() {
    let (lab, table) = lab(Known::default());
    let input = api::GetSessionTokenInput {
        duration_seconds: Some(129_600),
        ..Default::default()
    };
    let given = call(&*table, lab.cx(), ops::GetSessionToken, input)
        .await
        .expect("a session");
    let expires = given.credentials.expect("keys").expiration;
    assert_eq!(expires, Some(lab.house.now() + Duration::from_secs(3_600)));
}

#[tokio::test]
async fn a_federated_user_has_what_its_session_policies_grant() {
    let (lab, table) = lab(Known::default());
    let policy =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    for (policy, granted) in [(None, 0), (Some(policy), 1)] {
        let input = api::GetFederationTokenInput {
            name: "bob".into(),
            policy: policy.map(str::to_owned),
            ..Default::default()
        };
        let given = call(
            &*table,
            by_user(&lab, "ann"),
            ops::GetFederationToken,
            input,
        )
        .await;
        let given = given.expect("a session");
        let who = given.federated_user.expect("a user");
        let arn = "arn:aws:sts::000000000000:federated-user/bob";
        assert_eq!(who.arn.as_deref(), Some(arn));
        assert_eq!(who.federated_user_id.as_deref(), Some("000000000000:bob"));
        let cx = by_keys(&lab, &given.credentials.expect("keys"));
        assert_eq!(cx.principal.kind, Kind::FederatedUser);
        assert_eq!(
            cx.principal.identity(),
            "arn:aws:iam::000000000000:user/ann"
        );
        let policies = session::policies(&lab.house, &cx.principal).expect("always bounded");
        assert_eq!(policies.len(), granted);
    }
}
