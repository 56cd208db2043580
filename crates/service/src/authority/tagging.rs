//! Tags that something is made with: whoever makes it so must be let tag, too
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html>).

use super::ask;
use super::resources::{Named, made};
use super::said::{Said, stem};
use super::{Authority, Denied, Wanted};
use crate::ctx::Scope;
use neargate_policy::actions::{On, Reference, ours};
use neargate_wire::schema::{Kind, Shape};
use neargate_wire::value::Value;

type Tags = Vec<(String, String)>;
/// Tags, and the type of what they are set on.
type Specified = (Option<String>, Tags);

/// Tags that a call sets on what it makes.
#[derive(Debug)]
pub(super) struct Tagged {
    /// What sets tags, without its prefix: `CreateTags`.
    pub(super) action: &'static str,
    pub(super) named: Named,
    pub(super) tags: Tags,
}

impl Authority<'_> {
    /// Does who makes something with tags need to be let tag? ECS has a setting of the account for
    /// it.
    pub(super) async fn must_be_let_tag(&self, prefix: &str) -> bool {
        let Some(by) = ours().arn(prefix, "TaggingIsAuthorized") else {
            return true;
        };
        let (cx, name) = (self.cx, "tagResourceAuthorization");
        let set = ask::texts(ask::ask(cx, &cx.scope, prefix, by, name).await);
        set.last().is_none_or(|set| set != "off")
    }

    pub(super) async fn tag(
        &self,
        prefix: &str,
        operation: &str,
        tagged: Tagged,
    ) -> Result<(), Denied> {
        let mut context = self.context.clone();
        context.set(&format!("{prefix}:CreateAction"), operation);
        let keys = tagged.tags.iter().map(|(key, _)| key.clone());
        context.set_all("aws:TagKeys", keys.collect::<Vec<_>>());
        for (key, value) in &tagged.tags {
            context.set(&format!("aws:RequestTag/{key}"), value);
        }
        self.judge(Wanted {
            prefix,
            action: format!("{prefix}:{}", tagged.action),
            named: tagged.named,
            context: &context,
            call: None,
        })
        .await
    }
}

/// What a call of the operation makes with tags, as far as AWS asks whether the caller may tag.
pub(super) fn tagged(
    prefix: &str,
    operation: &str,
    reference: &'static Reference,
    scope: &Scope,
    said: &Said,
    (shape, input): (&'static Shape, &Value),
) -> Vec<Tagged> {
    let Some(action) = reference.tagging(prefix, operation) else {
        return Vec::new();
    };
    let types = reference.on(prefix, action);
    let mut all = Vec::new();
    for (kind, tags) in given(shape, input) {
        let kind = match &kind {
            Some(kind) => Some(kind.as_str()),
            None => ours().tagged(prefix, operation),
        };
        let on = types
            .iter()
            .find(|on| is_made(prefix, operation, on, kind, said));
        let named = match on {
            Some(on) => {
                of_parent(on, said).unwrap_or_else(|| made(prefix, operation, on, scope, said))
            }
            None => Named::nothing(),
        };
        all.push(Tagged {
            action,
            named,
            tags,
        });
    }
    all
}

/// Is this the type of what the operation makes, where `kind` is what it is known as?
fn is_made(prefix: &str, operation: &str, on: &On, kind: Option<&str>, said: &Said) -> bool {
    let (family, flavour) = on.kind.split_once('/').unwrap_or((on.kind, ""));
    let is_kind = match kind {
        Some(kind) => family == kind,
        None => {
            let what = ["Create", "Register", "Import", "Copy", "Allocate"];
            let what = what.iter().find_map(|verb| operation.strip_prefix(verb));
            what.is_some_and(|what| stem(what) == stem(family))
        }
    };
    let is_balancer = prefix == "elasticloadbalancing" && !flavour.is_empty();
    is_kind && (!is_balancer || flavour.trim_end_matches('/') == balancer(said))
}

/// The kind of load balancer that a call is about.
fn balancer(said: &Said) -> &'static str {
    let parent = said
        .one("ListenerArn")
        .or_else(|| said.one("LoadBalancerArn"))
        .unwrap_or_default();
    match said.one("Type") {
        Some("network") => "net",
        Some("gateway") => "gwy",
        Some(_) => "app",
        None if parent.contains("/net/") => "net",
        None if parent.contains("/gwy/") => "gwy",
        None => "app",
    }
}

/// The ARNs of listeners and rules begin like that of what they are of.
fn of_parent(on: &On, said: &Said) -> Option<Named> {
    let (parent, was, is) = match on.kind.split_once('/')?.0 {
        "listener" => (said.one("LoadBalancerArn")?, ":loadbalancer/", ":listener/"),
        "listener-rule" => (said.one("ListenerArn")?, ":listener/", ":listener-rule/"),
        _ => return None,
    };
    Some(Named {
        kind: on.kind.to_owned(),
        arn: format!("{}/*", parent.replacen(was, is, 1)),
        also: None,
        resolve: None,
    })
}

/// The tags that are set, with the type of what they are set on where the call says it, as EC2's do.
fn given(shape: &'static Shape, input: &Value) -> Vec<Specified> {
    let mut all = Vec::new();
    for (at, value) in input.fields() {
        let Some(member) = shape.members().get(*at) else {
            continue;
        };
        match member.name.to_ascii_lowercase().as_str() {
            "tags" | "taglist" => all.push((None, ask::tags(value, member.shape.get()))),
            "tagspecifications" => all.extend(specified(member.shape.get(), value)),
            _ => {}
        }
    }
    all.retain(|(_, tags)| !tags.is_empty());
    all
}

/// EC2's `TagSpecifications`.
pub(super) fn specified(shape: &'static Shape, value: &Value) -> Vec<Specified> {
    let (Kind::List(element), Value::List(all)) = (shape.kind, value) else {
        return Vec::new();
    };
    let element = element.shape.get();
    let Some((at, member)) = element.member("Tags") else {
        return Vec::new();
    };
    let kind_at = element.member("ResourceType").map(|(at, _)| at);
    let of = all.iter().filter_map(|spec| {
        let kind = kind_at.and_then(|at| spec.field(at)?.as_str());
        let tags = ask::tags(spec.field(at)?, member.shape.get());
        Some((kind.map(str::to_owned), tags))
    });
    of.collect()
}
