//! The circumstances of a call, as condition keys
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>).

use super::ask;
use super::said::{Said, stem};
use crate::ctx::Ctx;
use crate::deliver::Sender;
use neargate_policy::Context;
use neargate_policy::actions::{Action, Reference};
use neargate_wire::schema::Shape;
use neargate_wire::value::Value;
use std::net::IpAddr;

/// How a call came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The caller's address; `None`: it came by a socket of this host's file system, or from within.
    pub source: Option<IpAddr>,
    /// By TLS?
    pub secure: bool,
    pub user_agent: Option<String>,
    pub referer: Option<String>,
    /// The service that calls for somebody.
    pub via: Option<String>,
    /// The service that calls in its own name.
    pub sender: Option<Sender>,
}

impl Circumstances {
    pub(super) fn describe(&self, cx: &Ctx, context: &mut Context) {
        let now = cx.now();
        context.set("aws:CurrentTime", now.rfc3339());
        context.set("aws:EpochTime", (now.as_millis() / 1_000).to_string());
        context.set("aws:RequestedRegion", cx.scope.region.as_str());
        context.set("aws:SecureTransport", self.secure.to_string());
        context.set("aws:ViaAWSService", self.via.is_some().to_string());
        let by_service = self.sender.is_some();
        context.set("aws:PrincipalIsAWSService", by_service.to_string());
        if let Some(sender) = &self.sender {
            context.set("aws:PrincipalServiceName", sender.service);
            context.set("aws:SourceArn", &*sender.source_arn);
            context.set("aws:SourceAccount", &*sender.source_account);
            // What the policies of topics call it that AWS itself makes.
            context.set("aws:SourceOwner", &*sender.source_account);
        }
        if let Some(source) = self.source {
            context.set("aws:SourceIp", source.to_canonical().to_string());
        }
        if let Some(agent) = &self.user_agent {
            context.set("aws:UserAgent", agent);
        }
        if let Some(referer) = &self.referer {
            context.set("aws:Referer", referer);
        }
        if let Some(via) = &self.via {
            context.set_all("aws:CalledVia", [via.clone()]);
            context.set("aws:CalledViaFirst", via);
            context.set("aws:CalledViaLast", via);
            context.set("kms:ViaService", via);
        }
    }
}

/// The tags that a request sets, and the keys of those it takes away.
pub(super) fn requested_tags(shape: &'static Shape, input: &Value, context: &mut Context) {
    let mut keys = Vec::new();
    for (at, value) in input.fields() {
        let Some(member) = shape.members().get(*at) else {
            continue;
        };
        match member.name.to_ascii_lowercase().as_str() {
            "tags" | "taglist" => {
                for (key, value) in ask::tags(value, member.shape.get()) {
                    context.set(&format!("aws:RequestTag/{key}"), value);
                    keys.push(key);
                }
            }
            // Keys alone; where the list holds tags, tags.
            "tagkeys" => keys.extend(super::said::texts(value)),
            "tagspecifications" => {
                let specified = super::tagging::specified(member.shape.get(), value);
                for (key, value) in specified.into_iter().flat_map(|(_, tags)| tags) {
                    context.set(&format!("aws:RequestTag/{key}"), value);
                    keys.push(key);
                }
            }
            _ => {}
        }
    }
    if !keys.is_empty() {
        keys.sort();
        keys.dedup();
        context.set_all("aws:TagKeys", keys);
    }
}

/// What KMS knows of every request: the caller's account, what a ciphertext is bound to, and what a
/// grant would be
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>).
pub(super) fn of_kms(
    action: &str,
    (shape, input): (&'static Shape, &Value),
    said: &Said,
    cx: &Ctx,
    context: &mut Context,
) {
    context.set("kms:CallerAccount", cx.scope.account.as_str());
    if let Some(alias) = said.one("KeyId").and_then(alias) {
        context.set("kms:RequestAlias", alias);
    }
    if matches!(action, "CreateGrant" | "ListGrants" | "RevokeGrant") {
        let by_service = context.get("kms:viaservice").is_some();
        context.set("kms:GrantIsForAWSResource", by_service.to_string());
    }
    if action == "CreateGrant" {
        let operations = said.member("Operations").unwrap_or_default();
        context.set_all("kms:GrantOperations", operations.to_vec());
        let bound = ["EncryptionContextEquals", "EncryptionContextSubset"];
        let bound = bound.into_iter().find(|name| {
            let mut paths = said.deep.iter().map(|(path, _)| path);
            paths.any(|path| path.contains(name))
        });
        if let Some(bound) = bound {
            context.set("kms:GrantConstraintType", bound);
        }
    }
    let member = match action {
        "ReEncryptFrom" => "SourceEncryptionContext",
        "ReEncryptTo" => "DestinationEncryptionContext",
        _ => "EncryptionContext",
    };
    let Some((at, _)) = shape.member(member) else {
        return;
    };
    let Some(Value::Map(pairs)) = input.field(at) else {
        return;
    };
    for (key, value) in pairs {
        if let Some(value) = value.as_str() {
            context.set(&format!("kms:EncryptionContext:{key}"), value);
        }
    }
    let keys = pairs.iter().map(|(key, _)| key.clone());
    context.set_all("kms:EncryptionContextKeys", keys.collect::<Vec<_>>());
}

/// The alias by which a request names its key.
fn alias(key: &str) -> Option<&str> {
    let (_, resource) = key.rsplit_once(':').unwrap_or(("", key));
    Some(resource).filter(|r| r.starts_with("alias/"))
}

/// The service's own keys that the action knows and members of the request are called like. One
/// that is a type of resource has an ARN as its value: `ecs:cluster`.
pub(super) fn own_keys(
    prefix: &str,
    action: &Action,
    reference: &Reference,
    cx: &Ctx,
    said: &Said,
    context: &mut Context,
) {
    for key in &action.keys {
        let Some((_, local)) = key.split_once(':') else {
            continue;
        };
        let called = stem(local);
        let member = said.top.iter().find(|(name, _)| stem(name) == called);
        let values = match member {
            Some((_, values)) => values.clone(),
            // Nothing said means the default cluster.
            None if key == "ecs:cluster" => vec!["default".into()],
            None if key == "ec2:Region" => vec![cx.scope.region.as_str().to_owned()],
            None => continue,
        };
        let template = reference.template(local);
        let values = values.into_iter().map(|value| match template {
            Some(template) if !value.starts_with("arn:") => template.fill(|slot| match slot {
                "Partition" => Some("aws".into()),
                "Region" => Some(cx.scope.region.as_str().to_owned()),
                "Account" => Some(cx.scope.account.to_string()),
                _ => Some(value.clone()),
            }),
            _ => value,
        });
        context.set_all(key, values.collect::<Vec<_>>());
    }
    // CodeCommit calls a branch by its whole name.
    if prefix == "codecommit" {
        let named = ["branchName", "targetBranch", "destinationCommitSpecifier"];
        if let Some(name) = named.iter().find_map(|member| said.one(member)) {
            let full = match name.starts_with("refs/") {
                true => name.to_owned(),
                false => format!("refs/heads/{name}"),
            };
            context.set_all("codecommit:References", [full]);
        }
    }
    // Names that Secrets Manager and others know of every request.
    if prefix == "secretsmanager"
        && let Some(id) = said.one("SecretId")
    {
        context.set("secretsmanager:SecretId", id);
    }
}
