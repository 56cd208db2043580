//! Enforced signatures: what is accepted, and how each refusal begins.

use super::*;
use bytes::Bytes;
use http::{HeaderValue, Request};
use neargate_wire::sigv4::{Scope as Signer, UNSIGNED_PAYLOAD, presign, sha256_hex, sign};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const BODY: &[u8] = b"{\"cluster\":\"c\"}";

fn mode() -> Mode {
    Mode::Enforced(BTreeMap::from([(
        "AKID".into(),
        Secret::new("secret".to_owned()),
    )]))
}

fn default_scope() -> Scope {
    Scope {
        account: AccountId::default(),
        region: Region::default(),
    }
}

fn signer(service: &'static str) -> Signer<'static> {
    Signer {
        access_key: "AKID",
        region: "eu-west-1",
        service,
        session_token: None,
    }
}

fn request() -> Parts {
    let request = Request::post("/")
        .header("host", "localhost:4566")
        .body(())
        .expect("builds");
    request.into_parts().0
}

/// A request to `signer`'s service that declares `declared` as its body's hash, if anything.
fn signed(signer: Signer<'_>, secret: &str, declared: Option<&str>, line: &str) -> Parts {
    let mut parts = request();
    if let Some(declared) = declared {
        let value = HeaderValue::from_str(declared).expect("ASCII");
        parts.headers.insert("x-amz-content-sha256", value);
    }
    sign(&mut parts, signer, line, secret, NOW).expect("signs");
    parts
}

fn check(service: &str, parts: &Parts, body: &[u8]) -> Result<(Scope, Principal), Refusal> {
    caller(
        &mode(),
        service,
        parts,
        &Bytes::copy_from_slice(body),
        &default_scope(),
        NOW,
    )
}

fn refusal(service: &str, parts: &Parts, body: &[u8]) -> SigV4Error {
    match check(service, parts, body) {
        Err(Refusal::Signature(error)) => error,
        other => panic!("not a refused signature: {other:?}"),
    }
}

#[test]
fn a_good_signature_tells_who_calls_and_where() {
    let hash = sha256_hex(BODY);
    for declared in [None, Some(hash.as_str())] {
        let parts = signed(signer("ecs"), "secret", declared, &hash);
        let (scope, principal) = check("ecs", &parts, BODY).expect("accepted");
        assert_eq!(scope.region.as_str(), "eu-west-1");
        assert_eq!(scope.account, AccountId::default());
        assert_eq!(principal.access_key, "AKID");
    }
}

#[test]
fn a_twelve_digit_key_chooses_no_account_here() {
    let id = "111122223333";
    let keys = BTreeMap::from([(id.to_owned(), Secret::new("secret".to_owned()))]);
    let by = Signer {
        access_key: id,
        ..signer("ecs")
    };
    let parts = signed(by, "secret", None, &sha256_hex(BODY));
    let found = caller(
        &Mode::Enforced(keys),
        "ecs",
        &parts,
        BODY,
        &default_scope(),
        NOW,
    );
    assert_eq!(found.expect("accepted").0.account, AccountId::default());
}

#[test]
fn what_is_not_signed_well_is_refused() {
    let hash = sha256_hex(BODY);
    let good = signed(signer("ecs"), "secret", None, &hash);
    assert_eq!(refusal("ecs", &request(), BODY), SigV4Error::MissingToken);
    let wrong = signed(signer("ecs"), "another", None, &hash);
    assert!(matches!(
        refusal("ecs", &wrong, BODY),
        SigV4Error::Mismatch(_)
    ));
    let by = Signer {
        access_key: "NOBODY",
        ..signer("ecs")
    };
    let unknown = signed(by, "secret", None, &hash);
    assert_eq!(refusal("ecs", &unknown, BODY), SigV4Error::UnknownKey);
    assert!(
        matches!(refusal("ecs", &good, b"{}"), SigV4Error::Mismatch(_)),
        "another body"
    );
    let mut elsewhere = good.clone();
    elsewhere.uri = "/other".parse().expect("a path");
    assert!(matches!(
        refusal("ecs", &elsewhere, BODY),
        SigV4Error::Mismatch(_)
    ));
    let mut garbled = good;
    let header = HeaderValue::from_static("AWS4-HMAC-SHA256 nonsense");
    garbled.headers.insert("authorization", header);
    assert!(matches!(
        refusal("ecs", &garbled, BODY),
        SigV4Error::Incomplete(_)
    ));
}

#[test]
fn a_signature_is_for_one_service_and_a_real_region() {
    let hash = sha256_hex(BODY);
    let parts = signed(signer("sts"), "secret", None, &hash);
    let SigV4Error::Mismatch(why) = refusal("ecs", &parts, BODY) else {
        panic!("accepted")
    };
    assert_eq!(
        why,
        "Credential should be scoped to correct service: 'ecs'."
    );
    let by = Signer {
        region: "nowhere",
        ..signer("ecs")
    };
    let parts = signed(by, "secret", None, &hash);
    assert_eq!(
        check("ecs", &parts, BODY),
        Err(Refusal::Region("nowhere".into()))
    );
}

#[test]
fn only_s3_leaves_bodies_unsigned() {
    for line in [
        UNSIGNED_PAYLOAD,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    ] {
        let parts = signed(signer("ecs"), "secret", Some(line), line);
        assert!(
            matches!(refusal("ecs", &parts, BODY), SigV4Error::Mismatch(_)),
            "{line}"
        );
    }
    let parts = signed(
        signer("s3"),
        "secret",
        Some(UNSIGNED_PAYLOAD),
        UNSIGNED_PAYLOAD,
    );
    assert!(check("s3", &parts, BODY).is_ok());
    // Declared, though not what was sent.
    let other = sha256_hex(b"other");
    let parts = signed(signer("ecs"), "secret", Some(&other), &other);
    assert_eq!(
        refusal("ecs", &parts, BODY),
        SigV4Error::ContentSha256Mismatch
    );
    let parts = signed(signer("ecs"), "secret", Some("x"), "x");
    assert_eq!(refusal("ecs", &parts, BODY), SigV4Error::BadContentSha256);
}

#[test]
fn a_presigned_url_works_until_it_expires() {
    let mut parts = Request::get("/?Action=GetCallerIdentity&Version=2011-06-15")
        .header("host", "localhost:4566")
        .body(())
        .expect("builds")
        .into_parts()
        .0;
    presign(
        &mut parts,
        signer("sts"),
        "secret",
        NOW,
        Duration::from_secs(60),
    )
    .expect("signs");
    let at = |now| caller(&mode(), "sts", &parts, b"", &default_scope(), now);
    assert!(at(NOW + Duration::from_secs(60)).is_ok());
    let late = at(NOW + Duration::from_secs(61));
    assert!(
        matches!(
            late,
            Err(Refusal::Signature(SigV4Error::PresignedExpired(_)))
        ),
        "{late:?}"
    );
}

#[test]
fn in_development_anything_goes() {
    let free = |parts: &Parts| {
        caller(
            &Mode::Development,
            "ecs",
            parts,
            BODY,
            &default_scope(),
            NOW,
        )
    };
    let (scope, _) = free(&request()).expect("unsigned");
    assert_eq!(scope, default_scope());
    let wrong = signed(signer("ecs"), "any", Some(UNSIGNED_PAYLOAD), "any");
    assert_eq!(
        free(&wrong).expect("any key").0.region.as_str(),
        "eu-west-1"
    );
    let by = Signer {
        access_key: "111122223333",
        ..signer("ecs")
    };
    let (scope, _) = free(&signed(by, "any", None, "any")).expect("a chosen account");
    assert_eq!(scope.account.as_str(), "111122223333");
}
