//! Operations through their table, on a store in memory.

use crate::{Acm, authority, renewal};
use neargate_api_acm::{self as api, ops};
use neargate_service::certificate::{self, Certificate, KeptKey};
use neargate_service::{AwsError, Component as _, Ctx, Service, db, golden};
use neargate_testkit::Lab;
use neargate_wire::structure::OperationDef;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// Made by OpenSSL for these tests alone.
const RSA: &str = include_str!("../tests/rsa/cert.pem");
const RSA_KEY: &str = include_str!("../tests/rsa/key.pem");

struct Place {
    lab: Lab,
    cx: Ctx,
    table: Arc<dyn Service>,
}

fn place() -> Place {
    let lab = Lab::seeded(5);
    Place {
        cx: lab.cx(),
        table: Arc::new(Acm).table(),
        lab,
    }
}

impl Place {
    async fn call<O: OperationDef>(
        &self,
        operation: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        neargate_testkit::call(&*self.table, self.cx.clone(), operation, input).await
    }

    async fn request(&self, input: api::RequestCertificateInput) -> Result<String, AwsError> {
        let out = self.call(ops::RequestCertificate, input).await?;
        Ok(out.certificate_arn.unwrap())
    }

    async fn import(&self, certificate: &str, key: &str) -> Result<String, AwsError> {
        let out = self
            .call(ops::ImportCertificate, import(certificate, key))
            .await?;
        Ok(out.certificate_arn.unwrap())
    }

    async fn described(&self, arn: &str) -> Result<api::CertificateDetail, AwsError> {
        let input = api::DescribeCertificateInput {
            certificate_arn: arn.into(),
        };
        Ok(self
            .call(ops::DescribeCertificate, input)
            .await?
            .certificate
            .unwrap())
    }

    async fn delete(&self, arn: &str) -> Result<(), AwsError> {
        let input = api::DeleteCertificateInput {
            certificate_arn: arn.into(),
        };
        self.call(ops::DeleteCertificate, input).await.map(drop)
    }

    async fn listed(&self, input: api::ListCertificatesInput) -> Vec<String> {
        let out = self.call(ops::ListCertificates, input).await.unwrap();
        let all = out.certificate_summary_list.unwrap().into_iter();
        all.map(|c| c.domain_name.unwrap()).collect()
    }

    /// A certificate that is good from `from` for `life` seconds, and its key.
    fn own(&self, from: i64, life: i64) -> (String, String) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(["own.example.com".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "own.example.com");
        let at = |seconds| {
            let now = self.cx.now().as_millis() / 1_000;
            OffsetDateTime::from_unix_timestamp(now + seconds).unwrap()
        };
        (params.not_before, params.not_after) = (at(from), at(from + life));
        let certificate = params.self_signed(&key).unwrap();
        (
            crate::pem::encode("CERTIFICATE", certificate.der()),
            crate::pem::encode("PRIVATE KEY", key.serialized_der()),
        )
    }
}

fn import(certificate: &str, key: &str) -> api::ImportCertificateInput {
    api::ImportCertificateInput {
        certificate: certificate.to_owned().into(),
        private_key: key.to_owned().into(),
        ..Default::default()
    }
}

fn request(domain: &str) -> api::RequestCertificateInput {
    api::RequestCertificateInput {
        domain_name: domain.into(),
        validation_method: some("DNS"),
        ..Default::default()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str, message: &str) {
    let e = result.unwrap_err();
    assert_eq!((e.code.as_str(), e.message.as_str()), (code, message));
}

#[track_caller]
fn refused_as<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str) {
    let e = result.unwrap_err();
    assert_eq!(e.code, code, "{}", e.message);
}

#[tokio::test]
async fn a_certificate_is_issued_at_once() {
    let place = place();
    let input = api::RequestCertificateInput {
        subject_alternative_names: Some(vec!["*.Example.com".into(), "example.com".into()]),
        ..request("example.com")
    };
    let arn = place.request(input).await.unwrap();
    assert!(
        arn.starts_with("arn:aws:acm:us-east-1:000000000000:certificate/"),
        "{arn}"
    );
    let shown = place.described(&arn).await.unwrap();
    assert_eq!(shown.status.as_deref(), Some("ISSUED"));
    assert_eq!(shown.r#type.as_deref(), Some("AMAZON_ISSUED"));
    assert_eq!(shown.subject.as_deref(), Some("CN=example.com"));
    assert_eq!(
        shown.subject_alternative_names,
        Some(vec!["example.com".into(), "*.example.com".into()])
    );
    assert_eq!(shown.key_algorithm.as_deref(), Some("EC-prime256v1"));
    assert_eq!(
        shown.signature_algorithm.as_deref(),
        Some("SHA256WITHECDSA")
    );
    assert!(shown.issuer.unwrap().starts_with("Neargate Local CA "));
    let usages = shown.extended_key_usages.unwrap();
    assert_eq!(
        usages[0].name.as_deref(),
        Some("TLS_WEB_SERVER_AUTHENTICATION")
    );
    assert_eq!(usages.len(), 2);
    let days = shown.not_after.unwrap().since(place.cx.now()).as_secs() / 86_400;
    assert_eq!(days, 395);
    let options = shown.domain_validation_options.unwrap();
    assert_eq!(options.len(), 2);
    let record = options[0].resource_record.clone().unwrap();
    assert!(record.name.clone().unwrap().ends_with(".example.com."));
    assert!(
        record
            .value
            .clone()
            .unwrap()
            .ends_with(".acm-validations.aws.")
    );
    assert_eq!(
        options[1].resource_record,
        Some(record),
        "its wildcard has the same"
    );
    assert_eq!(options[0].validation_status.as_deref(), Some("SUCCESS"));

    // Whoever trusts the authority trusts the certificate.
    let input = api::GetCertificateInput {
        certificate_arn: arn,
    };
    let out = place.call(ops::GetCertificate, input).await.unwrap();
    let authority = authority::certificate(&place.cx.house).await.unwrap();
    assert_eq!(out.certificate_chain.as_ref(), Some(&authority));
    let der = |pem: &str| crate::pem::certificates(pem.as_bytes()).unwrap().remove(0);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der(&authority)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .unwrap();
    use rustls::client::danger::ServerCertVerifier as _;
    let seconds = u64::try_from(place.cx.now().as_millis() / 1_000).unwrap();
    let now = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verify = |name: &str| {
        let own = der(out.certificate.as_ref().unwrap());
        let name = name.to_owned().try_into().unwrap();
        verifier.verify_server_cert(&own, &[], &name, &[], now)
    };
    verify("example.com").unwrap();
    verify("www.example.com").unwrap();
    verify("example.org").unwrap_err();
}

#[tokio::test]
async fn the_same_token_means_the_same_call_for_an_hour() {
    let place = place();
    let input = api::RequestCertificateInput {
        idempotency_token: some("token"),
        ..request("example.com")
    };
    let first = place.request(input.clone()).await.unwrap();
    assert_eq!(place.request(input.clone()).await.unwrap(), first);
    place.lab.clock.advance(Duration::from_secs(3_600));
    assert_ne!(place.request(input).await.unwrap(), first);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let place = place();
    for domain in [
        "localhost",
        "a..com",
        "-a.com",
        "*.*.com",
        "a b.com",
        "example.c",
    ] {
        refused_as(place.request(request(domain)).await, "ValidationException");
    }
    let long = format!("{}.example.com", "a".repeat(60));
    refused_as(
        place.request(request(&long)).await,
        "InvalidParameterException",
    );
    let many = api::RequestCertificateInput {
        subject_alternative_names: Some((0..10).map(|n| format!("a{n}.example.com")).collect()),
        ..request("example.com")
    };
    refused_as(place.request(many).await, "LimitExceededException");
    let rsa = api::RequestCertificateInput {
        key_algorithm: some("RSA_2048"),
        ..request("example.com")
    };
    refused(
        place.request(rsa).await,
        "InvalidParameterException",
        "Neargate does not support the key algorithm RSA_2048 yet.",
    );
    let p384 = api::RequestCertificateInput {
        key_algorithm: some("EC_secp384r1"),
        ..request("example.com")
    };
    let arn = place.request(p384).await.unwrap();
    let shown = place.described(&arn).await.unwrap();
    assert_eq!(shown.key_algorithm.as_deref(), Some("EC-secp384r1"));
}

#[tokio::test]
async fn what_openssl_made_is_imported_and_read() {
    let place = place();
    let arn = place.import(RSA, RSA_KEY).await.unwrap();
    let shown = place.described(&arn).await.unwrap();
    assert_eq!(shown.domain_name.as_deref(), Some("localhost"));
    assert_eq!(shown.r#type.as_deref(), Some("IMPORTED"));
    assert_eq!(shown.serial.as_deref(), Some("03:e9"));
    assert_eq!(
        shown.subject.as_deref(),
        Some("C=AU,ST=Some-State,O=Example Org,OU=Testing,CN=localhost")
    );
    assert_eq!(shown.issuer.as_deref(), Some("localhost"));
    assert_eq!(shown.key_algorithm.as_deref(), Some("RSA-2048"));
    assert_eq!(shown.signature_algorithm.as_deref(), Some("SHA256WITHRSA"));
    assert_eq!(
        shown.subject_alternative_names,
        Some(vec!["localhost".into(), "*.example.org".into()])
    );
    let usages = shown
        .key_usages
        .unwrap()
        .into_iter()
        .map(|u| u.name.unwrap());
    assert_eq!(
        usages.collect::<Vec<_>>(),
        ["DIGITAL_SIGNATURE", "NON_REPUDIATION", "KEY_ENCIPHERMENT"]
    );
    let day = 24 * 60 * 60 * 1_000;
    assert_eq!(shown.not_before.unwrap().as_millis(), 19_358 * day);
    assert_eq!(shown.not_after.unwrap().as_millis(), 30_316 * day);
}

#[tokio::test]
async fn bad_imports_are_refused() {
    let place = place();
    let (own, key) = place.own(-10, 100);
    let refuse = async |certificate: &str, key: &str, message: &str| {
        refused(
            place.import(certificate, key).await,
            "ValidationException",
            message,
        );
    };
    refuse(
        "x",
        &key,
        "The certificate is not PEM-encoded or is not valid.",
    )
    .await;
    refuse(
        &own,
        "x",
        "The private key is not PEM-encoded or is not valid.",
    )
    .await;
    refuse(
        &own,
        RSA_KEY,
        "The certificate does not match the private key.",
    )
    .await;
    refuse(
        &format!("{own}{own}"),
        &key,
        "The certificate field contains more than one certificate. You can specify only one certificate in this field.",
    )
    .await;
    let (expired, old) = place.own(-100, 50);
    refuse(&expired, &old, "The certificate has expired, is not valid.").await;
    let (future, new) = place.own(50, 50);
    refuse(
        &future,
        &new,
        "The certificate is not in effect yet, is not valid.",
    )
    .await;
    let chained = api::ImportCertificateInput {
        certificate_chain: Some(RSA.to_owned().into()),
        ..import(&own, &key)
    };
    refused_as(
        place.call(ops::ImportCertificate, chained).await,
        "ValidationException",
    );
    // Bytes that are no certificate, in PEM, and every way to cut one short.
    let der = crate::pem::certificates(RSA.as_bytes()).unwrap().remove(0);
    for end in 0..der.len() {
        assert!(crate::x509::read(&der[..end]).is_none(), "{end}");
    }
    for at in 0..der.len() {
        let mut bytes = der.to_vec();
        bytes[at] ^= 0xff;
        let _ = crate::x509::read(&bytes);
    }
}

#[tokio::test]
async fn one_is_imported_again() {
    let place = place();
    let (first, first_key) = place.own(-10, 100);
    let arn = place.import(&first, &first_key).await.unwrap();
    let (second, second_key) = place.own(-10, 200);
    let again = api::ImportCertificateInput {
        certificate_arn: Some(arn.clone()),
        ..import(&second, &second_key)
    };
    let out = place
        .call(ops::ImportCertificate, again.clone())
        .await
        .unwrap();
    assert_eq!(out.certificate_arn.as_ref(), Some(&arn));
    let input = api::GetCertificateInput {
        certificate_arn: arn,
    };
    let got = place.call(ops::GetCertificate, input).await.unwrap();
    assert_eq!(got.certificate, Some(second));
    let issued = place.request(request("example.com")).await.unwrap();
    let over = api::ImportCertificateInput {
        certificate_arn: Some(issued),
        ..again
    };
    refused_as(
        place.call(ops::ImportCertificate, over).await,
        "ValidationException",
    );
}

#[tokio::test]
async fn those_in_use_are_kept() {
    let place = place();
    let arn = place.request(request("example.com")).await.unwrap();
    let found = certificate::find(&place.cx.house, &place.cx.scope, &arn).await;
    let found = found.unwrap().unwrap();
    let tx = certificate::used(place.cx.db().tx(), &found, "arn:of:a-balancer", true);
    assert!(matches!(tx.commit().await.unwrap(), db::Committed::At(_)));
    refused_as(place.delete(&arn).await, "ResourceInUseException");
    let shown = place.described(&arn).await.unwrap();
    assert_eq!(shown.in_use_by, Some(vec!["arn:of:a-balancer".into()]));
    assert_eq!(shown.renewal_eligibility.as_deref(), Some("ELIGIBLE"));
    let other = place.request(request("example.org")).await.unwrap();
    place.delete(&other).await.unwrap();
    refused(
        place.delete(&other).await,
        "ResourceNotFoundException",
        &format!("Could not find certificate {other}."),
    );
}

#[tokio::test]
async fn they_are_listed_and_tagged() {
    let place = place();
    place.import(RSA, RSA_KEY).await.unwrap();
    let arn = place.request(request("example.com")).await.unwrap();
    let sorted = |order: &str| api::ListCertificatesInput {
        sort_by: some("CREATED_AT"),
        sort_order: some(order),
        ..Default::default()
    };
    assert_eq!(place.listed(sorted("ASCENDING")).await.len(), 2);
    let of = |filters: api::Filters| api::ListCertificatesInput {
        includes: Some(filters),
        ..Default::default()
    };
    let rsa = api::Filters {
        key_types: Some(vec!["RSA_2048".into()]),
        ..Default::default()
    };
    assert_eq!(place.listed(of(rsa)).await, ["localhost"]);
    let clients = api::Filters {
        extended_key_usage: Some(vec!["TLS_WEB_CLIENT_AUTHENTICATION".into()]),
        ..Default::default()
    };
    assert_eq!(place.listed(of(clients)).await, ["example.com"]);
    let expired = api::ListCertificatesInput {
        certificate_statuses: Some(vec!["EXPIRED".into()]),
        ..Default::default()
    };
    assert!(place.listed(expired).await.is_empty());

    let tag = |value: Option<&str>| api::Tag {
        key: "team".into(),
        value: value.map(str::to_owned),
    };
    let add = api::AddTagsToCertificateInput {
        certificate_arn: arn.clone(),
        tags: vec![tag(Some("a"))],
    };
    place.call(ops::AddTagsToCertificate, add).await.unwrap();
    let remove = |value: Option<&str>| api::RemoveTagsFromCertificateInput {
        certificate_arn: arn.clone(),
        tags: vec![tag(value)],
    };
    let list = api::ListTagsForCertificateInput {
        certificate_arn: arn.clone(),
    };
    place
        .call(ops::RemoveTagsFromCertificate, remove(Some("b")))
        .await
        .unwrap();
    let out = place
        .call(ops::ListTagsForCertificate, list.clone())
        .await
        .unwrap();
    assert_eq!(out.tags, Some(vec![tag(Some("a"))]), "it has another value");
    place
        .call(ops::RemoveTagsFromCertificate, remove(None))
        .await
        .unwrap();
    let out = place.call(ops::ListTagsForCertificate, list).await.unwrap();
    assert_eq!(out.tags, Some(vec![]));
}

#[tokio::test]
async fn they_are_renewed_with_the_same_key() {
    let place = place();
    let arn = place.request(request("example.com")).await.unwrap();
    let get = async || {
        let found = certificate::find(&place.cx.house, &place.cx.scope, &arn).await;
        found.unwrap().unwrap().value
    };
    let before: Certificate = get().await;
    renewal::renew_due(&place.cx.house).await.unwrap();
    assert_eq!(get().await, before);
    place.lab.clock.advance(Duration::from_secs(336 * 86_400));
    renewal::renew_due(&place.cx.house).await.unwrap();
    let after = get().await;
    assert_eq!(after.private_key, before.private_key);
    assert!(after.facts.not_after > before.facts.not_after);
    assert_ne!(after.facts.serial, before.facts.serial);
}

#[tokio::test]
async fn the_authority_outlives_a_reset() {
    let place = place();
    let before = authority::certificate(&place.cx.house).await.unwrap();
    let then = Arc::new(Acm).reset(&place.cx.house).await.unwrap();
    let key = db::key::<crate::model::LocalAuthority>(&place.cx.scope, "local");
    let gone = place.cx.db().tx().delete_key(key).commit().await.unwrap();
    assert!(matches!(gone, db::Committed::At(_)));
    then.run().await.unwrap();
    assert_eq!(
        authority::certificate(&place.cx.house).await.unwrap(),
        before
    );
}

#[tokio::test]
async fn keys_are_sealed_and_those_of_older_versions_at_the_start() {
    let place = place();
    let arn = place.request(request("example.com")).await.unwrap();
    let house = &place.cx.house;
    let get = async || {
        certificate::find(house, &place.cx.scope, &arn)
            .await
            .unwrap()
            .unwrap()
    };
    let kept = get().await;
    assert!(matches!(kept.private_key, KeptKey::Sealed(_)));
    let pem = kept.private_key.open(&house.root_key, &kept.key).unwrap();
    assert!(pem.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    let old = Certificate {
        private_key: KeptKey::Plain(pem.expose().clone()),
        ..kept.value.clone()
    };
    let written = house.db.tx().update(&kept, &old).commit().await.unwrap();
    assert!(matches!(written, db::Committed::At(_)));
    renewal::seal(house).await.unwrap();
    let again = get().await;
    assert!(matches!(again.private_key, KeptKey::Sealed(_)));
    assert_eq!(
        again.private_key.open(&house.root_key, &again.key),
        Some(pem)
    );
}

#[test]
fn the_stored_form_is_pinned() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    golden::check::<crate::model::LocalAuthority>(dir);
    golden::check::<Certificate>(dir);
}
