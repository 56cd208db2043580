//! The types of resources, as data: which operations make, read, change and delete one, what of its properties
//! they are given, which properties replace it, and what it answers `Ref` and `Fn::GetAtt` with.
//!
//! In the descriptions, a text that begins with `$` is a property, one with `.` a member of what was answered,
//! one with `=` something of the resource ([`expression`]).

pub mod expression;
pub mod fit;

use crate::template::yaml;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const TEXTS: [&str; 15] = [
    include_str!("cdk.yaml"),
    include_str!("own.yaml"),
    include_str!("compute.yaml"),
    include_str!("delivery.yaml"),
    include_str!("data.yaml"),
    include_str!("access.yaml"),
    include_str!("signals.yaml"),
    include_str!("ec2.yaml"),
    include_str!("ecs.yaml"),
    include_str!("elbv2.yaml"),
    include_str!("iam.yaml"),
    include_str!("storage.yaml"),
    include_str!("messages.yaml"),
    include_str!("mesh.yaml"),
    include_str!("operations.yaml"),
];

/// A type of resources.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Whose operations these are; empty: nothing is called.
    pub service: String,
    /// The member of the first call that takes tags; after a colon EC2's type of resource.
    pub tags: Option<String>,
    /// What has EC2's tags, when it is not the id.
    pub tagged: Option<String>,
    pub name: Option<Naming>,
    /// Properties that stand in no call.
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    pub replace: Vec<String>,
    /// A change of these asks for no call.
    #[serde(default)]
    pub free: Vec<String>,
    /// What a property is when it is taken away.
    #[serde(default)]
    pub defaults: BTreeMap<String, Value>,
    /// What a property is when it is not there from the beginning.
    #[serde(default)]
    pub absent: BTreeMap<String, Value>,
    pub create: Vec<Step>,
    /// After `create`, and at changes.
    #[serde(default)]
    pub set: Vec<Step>,
    #[serde(default)]
    pub update: Vec<Step>,
    #[serde(default)]
    pub retag: Vec<Step>,
    pub read: Option<Read>,
    /// Read as well, for attributes.
    #[serde(default)]
    pub more: BTreeMap<String, Read>,
    #[serde(default)]
    pub wait: Vec<Wait>,
    pub delete: Vec<Step>,
    pub gone: Option<Wait>,
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// What `Ref` comes to, when it is not the id.
    pub reference: Option<Value>,
    /// Finds what a call that was cut short has made.
    pub find: Option<Read>,
    /// The property by which a secret is generated.
    pub generates: Option<String>,
    /// One of CloudFormation's own, which is carried out by code.
    pub own: Option<Own>,
    /// Instances of a group that are in service count as signals of it.
    #[serde(default)]
    pub instances: bool,
    /// Attributes that only the answer of the call tells which makes it.
    #[serde(default)]
    pub keeps: BTreeMap<String, Value>,
    /// Instead of `delete`, where a snapshot of it is to stay.
    #[serde(default)]
    pub snapshot: Vec<Step>,
    /// Its `DeletionPolicy` and `UpdateReplacePolicy` where the template has none.
    pub policy: Option<String>,
}

/// What is no other service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Own {
    Stack,
    Custom,
    Condition,
    Handle,
    Attachment,
    /// A function that nothing runs: what it is for is made without it.
    Function,
    /// Empties something before that is deleted.
    Emptied,
}

/// A name that is made up when the template gives none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    pub property: String,
    pub most: usize,
    #[serde(default)]
    pub lower: bool,
    #[serde(default)]
    pub prefix: String,
}

/// A call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub op: Option<String>,
    #[serde(default)]
    pub input: Value,
    /// Properties that are members of the input.
    #[serde(default)]
    pub take: Vec<String>,
    /// Those whose members have other names.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    /// At a change, all of them are given, and not only what changed.
    #[serde(default)]
    pub all: bool,
    /// Called when one of these is there, or changed.
    #[serde(default)]
    pub r#for: Vec<String>,
    /// Only when the property is this.
    pub equals: Option<Value>,
    /// Once for each item of this property.
    pub each: Option<String>,
    /// Once for each item that this property has now.
    pub added: Option<String>,
    /// Once for each item that this property has no more.
    pub removed: Option<String>,
    /// Errors that say that it is so already.
    #[serde(default)]
    pub ignore: Vec<String>,
    pub id: Option<Value>,
    /// The id is that of an operation; this says what it made.
    pub then: Option<Then>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    pub op: String,
    pub input: Value,
    #[serde(default)]
    pub path: String,
    pub wait: Wait,
    pub id: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    pub op: String,
    #[serde(default)]
    pub input: Value,
    #[serde(default)]
    pub path: String,
    pub id: Option<Value>,
}

/// What must be so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    pub path: String,
    #[serde(default)]
    pub want: Vec<Value>,
    #[serde(default)]
    pub fail: Vec<Value>,
    pub reason: Option<String>,
    /// Or equal to this.
    pub same: Option<String>,
}

impl Step {
    /// The properties whose change it is called for.
    pub fn concerns(&self) -> impl Iterator<Item = &String> {
        let lists = self.added.iter().chain(&self.removed);
        self.r#for.iter().chain(&self.take).chain(lists)
    }
}

impl Kind {
    /// All properties that it knows.
    pub fn properties(&self) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = BTreeSet::new();
        all.extend(self.properties.iter().cloned());
        all.extend(self.replace.iter().cloned());
        all.extend(self.generates.iter().cloned());
        all.extend(self.name.iter().map(|n| n.property.clone()));
        if self.tags.is_some() {
            all.insert("Tags".into());
        }
        for step in self.create.iter().chain(&self.set).chain(&self.update) {
            all.extend(step.concerns().cloned());
            all.extend(step.each.iter().cloned());
            expression::properties(&step.input, &mut all);
        }
        all.extend(self.free.iter().cloned());
        all
    }

    /// Is a change of this property carried out without replacement?
    pub fn can_change(&self, property: &str) -> bool {
        let steps = self.set.iter().chain(&self.update);
        if matches!(self.own, Some(Own::Custom | Own::Function)) {
            return true;
        }
        let by_step = steps.flat_map(Step::concerns).any(|p| p == property);
        let by_tags = property == "Tags" && (!self.retag.is_empty() || self.is_tagged_by_ec2());
        by_step || by_tags || self.free.iter().any(|p| p == property)
    }

    pub fn replaces(&self, property: &str) -> bool {
        let named = self.name.as_ref().is_some_and(|n| n.property == property);
        named || self.replace.iter().any(|p| p == property)
    }

    pub fn is_tagged_by_ec2(&self) -> bool {
        self.tags
            .as_deref()
            .is_some_and(|t| t.starts_with("TagSpecifications:"))
    }
}

/// Every type, by name.
pub fn all() -> &'static BTreeMap<String, Kind> {
    static ALL: OnceLock<BTreeMap<String, Kind>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = BTreeMap::new();
        for text in TEXTS {
            let tree = yaml::parse(text).expect("the descriptions are YAML");
            let kinds: BTreeMap<String, Kind> =
                serde_json::from_value(tree).expect("descriptions of types");
            all.extend(kinds);
        }
        all
    })
}

pub fn kind(name: &str) -> Option<&'static Kind> {
    let own = all().get(name);
    match name.starts_with(CUSTOM) {
        true => own.or_else(|| all().get("AWS::CloudFormation::CustomResource")),
        false => own,
    }
}

/// Is it made here without the function that makes it elsewhere?
pub fn is_native(name: &str) -> bool {
    name.starts_with(CUSTOM) && all().contains_key(name)
}

const CUSTOM: &str = "Custom::";
