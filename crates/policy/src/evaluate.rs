//! What all policies of a request decide together
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>).
//! There are no organisations here, and so no policies of theirs.

use crate::document::{Document, Verdict};
use crate::principal::Reach;
use crate::request::{Request, RequesterKind};
use std::fmt;
use std::sync::Arc;

/// The policies that bear on a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'a> {
    /// Of who asks and of the groups it is in; of a session, those of its role.
    pub identity: &'a [Arc<Document>],
    /// The most that the user or role may do.
    pub boundary: Option<&'a Document>,
    /// The most that the session may do: all of them together grant. `None`: no bound.
    pub session: Option<&'a [Arc<Document>]>,
    /// What the resource says.
    pub guard: Guard<'a>,
}

/// What a resource has to say about who comes to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guard<'a> {
    /// Its account; `None`: that of who asks.
    pub account: Option<&'a str>,
    /// Its policy.
    pub document: Option<&'a Document>,
    /// Nobody may without its policy's word, which may leave it to the account: KMS keys, and
    /// roles with their trust policy.
    pub is_decisive: bool,
    /// Whether the policy is a role's trust policy, which matters for the words alone.
    pub is_trust: bool,
    /// How near something that is no policy comes to letting who asks: a grant of KMS. It lets whom
    /// it names from whatever account, without a word of that account's own policies.
    pub grant: Option<Reach>,
}

/// Kinds of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Identity,
    Resource,
    Boundary,
    Session,
    Trust,
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// A policy of this kind says so.
    Explicit(Kind),
    /// No policy of this kind allows it.
    Implicit(Kind),
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    Denied(Denial),
}

impl Decision {
    /// Is it allowed?
    pub fn is_allowed(self) -> bool {
        self == Decision::Allowed
    }
}

/// Decides on a request.
pub fn evaluate(policies: &Policies, request: &Request) -> Decision {
    match judge(policies, request) {
        Ok(()) => Decision::Allowed,
        Err(denial) => Decision::Denied(denial),
    }
}

fn judge(policies: &Policies, request: &Request) -> Result<(), Denial> {
    let action = request.action.to_lowercase();
    let who = &request.requester;
    let guard = &policies.guard;
    let of_resource = match guard.is_trust {
        true => Kind::Trust,
        false => Kind::Resource,
    };

    // Every policy is heard, for any may deny.
    let identity = hear(policies.identity.iter().map(|d| &**d), request, &action);
    let resource = hear(guard.document, request, &action);
    let boundary = hear(policies.boundary, request, &action);
    let session = policies
        .session
        .map(|all| hear(all.iter().map(|d| &**d), request, &action));
    for (verdict, kind) in [
        (identity, Kind::Identity),
        (resource, of_resource),
        (boundary, Kind::Boundary),
        (session.unwrap_or(Verdict::Silent), Kind::Session),
    ] {
        if verdict == Verdict::Denied {
            return Err(Denial::Explicit(kind));
        }
    }

    let by_policy = match resource {
        Verdict::Allowed(reach) => reach,
        Verdict::Denied | Verdict::Silent => Reach::No,
    };
    let by_grant = guard.grant.unwrap_or(Reach::No);
    let granted = by_policy.max(by_grant);
    let implicit = |kind| Err(Denial::Implicit(kind));
    match who.kind {
        // They have no policies of their own.
        RequesterKind::Service | RequesterKind::Federated | RequesterKind::Anonymous => {
            return match granted {
                Reach::No => implicit(of_resource),
                _ => Ok(()),
            };
        }
        RequesterKind::Root
        | RequesterKind::User
        | RequesterKind::AssumedRole
        | RequesterKind::FederatedUser => {}
    }
    let at_home = guard.account.is_none_or(|account| account == who.account);
    let is_root = who.kind == RequesterKind::Root;
    let by_identity = is_root || identity != Verdict::Silent;

    // In its own account who is named needs nothing else; a session of a role that is named stays
    // within its bounds.
    if (at_home && granted == Reach::Direct) || by_grant == Reach::Direct {
        return Ok(());
    }
    if !(by_identity || (at_home && granted == Reach::Role) || by_grant == Reach::Role) {
        return match guard.is_decisive && granted == Reach::No {
            true => implicit(of_resource),
            false => implicit(Kind::Identity),
        };
    }
    if (!at_home || guard.is_decisive) && granted == Reach::No {
        return implicit(of_resource);
    }
    if policies.boundary.is_some() && boundary == Verdict::Silent {
        return implicit(Kind::Boundary);
    }
    if session == Some(Verdict::Silent) {
        return implicit(Kind::Session);
    }
    Ok(())
}

/// What documents say together.
fn hear<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    request: &Request,
    action: &str,
) -> Verdict {
    let mut heard = Verdict::Silent;
    for document in documents {
        match (document.verdict(request, action), heard) {
            (Verdict::Denied, _) => return Verdict::Denied,
            (Verdict::Allowed(one), Verdict::Allowed(before)) if before >= one => {}
            (allowed @ Verdict::Allowed(_), _) => heard = allowed,
            (Verdict::Silent, _) => {}
        }
    }
    heard
}

/// The end of AWS's sentence
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>), without
/// the action that follows `allows the`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Kind::Identity => "identity-based policy",
            Kind::Resource => "resource-based policy",
            Kind::Boundary => "permissions boundary",
            Kind::Session => "session policy",
            Kind::Trust => "role trust policy",
        })
    }
}

impl Denial {
    /// AWS's sentence.
    pub fn sentence(self, who: &str, action: &str, resource: &str) -> String {
        let why = match self {
            Denial::Implicit(kind) => format!("because no {kind} allows the {action} action"),
            Denial::Explicit(Kind::Identity) => {
                "with an explicit deny in an identity-based policy".into()
            }
            Denial::Explicit(Kind::Trust) => {
                "with an explicit deny in the role trust policy".into()
            }
            Denial::Explicit(kind) => format!("with an explicit deny in a {kind}"),
        };
        format!("User: {who} is not authorized to perform: {action} on resource: {resource} {why}")
    }
}

#[cfg(test)]
mod tests;
