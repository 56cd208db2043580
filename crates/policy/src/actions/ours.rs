//! What the reference leaves open: `models/authorization/ours.toml`.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What the reference leaves open.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ours {
    free: Vec<String>,
    judged: Vec<String>,
    prefixes: BTreeMap<String, String>,
    actions: BTreeMap<String, Vec<String>>,
    on: BTreeMap<String, Vec<String>>,
    members: BTreeMap<String, Vec<String>>,
    defaults: BTreeMap<String, String>,
    arns: BTreeMap<String, Ask>,
    policies: BTreeMap<String, Ask>,
    decisive: Decisive,
    tags: BTreeMap<String, Ask>,
    passes: BTreeMap<String, Vec<Ask>>,
    tagging: BTreeMap<String, String>,
    tagged: BTreeMap<String, String>,
    linked: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Decisive {
    types: Vec<String>,
}

/// An operation that tells something.
#[derive(Debug, Deserialize)]
#[serde(from = "(String, String, String)")]
pub struct Ask {
    pub operation: String,
    /// The member of its input that says of what.
    pub member: String,
    /// By name, not by ARN.
    pub by_name: bool,
    /// Members of its output, one within the other, with dots between.
    pub path: String,
}

impl From<(String, String, String)> for Ask {
    fn from((operation, member, path): (String, String, String)) -> Ask {
        let name = member.strip_prefix('=').map(str::to_owned);
        Ask {
            operation,
            by_name: name.is_some(),
            member: name.unwrap_or(member),
            path,
        }
    }
}

/// What the reference leaves open.
pub fn ours() -> &'static Ours {
    static READ: OnceLock<Ours> = OnceLock::new();
    let text = include_str!("../../../../models/authorization/ours.toml");
    READ.get_or_init(|| toml::from_str(text).expect("models are well-formed"))
}

impl Ours {
    /// The prefix of the actions of a service that signs by this name.
    pub fn prefix<'a>(&'a self, signing_name: &'a str) -> &'a str {
        self.prefixes.get(signing_name).map_or(signing_name, |p| p)
    }

    /// Is the operation for everybody, or judged by its service?
    pub fn is_free(&self, prefix: &str, operation: &str) -> bool {
        let judged = self.judged.iter().any(|p| p == prefix);
        judged || self.free.contains(&key(prefix, operation))
    }

    /// The names of an operation's actions.
    pub fn actions<'a>(&'a self, prefix: &str, operation: &'a str) -> Vec<&'a str> {
        match self.actions.get(&key(prefix, operation)) {
            Some(actions) => actions.iter().map(String::as_str).collect(),
            None => vec![operation],
        }
    }

    /// Operations whose actions have other names.
    pub fn renamed(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.actions.iter().map(|(o, a)| (o.as_str(), a.as_slice()))
    }

    /// The type of what an operation makes with tags.
    pub fn tagged(&self, prefix: &str, operation: &str) -> Option<&str> {
        self.tagged.get(&key(prefix, operation)).map(String::as_str)
    }

    /// The action that tags, of a prefix whose reference does not say who needs it.
    pub(super) fn tagging(&self, prefix: &str) -> Option<&str> {
        self.tagging.get(prefix).map(String::as_str)
    }

    /// Operations that make what is not called like them.
    #[cfg(test)]
    pub(super) fn with_tags(&self) -> impl Iterator<Item = &str> {
        self.tagged.keys().map(String::as_str)
    }

    /// The service whose service-linked role an operation makes where it is not there yet.
    pub fn linked(&self, prefix: &str, operation: &str) -> Option<&str> {
        self.linked.get(&key(prefix, operation)).map(String::as_str)
    }

    pub(super) fn on(&self, prefix: &str, action: &str) -> Option<&[String]> {
        self.on.get(&key(prefix, action)).map(Vec::as_slice)
    }

    /// Members that name what a slot stands for, besides those that are called like it.
    pub fn members(&self, prefix: &str, slot: &str) -> &[String] {
        self.members.get(&key(prefix, slot)).map_or(&[], |m| m)
    }

    /// What a slot stands for where nothing is said.
    pub fn default(&self, prefix: &str, slot: &str) -> Option<&str> {
        self.defaults.get(&key(prefix, slot)).map(String::as_str)
    }

    /// Who tells the ARN of what a slot's value names.
    pub fn arn(&self, prefix: &str, slot: &str) -> Option<&Ask> {
        self.arns.get(&key(prefix, slot))
    }

    /// Do resources of this prefix have policies?
    pub fn has_policies(&self, prefix: &str) -> bool {
        let mut of = self.policies.keys().filter_map(|k| k.split_once(':'));
        of.any(|(p, _)| p == prefix)
    }

    /// Who tells the policy of a resource.
    pub fn policy(&self, prefix: &str, kind: &str) -> Option<&Ask> {
        self.policies.get(&key(prefix, kind))
    }

    /// Does the policy of such a resource decide alone, unless it leaves it to the account?
    pub fn is_decisive(&self, prefix: &str, kind: &str) -> bool {
        self.decisive.types.contains(&key(prefix, kind))
    }

    /// Who tells the tags of a resource of a prefix, or of a type, `iam:role`.
    pub fn tags(&self, kind: &str) -> Option<&Ask> {
        self.tags.get(kind)
    }

    /// Who tells the roles that whoever starts such a thing passes.
    pub fn passes(&self, prefix: &str, kind: &str) -> &[Ask] {
        self.passes.get(&key(prefix, kind)).map_or(&[], |all| all)
    }
}

fn key(prefix: &str, name: &str) -> String {
    format!("{prefix}:{name}")
}
