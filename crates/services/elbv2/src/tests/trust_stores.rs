//! Trust stores and their revocation lists.

use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use time::{Duration, OffsetDateTime};

fn authority() -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params, KeyPair::generate().unwrap())
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn bundle() -> String {
    let (params, key) = authority();
    pem("CERTIFICATE", params.self_signed(&key).unwrap().der())
}

/// A list that revokes so many, in DER.
fn list(count: u64) -> Vec<u8> {
    let (params, key) = authority();
    let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let entry = |serial| RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: now,
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: now,
        next_update: now + Duration::days(1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: (1..=count).map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&Issuer::new(params, key)).unwrap();
    list.der().to_vec()
}

impl Place {
    async fn try_store(&self, name: &str, key: &str) -> Result<api::TrustStore, AwsError> {
        let input = api::CreateTrustStoreInput {
            name: name.into(),
            ca_certificates_bundle_s3_bucket: "trust".into(),
            ca_certificates_bundle_s3_key: key.into(),
            ..Default::default()
        };
        let made = self.call(ops::CreateTrustStore, input).await?;
        Ok(made.trust_stores.unwrap().remove(0))
    }

    /// The ARN of a new trust store of one authority.
    pub(crate) async fn trust_store(&self, name: &str) -> String {
        self.object("bundle", bundle());
        let made = self.try_store(name, "bundle").await.unwrap();
        made.trust_store_arn.unwrap()
    }

    async fn add_revocations(
        &self,
        store: &str,
        key: &str,
    ) -> Result<Vec<api::TrustStoreRevocation>, AwsError> {
        let input = api::AddTrustStoreRevocationsInput {
            trust_store_arn: store.into(),
            revocation_contents: Some(vec![api::RevocationContent {
                s3_bucket: some("trust"),
                s3_key: some(key),
                ..Default::default()
            }]),
        };
        let added = self.call(ops::AddTrustStoreRevocations, input).await?;
        Ok(added.trust_store_revocations.unwrap())
    }

    /// Adds a file of two lists; how many these are.
    pub(crate) async fn two_lists(&self, store: &str) -> usize {
        self.object(
            "lists",
            pem("X509 CRL", &list(1)) + &pem("X509 CRL", &list(1)),
        );
        self.add_revocations(store, "lists").await.unwrap();
        2
    }

    /// The ARN of a listener that verifies clients by this trust store.
    pub(crate) async fn verifying(&self, balancer: &str, store: &str) -> Result<String, AwsError> {
        let certificate = self.certificate("a").await;
        let input = api::CreateListenerInput {
            load_balancer_arn: balancer.into(),
            protocol: some("HTTPS"),
            port: Some(443),
            certificates: Some(vec![api::Certificate {
                certificate_arn: some(&certificate),
                is_default: None,
            }]),
            default_actions: vec![answer("200")],
            mutual_authentication: Some(api::MutualAuthenticationAttributes {
                mode: some("verify"),
                trust_store_arn: some(store),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = self.call(ops::CreateListener, input).await?;
        Ok(made.listeners.unwrap().remove(0).listener_arn.unwrap())
    }
}

fn describe(names: &[&str]) -> api::DescribeTrustStoresInput {
    api::DescribeTrustStoresInput {
        names: (!names.is_empty()).then(|| names.iter().map(|n| (*n).into()).collect()),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_trust_store_is_made_of_a_bundle_and_goes_when_nobody_uses_it() {
    let place = place();
    let store = place.trust_store("own").await;
    assert!(store.contains(":truststore/own/"), "{store}");
    refused_as(
        place.try_store("own", "bundle").await,
        "DuplicateTrustStoreName",
    );
    let found = place
        .call(ops::DescribeTrustStores, describe(&["own"]))
        .await;
    let found = found.unwrap().trust_stores.unwrap().remove(0);
    assert_eq!(found.status.as_deref(), Some("ACTIVE"));
    assert_eq!(
        (found.number_of_ca_certificates, found.total_revoked_entries),
        (Some(1), Some(0))
    );
    let none = place
        .call(ops::DescribeTrustStores, describe(&["none"]))
        .await;
    refused_as(none, "TrustStoreNotFound");

    place.object("bundle", bundle() + &bundle());
    let input = api::ModifyTrustStoreInput {
        trust_store_arn: store.clone(),
        ca_certificates_bundle_s3_bucket: "trust".into(),
        ca_certificates_bundle_s3_key: "bundle".into(),
        ca_certificates_bundle_s3_object_version: None,
    };
    let modified = place.call(ops::ModifyTrustStore, input).await.unwrap();
    let modified = modified.trust_stores.unwrap().remove(0);
    assert_eq!(modified.number_of_ca_certificates, Some(2));

    let balancer = place.make(place.application("web")).await;
    let listener = place.verifying(&balancer, &store).await.unwrap();
    let associations = api::DescribeTrustStoreAssociationsInput {
        trust_store_arn: store.clone(),
        ..Default::default()
    };
    let associations = place.call(ops::DescribeTrustStoreAssociations, associations);
    let associations = associations
        .await
        .unwrap()
        .trust_store_associations
        .unwrap();
    assert_eq!(
        associations[0].resource_arn.as_deref(),
        Some(listener.as_str())
    );
    let shared = api::DeleteSharedTrustStoreAssociationInput {
        trust_store_arn: store.clone(),
        resource_arn: listener.clone(),
    };
    let shared = place
        .call(ops::DeleteSharedTrustStoreAssociation, shared)
        .await;
    refused_as(shared, "DeleteAssociationSameAccount");
    let delete = || api::DeleteTrustStoreInput {
        trust_store_arn: store.clone(),
    };
    refused_as(
        place.call(ops::DeleteTrustStore, delete()).await,
        "TrustStoreInUse",
    );
    let off = api::ModifyListenerInput {
        listener_arn: listener,
        mutual_authentication: Some(api::MutualAuthenticationAttributes {
            mode: some("off"),
            ..Default::default()
        }),
        ..Default::default()
    };
    let off = place.call(ops::ModifyListener, off).await.unwrap();
    let off = off
        .listeners
        .unwrap()
        .remove(0)
        .mutual_authentication
        .unwrap();
    assert_eq!(
        (off.mode.as_deref(), off.trust_store_arn),
        (Some("off"), None)
    );
    place.call(ops::DeleteTrustStore, delete()).await.unwrap();
    refused_as(
        place.call(ops::DeleteTrustStore, delete()).await,
        "TrustStoreNotFound",
    );
    // Its name is free again.
    place.trust_store("own").await;
}

#[tokio::test]
async fn what_is_no_bundle_makes_no_trust_store() {
    let place = place();
    let missing = place.try_store("own", "none").await;
    refused_as(missing, "CaCertificatesBundleNotFound");
    let (mut params, key) = authority();
    params.is_ca = IsCa::ExplicitNoCa;
    let leaf = pem("CERTIFICATE", params.self_signed(&key).unwrap().der());
    let one = bundle();
    for bad in [
        String::new(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
        leaf,
        one[..one.len() / 2].to_owned(),
        vec![one; 26].concat(),
    ] {
        place.object("bad", bad);
        let refused = place.try_store("own", "bad").await;
        refused_as(refused, "InvalidCaCertificatesBundle");
    }
    refused_as(place.try_store("-own", "bundle").await, "ValidationError");
}

#[tokio::test]
async fn revocations_come_and_go_and_no_id_is_given_twice() {
    let place = place();
    let store = place.trust_store("own").await;
    place.object("der", list(2));
    let both = pem("X509 CRL", &list(1)) + &pem("X509 CRL", &list(3));
    place.object("pem", both);
    let first = place
        .add_revocations(&store, "der")
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (first.revocation_id, first.number_of_revoked_entries),
        (Some(1), Some(2))
    );
    let second = place
        .add_revocations(&store, "pem")
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (second.revocation_id, second.number_of_revoked_entries),
        (Some(2), Some(4))
    );
    let remove = |id| api::RemoveTrustStoreRevocationsInput {
        trust_store_arn: store.clone(),
        revocation_ids: vec![id],
    };
    place
        .call(ops::RemoveTrustStoreRevocations, remove(2))
        .await
        .unwrap();
    let again = place
        .call(ops::RemoveTrustStoreRevocations, remove(2))
        .await;
    refused_as(again, "RevocationIdNotFound");
    let third = place
        .add_revocations(&store, "der")
        .await
        .unwrap()
        .remove(0);
    assert_eq!(third.revocation_id, Some(3));
    let input = api::DescribeTrustStoreRevocationsInput {
        trust_store_arn: store.clone(),
        page_size: Some(1),
        ..Default::default()
    };
    let page = place
        .call(ops::DescribeTrustStoreRevocations, input)
        .await
        .unwrap();
    assert_eq!(
        page.trust_store_revocations.unwrap()[0].revocation_id,
        Some(1)
    );
    assert!(page.next_marker.is_some());
    let found = place
        .call(ops::DescribeTrustStores, describe(&[]))
        .await
        .unwrap();
    assert_eq!(
        found.trust_stores.unwrap()[0].total_revoked_entries,
        Some(4)
    );
    let missing = place.add_revocations(&store, "none").await;
    refused_as(missing, "RevocationContentNotFound");
    place.object(
        "bad",
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
    );
    refused_as(
        place.add_revocations(&store, "bad").await,
        "InvalidRevocationContent",
    );
    let nobody = store.replace("/own/", "/other/");
    refused_as(
        place.add_revocations(&nobody, "der").await,
        "TrustStoreNotFound",
    );
}

#[tokio::test]
async fn a_location_is_signed_and_none_is_given_once_the_file_changed() {
    let place = place();
    let store = place.trust_store("own").await;
    let input = || api::GetTrustStoreCaCertificatesBundleInput {
        trust_store_arn: store.clone(),
    };
    let found = place
        .call(ops::GetTrustStoreCaCertificatesBundle, input())
        .await;
    let location = found.unwrap().location.unwrap();
    assert!(
        location.contains("/trust/bundle?X-Amz-Algorithm="),
        "{location}"
    );
    assert!(location.contains("X-Amz-Expires=600"), "{location}");
    place.object("bundle", bundle());
    let changed = place
        .call(ops::GetTrustStoreCaCertificatesBundle, input())
        .await;
    refused_as(changed, "InvalidConfigurationRequest");
    let policy = api::GetResourcePolicyInput {
        resource_arn: store,
    };
    refused_as(
        place.call(ops::GetResourcePolicy, policy).await,
        "ResourceNotFound",
    );
}
