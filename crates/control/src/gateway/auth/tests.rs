//! Enforced signatures: what is accepted, and how each refusal begins.

use super::*;
use http::{HeaderValue, Request};
use neargate_base::Timestamp;
use neargate_service::identity::{self, Kind, Session};
use neargate_testkit::Lab;
use neargate_wire::sigv4::{Scope as Signer, UNSIGNED_PAYLOAD, presign, sha256_hex, sign};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const BODY: &[u8] = b"{\"cluster\":\"c\"}";

fn mode() -> Mode {
    Mode::enforced(keys("AKID"))
}

fn keys(id: &str) -> Arc<RootCredentials> {
    Arc::new(RootCredentials::of(id, AccountId::default(), "secret"))
}

/// A house at this time.
fn lab(now: Timestamp) -> Lab {
    let lab = Lab::default();
    lab.clock.set(now);
    lab
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
    called(&lab(now), mode, free, service, parts, body)
}

fn called(
    lab: &Lab,
    mode: &Mode,
    free: bool,
    service: &str,
    parts: &Parts,
    body: &[u8],
) -> Result<(Scope, Principal), Refusal> {
    let shown = look(mode, &lab.house, free, parts, &default_scope())?;
    let caller = prove(&lab.house, shown, parts, body)?;
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
    let lab = lab(NOW);
    let shown = |parts: &Parts| look(&mode(), &lab.house, false, parts, &default_scope());
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

/// A session's keys as STS gives them, for an hour from NOW.
fn session(lab: &Lab) -> identity::session::Credentials {
    let role: neargate_base::Arn = "arn:aws:iam::111122223333:role/path/deploy"
        .parse()
        .expect("an ARN");
    let hour = Duration::from_secs(3_600);
    let session = Session::of(role.to_string(), NOW, NOW + hour);
    identity::session::assume(&lab.house, &role, "AROAEXAMPLE", "ann", session).expect("a role")
}

#[test]
fn a_temporary_key_is_good_with_its_token_until_it_expires() {
    let lab = lab(NOW);
    let keys = session(&lab);
    let token = keys.token.expose().clone();
    // Whoever must sign, and whoever need not: a key that was issued here is judged for both.
    let development = Mode::development(Trusted::new(None), self::keys("AKID"));
    for (mode, free) in [(&mode(), false), (&development, true)] {
        let with = |token: Option<&str>, secret: &str| {
            let mut parts = request();
            let by = Signer {
                access_key: &keys.access_key,
                session_token: token,
                ..signer("ecs")
            };
            sign(&mut parts, by, &sha256_hex(BODY), secret, lab.house.now()).expect("signs");
            called(&lab, mode, free, "ecs", &parts, BODY)
        };
        lab.clock.set(NOW);
        let secret = keys.secret_key.expose();
        let (scope, principal) = with(Some(&token), secret).expect("accepted");
        assert_eq!(scope.account.as_str(), "111122223333");
        assert_eq!(
            (principal.kind, &*principal.arn, &*principal.user_id),
            (
                Kind::AssumedRole,
                "arn:aws:sts::111122223333:assumed-role/deploy/ann",
                "AROAEXAMPLE:ann"
            )
        );
        let wrong = with(Some(&token), "another");
        assert!(
            matches!(wrong, Err(Refusal::Signature(SigV4Error::Mismatch(_)))),
            "{wrong:?}"
        );
        // A token that is none of ours is anything to who needs no proof, as on loopback always.
        let mut other = token.clone();
        other.replace_range(40..44, "AAAA");
        for bad in [None, Some(&*other), Some("nonsense")] {
            let answer = with(bad, secret);
            match free {
                true => assert_eq!(answer.expect("free").1.kind, Kind::Root),
                false => assert_eq!(answer, Err(SigV4Error::UnknownKey.into())),
            }
        }
        lab.clock.set(NOW + Duration::from_secs(3_600));
        assert_eq!(
            with(Some(&token), secret),
            Err(SigV4Error::ExpiredToken.into())
        );
    }
}

#[test]
fn a_presigned_url_carries_its_token() {
    let lab = lab(NOW);
    let keys = session(&lab);
    let mut parts = Request::get("/?Action=GetCallerIdentity&Version=2011-06-15")
        .header("host", "localhost:4566")
        .body(())
        .expect("builds")
        .into_parts()
        .0;
    let by = Signer {
        access_key: &keys.access_key,
        session_token: Some(keys.token.expose()),
        ..signer("sts")
    };
    presign(
        &mut parts,
        by,
        keys.secret_key.expose(),
        NOW,
        Duration::from_secs(60),
    )
    .expect("signs");
    let (_, principal) = called(&lab, &mode(), false, "sts", &parts, b"").expect("accepted");
    assert_eq!(principal.kind, Kind::AssumedRole);
}

#[test]
fn a_long_term_key_has_no_token() {
    let by = Signer {
        session_token: Some("token"),
        ..signer("ecs")
    };
    let parts = signed(by, "secret", None, &sha256_hex(BODY));
    assert_eq!(refusal("ecs", &parts, BODY), SigV4Error::UnknownKey);
}
