//! A stack as a round sees it: its record, those of its resources, and its template with what its functions look
//! at.

use super::{Engine, policy, sealed};
use crate::model::{Deployment, Export, Made, Operation, Phase, Stack, StackResource};
use crate::template::functions::{Frame, Known};
use crate::template::{Declared, Template, graph};
use crate::types;
use neargate_service::{AwsError, House, Scope, Stored, db};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct Scene {
    pub scope: Scope,
    pub stack: Stored<Stack>,
    pub operation: Operation,
    /// What the stack is on its way to be, with nothing sealed.
    pub deployment: Deployment,
    pub template: Arc<Template>,
    pub resources: BTreeMap<String, Stored<StackResource>>,
    /// Those that the template has, with the parameters of the stack, in its order.
    pub wanted: Vec<String>,
    pub dependencies: BTreeMap<String, BTreeSet<String>>,
    pub outside: Outside,
    /// What makes the template come to nothing.
    pub broken: Option<String>,
}

/// What functions look at besides the stack.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    pub zones: Vec<String>,
    pub exports: BTreeMap<String, String>,
}

impl Outside {
    pub async fn of(
        house: &Arc<House>,
        scope: &Scope,
        template: &Template,
    ) -> Result<Outside, AwsError> {
        let mut outside = Outside::default();
        if template.uses("Fn::GetAZs") {
            outside.zones = zones(house, scope).await?;
        }
        if template.uses("Fn::ImportValue") {
            let all = house.db.list::<Export>(scope).await?;
            let pairs = all
                .into_iter()
                .map(|e| (e.value.name.clone(), e.value.value.clone()));
            outside.exports = pairs.collect();
        }
        Ok(outside)
    }
}

async fn zones(house: &Arc<House>, scope: &Scope) -> Result<Vec<String>, AwsError> {
    use neargate_service::Caller;
    use neargate_service::caller::By;
    // The zones are nobody's secret: CloudFormation asks for itself.
    let account = &scope.account;
    let role = format!(
        "arn:aws:iam::{account}:role/aws-service-role/cloudformation.amazonaws.com/AWSServiceRole"
    );
    let by = By::Role(&role);
    let named = ("ec2", "DescribeAvailabilityZones");
    let answer = Caller::call_by_name(house, scope, by, named, json!({})).await?;
    let answer = match house
        .caller
        .service("ec2")
        .and_then(|s| s.schema().operation(named.1))
    {
        Some(operation) => match operation.output {
            Some(shape) => types::fit::output(shape.get(), answer),
            None => answer,
        },
        None => answer,
    };
    let all = answer["AvailabilityZones"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut names: Vec<String> = all
        .iter()
        .filter_map(|zone| zone["ZoneName"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// What functions see of a deployment.
pub fn frame<'a>(
    scope: &Scope,
    (name, arn): (&str, &str),
    template: &'a Template,
    deployment: &Deployment,
    outside: &Outside,
) -> Frame<'a> {
    let mut parameters = deployment.parameters.clone();
    parameters.extend(deployment.resolved.clone());
    let mut frame = Frame::new(template, parameters);
    let partition = neargate_base::arn::partition(&scope.region);
    let suffix = if partition == "aws-cn" {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    frame.pseudo = BTreeMap::from([
        ("AWS::AccountId", json!(scope.account.as_str())),
        ("AWS::Region", json!(scope.region.as_str())),
        ("AWS::Partition", json!(partition)),
        ("AWS::URLSuffix", json!(suffix)),
        ("AWS::StackName", json!(name)),
        ("AWS::StackId", json!(arn)),
        ("AWS::NotificationARNs", json!(deployment.notification_arns)),
    ]);
    frame.zones.clone_from(&outside.zones);
    frame.exports.clone_from(&outside.exports);
    frame
}

impl Scene {
    pub async fn load(engine: &Engine, stack: Stored<Stack>) -> Result<Scene, AwsError> {
        let scope = Scope::of_key(&stack.key).ok_or_else(|| {
            AwsError::server(
                "InternalFailure",
                format!("{} is no key of a stack", stack.key),
            )
        })?;
        let operation = stack.operation.clone().ok_or_else(|| {
            AwsError::server("InternalFailure", "nothing is being done with the stack")
        })?;
        let template = engine.template(&scope, &stack.deployment.template).await?;
        let prefix = super::resource_key(&scope, &stack, "");
        let resources = engine
            .house
            .db
            .list_prefix::<StackResource>(&prefix)
            .await?;
        let resources = resources
            .into_iter()
            .map(|mut r| {
                sealed::open_resource(&engine.house, &r.key, &mut r.value);
                (r.value.logical_id.clone(), r)
            })
            .collect();
        let outside = Outside::of(&engine.house, &scope, &template).await?;
        let mut scene = Scene {
            dependencies: graph::dependencies(&template)
                .into_iter()
                .map(|(name, needs)| (name.to_owned(), needs))
                .collect(),
            deployment: sealed::open(&engine.house, &stack.deployment),
            scope,
            operation,
            template,
            resources,
            wanted: Vec::new(),
            outside,
            broken: None,
            stack,
        };
        match scene.find_wanted() {
            Ok(wanted) => scene.wanted = wanted,
            Err(why) => scene.broken = Some(why),
        }
        if scene.broken.is_none() && scene.operation.phase == Phase::Update {
            scene.broken = scene.forbidden();
        }
        Ok(scene)
    }

    fn find_wanted(&self) -> Result<Vec<String>, String> {
        let frame = self.frame();
        let mut wanted = Vec::new();
        for (name, declared) in &self.template.resources {
            if frame.holds(declared.condition.as_ref())? {
                wanted.push(name.clone());
            }
        }
        Ok(wanted)
    }

    /// The policy that the update is held to.
    pub fn policy(&self) -> Option<&str> {
        match self.operation.phase {
            Phase::Update => self
                .operation
                .policy
                .as_deref()
                .or(self.stack.policy.as_deref()),
            _ => None,
        }
    }

    /// Why the update may not take away what it would.
    fn forbidden(&self) -> Option<String> {
        let policy = self.policy()?;
        let gone = self
            .resources
            .iter()
            .filter(|(name, r)| r.now.is_some() && !self.wanted.contains(name));
        gone.into_iter().find_map(|(name, resource)| {
            let kind = resource
                .now
                .as_ref()
                .map(|now| now.kind.as_str())
                .unwrap_or_default();
            let touched = policy::Touched {
                logical_id: name,
                kind,
                action: "Update:Delete",
            };
            policy::may(Some(policy), touched).err()
        })
    }

    pub fn arn(&self) -> String {
        self.stack.arn(&self.scope)
    }

    /// What functions see, with all resources that are there.
    pub fn frame(&self) -> Frame<'_> {
        let arn = self.arn();
        let named = (self.stack.name.as_str(), arn.as_str());
        let mut frame = frame(
            &self.scope,
            named,
            &self.template,
            &self.deployment,
            &self.outside,
        );
        for (name, resource) in &self.resources {
            if let Some(made) = &resource.now {
                frame.resources.insert(name.clone(), known(made));
            }
        }
        frame
    }

    /// What a resource should be.
    ///
    /// # Errors
    /// Why its template comes to nothing.
    pub fn desired(&self, name: &str, declared: &Declared) -> Result<Desired, String> {
        desired(&self.frame(), &self.deployment, name, declared)
    }

    /// Properties as events show them: without the values of parameters that are not to be shown.
    pub fn shown(&self, properties: &Value) -> Value {
        let hidden = self.hidden();
        if hidden.is_empty() {
            return properties.clone();
        }
        masked(properties, &hidden)
    }

    /// The values of parameters that are not to be shown.
    pub fn hidden(&self) -> Vec<&str> {
        let declared = self.template.declared();
        let values = self.deployment.parameters.iter();
        let hidden = values.filter(|(name, value)| {
            declared.get(name.as_str()).is_some_and(|d| d.no_echo) && !value.is_empty()
        });
        hidden.map(|(_, value)| value.as_str()).collect()
    }

    /// Has this operation looked at it?
    pub fn is_of_this(&self, resource: &StackResource) -> bool {
        resource.operation == self.operation.id
    }
}

pub fn masked(value: &Value, hidden: &[&str]) -> Value {
    match value {
        Value::String(text) => {
            let text = hidden
                .iter()
                .fold(text.clone(), |text, hidden| text.replace(hidden, "****"));
            Value::String(text)
        }
        Value::Array(items) => items.iter().map(|item| masked(item, hidden)).collect(),
        Value::Object(map) => {
            let all = map
                .iter()
                .map(|(key, value)| (key.clone(), masked(value, hidden)));
            Value::Object(all.collect())
        }
        other => other.clone(),
    }
}

/// What stands for something that is there.
pub fn known(made: &Made) -> Known {
    let reference = made.attributes.get(REFERENCE).cloned();
    Known {
        reference: reference.unwrap_or_else(|| json!(made.physical_id)),
        attributes: made.attributes.clone(),
        is_whole: true,
    }
}

/// Beside the attributes: what `Ref` comes to when that is not the id.
pub const REFERENCE: &str = " ref";

/// What a resource should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    pub kind: String,
    pub properties: Value,
    pub metadata: Option<Value>,
    pub deletion_policy: String,
    pub replace_policy: String,
}

pub fn desired(
    frame: &Frame<'_>,
    deployment: &Deployment,
    name: &str,
    declared: &Declared,
) -> Result<Desired, String> {
    let mut properties = frame
        .resolve(&declared.properties)?
        .unwrap_or_else(|| json!({}));
    let kind = types::kind(&declared.kind);
    if kind.is_some_and(|kind| kind.tags.is_some()) {
        tag(&mut properties, deployment);
    }
    let policy = |of: &Option<Value>, what: &str| match of {
        None => Ok(kind
            .and_then(|k| k.policy.clone())
            .unwrap_or_else(|| "Delete".to_owned())),
        Some(of) => frame
            .text(of)
            .map_err(|_| format!("Template error: {what} of {name} must be a string")),
    };
    let metadata = declared
        .metadata
        .as_ref()
        .map(|m| frame.resolve(m))
        .transpose()?
        .flatten();
    Ok(Desired {
        kind: declared.kind.clone(),
        deletion_policy: policy(&declared.deletion_policy, "DeletionPolicy")?,
        replace_policy: policy(&declared.replace_policy, "UpdateReplacePolicy")?,
        properties,
        metadata,
    })
}

/// The stack's tags are its resources', too; a resource's own win.
fn tag(properties: &mut Value, deployment: &Deployment) {
    if deployment.tags.is_empty() {
        return;
    }
    let own = match properties.get("Tags") {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect(),
        _ => Vec::new(),
    };
    let is_own = |key: &str| own.iter().any(|tag| tag["Key"] == key);
    let of_stack = deployment.tags.iter().filter(|(key, _)| !is_own(key));
    let of_stack: Vec<Value> = of_stack
        .map(|(k, v)| json!({"Key": k, "Value": v}))
        .collect();
    properties["Tags"] = own.iter().cloned().chain(of_stack).collect();
}

/// The records of a stack's resources.
pub async fn resources(
    house: &House,
    scope: &Scope,
    stack: &Stack,
) -> Result<Vec<Stored<StackResource>>, AwsError> {
    let prefix = db::key::<StackResource>(scope, &format!("{}/", stack.id));
    let mut all = house.db.list_prefix::<StackResource>(&prefix).await?;
    for resource in &mut all {
        sealed::open_resource(house, &resource.key, &mut resource.value);
    }
    Ok(all)
}
