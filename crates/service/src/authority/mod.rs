//! May this caller make this call? Every policy that bears on it is heard: of who calls, of its
//! session, and of the resources that the call is about.
//!
//! What a call is about is read off its input by AWS's service authorization reference
//! ([`neargate_policy::actions`]); what only the resource's service knows is asked of it by its own
//! operations. This knows no service's code.

mod ask;
mod circumstances;
pub mod message;
mod passing;
mod resources;
mod said;
mod tagging;

pub use circumstances::Circumstances;

use crate::ctx::{Ctx, Scope};
use crate::error::AwsError;
use crate::identity::{IdentityPolicies, Kind, session};
use crate::table::{GrantRequest, Service};
use neargate_policy::actions::{Reference, ours, reference};
use neargate_policy::{
    Context, Decision, Denial, Document, Guard, Policies, Reach, Request, Use, evaluate,
};
use neargate_wire::schema::{Operation, Protocol};
use neargate_wire::value::Value;
use passing::{Passed, What};
use resources::Named;
use said::Said;
use std::sync::Arc;

/// A caller and all that its own policies say.
pub struct Authority<'a> {
    cx: &'a Ctx,
    known: Arc<IdentityPolicies>,
    identity: Vec<Arc<Document>>,
    session: Option<Vec<Arc<Document>>>,
    /// What is true whatever the caller does.
    context: Context,
}

/// Why something is denied.
#[derive(Debug, Clone)]
pub struct Denied {
    /// AWS's sentence.
    pub sentence: String,
    /// What `sts:DecodeAuthorizationMessage` reads.
    pub encoded: String,
}

/// Something a caller wants.
struct Wanted<'a> {
    prefix: &'a str,
    /// `ecs:RunTask`.
    action: String,
    named: Named,
    context: &'a Context,
    /// The call; `None`: it is no operation.
    call: Option<(&'static Operation, &'a Value)>,
}

/// May the caller make this call?
///
/// # Errors
/// What AWS answers, in the service's words.
pub async fn authorize(
    cx: &Ctx,
    circumstances: &Circumstances,
    service: &dyn Service,
    operation: &'static Operation,
    input: &Value,
) -> Result<(), AwsError> {
    let schema = service.schema();
    let prefix = ours().prefix(schema.signing_name);
    // An account's root may everything but what a resource's policy denies it.
    let is_root = cx.principal.kind == Kind::Root && !ours().has_policies(prefix);
    if is_root || ours().is_free(prefix, operation.name) {
        return Ok(());
    }
    let authority = Authority::of(cx, circumstances);
    let allowed = authority.call(prefix, operation, input).await;
    allowed.map_err(|denied| refusal(prefix, schema.protocols, &denied))
}

/// A denial as a service answers it.
pub fn refusal(prefix: &str, protocols: &[Protocol], denied: &Denied) -> AwsError {
    let json = [
        Protocol::AwsJson10,
        Protocol::AwsJson11,
        Protocol::RestJson,
        Protocol::RpcV2Cbor,
    ];
    let speaks_json = protocols.first().is_some_and(|p| json.contains(p));
    match prefix {
        "ec2" => {
            let message = format!(
                "You are not authorized to perform this operation. {}. Encoded authorization failure message: {}",
                denied.sentence, denied.encoded
            );
            AwsError::client("UnauthorizedOperation", message).status(403)
        }
        "sns" => AwsError::client("AuthorizationError", &*denied.sentence).status(403),
        _ if speaks_json => AwsError::client("AccessDeniedException", &*denied.sentence),
        _ => AwsError::client("AccessDenied", &*denied.sentence).status(403),
    }
}

impl<'a> Authority<'a> {
    /// The caller's.
    pub fn of(cx: &'a Ctx, circumstances: &Circumstances) -> Authority<'a> {
        let known = cx.house.identities.get().policies(&cx.principal);
        let own = known.own.iter().chain(&known.of_groups).cloned();
        let mut context = Context::new();
        circumstances.describe(cx, &mut context);
        cx.principal.describe(&known.tags, &mut context);
        Authority {
            cx,
            identity: own.collect(),
            session: session::policies(&cx.house, &cx.principal),
            known,
            context,
        }
    }

    /// What policies decide, with what a resource says itself: for services that judge calls by more
    /// than policies. Whom policies do not bound has none of his own here.
    pub fn weigh(
        &self,
        guard: Guard<'_>,
        action: &str,
        resource: &str,
        keys: &[(String, String)],
    ) -> Decision {
        let (cx, mut context) = (self.cx, self.context.clone());
        for (key, value) in keys {
            context.set(key, value);
        }
        let bound = cx.is_bounded();
        let policies = Policies {
            identity: if bound { &self.identity } else { &[] },
            boundary: self.known.boundary.as_deref().filter(|_| bound),
            session: self.session.as_deref().filter(|_| bound),
            guard,
        };
        let account = match cx.principal.kind {
            Kind::Anonymous => "",
            _ => cx.scope.account.as_str(),
        };
        let request = Request {
            requester: cx.principal.requester(account),
            action,
            resource,
            context: &context,
        };
        evaluate(&policies, &request)
    }

    async fn call(
        &self,
        prefix: &str,
        operation: &'static Operation,
        input: &Value,
    ) -> Result<(), Denied> {
        let shape = operation.input.map(|target| target.get());
        let said = shape.map_or_else(Said::default, |shape| Said::of(shape, input));
        let reference = reference(prefix);
        for action in ours().actions(prefix, operation.name) {
            let mut context = self.context.clone();
            if let Some(shape) = shape {
                circumstances::requested_tags(shape, input, &mut context);
                if prefix == "kms" {
                    let call = (shape, input);
                    circumstances::of_kms(action, call, &said, self.cx, &mut context);
                }
            }
            let known = reference.and_then(|r| Some((r, r.action(action)?)));
            let mut named = Vec::new();
            if let Some((reference, known)) = known {
                let cx = self.cx;
                circumstances::own_keys(prefix, known, reference, cx, &said, &mut context);
                named =
                    resources::named(prefix, action, operation.name, reference, &cx.scope, &said);
            }
            if named.is_empty() {
                named.push(self.meant(prefix, action, reference));
            }
            for named in named {
                let named = self.resolved(prefix, named).await;
                let wanted = Wanted {
                    prefix,
                    action: format!("{prefix}:{action}"),
                    named: named.clone(),
                    context: &context,
                    call: Some((operation, input)),
                };
                self.judge(wanted).await?;
                if known.is_some_and(|(_, action)| action.passes) {
                    self.pass_along(prefix, &named).await?;
                }
            }
        }
        if let Some((shape, reference)) = shape.zip(reference) {
            let cx = self.cx;
            let call = (shape, input);
            let tagged = tagging::tagged(prefix, operation.name, reference, &cx.scope, &said, call);
            if !tagged.is_empty() && self.must_be_let_tag(prefix).await {
                for tagged in tagged {
                    self.tag(prefix, operation.name, tagged).await?;
                }
            }
        }
        for passed in passing::passed(prefix, operation.name, &said) {
            self.pass(passed).await?;
        }
        Ok(())
    }

    /// What a call is about that names nothing: IAM means the user who calls.
    fn meant(&self, prefix: &str, action: &str, reference: Option<&'static Reference>) -> Named {
        let on = reference.map(|r| r.on(prefix, action)).unwrap_or_default();
        let is_user = prefix == "iam" && on.iter().any(|on| on.kind == "user" && on.is_required);
        if !is_user || self.cx.principal.kind != Kind::User {
            return Named::nothing();
        }
        Named {
            kind: "user".into(),
            arn: self.cx.principal.arn.clone(),
            also: None,
            resolve: None,
        }
    }

    /// May the caller do this to that? For doors that are no API: registries.
    ///
    /// # Errors
    /// When it may not.
    pub async fn may(&self, action: &str, arn: &str) -> Result<(), Denied> {
        self.may_with(action, arn, &[]).await
    }

    /// The same where further condition keys are known, each with its values.
    ///
    /// # Errors
    /// When it may not.
    pub async fn may_with(
        &self,
        action: &str,
        arn: &str,
        keys: &[(&str, Vec<String>)],
    ) -> Result<(), Denied> {
        let mut context = self.context.clone();
        for (key, values) in keys {
            context.set_all(key, values.clone());
        }
        let (prefix, _) = action.split_once(':').unwrap_or((action, ""));
        let kind = reference(prefix).and_then(|r: &Reference| r.kind_of(arn));
        let wanted = Wanted {
            prefix,
            action: action.to_owned(),
            named: Named {
                kind: kind.map_or_else(String::new, |(kind, _)| kind.to_owned()),
                arn: arn.to_owned(),
                also: None,
                resolve: None,
            },
            context: &context,
            call: None,
        };
        self.judge(wanted).await
    }

    /// The ARN of what is named by something else.
    async fn resolved(&self, prefix: &str, mut named: Named) -> Named {
        if let Some((by, name)) = named.resolve.take() {
            let scope = Scope::of_arn(&named.arn).unwrap_or_else(|| self.cx.scope.clone());
            let told = ask::ask(self.cx, &scope, prefix, by, &name).await;
            if let Some(arn) = ask::texts(told).pop() {
                named.arn = arn;
            }
        }
        named
    }

    async fn judge(&self, wanted: Wanted<'_>) -> Result<(), Denied> {
        let cx = self.cx;
        let account = cx.scope.account.as_str();
        let Wanted {
            prefix,
            action,
            named,
            context,
            call,
        } = wanted;
        let scope = Scope::of_arn(&named.arn).unwrap_or_else(|| cx.scope.clone());
        let owner = named.arn.split(':').nth(4);
        let owner = owner.filter(|o| !o.is_empty() && *o != "aws");
        let by = ours().policy(prefix, &named.kind);
        // An account's root may everything in its account that no resource's policy denies.
        let at_home = owner.is_none_or(|o| o == account);
        if cx.principal.kind == Kind::Root && at_home && by.is_none() {
            return Ok(());
        }
        let (mut document, mut has_policy) = (None, false);
        if let Some(by) = by {
            let name = self.name_of(prefix, &named, by.by_name);
            let texts = ask::texts(ask::ask(cx, &scope, prefix, by, &name).await);
            has_policy = !texts.is_empty();
            // A log group has as many as its account has made; each is one more voice.
            let all = texts
                .iter()
                .flat_map(|text| Document::parse_as(Use::Resource, text));
            document = all.reduce(|mut one, other| {
                one.statements.extend(other.statements);
                one
            });
        }
        let mut context = context.clone();
        let all = self.identity.iter().chain(self.session.iter().flatten());
        let mut all = all
            .map(|d| &**d)
            .chain(self.known.boundary.as_deref())
            .chain(&document);
        if all.any(|d| d.asks_for("resourcetag/")) {
            self.tags(prefix, &named, &scope, &mut context).await;
        }
        if let Some(owner) = owner {
            context.set("aws:ResourceAccount", owner);
        }
        let request = Request {
            requester: cx.principal.requester(account),
            action: &action,
            resource: &named.arn,
            context: &context,
        };
        let mut policies = Policies {
            identity: &self.identity,
            boundary: self.known.boundary.as_deref(),
            session: self.session.as_deref(),
            guard: Guard {
                account: owner,
                document: document.as_ref(),
                // One that is not understood grants nothing.
                is_decisive: has_policy && ours().is_decisive(prefix, &named.kind),
                is_trust: false,
                grant: None,
            },
        };
        let mut decision = decide(&policies, &request, named.also.as_deref());
        if let Decision::Denied(Denial::Implicit(_)) = decision {
            policies.guard.grant = self.grant(prefix, &request, call).await;
            if policies.guard.grant.is_some() {
                decision = decide(&policies, &request, named.also.as_deref());
            }
        }
        let Decision::Denied(denial) = decision else {
            return Ok(());
        };
        Err(Denied {
            sentence: denial.sentence(&cx.principal.arn, &action, &named.arn),
            encoded: message::encode(&cx.house, &cx.principal.user_id, &request, denial),
        })
    }

    /// What else than policies lets the caller do it, by the word of the resource's service.
    async fn grant(
        &self,
        prefix: &str,
        request: &Request<'_>,
        call: Option<(&'static Operation, &Value)>,
    ) -> Option<Reach> {
        let service = ask::service(self.cx, prefix)?;
        let (_, action) = request.action.split_once(':')?;
        let granted = service.grant(
            self.cx,
            GrantRequest {
                requester: request.requester,
                action,
                resource: request.resource,
                source_arn: request.context.one("aws:sourcearn"),
                call,
            },
        );
        // What cannot be read lets nobody.
        granted.await.ok().flatten()
    }

    async fn tags(&self, prefix: &str, named: &Named, scope: &Scope, context: &mut Context) {
        let by = ours().tags(&format!("{prefix}:{}", named.kind));
        let Some(by) = by.or_else(|| ours().tags(prefix)) else {
            return;
        };
        let of = self.name_of(prefix, named, by.by_name);
        for (value, shape) in ask::ask(self.cx, scope, prefix, by, &of).await {
            for (key, value) in ask::tags(&value, shape) {
                context.set(&format!("aws:ResourceTag/{key}"), &*value);
                context.set(&format!("{prefix}:ResourceTag/{key}"), value);
            }
        }
    }

    /// The name in a resource's ARN, or the ARN.
    fn name_of(&self, prefix: &str, named: &Named, by_name: bool) -> String {
        let plain = named.also.as_ref().unwrap_or(&named.arn);
        let template = reference(prefix).and_then(|r| r.template(&named.kind));
        let name = template.and_then(|t| t.name_in(plain));
        match name {
            // IAM asks by the name without its path.
            Some(name) if by_name && prefix == "iam" => {
                name.rsplit('/').next().unwrap_or(name).to_owned()
            }
            // Names of parameters that have levels begin with a slash.
            Some(name) if by_name && prefix == "ssm" && name.contains('/') => format!("/{name}"),
            Some(name) if by_name => name.to_owned(),
            _ => plain.clone(),
        }
    }

    /// The roles of what a call starts: those of a task definition.
    async fn pass_along(&self, prefix: &str, named: &Named) -> Result<(), Denied> {
        for by in ours().passes(prefix, &named.kind) {
            let scope = Scope::of_arn(&named.arn).unwrap_or_else(|| self.cx.scope.clone());
            let roles = ask::texts(ask::ask(self.cx, &scope, prefix, by, &named.arn).await);
            let member = by.path.rsplit('.').next().unwrap_or_default();
            for role in roles.into_iter().filter(|r| passing::is_role(r)) {
                let what = What::Role(role);
                let to = passing::receiver(prefix, member);
                self.pass(Passed { what, to }).await?;
            }
        }
        Ok(())
    }

    /// The ARN of a role of the caller's account; of one that is not there, what it would be.
    async fn role_named(&self, name: &str) -> String {
        let by = ours().arn("iam", "RoleNameWithPath");
        let by = by.expect("ours.toml says how IAM is asked for a role");
        let told = ask::ask(self.cx, &self.cx.scope, "iam", by, name).await;
        let known = ask::texts(told).pop();
        known.unwrap_or_else(|| format!("arn:aws:iam::{}:role/{name}", self.cx.scope.account))
    }

    async fn pass(&self, passed: Passed) -> Result<(), Denied> {
        let roles = match passed.what {
            What::Role(role) => vec![role],
            What::Named(role) => vec![self.role_named(&role).await],
            What::InstanceProfile(profile) => {
                let by = ours().arn("iam", "RolesOfInstanceProfile");
                let by = by.expect("ours.toml says how IAM is asked for a profile's roles");
                let name = profile.rsplit('/').next().unwrap_or(&profile).to_owned();
                ask::texts(ask::ask(self.cx, &self.cx.scope, "iam", by, &name).await)
            }
        };
        for role in roles.into_iter().filter(|role| passing::is_role(role)) {
            let mut context = self.context.clone();
            context.set("iam:PassedToService", &*passed.to);
            let wanted = Wanted {
                prefix: "iam",
                action: "iam:PassRole".into(),
                named: Named {
                    kind: "role".into(),
                    arn: role,
                    also: None,
                    resolve: None,
                },
                context: &context,
                call: None,
            };
            self.judge(wanted).await?;
        }
        Ok(())
    }
}

/// Decides; where a resource is written in two ways, a policy may mean it by either.
fn decide(policies: &Policies, request: &Request, also: Option<&str>) -> Decision {
    let first = evaluate(policies, request);
    let Some(also) = also else {
        return first;
    };
    let other = Request {
        resource: also,
        ..*request
    };
    match (first, evaluate(policies, &other)) {
        (Decision::Denied(Denial::Explicit(_)), _) => first,
        (_, explicit @ Decision::Denied(Denial::Explicit(_))) => explicit,
        (Decision::Allowed, _) | (_, Decision::Allowed) => Decision::Allowed,
        (first, _) => first,
    }
}

impl Named {
    fn nothing() -> Named {
        Named {
            kind: String::new(),
            arn: "*".into(),
            also: None,
            resolve: None,
        }
    }
}

impl std::fmt::Debug for Authority<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let arn = &self.cx.principal.arn;
        f.debug_tuple("Authority").field(arn).finish()
    }
}

#[cfg(test)]
mod tests;
