//! Who signed a request.

use neargate_base::{AccountId, Arn, Timestamp};
use neargate_policy::{Context, Requester, RequesterKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a principal is
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The root user of an account.
    Root,
    User,
    AssumedRole,
    FederatedUser,
    /// A service of this Neargate that calls another under a role.
    Service,
    /// Whoever calls without a signature.
    Anonymous,
}

/// Who signed the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub kind: Kind,
    /// What `GetCallerIdentity` tells: `…:iam::…:root`, `…:iam::…:user/path/name`,
    /// `…:sts::…:assumed-role/name/session`, `…:sts::…:federated-user/name`; of a service, its role, or its own
    /// name (`sns.amazonaws.com`).
    pub arn: String,
    /// `AIDA…`, `AROA…:session`, the account's id for its root, `account:name` of a federated user.
    pub user_id: String,
    pub access_key: String,
    /// What a temporary key carries; none for long-term keys.
    pub session: Option<Arc<Session>>,
}

/// What is true of a principal only while its temporary key is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose policies hold: the ARN of the assumed role, or of the user (or root) who asked for the
    /// session.
    pub issuer: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// The inline session policy, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies that are session policies too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    /// Session tags; they win over the identity's own tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The keys of those that sessions assumed from this one have as well.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub transitive: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// The identity provider that vouched for whoever assumed the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated_provider: Option<String>,
    /// When whoever asked for the session showed a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor_at: Option<Timestamp>,
}

impl Session {
    /// A session without policies and tags of its own.
    pub fn of(issuer: impl Into<String>, issued_at: Timestamp, expires_at: Timestamp) -> Session {
        Session {
            issuer: issuer.into(),
            issued_at,
            expires_at,
            policy: None,
            policy_arns: Vec::new(),
            tags: BTreeMap::new(),
            transitive: BTreeSet::new(),
            source_identity: None,
            federated_provider: None,
            second_factor_at: None,
        }
    }
}

impl Principal {
    /// The root user of an account.
    pub fn root(account: &AccountId, access_key: impl Into<String>) -> Principal {
        Principal {
            kind: Kind::Root,
            arn: format!("arn:aws:iam::{account}:root"),
            user_id: account.to_string(),
            access_key: access_key.into(),
            session: None,
        }
    }

    /// A user by a long-term key.
    pub fn user(
        arn: impl Into<String>,
        unique_id: impl Into<String>,
        access_key: impl Into<String>,
    ) -> Principal {
        Principal {
            kind: Kind::User,
            arn: arn.into(),
            user_id: unique_id.into(),
            access_key: access_key.into(),
            session: None,
        }
    }

    /// A service of this Neargate under `role`.
    pub fn service(role: impl Into<String>) -> Principal {
        Principal {
            kind: Kind::Service,
            arn: role.into(),
            user_id: "AROANEARGATEINTERNAL".into(),
            access_key: String::new(),
            session: None,
        }
    }

    /// Nobody that is known. It has no ARN.
    pub fn anonymous() -> Principal {
        Principal {
            kind: Kind::Anonymous,
            arn: String::new(),
            user_id: "ANONYMOUS_PRINCIPAL".into(),
            access_key: String::new(),
            session: None,
        }
    }

    /// Does a service call, and not a user? Such a caller may set the tags that only AWS itself sets.
    pub fn is_service(&self) -> bool {
        self.kind == Kind::Service
    }

    /// Does a user or a root call by a temporary key, by `GetSessionToken` or `GetFederationToken`,
    /// without having shown a second factor?
    pub fn is_users_session(&self) -> bool {
        let of_user = matches!(self.kind, Kind::Root | Kind::User | Kind::FederatedUser);
        let session = self.session.as_deref();
        of_user && session.is_some_and(|session| session.second_factor_at.is_none())
    }

    /// The ARN of the identity whose policies hold: the role behind a session, the user.
    pub fn identity(&self) -> &str {
        match &self.session {
            Some(session) => &session.issuer,
            None => &self.arn,
        }
    }

    /// Who asks, as policies see it. `account` is the principal's.
    pub fn requester<'a>(&'a self, account: &'a str) -> Requester<'a> {
        let role = self.session.as_deref().map(|session| &*session.issuer);
        Requester {
            kind: match self.kind {
                Kind::Root => RequesterKind::Root,
                Kind::User => RequesterKind::User,
                // In its own name, `sns.amazonaws.com`, and not under a role.
                Kind::Service if self.arn.ends_with(".amazonaws.com") => RequesterKind::Service,
                Kind::AssumedRole | Kind::Service => RequesterKind::AssumedRole,
                Kind::FederatedUser => RequesterKind::FederatedUser,
                Kind::Anonymous => RequesterKind::Anonymous,
            },
            arn: &self.arn,
            account,
            role: role.filter(|_| self.kind == Kind::AssumedRole),
        }
    }

    /// The condition keys that tell of a principal, beside those that tell the time; `tags` are those of the identity behind it
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>).
    pub fn describe(&self, tags: &BTreeMap<String, String>, context: &mut Context) {
        if self.kind != Kind::Anonymous {
            context.set("aws:PrincipalArn", self.principal_arn());
        }
        if let Some(account) = self.account() {
            context.set("aws:PrincipalAccount", account.as_str());
        }
        context.set("aws:userid", &*self.user_id);
        context.set(
            "aws:PrincipalType",
            match self.kind {
                Kind::Root => "Account",
                Kind::User => "User",
                Kind::AssumedRole | Kind::Service => "AssumedRole",
                Kind::FederatedUser => "FederatedUser",
                Kind::Anonymous => "Anonymous",
            },
        );
        if self.kind == Kind::User {
            let name = self.arn.rsplit('/').next().unwrap_or_default();
            context.set("aws:username", name);
        }
        for (key, value) in tags {
            context.set(&format!("aws:PrincipalTag/{key}"), value);
        }
        let Some(session) = &self.session else {
            return;
        };
        for (key, value) in &session.tags {
            context.set(&format!("aws:PrincipalTag/{key}"), value);
        }
        context.set("aws:TokenIssueTime", session.issued_at.rfc3339());
        let factor = session.second_factor_at;
        context.set("aws:MultiFactorAuthPresent", factor.is_some().to_string());
        let now = context
            .one("aws:epochtime")
            .and_then(|t| t.parse::<i64>().ok());
        if let Some((at, now)) = factor.zip(now) {
            let age = now - at.as_millis() / 1_000;
            context.set("aws:MultiFactorAuthAge", age.max(0).to_string());
        }
        if let Some(identity) = &session.source_identity {
            context.set("aws:SourceIdentity", identity);
        }
        if let Some(provider) = &session.federated_provider {
            context.set("aws:FederatedProvider", provider);
        }
    }

    /// A session of a role counts as the role.
    fn principal_arn(&self) -> &str {
        match self.kind {
            Kind::AssumedRole => self.identity(),
            _ => &self.arn,
        }
    }

    /// The account that the principal is of.
    pub fn account(&self) -> Option<AccountId> {
        let arn: Arn = self.arn.parse().ok()?;
        arn.account.parse().ok()
    }
}

/// The ARN of a session of a role: the role's name without its path, and the session's.
pub fn assumed_role_arn(role: &Arn, session_name: &str) -> String {
    let name = role.resource.rsplit('/').next().unwrap_or_default();
    let Arn {
        partition, account, ..
    } = role;
    format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_a_role_has_no_path() {
        let role: Arn = "arn:aws:iam::123456789012:role/a/b/deploy"
            .parse()
            .expect("an ARN");
        let arn = assumed_role_arn(&role, "ann");
        assert_eq!(arn, "arn:aws:sts::123456789012:assumed-role/deploy/ann");
    }
}
