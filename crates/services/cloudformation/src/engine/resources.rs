//! What a round does with a resource. Each step writes what it begins before it calls, and what came of it after.

use super::plan::Step;
use super::provision::{Provider, changed};
use super::reason::Problem;
use super::scene::{Desired, REFERENCE, Scene};
use super::{Engine, OWN_ID, Said, policy, resource_key, sealed};
use crate::model::{Made, Phase, StackResource, Stage};
use crate::template::Declared;
use crate::types::{self, Kind, Own};
use neargate_service::AwsError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long what is still in use is asked to go.
pub(super) const PATIENCE: Duration = Duration::from_secs(5 * 60);

impl Engine {
    /// Answers whether there may be more to do at once.
    pub(super) async fn carry_out(&self, scene: &Scene, step: Step) -> Result<bool, AwsError> {
        match step {
            Step::Begin(name) => self.begin(scene, &name).await,
            Step::Continue(name) => self.go_on(scene, &name).await,
            Step::Cancel(name) => self.cancel(scene, &name).await,
            Step::Revert(name) => self.revert(scene, &name).await,
            Step::Delete(name, whole) => self.delete(scene, &name, whole).await,
            Step::Hold => self.hold(scene).await,
            Step::Finish => self.finish(scene).await,
            Step::Fail(why) => self.fail(scene, &why).await,
        }
    }

    pub(super) fn provider<'a>(
        &'a self,
        scene: &'a Scene,
        arn: &'a str,
        r: &'a StackResource,
    ) -> Provider<'a> {
        Provider {
            house: &self.house,
            scope: &scene.scope,
            stack: &scene.stack,
            deployment: &scene.deployment,
            is_revert: scene.operation.phase == Phase::RollBackUpdate,
            since: r.at,
            role: scene.stack.role_arn.as_deref(),
            asker: &scene.operation.asker,
            stack_name: &scene.stack.name,
            stack_arn: arn,
            logical_id: &r.logical_id,
            token: &r.token,
        }
    }

    /// Writes a record, and an event of its status when that is to be told.
    pub(super) async fn save(
        &self,
        scene: &Scene,
        resource: &StackResource,
        tell: bool,
    ) -> Result<(), AwsError> {
        let key = resource_key(&scene.scope, &scene.stack, &resource.logical_id);
        let stored = sealed::seal_resource(&self.house, &key, resource);
        let mut tx = self.house.db.tx().put(key, &stored);
        if tell {
            let made = resource.next.as_ref().or(resource.now.as_ref());
            let properties = made.map(|m| scene.shown(&m.properties));
            let (key, event) = self.event(
                &scene.scope,
                &scene.stack,
                Said {
                    logical_id: &resource.logical_id,
                    physical_id: made.map_or("", |m| &m.physical_id),
                    kind: made.map_or("", |m| &m.kind),
                    status: &resource.status,
                    reason: resource.reason.as_deref(),
                    properties: properties.as_ref(),
                },
            );
            tx = tx.put(key, &event);
        }
        tx.commit().await.map(drop)
    }

    async fn begin(&self, scene: &Scene, name: &str) -> Result<bool, AwsError> {
        let Some(declared) = scene.template.resource(name) else {
            return Ok(false);
        };
        let had = scene.resources.get(name).map(|r| &r.value);
        let depends_on = scene.dependencies.get(name).into_iter().flatten();
        let mut resource = StackResource {
            logical_id: name.to_owned(),
            status: String::new(),
            reason: None,
            at: self.house.now(),
            operation: scene.operation.id.clone(),
            stage: Stage::Calling,
            token: self.house.rng.uuid(),
            now: had.and_then(|r| r.now.clone()),
            next: None,
            before: None,
            doomed: had.map(left_over).unwrap_or_default(),
            depends_on: depends_on.cloned().collect(),
            metadata: None,
            failing_since: None,
            drift: None,
        };
        let desired = match scene.desired(name, declared) {
            Ok(desired) => desired,
            Err(why) => {
                resource.next = Some(Made {
                    kind: declared.kind.clone(),
                    ..Made::default()
                });
                return self.failed(scene, resource, Problem::new(why)).await;
            }
        };
        resource.metadata.clone_from(&desired.metadata);
        let Some(kind) = types::kind(&desired.kind) else {
            let why = format!(
                "Template format error: Unrecognized resource types: [{}]",
                desired.kind
            );
            return self.failed(scene, resource, Problem::new(why)).await;
        };
        if let Err(why) = check(kind, &desired) {
            resource.next = Some(Made {
                kind: desired.kind,
                properties: desired.properties,
                secret: !scene.hidden().is_empty(),
                ..Made::default()
            });
            return self.failed(scene, resource, Problem::new(why)).await;
        }
        let mut next = Made {
            kind: desired.kind.clone(),
            properties: desired.properties.clone(),
            policy: desired.deletion_policy.clone(),
            secret: !scene.hidden().is_empty(),
            ..Made::default()
        };
        let Some(now) = resource.now.clone() else {
            return self.make(scene, resource, kind, next).await;
        };
        let differing = changed(&now.properties, &next.properties);
        // A nested stack's template may be another at the same address.
        let always = kind.own == Some(Own::Stack);
        if now.kind == next.kind && differing.is_empty() && !always {
            // Nothing is called; its policy may be another.
            let kept = Made {
                policy: next.policy,
                ..now
            };
            resource.status = had.map(|r| r.status.clone()).unwrap_or_default();
            resource.at = had.map_or(resource.at, |r| r.at);
            resource.token = had.map(|r| r.token.clone()).unwrap_or_default();
            resource.now = Some(kept);
            resource.stage = Stage::Done;
            self.save(scene, &resource, false).await?;
            return Ok(true);
        }
        let replaces = now.kind != next.kind || differing.iter().any(|p| kind.replaces(p));
        let touched = policy::Touched {
            logical_id: name,
            kind: &now.kind,
            action: if replaces {
                "Update:Replace"
            } else {
                "Update:Modify"
            },
        };
        if let Err(why) = policy::may(scene.policy(), touched) {
            next.physical_id.clone_from(&now.physical_id);
            resource.next = Some(next);
            return self.failed(scene, resource, Problem::new(why)).await;
        }
        if let Some(why) = rolling(declared, &differing) {
            next.physical_id.clone_from(&now.physical_id);
            resource.next = Some(next);
            return self.failed(scene, resource, Problem::new(why)).await;
        }
        resource.before = Some(now.clone());
        if replaces {
            resource.reason = Some("Requested update requires the creation of a new physical resource; hence creating one.".into());
            let doomed = Made {
                policy: desired.replace_policy,
                ..now
            };
            // What it was stays until the whole update is done; `make` puts it among what is to go.
            resource.doomed.push(doomed);
            return self.make(scene, resource, kind, next).await;
        }
        next.physical_id.clone_from(&now.physical_id);
        next.attributes.clone_from(&now.attributes);
        next.name.clone_from(&now.name);
        if let Some(property) = differing.iter().find(|p| !kind.can_change(p)) {
            resource.next = Some(next);
            let why = format!(
                "Neargate cannot change the property {property} of {} in place yet",
                desired.kind
            );
            return self.failed(scene, resource, Problem::new(why)).await;
        }
        resource.next = Some(next);
        resource.status = "UPDATE_IN_PROGRESS".into();
        self.save(scene, &resource, true).await?;
        self.change(scene, resource, kind).await
    }

    /// Makes something new.
    async fn make(
        &self,
        scene: &Scene,
        mut resource: StackResource,
        kind: &Kind,
        mut next: Made,
    ) -> Result<bool, AwsError> {
        let verb = if resource.before.is_some() {
            "UPDATE"
        } else {
            "CREATE"
        };
        resource.status = format!("{verb}_IN_PROGRESS");
        if let Some(naming) = &kind.name
            && next.properties.get(&naming.property).is_none()
        {
            let arn = scene.arn();
            let provider = self.provider(scene, &arn, &resource);
            next.name = Some(provider.name(naming.most, naming.lower, &naming.prefix));
        }
        resource.next = Some(next);
        self.save(scene, &resource, true).await?;
        self.create(scene, resource, kind, false).await
    }

    async fn create(
        &self,
        scene: &Scene,
        mut resource: StackResource,
        kind: &Kind,
        again: bool,
    ) -> Result<bool, AwsError> {
        let arn = scene.arn();
        let Some(mut next) = resource.next.clone() else {
            return Ok(false);
        };
        if next.physical_id.is_empty() {
            let provider = self.provider(scene, &arn, &resource);
            if let Err(problem) = provider.create(kind, &mut next, again).await {
                return self.stumbled(scene, resource, problem).await;
            }
            resource.next = Some(next.clone());
            if resource.status == "CREATE_IN_PROGRESS" {
                resource.reason = Some("Resource creation Initiated".into());
            }
            self.save(scene, &resource, true).await?;
        }
        let provider = self.provider(scene, &arn, &resource);
        if let Err(problem) = provider.create_rest(kind, &next).await {
            return self.stumbled(scene, resource, problem).await;
        }
        self.settle(scene, resource, kind).await
    }

    /// From what it is to what it should be, in place.
    async fn change(
        &self,
        scene: &Scene,
        resource: StackResource,
        kind: &Kind,
    ) -> Result<bool, AwsError> {
        let arn = scene.arn();
        let (Some(now), Some(next)) = (&resource.now, &resource.next) else {
            return Ok(false);
        };
        let provider = self.provider(scene, &arn, &resource);
        match provider.update(kind, now, next).await {
            Ok(()) => self.settle(scene, resource, kind).await,
            Err(problem) => self.stumbled(scene, resource, problem).await,
        }
    }

    /// The calls are made: is it there as it should be?
    async fn settle(
        &self,
        scene: &Scene,
        mut resource: StackResource,
        kind: &Kind,
    ) -> Result<bool, AwsError> {
        let arn = scene.arn();
        let Some(mut next) = resource.next.clone() else {
            return Ok(false);
        };
        let is_first = resource.stage == Stage::Calling;
        resource.stage = Stage::Settling;
        let provider = self.provider(scene, &arn, &resource);
        match provider.settled(kind, &next).await {
            Ok(None) => {
                if is_first || resource.failing_since.take().is_some() {
                    self.save(scene, &resource, false).await?;
                }
                Ok(false)
            }
            Ok(Some(attributes)) => {
                let is_created = resource
                    .now
                    .as_ref()
                    .is_none_or(|now| now.physical_id != next.physical_id);
                if is_created && let Some(policy) = creation_policy(scene, &resource.logical_id) {
                    match provider.is_signalled(kind, &next, &policy).await {
                        Ok(true) => {}
                        Ok(false) => {
                            if is_first {
                                self.save(scene, &resource, false).await?;
                            }
                            return Ok(false);
                        }
                        Err(problem) => return self.stumbled(scene, resource, problem).await,
                    }
                }
                next.attributes = attributes;
                let was = next.physical_id.clone();
                let renamed = next
                    .attributes
                    .as_object_mut()
                    .and_then(|map| map.remove(OWN_ID));
                if let Some(id) = renamed.map(|id| crate::template::text_of(&id))
                    && id != next.physical_id
                {
                    // A custom resource says by another id that it is another thing.
                    next.physical_id = id;
                }
                let is_renamed = was != next.physical_id;
                let reference = provider.reference(kind, &next);
                if reference != json!(next.physical_id)
                    && let Value::Object(map) = &mut next.attributes
                {
                    map.insert(REFERENCE.to_owned(), reference);
                }
                if is_renamed && let Some(now) = resource.now.take() {
                    resource.doomed.push(now);
                }
                resource.now = Some(next);
                resource.next = None;
                resource.stage = Stage::Done;
                resource.reason = None;
                resource.failing_since = None;
                resource.at = self.house.now();
                resource.status = resource.status.replace("_IN_PROGRESS", "_COMPLETE");
                self.save(scene, &resource, true).await?;
                Ok(true)
            }
            Err(problem) => self.stumbled(scene, resource, problem).await,
        }
    }

    /// What passes is tried again for a while; everything else has failed.
    async fn stumbled(
        &self,
        scene: &Scene,
        mut resource: StackResource,
        problem: Problem,
    ) -> Result<bool, AwsError> {
        let now = self.house.now();
        if problem.is_passing && now < resource.failing_since.unwrap_or(now) + PATIENCE {
            if resource.failing_since.is_none() {
                resource.failing_since = Some(now);
                self.save(scene, &resource, false).await?;
            }
            return Ok(false);
        }
        self.failed(scene, resource, problem).await
    }

    async fn failed(
        &self,
        scene: &Scene,
        mut resource: StackResource,
        problem: Problem,
    ) -> Result<bool, AwsError> {
        let verb = if resource.before.is_some() || resource.now.is_some() {
            "UPDATE"
        } else {
            "CREATE"
        };
        resource.status = format!("{verb}_FAILED");
        resource.reason = Some(problem.reason);
        resource.stage = Stage::Failed;
        resource.failing_since = None;
        resource.at = self.house.now();
        self.save(scene, &resource, true).await?;
        Ok(true)
    }

    async fn go_on(&self, scene: &Scene, name: &str) -> Result<bool, AwsError> {
        let Some(resource) = scene.resources.get(name).map(|r| r.value.clone()) else {
            return Ok(false);
        };
        let Some(kind) = resource
            .next
            .as_ref()
            .and_then(|made| types::kind(&made.kind))
        else {
            return self
                .failed(scene, resource, Problem::internal("its type is not known"))
                .await;
        };
        let in_place = match (&resource.now, &resource.next) {
            (Some(now), Some(next)) => now.physical_id == next.physical_id,
            _ => false,
        };
        match resource.stage {
            Stage::Settling => self.settle(scene, resource, kind).await,
            _ if in_place => self.change(scene, resource, kind).await,
            _ => self.create(scene, resource, kind, true).await,
        }
    }

    /// Something else has failed. What a call that was cut short has made is found, to be taken away.
    async fn cancel(&self, scene: &Scene, name: &str) -> Result<bool, AwsError> {
        let Some(mut resource) = scene.resources.get(name).map(|r| r.value.clone()) else {
            return Ok(false);
        };
        let verb = if resource.before.is_some() {
            "UPDATE"
        } else {
            "CREATE"
        };
        let noun = if resource.before.is_some() {
            "update"
        } else {
            "creation"
        };
        if let Some(mut next) = resource.next.clone().filter(|n| n.physical_id.is_empty())
            && let Some(kind) = types::kind(&next.kind)
        {
            let arn = scene.arn();
            if let Ok(Some(id)) = self
                .provider(scene, &arn, &resource)
                .lost(kind, &next)
                .await
            {
                next.physical_id = id;
                resource.next = Some(next);
            }
        }
        resource.status = format!("{verb}_FAILED");
        resource.reason = Some(format!("Resource {noun} cancelled"));
        resource.stage = Stage::Failed;
        resource.at = self.house.now();
        self.save(scene, &resource, true).await?;
        Ok(true)
    }

    /// Makes it what it was before the update that failed.
    async fn revert(&self, scene: &Scene, name: &str) -> Result<bool, AwsError> {
        let Some(mut resource) = scene.resources.get(name).map(|r| r.value.clone()) else {
            return Ok(false);
        };
        let Some(before) = resource.before.take() else {
            return Ok(false);
        };
        resource.token = self.house.rng.uuid();
        let is_at = resource.next.take().or_else(|| resource.now.clone());
        resource.operation.clone_from(&scene.operation.id);
        resource.reason = None;
        resource.at = self.house.now();
        resource.failing_since = None;
        resource
            .doomed
            .retain(|made| made.physical_id != before.physical_id);
        resource.status = "UPDATE_IN_PROGRESS".into();
        match is_at {
            Some(other) if other.physical_id != before.physical_id => {
                // It was replaced: what it was is still there.
                if !other.physical_id.is_empty() {
                    resource.doomed.push(Made {
                        policy: "Delete".into(),
                        ..other
                    });
                }
                resource.now = Some(before);
                resource.stage = Stage::Done;
                resource.status = "UPDATE_COMPLETE".into();
                self.save(scene, &resource, true).await?;
                Ok(true)
            }
            is_at => {
                let Some(kind) = types::kind(&before.kind) else {
                    return Ok(false);
                };
                resource.now = is_at;
                resource.next = Some(before);
                resource.stage = Stage::Calling;
                self.save(scene, &resource, true).await?;
                self.change(scene, resource, kind).await
            }
        }
    }
}

/// The template's `CreationPolicy` of a resource, with what its functions come to.
fn creation_policy(scene: &Scene, name: &str) -> Option<Value> {
    let declared = scene.template.resource(name)?.creation_policy.as_ref()?;
    scene.frame().resolve(declared).ok().flatten()
}

/// A change of an Auto Scaling group whose `UpdatePolicy` asks for other instances.
fn rolling(declared: &Declared, differing: &BTreeSet<String>) -> Option<String> {
    const CAUSES: [&str; 4] = [
        "LaunchConfigurationName",
        "LaunchTemplate",
        "MixedInstancesPolicy",
        "VPCZoneIdentifier",
    ];
    let policy = declared.update_policy.as_ref()?;
    let named = ["AutoScalingRollingUpdate", "AutoScalingReplacingUpdate"];
    let named = named.into_iter().find(|name| policy.get(name).is_some())?;
    let cause = CAUSES.into_iter().find(|name| differing.contains(*name))?;
    Some(format!(
        "Neargate does not support the UpdatePolicy {named} yet: a change of {cause} would leave the instances as they are"
    ))
}

/// What is still to go; an update that failed and was left as it was may have put among it what is there.
fn left_over(resource: &StackResource) -> Vec<Made> {
    let is_there = |made: &Made| {
        resource
            .now
            .as_ref()
            .is_some_and(|now| now.physical_id == made.physical_id)
    };
    resource
        .doomed
        .iter()
        .filter(|made| !is_there(made))
        .cloned()
        .collect()
}

/// Are these properties that the type has?
fn check(kind: &Kind, desired: &Desired) -> Result<(), String> {
    if matches!(kind.own, Some(Own::Custom | Own::Function)) {
        return Ok(());
    }
    let known = kind.properties();
    let given = desired
        .properties
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys());
    let unknown: Vec<&str> = given
        .map(String::as_str)
        .filter(|name| !known.contains(*name))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Neargate does not know the property {} of {}",
        unknown.join(", "),
        desired.kind
    ))
}
