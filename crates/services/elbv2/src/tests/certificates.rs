//! Certificates of listeners.

use super::*;
use neargate_service::certificate::{self, Certificate, Facts, KeptKey, Origin};
use neargate_service::{Committed, db};
use std::collections::BTreeSet;

impl Place {
    /// A certificate as ACM keeps it; its ARN.
    pub(crate) async fn certificate(&self, id: &str) -> String {
        let key = db::key::<Certificate>(&self.cx.scope, id);
        let root_key = &self.cx.house.root_key;
        let kept = Certificate {
            domain_name: format!("{id}.example.com"),
            alternative_names: vec![format!("{id}.example.com")],
            origin: Origin::Imported,
            certificate: format!("-----{id}-----\n"),
            chain: Some("-----authority-----\n".into()),
            private_key: KeptKey::seal(root_key, &key, &format!("-----key of {id}-----\n")),
            facts: Facts {
                serial: "01".into(),
                subject: format!("CN={id}.example.com"),
                issuer: "authority".into(),
                key_algorithm: "EC-prime256v1".into(),
                signature_algorithm: "SHA256WITHECDSA".into(),
                not_before: self.cx.now(),
                not_after: self.cx.now(),
                key_usages: Vec::new(),
                extended_key_usages: Vec::new(),
            },
            transparency_logging: "ENABLED".into(),
            client_token: None,
            tags: Default::default(),
            in_use_by: BTreeSet::new(),
            created_at: self.cx.now(),
        };
        let tx = self.cx.db().tx();
        let tx = tx.create(key, &kept);
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
        certificate::arn(&self.cx.scope, id)
    }

    async fn users(&self, arn: &str) -> BTreeSet<String> {
        let found = certificate::find(&self.cx.house, &self.cx.scope, arn).await;
        found.unwrap().unwrap().value.in_use_by
    }

    pub(crate) async fn secure(
        &self,
        balancer: &str,
        port: i32,
        certificate: &str,
    ) -> Result<api::Listener, AwsError> {
        let input = api::CreateListenerInput {
            load_balancer_arn: balancer.into(),
            protocol: some("HTTPS"),
            port: Some(port),
            certificates: of(&[certificate]),
            default_actions: vec![answer("200")],
            ..Default::default()
        };
        let out = self.call(ops::CreateListener, input).await?;
        Ok(out.listeners.unwrap().remove(0))
    }

    /// `arn is-default` of each.
    async fn listed(&self, listener: &str) -> Vec<String> {
        let input = api::DescribeListenerCertificatesInput {
            listener_arn: listener.into(),
            ..Default::default()
        };
        let out = self
            .call(ops::DescribeListenerCertificates, input)
            .await
            .unwrap();
        let line = |c: api::Certificate| {
            format!("{} {}", c.certificate_arn.unwrap(), c.is_default.unwrap())
        };
        out.certificates.unwrap().into_iter().map(line).collect()
    }
}

fn of(arns: &[&str]) -> Option<Vec<api::Certificate>> {
    let one = |arn: &&str| api::Certificate {
        certificate_arn: some(arn),
        is_default: None,
    };
    Some(arns.iter().map(one).collect())
}

#[tokio::test]
async fn a_listener_has_a_default_one_and_a_list() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let (a, b) = (place.certificate("a").await, place.certificate("b").await);
    let made = place.secure(&balancer, 443, &a).await.unwrap();
    assert_eq!(
        made.ssl_policy.as_deref(),
        Some("ELBSecurityPolicy-2016-08")
    );
    assert_eq!(
        made.mutual_authentication.unwrap().mode.as_deref(),
        Some("off")
    );
    let listener = made.listener_arn.unwrap();
    let add = api::AddListenerCertificatesInput {
        listener_arn: listener.clone(),
        certificates: of(&[&b, &a]).unwrap(),
    };
    place
        .call(ops::AddListenerCertificates, add.clone())
        .await
        .unwrap();
    place.call(ops::AddListenerCertificates, add).await.unwrap();
    assert_eq!(
        place.listed(&listener).await,
        [
            format!("{a} true"),
            format!("{a} false"),
            format!("{b} false")
        ]
    );
    let both = BTreeSet::from([balancer.clone()]);
    assert_eq!(
        (place.users(&a).await, place.users(&b).await),
        (both.clone(), both.clone())
    );
    let remove = |arn: &str| api::RemoveListenerCertificatesInput {
        listener_arn: listener.clone(),
        certificates: of(&[arn]).unwrap(),
    };
    place
        .call(ops::RemoveListenerCertificates, remove(&a))
        .await
        .unwrap();
    refused_as(
        place
            .call(ops::RemoveListenerCertificates, remove(&a))
            .await,
        "OperationNotPermitted",
    );
    place
        .call(ops::RemoveListenerCertificates, remove(&b))
        .await
        .unwrap();
    assert_eq!(place.listed(&listener).await, [format!("{a} true")]);
    assert_eq!(
        (place.users(&a).await, place.users(&b).await),
        (both, BTreeSet::new())
    );
    let input = api::DeleteLoadBalancerInput {
        load_balancer_arn: balancer,
    };
    place.call(ops::DeleteLoadBalancer, input).await.unwrap();
    assert_eq!(place.users(&a).await, BTreeSet::new());
}

#[tokio::test]
async fn protocols_come_with_certificates_and_go_with_them() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let a = place.certificate("a").await;
    let listener = place.listen(&balancer, 80, answer("200")).await;
    let plain = api::ModifyListenerInput {
        listener_arn: listener.clone(),
        ssl_policy: some("ELBSecurityPolicy-2016-08"),
        ..Default::default()
    };
    refused(
        place.call(ops::ModifyListener, plain).await,
        "ValidationError",
        "An SSL policy cannot be specifed for HTTP listeners",
    );
    let secure = api::ModifyListenerInput {
        listener_arn: listener.clone(),
        protocol: some("HTTPS"),
        certificates: of(&[&a]),
        ..Default::default()
    };
    place
        .call(ops::ModifyListener, secure.clone())
        .await
        .unwrap();
    assert_eq!(place.users(&a).await.len(), 1);
    let plain = api::ModifyListenerInput {
        protocol: some("HTTP"),
        certificates: None,
        ..secure
    };
    let out = place.call(ops::ModifyListener, plain).await.unwrap();
    assert_eq!(out.listeners.unwrap()[0].certificates, None);
    assert_eq!(place.users(&a).await.len(), 0);
}

#[tokio::test]
async fn bad_ones_are_refused() {
    let place = place();
    let balancer = place.make(place.application("web")).await;
    let a = place.certificate("a").await;
    let missing = certificate::arn(&place.cx.scope, "none");
    refused(
        place.secure(&balancer, 443, &missing).await,
        "CertificateNotFound",
        &format!("Certificate '{missing}' not found"),
    );
    refused_as(
        place.secure(&balancer, 443, "none").await,
        "CertificateNotFound",
    );
    let input = |change: fn(&mut api::CreateListenerInput)| {
        let mut input = api::CreateListenerInput {
            load_balancer_arn: balancer.clone(),
            protocol: some("HTTPS"),
            port: Some(443),
            certificates: of(&[&a]),
            default_actions: vec![answer("200")],
            ..Default::default()
        };
        change(&mut input);
        input
    };
    let refuse = async |change: fn(&mut api::CreateListenerInput), code: &str| {
        refused_as(place.call(ops::CreateListener, input(change)).await, code);
    };
    refuse(|i| i.ssl_policy = some("none"), "SSLPolicyNotFound").await;
    refuse(
        |i| i.alpn_policy = Some(vec!["HTTP2Only".into()]),
        "ValidationError",
    )
    .await;
    let mutual = |mode: &str, store: Option<&str>| {
        Some(api::MutualAuthenticationAttributes {
            mode: some(mode),
            trust_store_arn: store.map(str::to_owned),
            ..Default::default()
        })
    };
    let mut verify = input(|_| {});
    let nobody = place
        .cx
        .scope
        .arn("elasticloadbalancing", "truststore/own/0123456789abcdef");
    verify.mutual_authentication = mutual("verify", Some(&nobody));
    refused_as(
        place.call(ops::CreateListener, verify.clone()).await,
        "TrustStoreNotFound",
    );
    verify.mutual_authentication = mutual("verify", Some("arn"));
    refused_as(
        place.call(ops::CreateListener, verify.clone()).await,
        "ValidationError",
    );
    verify.mutual_authentication = mutual("verify", None);
    refused_as(
        place.call(ops::CreateListener, verify.clone()).await,
        "ValidationError",
    );
    verify.mutual_authentication = mutual("sometimes", None);
    refused_as(
        place.call(ops::CreateListener, verify.clone()).await,
        "ValidationError",
    );
    verify.mutual_authentication = mutual("passthrough", Some(&nobody));
    refused_as(
        place.call(ops::CreateListener, verify.clone()).await,
        "ValidationError",
    );
    verify.mutual_authentication = mutual("passthrough", None);
    let made = place.call(ops::CreateListener, verify).await.unwrap();
    let shown = made.listeners.unwrap().remove(0).mutual_authentication;
    assert_eq!(shown.unwrap().mode.as_deref(), Some("passthrough"));
}
