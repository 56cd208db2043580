//! Tokens are what they say, and nothing else.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

fn session() -> Session {
    let at = Timestamp::from_millis(1_700_000_000_000);
    Session {
        policy: Some(r#"{"Version":"2012-10-17","Statement":[]}"#.into()),
        policy_arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
        tags: BTreeMap::from([("team".into(), "a".into())]),
        transitive: BTreeSet::from(["team".into()]),
        source_identity: Some("ann".into()),
        federated_provider: None,
        ..Session::of(
            "arn:aws:iam::123456789012:role/r",
            at,
            at + Duration::from_secs(3_600),
        )
    }
}

#[test]
fn what_a_token_says_is_read_as_it_was_written() {
    let said = Said {
        access_key: "ASIAEXAMPLE".into(),
        secret_key: "secret".into(),
        kind: Kind::AssumedRole,
        arn: "arn:aws:sts::123456789012:assumed-role/r/ann".into(),
        user_id: "AROAEXAMPLE:ann".into(),
        session: session(),
    };
    let text = serde_json::to_string(&said).expect("text");
    // Tokens that were issued before an update are still good after it.
    assert_eq!(
        text,
        r#"{"access_key":"ASIAEXAMPLE","secret_key":"secret","kind":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/r/ann","user_id":"AROAEXAMPLE:ann","session":{"issuer":"arn:aws:iam::123456789012:role/r","issued_at":1700000000000,"expires_at":1700003600000,"policy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}","policy_arns":["arn:aws:iam::aws:policy/ReadOnlyAccess"],"tags":{"team":"a"},"transitive":["team"],"source_identity":"ann"}}"#
    );
    let bytes = inflated(&deflated(text.as_bytes())).expect("inflates");
    let read: Said = serde_json::from_slice(&bytes).expect("reads");
    assert_eq!(read.session, said.session);
    let plain: Session = serde_json::from_str(r#"{"issuer":"i","issued_at":1,"expires_at":2}"#)
        .expect("a session with nothing of its own");
    assert_eq!(plain.tags.len(), 0);
}

#[test]
fn room_is_taken_by_policies_and_tags() {
    let at = Timestamp::from_millis(0);
    let none = packed_bytes(&Session::of("issuer", at, at));
    assert!(packed_bytes(&session()) > none);
}

#[test]
fn an_unknown_role_has_an_id_of_its_own() {
    let id = unknown_role_id("arn:aws:iam::123456789012:role/r");
    assert_eq!((id.len(), &id[..4]), (21, "AROA"));
    assert_eq!(id, unknown_role_id("arn:aws:iam::123456789012:role/r"));
    assert_ne!(id, unknown_role_id("arn:aws:iam::123456789012:role/s"));
}
