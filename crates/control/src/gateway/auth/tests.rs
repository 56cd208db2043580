//! Enforced signatures: what is accepted, and how each refusal begins.

use super::*;
use http::{HeaderValue, Request};
use neargate_wire::sigv4::{Scope as Signer, UNSIGNED_PAYLOAD, presign, sha256_hex, sign};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const BODY: &[u8] = b"{\"cluster\":\"c\"}";

fn mode() -> Mode {
    Mode::enforced(keys("AKID"))
}

fn keys(id: &str) -> Keys {
    Keys::from([(id.to_owned(), Secret::new("secret".to_owned()))])
}

/// The caller, by head and body.
fn caller(
    mode: &Mode,
    free: bool,
    service: &str,
    parts: &Parts,
    body: &[u8],
    now: Timestamp,
) -> Result<(Scope, Principal), Refusal> {
    let shown = look(mode, free, parts, &default_scope(), now)?;
    let caller = prove(mode, shown, parts, body, now)?;
    caller.calls(service)?;
    Ok((caller.scope, caller.principal))
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
    caller(&mode(), false, service, parts, body, NOW)
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
    let by = Signer {
        access_key: id,
        ..signer("ecs")
    };
    let parts = signed(by, "secret", None, &sha256_hex(BODY));
    let mode = Mode::enforced(keys(id));
    let found = caller(&mode, false, "ecs", &parts, BODY, NOW);
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
    let at = |now| caller(&mode(), false, "sts", &parts, b"", now);
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
fn who_needs_no_proof_says_what_he_likes() {
    let mode = Mode::development(Trusted::new(None), keys("AKID"));
    let free = |parts: &Parts| caller(&mode, true, "ecs", parts, BODY, NOW);
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
    let chosen = signed(by, "any", None, "any");
    let (scope, _) = free(&chosen).expect("a chosen account");
    assert_eq!(scope.account.as_str(), "111122223333");
    // Nobody else does, in the same mode.
    let others = |parts: &Parts| caller(&mode, false, "ecs", parts, BODY, NOW);
    assert_eq!(
        others(&request()),
        Err(Refusal::Signature(SigV4Error::MissingToken))
    );
    assert_eq!(
        others(&chosen),
        Err(Refusal::Signature(SigV4Error::UnknownKey))
    );
    assert!(others(&wrong).is_err());
    let good = signed(signer("ecs"), "secret", None, &sha256_hex(BODY));
    assert_eq!(others(&good).expect("signed").1.access_key, "AKID");
}

/// What is known before a byte of the body is read.
#[test]
fn the_head_alone_shows_who_is_worth_hearing() {
    let shown = |parts: &Parts| look(&mode(), false, parts, &default_scope(), NOW);
    let hash = sha256_hex(BODY);
    assert!(shown(&request()).is_err());
    let by = Signer {
        access_key: "NOBODY",
        ..signer("ecs")
    };
    assert!(shown(&signed(by, "secret", None, &hash)).is_err());
    assert!(shown(&signed(signer("ecs"), "wrong", Some(&hash), &hash)).is_err());
    let declared = shown(&signed(signer("ecs"), "secret", Some(&hash), &hash));
    assert!(declared.expect("it holds").is_settled());
    let s3 = signed(
        signer("s3"),
        "secret",
        Some(UNSIGNED_PAYLOAD),
        UNSIGNED_PAYLOAD,
    );
    assert!(shown(&s3).expect("it holds").is_settled());
    // The key is known, and that is all that is known.
    for line in [None, Some(UNSIGNED_PAYLOAD)] {
        let claimed = shown(&signed(signer("ecs"), "wrong", line, &hash));
        assert!(!claimed.expect("a known key").is_settled());
    }
}
