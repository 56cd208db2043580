//! Which actions there are, on which resources: AWS's service authorization reference
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>), compiled
//! in from `models/authorization`, and what it leaves open ([`ours`]).

mod ours;
mod template;

pub use ours::{Ask, Ours, ours};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;
pub use template::Template;

/// The actions and types of resources of one prefix.
#[derive(Debug, Deserialize)]
pub struct Reference {
    actions: BTreeMap<String, Action>,
    resources: BTreeMap<String, Template>,
}

/// One action.
#[derive(Debug, Default, Deserialize)]
pub struct Action {
    /// Types of resources; those that it always is on end in `*`.
    #[serde(default)]
    on: Vec<String>,
    /// Condition keys of the service's own.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Whoever does it passes a role.
    #[serde(default)]
    pub passes: bool,
    /// Whoever does it with tags needs this action, too.
    #[serde(default)]
    pub tags: Option<String>,
}

/// A type of resources that an action is on.
#[derive(Debug, Clone, Copy)]
pub struct On<'a> {
    /// Its name.
    pub kind: &'a str,
    /// Is the action always on one of these?
    pub is_required: bool,
    /// The pattern of ARNs.
    pub template: &'a Template,
}

impl Reference {
    /// An action by the name after the prefix.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.get(name)
    }

    /// All actions.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.actions.keys().map(String::as_str)
    }

    /// The types that an action is on. Of a type that the reference does not describe nothing can
    /// be told.
    pub fn on<'a>(&'a self, prefix: &str, name: &str) -> Vec<On<'a>> {
        let listed = match ours().on(prefix, name) {
            Some(ours) => ours,
            None => self.actions.get(name).map_or(&[][..], |a| &a.on),
        };
        let types = listed.iter().filter_map(|listed| {
            let kind = listed.strip_suffix('*').unwrap_or(listed);
            let (kind, template) = self.resources.get_key_value(kind)?;
            Some(On {
                kind,
                is_required: listed.ends_with('*'),
                template,
            })
        });
        types.collect()
    }

    /// What whoever does this with tags must be let to do as well: `CreateTags`.
    pub fn tagging(&self, prefix: &str, name: &str) -> Option<&str> {
        let said = self.actions.get(name).and_then(|a| a.tags.as_deref());
        said.or_else(|| {
            ours().tagged(prefix, name)?;
            ours().tagging(prefix)
        })
    }

    /// The pattern of a type's ARNs.
    pub fn template(&self, kind: &str) -> Option<&Template> {
        self.resources.get(kind)
    }

    /// The type of resource that this is the ARN of: the one whose pattern says most.
    pub fn kind_of(&self, arn: &str) -> Option<(&str, &Template)> {
        let matching = self.resources.iter().filter(|(_, t)| t.matches(arn));
        let best = matching.max_by_key(|(_, t)| t.weight());
        best.map(|(kind, template)| (kind.as_str(), template))
    }
}

macro_rules! references {
    ($($prefix:literal),* $(,)?) => {
        /// The prefixes that are known.
        pub const PREFIXES: &[&str] = &[$($prefix),*];

        /// What is known of a prefix. Each is read when it is first asked for.
        pub fn reference(prefix: &str) -> Option<&'static Reference> {
            match prefix {
                $($prefix => {
                    static READ: OnceLock<Reference> = OnceLock::new();
                    let text = include_str!(concat!("../../../../models/authorization/", $prefix, ".json"));
                    Some(READ.get_or_init(|| serde_json::from_str(text).expect("models are well-formed")))
                })*
                _ => None,
            }
        }
    };
}

references!(
    "acm",
    "application-autoscaling",
    "appmesh",
    "autoscaling",
    "cloudformation",
    "cloudwatch",
    "codebuild",
    "codecommit",
    "codedeploy",
    "codepipeline",
    "codestar-notifications",
    "ec2",
    "ecr",
    "ecs",
    "elasticloadbalancing",
    "events",
    "iam",
    "kms",
    "logs",
    "rds",
    "route53",
    "s3",
    "secretsmanager",
    "servicediscovery",
    "ses",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
    "xray",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_read() {
        for prefix in PREFIXES {
            let reference = reference(prefix).expect(prefix);
            assert!(!reference.actions.is_empty(), "{prefix}");
        }
        assert!(reference("lambda").is_none());
        let ecs = reference("ecs").expect("ecs");
        let on = ecs.on("ecs", "RunTask");
        assert_eq!((on[0].kind, on[0].is_required), ("task-definition", true));
        assert!(ecs.action("RunTask").expect("an action").passes);
    }

    #[test]
    fn arns_tell_their_type() {
        for (prefix, arn, kind) in [
            ("ecs", "arn:aws:ecs:us-east-1:111122223333:task/c/1", "task"),
            (
                "logs",
                "arn:aws:logs:us-east-1:1:log-group:a:log-stream:b",
                "log-stream",
            ),
            ("logs", "arn:aws:logs:us-east-1:1:log-group:a", "log-group"),
            ("sns", "arn:aws:sns:us-east-1:1:t", "topic"),
            ("iam", "arn:aws:iam::1:role/a/b", "role"),
        ] {
            let found = reference(prefix).expect(prefix).kind_of(arn);
            assert_eq!(found.map(|(k, _)| k), Some(kind), "{arn}");
        }
    }

    /// What is written by hand names what there is.
    #[test]
    fn ours_names_actions_that_exist() {
        for (operation, actions) in ours().renamed() {
            let (prefix, _) = operation.split_once(':').expect("a prefix");
            let known = reference(prefix).expect(prefix);
            for action in actions {
                assert!(known.action(action).is_some(), "{operation}: {action}");
            }
        }
        for operation in ours().with_tags() {
            let (prefix, name) = operation.split_once(':').expect("a prefix");
            let known = reference(prefix).expect(prefix);
            let action = known.tagging(prefix, name).expect(operation);
            let kind = ours().tagged(prefix, name).expect("a type");
            let on = known.on(prefix, action);
            let is_kind = |on: &On| on.kind.split('/').next() == Some(kind);
            assert!(on.iter().any(is_kind), "{operation}: {kind}");
        }
    }
}
