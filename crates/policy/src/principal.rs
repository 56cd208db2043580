//! Whom a statement names, and how near it comes to who asks.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use crate::request::{Requester, RequesterKind};

/// A principal as a policy names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// `*`.
    Everyone,
    /// An account, by its number or by the ARN of its root.
    Account(Box<str>),
    /// A user, role or session, by its ARN; or one that is gone, by its id.
    Principal(Box<str>),
    /// A service.
    Service(Box<str>),
    /// An identity provider.
    Federated(Box<str>),
    /// A canonical user of S3: the number of its account is not known here.
    Canonical(Box<str>),
}

/// How near a statement comes to who asks. What is further down names it more exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It is about somebody else.
    No,
    /// It leaves it to the account, whose own policies say who may.
    Account,
    /// It names the role of the session that asks, or everyone.
    Role,
    /// It names who asks.
    Direct,
}

impl Named {
    /// The principal that `AWS` names.
    pub fn aws(text: &str) -> Option<Named> {
        if text == "*" {
            return Some(Named::Everyone);
        }
        if is_account(text) {
            return Some(Named::Account(text.into()));
        }
        if let Some(rest) = text.strip_prefix("arn:") {
            let mut parts = rest.splitn(5, ':');
            let (_, service, region) = (parts.next()?, parts.next()?, parts.next()?);
            let (account, resource) = (parts.next()?, parts.next()?);
            let known = matches!(service, "iam" | "sts") && region.is_empty();
            if !known || resource.is_empty() || text.contains(['*', '?']) || !is_account(account) {
                return None;
            }
            return Some(match (service, resource) {
                ("iam", "root") => Named::Account(account.into()),
                _ => Named::Principal(text.into()),
            });
        }
        // What was deleted is kept by its id: `AIDA…` for a user, `AROA…` for a role.
        let is_id = (16..=128).contains(&text.len())
            && ["AIDA", "AROA"].iter().any(|p| text.starts_with(p))
            && text.bytes().all(|b| b.is_ascii_alphanumeric());
        is_id.then(|| Named::Principal(text.into()))
    }

    /// How near it comes to who asks.
    pub fn reach(&self, who: &Requester) -> Reach {
        match (self, who.kind) {
            (Named::Everyone, RequesterKind::User) => Reach::Direct,
            (Named::Everyone, _) if who.role.is_none() => Reach::Direct,
            (Named::Everyone, _) => Reach::Role,
            (Named::Service(name), RequesterKind::Service)
            | (Named::Federated(name), RequesterKind::Federated) => {
                direct(who.arn.eq_ignore_ascii_case(name))
            }
            (_, RequesterKind::Service | RequesterKind::Federated | RequesterKind::Anonymous) => {
                Reach::No
            }
            (Named::Account(account), kind) if **account == *who.account => match kind {
                RequesterKind::Root => Reach::Direct,
                _ => Reach::Account,
            },
            (Named::Principal(arn), _) if **arn == *who.arn => Reach::Direct,
            (Named::Principal(arn), _) if who.role == Some(arn) => Reach::Role,
            _ => Reach::No,
        }
    }
}

/// Are all of who asks, its role and its account among these? So `NotPrincipal` spares it: a
/// statement that names a user but not the user's account is about the user too.
pub fn spares(named: &[Named], who: &Requester) -> bool {
    if named.contains(&Named::Everyone) {
        return true;
    }
    let has = |reach: Reach| named.iter().any(|n| n.reach(who) == reach);
    let account = who.account.is_empty() || who.kind == RequesterKind::Root || has(Reach::Account);
    let role = who.role.is_none() || has(Reach::Role);
    has(Reach::Direct) && account && role
}

fn direct(is: bool) -> Reach {
    match is {
        true => Reach::Direct,
        false => Reach::No,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}
