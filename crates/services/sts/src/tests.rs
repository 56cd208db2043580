//! STS's operations, called through the table as the gateway calls them.

mod roles;
mod users;
mod web_identity;

use crate::Sts;
use neargate_api_sts::{self as api, ops};
use neargate_base::{AccountId, Rng, Timestamp, access_key};
use neargate_policy::{Document, Use};
use neargate_service::identity::{
    AccessKey, Identities, IdentityPolicies, NoFactor, OidcProvider, Principal, Role, session,
};
use neargate_service::{AwsError, Component, Ctx, Service};
use neargate_testkit::{Lab, call};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ACCOUNT: &str = "000000000000";

/// What IAM would know.
#[derive(Debug, Default)]
struct Known {
    roles: BTreeMap<String, Role>,
    policies: BTreeMap<String, Arc<IdentityPolicies>>,
    providers: BTreeMap<String, OidcProvider>,
}

impl Identities for Known {
    fn key(&self, _: &str) -> Option<AccessKey> {
        None
    }

    fn role(&self, arn: &str) -> Option<Role> {
        self.roles.get(arn).cloned()
    }

    fn policies(&self, principal: &Principal) -> Arc<IdentityPolicies> {
        let found = self.policies.get(principal.identity());
        found.cloned().unwrap_or_default()
    }

    fn managed_policy(&self, _: &AccountId, arn: &str) -> Option<Arc<Document>> {
        let read = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;
        (arn == "arn:aws:iam::aws:policy/ReadOnlyAccess").then(|| parsed(read))
    }

    fn oidc_provider(&self, _: &AccountId, issuer: &str) -> Option<OidcProvider> {
        self.providers.get(issuer).cloned()
    }

    /// Everybody has a device, which always shows 123456.
    fn second_factor(
        &self,
        user: &Principal,
        serial: &str,
        code: &str,
        _: Timestamp,
    ) -> Result<(), NoFactor> {
        let name = user.arn.rsplit('/').next().unwrap_or_default();
        match (serial.ends_with(&format!(":mfa/{name}")), code) {
            (true, "123456") => Ok(()),
            (true, _) => Err(NoFactor::Code),
            (false, _) => Err(NoFactor::Device),
        }
    }

    fn used(&self, _: &str, _: &str, _: &str, _: Timestamp) {}
}

impl Known {
    /// A role of this name and account that is trusted so.
    fn role(mut self, account: &str, name: &str, trust: &str) -> Known {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        let role = Role {
            arn: arn.clone(),
            name: name.into(),
            path: "/".into(),
            unique_id: format!("AROA{}", name.to_uppercase()),
            trust: Arc::new(Document::parse_as(Use::Trust, trust).expect("a trust policy")),
            max_session: Duration::from_secs(2 * 3_600),
            boundary: None,
            tags: BTreeMap::new(),
        };
        self.roles.insert(arn, role);
        self
    }

    /// The user or role with this ARN may do this.
    fn may(mut self, identity: &str, policy: &str) -> Known {
        let policies = IdentityPolicies {
            own: vec![parsed(policy)],
            ..IdentityPolicies::default()
        };
        self.policies.insert(identity.into(), Arc::new(policies));
        self
    }
}

fn parsed(policy: &str) -> Arc<Document> {
    Arc::new(Document::parse(policy).expect("a policy"))
}

/// Trusts these principals, with the actions that sessions need.
fn trusting(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Condition":{condition}}}]}}"#
    )
}

/// A house that knows these.
fn lab(known: Known) -> (Lab, Arc<dyn Service>) {
    let lab = Lab::default();
    lab.house.identities.take(Arc::new(known));
    (lab, Arc::new(Sts::default()).table())
}

/// A call by a user of the default account.
fn by_user(lab: &Lab, name: &str) -> Ctx {
    Ctx {
        principal: Principal::user(
            format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
            "AIDAEXAMPLE",
            "AKIAEXAMPLE",
        ),
        ..lab.cx()
    }
}

/// A call with the keys that were answered.
fn by_keys(lab: &Lab, keys: &api::Credentials) -> Ctx {
    let text = |field: &Option<String>| field.clone().expect("a field of keys");
    let opened = session::open(
        &lab.house,
        &text(&keys.access_key_id),
        &text(&keys.session_token),
    );
    let (principal, secret) = opened.expect("keys that are good");
    assert_eq!(*secret.expose(), text(&keys.secret_access_key));
    let mut scope = lab.scope.clone();
    scope.account = principal.account().expect("an account");
    Ctx {
        principal,
        scope,
        ..lab.cx()
    }
}

fn code(error: &AwsError) -> (u16, &str) {
    (error.status, &error.code)
}

async fn account(lab: &Lab, id: &str) -> Result<String, AwsError> {
    let input = api::GetAccessKeyInfoInput {
        access_key_id: id.into(),
    };
    let table = Arc::new(Sts::default()).table();
    let found = call(&*table, lab.cx(), ops::GetAccessKeyInfo, input).await?;
    Ok(found.account.expect("an account"))
}

#[tokio::test]
async fn a_key_tells_its_account() {
    let lab = Lab::default();
    let id = access_key::issue(&lab.scope.account, &Rng::seeded(1));
    assert_eq!(account(&lab, &id).await.unwrap(), "000000000000");
    let documented = account(&lab, "AKIAIOSFODNN7EXAMPLE").await;
    assert_eq!(documented.unwrap(), "581039954779");
    for bad in [
        "AKIA0123456789ABCDEF",
        "AROAIOSFODNN7EXAMPLE",
        "short",
        "with a space in it",
    ] {
        let refused = account(&lab, bad).await.expect_err("refused");
        assert_eq!(
            (refused.status, &*refused.code),
            (400, "ValidationError"),
            "{bad}"
        );
    }
}
