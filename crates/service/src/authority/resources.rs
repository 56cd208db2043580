//! Which resources a call is about: ARNs that its input says, and ARNs that are made of the names
//! in it by the patterns of the service authorization reference. Pure.

use super::said::{Said, stem};
use crate::ctx::Scope;
use neargate_policy::actions::{Ask, On, Reference, Template, ours};

/// A resource that a call names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Its type.
    pub(super) kind: String,
    pub(super) arn: String,
    /// Another way that policies write the same resource.
    pub(super) also: Option<String>,
    /// Who tells the ARN of what was named by this; the ARN above is made of the name.
    pub(super) resolve: Option<(&'static Ask, String)>,
}

/// What an action of a call is on. Nothing in particular: an empty list.
pub(super) fn named(
    prefix: &str,
    action: &str,
    operation: &str,
    reference: &'static Reference,
    scope: &Scope,
    said: &Said,
) -> Vec<Named> {
    let account = said
        .one("registryId")
        .or_else(|| owner_of_queue(prefix, said));
    let account = account.unwrap_or(scope.account.as_str());
    let types = reference.on(prefix, action);
    let naming = Naming {
        types: &types,
        prefix,
        action,
        operation,
        scope,
        account,
        said,
    };
    let mut all = Vec::new();
    naming.by_arn(&mut all);
    for on in &types {
        if naming.is_meant(on) {
            if prefix == "ec2" {
                naming.by_id(on, &mut all);
            } else {
                naming.by_name(on, &mut all);
            }
        }
    }
    for named in &mut all {
        // A policy may name a log group with or without what follows it.
        if prefix == "logs" && named.kind == "log-group" {
            let plain = named.arn.trim_end_matches(":*").to_owned();
            named.arn = format!("{plain}:log-stream:");
            named.also = Some(plain);
        }
    }
    all
}

/// What a call makes, of this type. What only its service knows of it is open.
pub(super) fn made(prefix: &str, operation: &str, on: &On, scope: &Scope, said: &Said) -> Named {
    let always = On {
        is_required: true,
        ..*on
    };
    let naming = Naming {
        types: &[],
        prefix,
        action: operation,
        operation,
        scope,
        account: scope.account.as_str(),
        said,
    };
    let arn = naming.fill(on.template, |slot| {
        let one = naming.values(slot, &always).first();
        let one = one.map(|value| naming.bare(slot, value));
        one.or_else(|| naming.default(slot))
    });
    Named {
        kind: on.kind.to_owned(),
        arn,
        also: None,
        resolve: None,
    }
}

/// Whose queue a call to SQS names: the last but one part of its URL.
fn owner_of_queue<'a>(prefix: &str, said: &'a Said) -> Option<&'a str> {
    if prefix != "sqs" {
        return None;
    }
    let by_url = said.one("QueueUrl").and_then(|url| {
        let owner = url.trim_end_matches('/').rsplit('/').nth(1)?;
        let is_account = owner.len() == 12 && owner.bytes().all(|b| b.is_ascii_digit());
        is_account.then_some(owner)
    });
    by_url.or_else(|| said.one("QueueOwnerAWSAccountId"))
}

struct Naming<'a> {
    types: &'a [On<'a>],
    prefix: &'a str,
    action: &'a str,
    operation: &'a str,
    scope: &'a Scope,
    account: &'a str,
    said: &'a Said<'a>,
}

impl Naming<'_> {
    /// ARNs in the input, of the type whose pattern fits best.
    fn by_arn(&self, all: &mut Vec<Named>) {
        for (member, values) in &self.said.top {
            // Where an action is on one of several, its member is told.
            if self.told_by(|told| told != *member) {
                continue;
            }
            // Who acts is not what is acted on.
            if self.prefix != "iam" && member.to_ascii_lowercase().contains("role") {
                continue;
            }
            for value in values.iter().filter(|v| v.starts_with("arn:")) {
                let fitting = self.types.iter().filter(|on| on.template.matches(value));
                if let Some(on) = fitting.max_by_key(|on| on.template.weight()) {
                    all.push(Named {
                        kind: on.kind.to_owned(),
                        arn: value.clone(),
                        also: None,
                        resolve: self.resolve(on, value),
                    });
                }
            }
        }
    }

    /// Is it an ARN that stands for itself?
    fn is_arn(&self, value: &str) -> bool {
        value.starts_with("arn:") && self.types.iter().any(|on| on.template.matches(value))
    }

    /// Load balancers and what belongs to them come in kinds that only other members tell apart.
    fn is_meant(&self, on: &On) -> bool {
        let (family, kind) = on.kind.split_once('/').unwrap_or((on.kind, ""));
        match (self.prefix, family, kind.trim_end_matches('/')) {
            ("elasticloadbalancing", "loadbalancer", kind) => {
                let wanted = match self.said.one("Type") {
                    Some("network") => "net",
                    Some("gateway") => "gwy",
                    _ => "app",
                };
                kind == wanted
            }
            ("elasticloadbalancing", "listener" | "listener-rule", _) => false,
            // Access points and what else leads to buckets is not built.
            ("s3", family, _) => matches!(family, "bucket" | "object"),
            _ => true,
        }
    }

    fn by_name(&self, on: &On, all: &mut Vec<Named>) {
        let slots: Vec<&str> = on.template.slots().collect();
        let found: Vec<&[String]> = slots.iter().map(|slot| self.values(slot, on)).collect();
        let told = found.iter().rposition(|values| !values.is_empty());
        // Nothing said of a cluster means the default one.
        let defaulted = slots.first().and_then(|slot| self.default(slot));
        let (main, values) = match (told, defaulted) {
            (Some(main), _) => (main, found[main].to_vec()),
            (None, Some(default)) if on.is_required => (0, vec![default]),
            (None, _) => return,
        };
        let is_open = main + 1 < slots.len();
        let may_be_open = on.kind == "task-definition" || self.prefix == "elasticloadbalancing";
        if is_open && !on.is_required && !may_be_open {
            return;
        }
        for value in values.iter().filter(|v| !self.is_arn(v)) {
            let arn = self.fill(on.template, |slot| {
                let at = slots.iter().position(|s| *s == slot)?;
                match at {
                    at if at == main => Some(self.bare(slot, value)),
                    // What follows the revision's colon.
                    at if at == main + 1 && on.kind == "task-definition" => {
                        let name = value.rsplit('/').next()?;
                        name.split_once(':')
                            .map(|(_, revision)| revision.to_owned())
                    }
                    at => {
                        let one = found[at].first().map(|v| self.bare(slot, v));
                        one.or_else(|| self.default(slot))
                    }
                }
            });
            all.push(Named {
                kind: on.kind.to_owned(),
                arn,
                also: None,
                resolve: self.resolve(on, value),
            });
        }
    }

    /// EC2's ids tell their type by their beginning.
    fn by_id(&self, on: &On, all: &mut Vec<Named>) {
        let before = all.len();
        let Some(begin) = id_begin(on.kind) else {
            return;
        };
        for (_, text) in &self.said.deep {
            if text
                .strip_prefix(begin)
                .is_some_and(|rest| rest.starts_with('-'))
            {
                let arn = self.fill(on.template, |_| Some((*text).to_owned()));
                if all.iter().all(|n| n.arn != arn) {
                    all.push(Named {
                        kind: on.kind.to_owned(),
                        arn,
                        also: None,
                        resolve: None,
                    });
                }
            }
        }
        if on.is_required && all.len() == before {
            all.push(Named {
                kind: on.kind.to_owned(),
                arn: self.fill(on.template, |_| None),
                also: None,
                resolve: None,
            });
        }
    }

    fn fill(&self, template: &Template, value: impl Fn(&str) -> Option<String>) -> String {
        template.fill(|slot| match slot {
            "Partition" => Some(neargate_base::arn::partition(&self.scope.region).to_owned()),
            "Region" => Some(self.scope.region.as_str().to_owned()),
            "Account" => Some(self.account.to_owned()),
            slot => value(slot),
        })
    }

    /// The values that the input has for a slot.
    fn values(&self, slot: &str, on: &On) -> &[String] {
        if let Some(told) = self.told(slot) {
            return self.said.member(told).unwrap_or_default();
        }
        let called = stem(slot);
        let by_name = self
            .said
            .top
            .iter()
            .find(|(member, _)| stem(member) == called);
        if let Some((_, values)) = by_name {
            return values;
        }
        let ours = ours().members(self.prefix, slot);
        if let Some(values) = ours.iter().find_map(|m| self.said.member(m)) {
            return values;
        }
        // What a thing is created by is often just its name.
        let last = on.template.slots().next_back() == Some(slot);
        match self.said.member("Name") {
            Some(values) if on.is_required && last && !slot.ends_with("Id") => values,
            _ => &[],
        }
    }

    /// The member that names what this very action of the operation is on.
    fn told(&self, slot: &str) -> Option<&'static str> {
        let slot = format!("{}/{slot}", self.action);
        let told = ours().members(self.prefix, &slot).first();
        told.map(String::as_str)
    }

    fn told_by(&self, is: impl Fn(&str) -> bool) -> bool {
        let mut slots = self.types.iter().flat_map(|on| on.template.slots());
        slots.any(|slot| self.told(slot).is_some_and(&is))
    }

    /// A name as it stands in an ARN.
    fn bare(&self, slot: &str, value: &str) -> String {
        let name = match value.starts_with("arn:") {
            true => value.rsplit('/').next().unwrap_or(value),
            false => value,
        };
        match slot {
            "QueueName" => {
                let path = name.trim_end_matches('/');
                path.rsplit('/').next().unwrap_or(path).to_owned()
            }
            "ParameterNameWithoutLeadingSlash" => name.trim_start_matches('/').to_owned(),
            "Alias" => name.trim_start_matches("alias/").to_owned(),
            "TaskDefinitionFamilyName" => name.split(':').next().unwrap_or(name).to_owned(),
            _ if slot.ends_with("WithPath") => {
                let path = self.said.one("Path").unwrap_or("/").trim_start_matches('/');
                format!("{path}{name}")
            }
            _ => name.to_owned(),
        }
    }

    fn default(&self, slot: &str) -> Option<String> {
        ours().default(self.prefix, slot).map(str::to_owned)
    }

    /// What is being made has no ARN yet.
    fn resolve(&self, on: &On, value: &str) -> Option<(&'static Ask, String)> {
        let made = ["Create", "Register"].iter().any(|verb| {
            let what = self.operation.strip_prefix(verb);
            what.is_some_and(|what| stem(what) == stem(on.kind))
        });
        if made {
            return None;
        }
        let slot = on
            .template
            .slots()
            .find(|s| ours().arn(self.prefix, s).is_some())?;
        Some((ours().arn(self.prefix, slot)?, value.to_owned()))
    }
}

/// How ids of a type begin.
fn id_begin(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "instance" => "i",
        "image" => "ami",
        "security-group" => "sg",
        "security-group-rule" => "sgr",
        "subnet" => "subnet",
        "vpc" => "vpc",
        "network-interface" => "eni",
        "volume" => "vol",
        "snapshot" => "snap",
        "route-table" => "rtb",
        "internet-gateway" => "igw",
        "natgateway" => "nat",
        "network-acl" => "acl",
        "elastic-ip" => "eipalloc",
        "launch-template" => "lt",
        "dhcp-options" => "dopt",
        "vpc-peering-connection" => "pcx",
        "vpc-endpoint" => "vpce",
        "key-pair" => "key",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
