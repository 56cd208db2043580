//! From text to document, as strictly as IAM, in its order and words
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>).

use super::tree::Tree;
use super::{Document, Effect, Malformed, Matcher, Statement};
use crate::condition::{Condition, Unusable};
use crate::pattern::{Pattern, Special};
use crate::principal::Named;
use std::collections::BTreeSet;

/// What a policy is attached to, which is what it must and must not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A user, group or role, or a session: no principals, resources always.
    Identity,
    /// The same by a policy that has a name of its own: it says the version of 2012.
    Managed,
    /// A role, which says whom it trusts: principals always, no resources.
    Trust,
    /// A resource: principals always, resources or the one it is attached to.
    Resource,
}

type Parsed<T> = Result<T, Malformed>;

/// IAM's partitions.
const PARTITIONS: [&str; 8] = [
    "aws",
    "aws-cn",
    "aws-us-gov",
    "aws-iso",
    "aws-iso-b",
    "aws-iso-e",
    "aws-iso-f",
    "aws-eusc",
];

/// What ARNs of IAM's resources begin with.
const IAM_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// What trust policies may be about.
const TRUST_ACTIONS: [&str; 6] = [
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:setsourceidentity",
    "sts:tagsession",
    "sts:setcontext",
];

impl Document {
    /// Reads a policy of a user, group, role or session.
    ///
    /// # Errors
    /// In IAM's words.
    pub fn parse(text: &str) -> Parsed<Document> {
        Document::parse_as(Use::Identity, text)
    }

    /// Reads a policy that is put to this use.
    ///
    /// # Errors
    /// In IAM's words.
    pub fn parse_as(put_to: Use, text: &str) -> Parsed<Document> {
        let raw = Raw::read(&Tree::parse(text).ok_or(Malformed::Syntax)?)?;
        // A resource's policy may say nothing.
        if put_to != Use::Resource && raw.statements.is_empty() {
            return Err(Malformed::Syntax);
        }
        if put_to == Use::Managed && !raw.variables {
            return Err(Malformed::Version);
        }
        let mut statements = Vec::with_capacity(raw.statements.len());
        for statement in &raw.statements {
            statements.push(statement.compile(raw.variables)?);
        }
        for statement in &raw.statements {
            statement.check_principals(put_to)?;
        }
        let mut sids = BTreeSet::new();
        if !statements
            .iter()
            .filter_map(|s| s.sid.as_ref())
            .filter(|s| !s.is_empty())
            .all(|s| sids.insert(s))
        {
            return Err(Malformed::Sids);
        }
        for statement in &raw.statements {
            statement.check_actions(put_to)?;
            statement.check_resources(put_to)?;
        }
        Ok(Document { statements })
    }

    /// How much of the quota a text takes: white space does not count
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
    pub fn size(text: &str) -> usize {
        text.chars().filter(|c| !c.is_whitespace()).count()
    }
}

/// A document whose keys and types are those of the grammar.
struct Raw {
    /// Version 2012-10-17, which has variables; one that says none is of 2008, which has not.
    variables: bool,
    statements: Vec<RawStatement>,
}

#[derive(Default)]
struct RawStatement {
    sid: Option<String>,
    effect: String,
    principal: Option<RawPrincipals>,
    not_principal: Option<RawPrincipals>,
    action: Option<Vec<String>>,
    not_action: Option<Vec<String>>,
    resource: Option<Vec<String>>,
    not_resource: Option<Vec<String>>,
    /// Operator, key, values.
    conditions: Vec<(String, String, Vec<String>)>,
}

/// Kind and name of each.
type RawPrincipals = Vec<(String, String)>;

impl Raw {
    fn read(tree: &Tree) -> Parsed<Raw> {
        let mut variables = false;
        let mut statements = None;
        for (key, value) in object(tree)? {
            match key.as_str() {
                "Version" => {
                    variables = match text(value)?.as_str() {
                        "2012-10-17" => true,
                        "2008-10-17" => false,
                        _ => return Err(Malformed::Syntax),
                    }
                }
                "Id" => _ = text(value)?,
                "Statement" => {
                    let all = match value {
                        Tree::List(all) => all.as_slice(),
                        one => std::slice::from_ref(one),
                    };
                    let all: Parsed<Vec<_>> = all.iter().map(RawStatement::read).collect();
                    statements = Some(all?);
                }
                _ => return Err(Malformed::Syntax),
            }
        }
        Ok(Raw {
            variables,
            statements: statements.ok_or(Malformed::Syntax)?,
        })
    }
}

impl RawStatement {
    fn read(tree: &Tree) -> Parsed<RawStatement> {
        let mut raw = RawStatement::default();
        for (key, value) in object(tree)? {
            match key.as_str() {
                "Sid" => raw.sid = Some(text(value)?),
                "Effect" => raw.effect = text(value)?,
                "Principal" => raw.principal = Some(principals(value)?),
                "NotPrincipal" => raw.not_principal = Some(principals(value)?),
                "Action" => raw.action = Some(texts(value)?),
                "NotAction" => raw.not_action = Some(texts(value)?),
                "Resource" => raw.resource = Some(texts(value)?),
                "NotResource" => raw.not_resource = Some(texts(value)?),
                "Condition" => raw.conditions = conditions(value)?,
                _ => return Err(Malformed::Syntax),
            }
        }
        let twice = (raw.action.is_some() && raw.not_action.is_some())
            || (raw.resource.is_some() && raw.not_resource.is_some())
            || (raw.principal.is_some() && raw.not_principal.is_some());
        let is_effect = ["allow", "deny"].contains(&raw.effect.to_lowercase().as_str());
        match !twice && is_effect {
            true => Ok(raw),
            false => Err(Malformed::Syntax),
        }
    }

    fn compile(&self, variables: bool) -> Parsed<Statement> {
        let effect = match self.effect.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return Err(Malformed::Legacy),
        };
        let mut conditions = Vec::with_capacity(self.conditions.len());
        for (operator, key, values) in &self.conditions {
            let condition = Condition::new(operator, key, values, variables);
            conditions.push(condition.map_err(|e| match e {
                Unusable::Operator => Malformed::Syntax,
                Unusable::Date => Malformed::Legacy,
            })?);
        }
        let actions = |all: &Vec<String>| -> Vec<Pattern> {
            let special = Special {
                wildcards: true,
                variables: false,
            };
            let lower = all.iter().map(|a| a.to_lowercase());
            lower.map(|a| Pattern::new(&a, special)).collect()
        };
        let actions = either(&self.action, &self.not_action, actions);
        let resources = |all: &Vec<String>| -> Vec<Pattern> {
            let special = Special {
                wildcards: true,
                variables,
            };
            all.iter().map(|r| Pattern::new(r, special)).collect()
        };
        let named = |all: &RawPrincipals| -> Vec<Named> {
            all.iter()
                .filter_map(|(kind, name)| named(kind, name))
                .collect()
        };
        Ok(Statement {
            sid: self.sid.clone(),
            effect,
            principals: either(&self.principal, &self.not_principal, named),
            actions: actions.unwrap_or(Matcher::Any(Vec::new())),
            resources: either(&self.resource, &self.not_resource, resources),
            conditions,
        })
    }

    fn check_principals(&self, put_to: Use) -> Parsed<()> {
        let principals = self.principal.as_ref().or(self.not_principal.as_ref());
        match (put_to, principals) {
            (Use::Identity | Use::Managed, Some(_)) => Err(Malformed::HasPrincipal),
            (Use::Identity | Use::Managed, None) => Ok(()),
            (Use::Trust | Use::Resource, None) => Err(Malformed::NoPrincipals),
            (Use::Trust | Use::Resource, Some(all)) => {
                for (kind, name) in all {
                    if named(kind, name).is_none() {
                        return Err(Malformed::Principal {
                            kind: kind.clone(),
                            value: name.clone(),
                        });
                    }
                }
                Ok(())
            }
        }
    }

    fn check_actions(&self, put_to: Use) -> Parsed<()> {
        let actions = self.action.as_ref().or(self.not_action.as_ref());
        let actions = actions.filter(|a| !a.is_empty());
        for action in actions.ok_or(Malformed::NoActions)? {
            check_action(action)?;
            let lower = action.to_lowercase();
            let of_trust = TRUST_ACTIONS.contains(&lower.as_str()) || lower == "sts:*";
            if put_to == Use::Trust && !of_trust {
                return Err(Malformed::TrustActions);
            }
        }
        Ok(())
    }

    fn check_resources(&self, put_to: Use) -> Parsed<()> {
        let resources = self.resource.as_ref().or(self.not_resource.as_ref());
        match (put_to, resources) {
            (Use::Trust, Some(_)) => return Err(Malformed::HasResource),
            (Use::Identity | Use::Managed, None) => return Err(Malformed::NoResources),
            (Use::Identity | Use::Managed, Some(all)) if all.is_empty() => {
                return Err(Malformed::NoResources);
            }
            _ => {}
        }
        let mut all: Vec<&String> = resources.into_iter().flatten().collect();
        all.sort();
        all.iter().rev().try_for_each(|r| check_resource(r))
    }
}

/// `X` or `NotX`, compiled.
fn either<R, T>(
    some: &Option<R>,
    but: &Option<R>,
    compile: impl Fn(&R) -> Vec<T>,
) -> Option<Matcher<T>> {
    match (some, but) {
        (Some(some), _) => Some(Matcher::Any(compile(some))),
        (None, Some(but)) => Some(Matcher::Not(compile(but))),
        (None, None) => None,
    }
}

fn named(kind: &str, name: &str) -> Option<Named> {
    match kind {
        "AWS" => Named::aws(name),
        "Service" if name.contains('.') && !name.contains(['*', ' ']) => {
            Some(Named::Service(name.into()))
        }
        "Federated" if !name.is_empty() && !name.contains('*') => {
            Some(Named::Federated(name.into()))
        }
        "CanonicalUser" if !name.is_empty() => Some(Named::Canonical(name.into())),
        _ => None,
    }
}

fn check_action(action: &str) -> Parsed<()> {
    if action == "*" {
        return Ok(());
    }
    let mut parts = action.split(':');
    let vendor = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (None, _) => return Err(Malformed::NoVendor),
        (Some(_), Some(_)) => return Err(Malformed::Colons),
        (Some(_), None) => {}
    }
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    match vendor == "*" || vendor.chars().all(known) {
        true => Ok(()),
        false => Err(Malformed::Vendor(vendor.to_owned())),
    }
}

fn check_resource(resource: &str) -> Parsed<()> {
    if resource == "*" {
        return Ok(());
    }
    let Some(rest) = resource.strip_prefix("arn:") else {
        return Err(match resource.contains(':') {
            true => partition(resource),
            false => Malformed::Resource(resource.to_owned()),
        });
    };
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    if parts[0] != "*" && !PARTITIONS.contains(&parts[0]) {
        return Err(partition(resource));
    }
    let Some(service) = parts.get(1) else {
        return Err(Malformed::ResourceVendor);
    };
    if parts.len() < 5 && resource.contains("::") || service.is_empty() {
        return Err(Malformed::Legacy);
    }
    let region = parts.get(2).copied().unwrap_or_default();
    let path = parts.get(4).copied().unwrap_or_default();
    match *service {
        "iam" if !region.is_empty() => Err(Malformed::IamRegion(resource.to_owned())),
        "iam" if !is_iam_path(path) => Err(Malformed::IamPath),
        "s3" if !region.is_empty() && !path.starts_with("accesspoint/") => {
            Err(Malformed::Region(resource.to_owned()))
        }
        _ => Ok(()),
    }
}

fn is_iam_path(path: &str) -> bool {
    matches!(path, "*" | "root") || IAM_PATHS.iter().any(|p| path.starts_with(p))
}

/// IAM fills what is missing of such a resource with stars.
fn partition(resource: &str) -> Malformed {
    let mut parts = resource.splitn(6, ':').skip(1);
    let partition = parts.next().unwrap_or_default().to_owned();
    let rest: Vec<&str> = parts.chain(std::iter::repeat("*")).take(4).collect();
    let resource = format!("arn:{partition}:{}", rest.join(":"));
    Malformed::Partition {
        partition,
        resource,
    }
}

fn object(tree: &Tree) -> Parsed<&[(String, Tree)]> {
    match tree {
        Tree::Object(all) => Ok(all),
        _ => Err(Malformed::Syntax),
    }
}

fn text(tree: &Tree) -> Parsed<String> {
    match tree {
        Tree::Text(text) => Ok(text.clone()),
        _ => Err(Malformed::Syntax),
    }
}

/// One text or several.
fn texts(tree: &Tree) -> Parsed<Vec<String>> {
    match tree {
        Tree::List(all) => all.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

/// `"*"`, or names by kind. Kinds are `AWS`, `Service`, `Federated`, `CanonicalUser`.
fn principals(tree: &Tree) -> Parsed<RawPrincipals> {
    if let Tree::Text(all) = tree {
        return match all.as_str() {
            "*" => Ok(vec![("AWS".into(), "*".into())]),
            _ => Err(Malformed::Syntax),
        };
    }
    let mut named = Vec::new();
    for (kind, names) in object(tree)? {
        if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str()) {
            return Err(Malformed::Syntax);
        }
        named.extend(texts(names)?.into_iter().map(|name| (kind.clone(), name)));
    }
    match named.is_empty() {
        true => Err(Malformed::Syntax),
        false => Ok(named),
    }
}

fn conditions(tree: &Tree) -> Parsed<Vec<(String, String, Vec<String>)>> {
    let mut all = Vec::new();
    for (operator, keys) in object(tree)? {
        for (key, values) in object(keys)? {
            let values = match values {
                Tree::List(values) => values.iter().map(scalar).collect::<Parsed<_>>()?,
                one => vec![scalar(one)?],
            };
            all.push((operator.clone(), key.clone(), values));
        }
    }
    Ok(all)
}

fn scalar(tree: &Tree) -> Parsed<String> {
    match tree {
        Tree::Text(text) | Tree::Bare(text) => Ok(text.clone()),
        _ => Err(Malformed::Syntax),
    }
}
