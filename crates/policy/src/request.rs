//! What policies are asked about: who wants to do what to which resource, and in what circumstances.

use std::collections::BTreeMap;

/// What kind of principal asks
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequesterKind {
    /// The root user of an account.
    Root,
    /// An IAM user.
    User,
    /// A session of a role.
    AssumedRole,
    /// A session of `GetFederationToken`.
    FederatedUser,
    /// An AWS service in its own name, `ecs-tasks.amazonaws.com`.
    Service,
    /// Somebody whom an identity provider vouches for, `cognito-identity.amazonaws.com` or the
    /// provider's ARN.
    Federated,
    /// Nobody: the request bears no signature.
    Anonymous,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requester<'a> {
    /// What it is.
    pub kind: RequesterKind,
    /// Its ARN (of a session: the session's, `arn:aws:sts::…:assumed-role/ROLE/SESSION`), the name of
    /// a service, or the provider that vouches.
    pub arn: &'a str,
    /// The account it belongs to; empty where it belongs to none.
    pub account: &'a str,
    /// The ARN of the role of a role's session.
    pub role: Option<&'a str>,
}

/// A request that policies decide on.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub requester: Requester<'a>,
    /// `ecs:RunTask`.
    pub action: &'a str,
    /// The ARN of what the action is about; `*` where it is about nothing in particular.
    pub resource: &'a str,
    /// The circumstances.
    pub context: &'a Context,
}

/// The values of condition keys. Keys know no case; each has one value or several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// No key has a value.
    pub fn new() -> Context {
        Context::default()
    }

    /// Gives a key its one value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_lowercase(), vec![value.into()]);
    }

    /// Gives a key these values. No value at all is a key that is there and empty.
    pub fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        let values = values.into_iter().collect();
        self.0.insert(key.to_lowercase(), values);
    }

    /// Takes a key away.
    pub fn unset(&mut self, key: &str) {
        self.0.remove(&key.to_lowercase());
    }

    /// The values of a key that is written in lower case.
    pub fn get(&self, lower_key: &str) -> Option<&[String]> {
        self.0.get(lower_key).map(Vec::as_slice)
    }

    /// The value of a key that has exactly one.
    pub fn one(&self, lower_key: &str) -> Option<&str> {
        match self.get(lower_key) {
            Some([one]) => Some(one),
            _ => None,
        }
    }

    /// Every key with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_slice()))
    }
}
