//! AWS's published vectors, and what they leave out: age, scope, presigned URLs, chunks.

use super::*;
use http::Request;
use http::request::Parts;
use neargate_base::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod chunked;
mod clients;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn at(text: &str) -> Timestamp {
    date::parse_basic(text).unwrap()
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/aws4_testsuite")
}

fn directories(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.join(format!("{name}.req")).exists() {
                found.push(path);
            } else {
                directories(&path, found);
            }
        }
    }
}

/// Reads the suite's `.req`/`.sreq` text. A continuation line belongs to the header before it.
fn parts_of(text: &str) -> (Parts, String) {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let line = lines.next().unwrap();
    let (method, rest) = line.split_once(' ').unwrap();
    let (target, _) = rest.rsplit_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target.as_bytes());
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        match line.strip_prefix(' ') {
            Some(more) => headers.last_mut().unwrap().1.push_str(&format!(" {more}")),
            None => {
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    for (name, value) in headers {
        request = request.header(name, value.trim());
    }
    (request.body(()).unwrap().into_parts().0, body.to_owned())
}

#[test]
fn published_vectors() {
    let mut found = Vec::new();
    directories(&vectors(), &mut found);
    found.sort();
    let (mut passed, mut skipped) = (0, Vec::new());
    for directory in &found {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let read = |ext: &str| {
            let path = directory.join(format!("{name}.{ext}"));
            std::fs::read_to_string(path).unwrap().replace("\r\n", "\n")
        };
        // The request line holds a raw space or non-ASCII text, which no HTTP server accepts:
        // their canonical paths are checked in `canonical_paths_of_impossible_requests`.
        if matches!(name, "get-space" | "get-utf8" | "get-vanilla-utf8-query") {
            skipped.push(name);
            continue;
        }
        let (mut parts, body) = parts_of(&read("req"));
        let authorization = read("authz");
        parts
            .headers
            .insert("authorization", authorization.trim().parse().unwrap());
        let claim = parse(&parts).unwrap().unwrap();
        if claim
            .signed_headers
            .iter()
            .any(|n| n == "x-amz-security-token")
        {
            let creq = read("creq");
            let token = creq
                .lines()
                .find_map(|l| l.strip_prefix("x-amz-security-token:"))
                .unwrap();
            parts
                .headers
                .insert("x-amz-security-token", token.parse().unwrap());
        }
        let hash = sha256_hex(body.as_bytes());
        let canonical = canonical_request(&claim, &parts, &hash).unwrap();
        assert_eq!(canonical, read("creq").trim_end_matches('\n'), "{name}");
        assert_eq!(
            verify::string_to_sign(&claim, &parts, &hash).unwrap(),
            read("sts").trim_end(),
            "{name}"
        );
        verify(&claim, &parts, &hash, SECRET, at("20150830T123600Z"))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        passed += 1;
    }
    assert_eq!((passed, skipped.len()), (found.len() - 3, 3));
    assert!(passed >= 30, "only {passed} vectors ran");
}

#[test]
fn canonical_paths_of_impossible_requests() {
    assert_eq!(
        canonical::path("/example space/", "service"),
        "/example%20space/"
    );
    assert_eq!(canonical::path("/\u{1234}", "service"), "/%E1%88%B4");
    assert_eq!(canonical::query("\u{1234}=bar", false), "%E1%88%B4=bar");
}

#[test]
fn paths_per_service() {
    assert_eq!(canonical::path("/a%2Fb/../c//d", "s3"), "/a/b/../c//d");
    assert_eq!(canonical::path("/a%20b", "s3"), "/a%20b");
    assert_eq!(canonical::path("/a+b@c", "s3"), "/a%2Bb%40c");
    assert_eq!(canonical::path("/a%20b", "ecs"), "/a%2520b");
    assert_eq!(canonical::path("/a/./b/../c/", "ecs"), "/a/c/");
    assert_eq!(canonical::path("/..", "ecs"), "/");
    assert_eq!(canonical::path("", "ecs"), "/");
}

fn request(uri: &str) -> Parts {
    Request::builder()
        .method("POST")
        .uri(uri)
        .header("host", "localhost:4566")
        .header(
            "x-amz-target",
            "AmazonEC2ContainerServiceV20141113.ListClusters",
        )
        .body(())
        .unwrap()
        .into_parts()
        .0
}

fn scope(service: &'static str) -> Scope<'static> {
    Scope {
        access_key: "AKIDEXAMPLE",
        region: "eu-west-1",
        service,
        session_token: Some("tok"),
    }
}

const NOON: &str = "20261123T120000Z";

#[test]
fn signs_and_verifies() {
    let mut parts = request("/");
    let body = sha256_hex(b"{}");
    sign(&mut parts, scope("ecs"), &body, SECRET, at(NOON)).unwrap();
    let claim = parse(&parts).unwrap().unwrap();
    assert_eq!(
        (claim.service.as_str(), claim.region.as_str()),
        ("ecs", "eu-west-1")
    );
    assert_eq!(claim.session_token.as_deref(), Some("tok"));
    assert_eq!(Payload::of(&claim, &parts).unwrap(), Payload::Whole);
    verify(&claim, &parts, &body, SECRET, at(NOON)).unwrap();

    let wrong = |result: Result<(), SigV4Error>| {
        assert_eq!(
            result.unwrap_err().answer(ErrorStyle::Json).code,
            "InvalidSignatureException"
        );
    };
    wrong(verify(
        &claim,
        &parts,
        &sha256_hex(b"{ }"),
        SECRET,
        at(NOON),
    ));
    wrong(verify(&claim, &parts, &body, "other", at(NOON)));
    let mut tampered = parts.clone();
    tampered
        .headers
        .insert("x-amz-target", "X.DeleteCluster".parse().unwrap());
    wrong(verify(&claim, &tampered, &body, SECRET, at(NOON)));
    let mut stripped = parts.clone();
    stripped.headers.remove("x-amz-target");
    wrong(verify(&claim, &stripped, &body, SECRET, at(NOON)));
}

#[test]
fn age_is_judged_both_ways() {
    let mut parts = request("/");
    sign(&mut parts, scope("ecs"), EMPTY_SHA256, SECRET, at(NOON)).unwrap();
    let claim = parse(&parts).unwrap().unwrap();
    let check = |now: &str| verify(&claim, &parts, EMPTY_SHA256, SECRET, at(now));
    check("20261123T121500Z").unwrap();
    check("20261123T114500Z").unwrap();
    let late = check("20261123T121501Z").unwrap_err();
    assert_eq!(
        late.to_string(),
        "Signature expired: 20261123T120000Z is now earlier than 20261123T120001Z (20261123T121501Z - 15 min.)"
    );
    assert_eq!(late.answer(ErrorStyle::Query).code, "SignatureDoesNotMatch");
    assert_eq!(late.answer(ErrorStyle::Ec2).code, "RequestExpired");
    assert_eq!(late.answer(ErrorStyle::S3).code, "RequestTimeTooSkewed");
    let early = check("20261123T114459Z").unwrap_err();
    assert_eq!(
        early.to_string(),
        "Signature not yet current: 20261123T120000Z is still later than 20261123T115959Z (20261123T114459Z + 15 min.)"
    );
}

#[test]
fn presigned_urls() {
    for service in ["sts", "s3"] {
        let mut parts = request("/?Action=GetCallerIdentity&Version=2011-06-15");
        let hour = Duration::from_secs(3600);
        presign(&mut parts, scope(service), SECRET, at(NOON), hour).unwrap();
        let claim = parse(&parts).unwrap().unwrap();
        assert!(claim.presigned && claim.session_token.is_some());
        let hash = Payload::of(&claim, &parts)
            .unwrap()
            .hash_line(|| EMPTY_SHA256.to_owned());
        verify(&claim, &parts, &hash, SECRET, at("20261123T130000Z")).unwrap();
        let late = verify(&claim, &parts, &hash, SECRET, at("20261123T130001Z")).unwrap_err();
        assert_eq!(
            late.answer(ErrorStyle::S3),
            Answer {
                status: 403,
                code: "AccessDenied",
                message: "Request has expired".into()
            }
        );
        let mut other = parts.clone();
        let uri = parts
            .uri
            .to_string()
            .replace("GetCallerIdentity", "GetSessionToken");
        other.uri = uri.parse().unwrap();
        assert!(verify(&claim, &other, &hash, SECRET, at(NOON)).is_err());
    }
    let mut parts = request("/");
    presign(
        &mut parts,
        scope("sts"),
        SECRET,
        at(NOON),
        Duration::from_secs(604_801),
    )
    .unwrap();
    let claim = parse(&parts).unwrap().unwrap();
    let result = verify(&claim, &parts, EMPTY_SHA256, SECRET, at(NOON));
    assert_eq!(result, Err(SigV4Error::ExpiresTooLong));
}

#[test]
fn what_is_not_ours_is_no_claim() {
    let mut parts = request("/v2/");
    assert_eq!(parse(&parts).unwrap(), None);
    parts
        .headers
        .insert("authorization", "Basic QVdTOng=".parse().unwrap());
    assert_eq!(parse(&parts).unwrap(), None);
}

#[test]
fn bad_claims_say_why() {
    let answer = |authorization: &str| {
        let mut parts = request("/");
        parts
            .headers
            .insert("authorization", authorization.parse().unwrap());
        let error = match parse(&parts) {
            Err(error) => error,
            Ok(claim) => {
                let now = at(NOON);
                verify(&claim.unwrap(), &parts, EMPTY_SHA256, SECRET, now).unwrap_err()
            }
        };
        (error.answer(ErrorStyle::Query).code, error.to_string())
    };
    let (code, text) = answer("AWS4-HMAC-SHA256 Credential=a/b");
    assert_eq!(code, "IncompleteSignature");
    assert_eq!(
        text,
        "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=a/b"
    );
    let (_, text) = answer("AWS4-HMAC-SHA256 nonsense");
    assert!(text.starts_with("'nonsense' not a valid key=value pair (missing equal-sign)"));
    assert_eq!(
        answer("AWS4-ECDSA-P256-SHA256 x=y").0,
        "IncompleteSignature"
    );

    let mut parts = request("/");
    parts.headers.insert("x-amz-date", NOON.parse().unwrap());
    let check = |credential: &str, headers: &str| {
        let mut parts = parts.clone();
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={headers}, Signature=00"
        );
        parts
            .headers
            .insert("authorization", value.parse().unwrap());
        parse(&parts)
            .and_then(|claim| verify(&claim.unwrap(), &parts, EMPTY_SHA256, SECRET, at(NOON)))
    };
    let text = check("k/20261123/r/ecs", "host").unwrap_err().to_string();
    assert!(text.starts_with("Credential must have exactly 5 slash-delimited elements"));
    let text = check("k/20261123/r/ecs/x", "host").unwrap_err().to_string();
    assert!(text.starts_with("Credential should be scoped with a valid terminator"));
    let text = check("k/20261122/r/ecs/aws4_request", "host")
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("Date in Credential scope does not match YYYYMMDD"),
        "{text}"
    );
    let text = check("k/20261123/r/ecs/aws4_request", "x-amz-date")
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("'Host' or ':authority' must be a 'SignedHeader'"),
        "{text}"
    );
}

#[test]
fn a_date_header_serves_as_well() {
    let mut parts = request("/");
    parts
        .headers
        .insert("date", "Mon, 23 Nov 2026 12:00:00 GMT".parse().unwrap());
    parts.headers.insert(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=k/20261123/r/ecs/aws4_request, SignedHeaders=host, Signature=0"
            .parse()
            .unwrap(),
    );
    let claim = parse(&parts).unwrap().unwrap();
    assert_eq!(claim.signed_at, at(NOON));
}

#[test]
fn host_of_http2_is_the_authority() {
    let mut parts = request("https://ecs.local/");
    parts.headers.remove("host");
    sign(&mut parts, scope("ecs"), EMPTY_SHA256, SECRET, at(NOON)).unwrap();
    let claim = parse(&parts).unwrap().unwrap();
    let canonical = canonical_request(&claim, &parts, EMPTY_SHA256).unwrap();
    assert!(canonical.contains("\nhost:ecs.local\n"), "{canonical}");
    verify(&claim, &parts, EMPTY_SHA256, SECRET, at(NOON)).unwrap();
}
