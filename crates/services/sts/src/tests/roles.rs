//! `AssumeRole`: who may, for how long, with what.

use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/deploy";
const TO_ANN: &str = r#"{"AWS":"arn:aws:iam::000000000000:user/ann"}"#;
const TO_ACCOUNT: &str = r#"{"AWS":"000000000000"}"#;
const MAY_ASSUME: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}"#;
const ANN: &str = "arn:aws:iam::000000000000:user/ann";

fn asked(role: &str) -> api::AssumeRoleInput {
    api::AssumeRoleInput {
        role_arn: role.into(),
        role_session_name: "session".into(),
        ..Default::default()
    }
}

fn tag(key: &str, value: &str) -> api::Tag {
    api::Tag {
        key: key.into(),
        value: value.into(),
    }
}

async fn assume(
    table: &dyn Service,
    cx: Ctx,
    input: api::AssumeRoleInput,
) -> Result<api::AssumeRoleOutput, AwsError> {
    call(table, cx, ops::AssumeRole, input).await
}

#[tokio::test]
async fn who_is_trusted_gets_keys_that_are_the_role() {
    let (lab, table) = lab(Known::default().role(ACCOUNT, "deploy", &trusting(TO_ANN, "{}")));
    let given = assume(&*table, by_user(&lab, "ann"), asked(ROLE))
        .await
        .expect("trusted");
    let who = given.assumed_role_user.expect("a session");
    let arn = "arn:aws:sts::000000000000:assumed-role/deploy/session";
    assert_eq!(who.arn.as_deref(), Some(arn));
    assert_eq!(who.assumed_role_id.as_deref(), Some("AROADEPLOY:session"));
    assert_eq!(given.packed_policy_size, None);
    let keys = given.credentials.expect("keys");
    assert_eq!(
        keys.expiration,
        Some(lab.house.now() + Duration::from_secs(3_600))
    );
    let id = keys.access_key_id.as_deref().expect("an id");
    assert!(id.starts_with("ASIA"), "{id}");
    assert_eq!(account(&lab, id).await.expect("an account"), ACCOUNT);
    let cx = by_keys(&lab, &keys);
    let me = call(&*table, cx, ops::GetCallerIdentity, Default::default()).await;
    let me = me.expect("anybody may ask");
    assert_eq!(me.arn.as_deref(), Some(arn));
    assert_eq!(me.user_id.as_deref(), Some("AROADEPLOY:session"));
}

#[tokio::test]
async fn nobody_else_is() {
    let cases = [
        // Neither named, nor of a named account with a policy of his own.
        Known::default().role(ACCOUNT, "deploy", &trusting(TO_ACCOUNT, "{}")),
        Known::default()
            .role(
                ACCOUNT,
                "deploy",
                &trusting(r#"{"AWS":"111122223333"}"#, "{}"),
            )
            .may(ANN, MAY_ASSUME),
        // There is no such role, which is not said.
        Known::default().may(ANN, MAY_ASSUME),
        Known::default().role(
            ACCOUNT,
            "deploy",
            &trusting(TO_ANN, r#"{"StringEquals":{"sts:ExternalId":"42"}}"#),
        ),
    ];
    for known in cases {
        let (lab, table) = lab(known);
        let refused = assume(&*table, by_user(&lab, "ann"), asked(ROLE)).await;
        let refused = refused.expect_err("refused");
        assert_eq!(code(&refused), (403, "AccessDenied"));
        assert_eq!(
            refused.message,
            format!("User: {ANN} is not authorized to perform: sts:AssumeRole on resource: {ROLE}")
        );
    }
}

#[tokio::test]
async fn an_account_is_trusted_with_the_users_own_policy_and_the_external_id() {
    let with_id = trusting(TO_ACCOUNT, r#"{"StringEquals":{"sts:ExternalId":"42"}}"#);
    let known = Known::default()
        .role(ACCOUNT, "deploy", &with_id)
        .may(ANN, MAY_ASSUME);
    let (lab, table) = lab(known);
    let with = |id: &str| api::AssumeRoleInput {
        external_id: Some(id.into()),
        ..asked(ROLE)
    };
    assert!(
        assume(&*table, by_user(&lab, "ann"), with("42"))
            .await
            .is_ok()
    );
    assert!(
        assume(&*table, by_user(&lab, "ann"), with("43"))
            .await
            .is_err()
    );
    assert!(
        assume(&*table, by_user(&lab, "bob"), with("42"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn another_account_is_trusted_when_both_say_so() {
    let other = "arn:aws:iam::111122223333:role/other";
    let known = Known::default().role("111122223333", "other", &trusting(TO_ANN, "{}"));
    let (lab, table) = lab(known);
    let refused = assume(&*table, by_user(&lab, "ann"), asked(other)).await;
    assert_eq!(
        code(&refused.expect_err("no policy of her own")),
        (403, "AccessDenied")
    );
    let known = Known::default()
        .role("111122223333", "other", &trusting(TO_ANN, "{}"))
        .may(ANN, MAY_ASSUME);
    let (lab, table) = super::lab(known);
    let given = assume(&*table, by_user(&lab, "ann"), asked(other))
        .await
        .expect("both");
    let cx = by_keys(&lab, &given.credentials.expect("keys"));
    assert_eq!(cx.scope.account.as_str(), "111122223333");
}

#[tokio::test]
async fn sessions_last_as_long_as_the_role_and_the_chain_allow() {
    let to_role = format!(r#"{{"AWS":"{ROLE}"}}"#);
    let known = Known::default()
        .role(ACCOUNT, "deploy", &trusting(TO_ANN, "{}"))
        .role(ACCOUNT, "next", &trusting(&to_role, "{}"));
    let (lab, table) = lab(known);
    let next = ROLE.replace("deploy", "next");
    let lasting = |role: &str, seconds| api::AssumeRoleInput {
        duration_seconds: Some(seconds),
        ..asked(role)
    };
    let ann = || by_user(&lab, "ann");
    let refused = assume(&*table, ann(), lasting(ROLE, 7_201))
        .await
        .expect_err("too long");
    assert_eq!(code(&refused), (400, "ValidationError"));
    assert_eq!(
        refused.message,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
    assert!(assume(&*table, ann(), lasting(ROLE, 899)).await.is_err());
    let given = assume(&*table, ann(), lasting(ROLE, 7_200))
        .await
        .expect("as long as it may");
    let keys = given.credentials.expect("keys");
    let cx = || by_keys(&lab, &keys);
    let refused = assume(&*table, cx(), lasting(&next, 3_601))
        .await
        .expect_err("a chain");
    assert_eq!(
        refused.message,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    );
    assert!(assume(&*table, cx(), lasting(&next, 3_600)).await.is_ok());
    // By the clock.
    lab.clock.advance(Duration::from_secs(7_200));
    let (id, token) = (
        keys.access_key_id.expect("id"),
        keys.session_token.expect("token"),
    );
    let late = session::open(&lab.house, &id, &token).expect_err("expired");
    assert_eq!(late, session::Unusable::Expired);
}

#[tokio::test]
async fn transitive_tags_and_the_source_identity_go_down_the_chain() {
    let to_role = format!(r#"{{"AWS":"{ROLE}"}}"#);
    let team = r#"{"StringEquals":{"aws:PrincipalTag/team":"red"}}"#;
    let known = Known::default()
        .role(ACCOUNT, "deploy", &trusting(TO_ANN, "{}"))
        .role(ACCOUNT, "next", &trusting(&to_role, team));
    let (lab, table) = lab(known);
    let next = ROLE.replace("deploy", "next");
    let first = api::AssumeRoleInput {
        tags: Some(vec![tag("team", "red"), tag("mine", "x")]),
        transitive_tag_keys: Some(vec!["team".into()]),
        source_identity: Some("ann@example.com".into()),
        ..asked(ROLE)
    };
    let given = assume(&*table, by_user(&lab, "ann"), first)
        .await
        .expect("tagged");
    assert!(given.packed_policy_size.is_some_and(|percent| percent > 0));
    let keys = given.credentials.expect("keys");
    let cx = || by_keys(&lab, &keys);
    let given = assume(&*table, cx(), asked(&next)).await.expect("red");
    assert_eq!(given.source_identity.as_deref(), Some("ann@example.com"));
    let end = by_keys(&lab, &given.credentials.expect("keys"));
    let session = end.principal.session.expect("a session");
    let tags: Vec<_> = session.tags.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(tags, [("team", "red")]);
    let cases = [
        (
            vec![tag("Team", "blue")],
            vec![],
            "conflicts with a transitive tag",
        ),
        (
            vec![tag("a", "1"), tag("A", "2")],
            vec![],
            "Duplicate tag keys",
        ),
        (
            vec![tag("a", "1")],
            vec!["b".to_owned()],
            "must be included",
        ),
        (vec![tag("aws:x", "1")], vec![], "reserved"),
    ];
    for (tags, keys, why) in cases {
        let input = api::AssumeRoleInput {
            tags: Some(tags),
            transitive_tag_keys: Some(keys),
            ..asked(&next)
        };
        let refused = assume(&*table, cx(), input).await.expect_err(why);
        assert_eq!(code(&refused), (400, "InvalidParameterValue"), "{why}");
        assert!(refused.message.contains(why), "{}", refused.message);
    }
    let another = api::AssumeRoleInput {
        source_identity: Some("bob@example.com".into()),
        ..asked(&next)
    };
    assert_eq!(
        code(&assume(&*table, cx(), another).await.expect_err("kept")),
        (403, "AccessDenied")
    );
}

#[tokio::test]
async fn tags_need_their_own_action() {
    let only_assume = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/ann"},"Action":"sts:AssumeRole"}}"#;
    let (lab, table) = lab(Known::default().role(ACCOUNT, "deploy", only_assume));
    let input = api::AssumeRoleInput {
        tags: Some(vec![tag("a", "1")]),
        ..asked(ROLE)
    };
    let refused = assume(&*table, by_user(&lab, "ann"), input)
        .await
        .expect_err("no TagSession");
    assert_eq!(
        refused.message,
        format!("User: {ANN} is not authorized to perform: sts:TagSession on resource: {ROLE}")
    );
    assert!(
        assume(&*table, by_user(&lab, "ann"), asked(ROLE))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn session_policies_are_policies_that_exist_and_fit() {
    let (lab, table) = lab(Known::default().role(ACCOUNT, "deploy", &trusting(TO_ANN, "{}")));
    let ann = || by_user(&lab, "ann");
    let with = |policy: &str, arns: &[&str]| api::AssumeRoleInput {
        policy: Some(policy.into()),
        policy_arns: Some(
            arns.iter()
                .map(|arn| api::PolicyDescriptorType {
                    arn: Some((*arn).into()),
                })
                .collect(),
        ),
        ..asked(ROLE)
    };
    let known = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let given = assume(&*table, ann(), with(MAY_ASSUME, &[known]))
        .await
        .expect("policies");
    let cx = by_keys(&lab, &given.credentials.expect("keys"));
    let policies = session::policies(&lab.house, &cx.principal).expect("bounded");
    assert_eq!(policies.len(), 2);
    let refused = assume(&*table, ann(), with("{", &[]))
        .await
        .expect_err("no policy");
    assert_eq!(code(&refused), (400, "MalformedPolicyDocument"));
    let unknown = "arn:aws:iam::000000000000:policy/nobodys";
    let refused = assume(&*table, ann(), with(MAY_ASSUME, &[unknown])).await;
    assert_eq!(
        code(&refused.expect_err("unknown")),
        (400, "InvalidParameterValue")
    );
    // Text that cannot be packed.
    let rng = Rng::seeded(7);
    let tags = (0..50).map(|n| tag(&format!("{n}{}", rng.hex(100)), &rng.hex(250)));
    let input = api::AssumeRoleInput {
        tags: Some(tags.collect()),
        ..asked(ROLE)
    };
    let refused = assume(&*table, ann(), input).await.expect_err("too much");
    assert_eq!(code(&refused), (400, "PackedPolicyTooLarge"));
    assert!(
        refused
            .message
            .starts_with("Packed size of session tags consumes ")
    );
}

#[tokio::test]
async fn what_is_not_built_is_named() {
    let (lab, table) = lab(Known::default().role(ACCOUNT, "deploy", &trusting(TO_ANN, "{}")));
    let refused = assume(
        &*table,
        by_user(&lab, "ann"),
        asked("arn:aws:iam::000000000000:user/x"),
    );
    assert_eq!(
        code(&refused.await.expect_err("no role")),
        (400, "ValidationError")
    );
}

#[tokio::test]
async fn a_role_may_ask_for_a_second_factor() {
    let condition = r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"300"}}"#;
    let (lab, table) = lab(Known::default().role(ACCOUNT, "deploy", &trusting(TO_ANN, condition)));
    let ann = || by_user(&lab, "ann");
    let with = |serial: Option<&str>, code: Option<&str>| api::AssumeRoleInput {
        serial_number: serial.map(|name| format!("arn:aws:iam::000000000000:mfa/{name}")),
        token_code: code.map(str::to_owned),
        ..asked(ROLE)
    };
    for (input, expected) in [
        (
            with(None, None),
            "is not authorized to perform: sts:AssumeRole",
        ),
        (
            with(Some("ann"), None),
            "must provide both MFA serial number",
        ),
        (
            with(Some("ann"), Some("000000")),
            "invalid MFA one time pass code",
        ),
        (
            with(Some("bob"), Some("123456")),
            "unable to validate MFA code",
        ),
    ] {
        let refused = assume(&*table, ann(), input).await.expect_err(expected);
        assert_eq!(code(&refused), (403, "AccessDenied"));
        assert!(refused.message.contains(expected), "{}", refused.message);
    }
    let keys = assume(&*table, ann(), with(Some("ann"), Some("123456"))).await;
    let keys = keys.expect("a session").credentials.expect("keys");
    let session = by_keys(&lab, &keys).principal.session.expect("a session");
    assert_eq!(session.second_factor_at, Some(lab.house.now()));
    // A session by which a user showed it before is as good.
    let input = api::GetSessionTokenInput {
        serial_number: Some("arn:aws:iam::000000000000:mfa/ann".into()),
        token_code: Some("123456".into()),
        ..Default::default()
    };
    let keys = call(&*table, ann(), ops::GetSessionToken, input).await;
    let keys = keys.expect("a session").credentials.expect("keys");
    let cx = by_keys(&lab, &keys);
    assert!(!cx.principal.is_users_session());
    assert!(assume(&*table, cx, asked(ROLE)).await.is_ok());
    let keys = call(&*table, ann(), ops::GetSessionToken, Default::default()).await;
    let keys = keys.expect("a session").credentials.expect("keys");
    assert!(by_keys(&lab, &keys).principal.is_users_session());
}

#[tokio::test]
async fn a_root_assumes_roles_only_where_nothing_is_enforced() {
    let known = || Known::default().role(ACCOUNT, "deploy", &trusting(TO_ANN, "{}"));
    let (lab, table) = lab(known());
    assert!(assume(&*table, lab.cx(), asked(ROLE)).await.is_ok());
    let (lab, table) = super::lab(known());
    let mut house = Arc::try_unwrap(lab.house).expect("nobody else has it");
    house.settings.enforced = true;
    let cx = neargate_testkit::cx(&Arc::new(house), &lab.scope);
    let refused = assume(&*table, cx, asked(ROLE)).await.expect_err("a root");
    assert_eq!(
        refused.message,
        "Roles may not be assumed by root accounts."
    );
}
