//! May somebody assume a role? Its trust policy is heard with the policies of whoever asks
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>).

use crate::error;
use neargate_api_sts as api;
use neargate_base::Arn;
use neargate_policy::{Context, Guard, Policies, Request, Requester, RequesterKind, evaluate};
use neargate_service::identity::{Kind, Role, Session, session};
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;

/// What is asked for, as trust policies judge it.
pub(crate) struct Trusted<'a> {
    pub(crate) session_name: &'a str,
    pub(crate) external_id: Option<&'a str>,
    /// The session that would begin.
    pub(crate) session: &'a Session,
    /// Its tags but those that it has of the calling session.
    pub(crate) new_tags: &'a [api::Tag],
}

impl Trusted<'_> {
    /// The actions that all must be allowed.
    fn actions(&self, assume: &'static str) -> Vec<&'static str> {
        let mut actions = vec![assume];
        if !self.session.tags.is_empty() {
            actions.push("sts:TagSession");
        }
        if self.session.source_identity.is_some() {
            actions.push("sts:SetSourceIdentity");
        }
        actions
    }

    fn describe(&self, context: &mut Context) {
        context.set("sts:RoleSessionName", self.session_name);
        if self.session.second_factor_at.is_some() {
            context.set("aws:MultiFactorAuthPresent", "true");
            context.set("aws:MultiFactorAuthAge", "0");
        }
        if let Some(id) = self.external_id {
            context.set("sts:ExternalId", id);
        }
        if let Some(identity) = &self.session.source_identity {
            context.set("sts:SourceIdentity", identity);
        }
        for tag in self.new_tags {
            context.set(&format!("aws:RequestTag/{}", tag.key), &*tag.value);
        }
        if !self.new_tags.is_empty() {
            let keys = self.new_tags.iter().map(|tag| tag.key.clone());
            context.set_all("aws:TagKeys", keys);
        }
        if !self.session.transitive.is_empty() {
            let keys = self.session.transitive.iter().cloned();
            context.set_all("sts:TransitiveTagKeys", keys);
        }
    }
}

/// `AssumeRole` by whoever calls. Where nothing is enforced, callers without proof, who are
/// accounts' roots, are free of policies.
pub(crate) fn assume(cx: &Ctx, role: &Role, asked: &Trusted) -> Result<(), AwsError> {
    let caller = &cx.principal;
    if caller.kind == Kind::Root || caller.is_service() {
        return Ok(());
    }
    let account = cx.scope.account.as_str();
    let known = cx.house.identities.get().policies(caller);
    let identity: Vec<_> = known.own.iter().chain(&known.of_groups).cloned().collect();
    let session = session::policies(&cx.house, caller);
    let mut context = Context::new();
    circumstances(cx, &mut context);
    caller.describe(&known.tags, &mut context);
    of_role(role, &mut context);
    asked.describe(&mut context);
    let owner = owner(role);
    let policies = Policies {
        identity: &identity,
        boundary: known.boundary.as_deref(),
        session: session.as_deref(),
        guard: guard(role, &owner),
    };
    for action in asked.actions("sts:AssumeRole") {
        let request = Request {
            requester: caller.requester(account),
            action,
            resource: &role.arn,
            context: &context,
        };
        if !evaluate(&policies, &request).is_allowed() {
            return Err(error::not_authorized(&caller.arn, action, &role.arn));
        }
    }
    Ok(())
}

/// `AssumeRoleWithWebIdentity` by somebody for whom `provider` vouches with these claims, named as
/// condition keys.
pub(crate) fn assume_with_web_identity(
    cx: &Ctx,
    role: &Role,
    provider: &str,
    claims: &BTreeMap<String, Vec<String>>,
    asked: &Trusted,
) -> Result<(), AwsError> {
    let mut context = Context::new();
    circumstances(cx, &mut context);
    context.set("aws:FederatedProvider", provider);
    for (key, values) in claims {
        match &values[..] {
            [one] => context.set(key, one),
            many => context.set_all(key, many.iter().cloned()),
        }
    }
    of_role(role, &mut context);
    asked.describe(&mut context);
    let owner = owner(role);
    let policies = Policies {
        guard: guard(role, &owner),
        ..Policies::default()
    };
    for action in asked.actions("sts:AssumeRoleWithWebIdentity") {
        let request = Request {
            requester: Requester {
                kind: RequesterKind::Federated,
                arn: provider,
                account: "",
                role: None,
            },
            action,
            resource: &role.arn,
            context: &context,
        };
        if !evaluate(&policies, &request).is_allowed() {
            return Err(error::not_authorized_to_assume_with(action));
        }
    }
    Ok(())
}

fn guard<'a>(role: &'a Role, owner: &'a str) -> Guard<'a> {
    Guard {
        account: Some(owner),
        document: Some(&role.trust),
        is_decisive: true,
        is_trust: true,
        grant: None,
    }
}

fn owner(role: &Role) -> String {
    let arn: Result<Arn, _> = role.arn.parse();
    arn.map(|arn| arn.account).unwrap_or_default()
}

fn circumstances(cx: &Ctx, context: &mut Context) {
    let now = cx.now();
    context.set("aws:CurrentTime", now.rfc3339());
    context.set("aws:EpochTime", (now.as_millis() / 1_000).to_string());
    context.set("aws:RequestedRegion", cx.scope.region.as_str());
}

fn of_role(role: &Role, context: &mut Context) {
    for (key, value) in &role.tags {
        context.set(&format!("aws:ResourceTag/{key}"), value);
        context.set(&format!("iam:ResourceTag/{key}"), value);
    }
}
