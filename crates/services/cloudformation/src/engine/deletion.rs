//! How what a resource is, or was, is taken away.

use super::plan::Whole;
use super::resources::PATIENCE;
use super::scene::Scene;
use super::{Engine, Said, resource_key, sealed};
use crate::model::{Made, Phase, StackResource, Stage};
use crate::types;
use neargate_service::AwsError;

impl Engine {
    pub(super) async fn delete(
        &self,
        scene: &Scene,
        name: &str,
        whole: Whole,
    ) -> Result<bool, AwsError> {
        let Some(mut resource) = scene.resources.get(name).map(|r| r.value.clone()) else {
            return Ok(false);
        };
        let is_rollback = scene.operation.phase == Phase::RollBackCreate;
        if whole == Whole::All {
            // What was being made when something failed goes as well.
            let made = [resource.next.take(), resource.now.take()];
            for made in made
                .into_iter()
                .flatten()
                .filter(|made| !made.physical_id.is_empty())
            {
                let is_known = resource
                    .doomed
                    .iter()
                    .any(|d| d.physical_id == made.physical_id);
                if !is_known {
                    resource.doomed.push(made);
                }
            }
        }
        let is_over = scene.operation.phase == Phase::Delete || is_rollback;
        let Some(made) = resource.doomed.last().cloned() else {
            return self.gone(scene, resource, whole, is_over).await;
        };
        let is_kept = match made.policy.as_str() {
            "Retain" => true,
            "RetainExceptOnCreate" => !is_rollback,
            // Where no snapshot can be made, what would be lost is kept.
            "Snapshot" => {
                !is_rollback && types::kind(&made.kind).is_none_or(|k| k.snapshot.is_empty())
            }
            _ => false,
        };
        let told = Told { made: &made, whole };
        if is_kept || scene.operation.retain.contains(&resource.logical_id) {
            resource.doomed.pop();
            self.tell(scene, &mut resource, &told, "DELETE_SKIPPED", None)
                .await?;
            return Ok(true);
        }
        let arn = scene.arn();
        let is_begun = scene.is_of_this(&resource) && resource.status == "DELETE_IN_PROGRESS";
        if !is_begun {
            resource.operation.clone_from(&scene.operation.id);
            resource.stage = Stage::Calling;
            resource.failing_since = None;
            // What is asked of a custom resource is told apart by it.
            resource.token = self.house.rng.uuid();
            self.tell(scene, &mut resource, &told, "DELETE_IN_PROGRESS", None)
                .await?;
        }
        let Some(kind) = types::kind(&made.kind) else {
            resource.doomed.pop();
            self.tell(scene, &mut resource, &told, "DELETE_COMPLETE", None)
                .await?;
            return Ok(true);
        };
        let provider = self.provider(scene, &arn, &resource);
        let mut made_so = made.clone();
        if is_rollback {
            // Nothing was in it yet.
            "Delete".clone_into(&mut made_so.policy);
        }
        let outcome = match resource.stage {
            Stage::Calling => provider.delete(kind, &made_so).await,
            _ => Ok(()),
        };
        let outcome = match outcome {
            Ok(()) => provider.is_gone(kind, &made).await,
            Err(problem) => Err(problem),
        };
        match outcome {
            Ok(true) => {
                resource.doomed.pop();
                resource.stage = Stage::Done;
                self.tell(scene, &mut resource, &told, "DELETE_COMPLETE", None)
                    .await?;
                Ok(true)
            }
            Ok(false) => {
                if resource.stage != Stage::Settling {
                    resource.stage = Stage::Settling;
                    self.save(scene, &resource, false).await?;
                }
                Ok(false)
            }
            Err(problem) => {
                let now = self.house.now();
                if problem.is_passing && now < resource.failing_since.unwrap_or(now) + PATIENCE {
                    if resource.failing_since.is_none() {
                        resource.failing_since = Some(now);
                        self.save(scene, &resource, false).await?;
                    }
                    return Ok(false);
                }
                if scene.operation.forced {
                    resource.doomed.pop();
                    let why = Some(problem.reason);
                    self.tell(scene, &mut resource, &told, "DELETE_SKIPPED", why)
                        .await?;
                    return Ok(true);
                }
                if !is_over {
                    // An update is done all the same; what could not be taken away is the stack's no more.
                    resource.doomed.pop();
                }
                self.tell(
                    scene,
                    &mut resource,
                    &told,
                    "DELETE_FAILED",
                    Some(problem.reason),
                )
                .await?;
                Ok(true)
            }
        }
    }

    /// A status of something that goes. What goes from under a resource that stays does not change the status
    /// that this has.
    async fn tell(
        &self,
        scene: &Scene,
        resource: &mut StackResource,
        told: &Told<'_>,
        status: &str,
        reason: Option<String>,
    ) -> Result<(), AwsError> {
        let (key, event) = self.event(
            &scene.scope,
            &scene.stack,
            Said {
                logical_id: &resource.logical_id,
                physical_id: &told.made.physical_id,
                kind: &told.made.kind,
                status,
                reason: reason.as_deref(),
                properties: Some(&scene.shown(&told.made.properties)),
            },
        );
        // While it is deleted its status says how far that is; the next thing to go begins anew.
        let more = !resource.doomed.is_empty()
            && status != "DELETE_IN_PROGRESS"
            && status != "DELETE_FAILED";
        resource.status = match (told.whole, more, resource.now.is_some()) {
            (Whole::Doomed, false, true) if status != "DELETE_IN_PROGRESS" => {
                "UPDATE_COMPLETE".to_owned()
            }
            (_, true, _) => "DELETE_PENDING".to_owned(),
            _ => status.to_owned(),
        };
        resource.reason = reason;
        resource.at = self.house.now();
        resource.operation.clone_from(&scene.operation.id);
        if status != "DELETE_IN_PROGRESS" && resource.now.is_none() {
            // It is shown as what it was.
            resource.before = Some(told.made.clone());
        }
        let record = resource_key(&scene.scope, &scene.stack, &resource.logical_id);
        self.house
            .db
            .tx()
            .put(
                record.clone(),
                &sealed::seal_resource(&self.house, &record, resource),
            )
            .put(key, &event)
            .commit()
            .await
            .map(drop)
    }

    /// Nothing of it is left to take away.
    async fn gone(
        &self,
        scene: &Scene,
        mut resource: StackResource,
        whole: Whole,
        is_over: bool,
    ) -> Result<bool, AwsError> {
        let key = resource_key(&scene.scope, &scene.stack, &resource.logical_id);
        if whole == Whole::Doomed {
            return Ok(false);
        }
        if !is_over {
            self.house
                .db
                .tx()
                .delete_key(key)
                .commit()
                .await
                .map(drop)?;
            return Ok(true);
        }
        resource.operation.clone_from(&scene.operation.id);
        resource.stage = Stage::Done;
        if !matches!(
            resource.status.as_str(),
            "DELETE_COMPLETE" | "DELETE_SKIPPED"
        ) {
            resource.status = "DELETE_COMPLETE".into();
        }
        self.house
            .db
            .tx()
            .put(
                key.clone(),
                &sealed::seal_resource(&self.house, &key, &resource),
            )
            .commit()
            .await
            .map(drop)?;
        Ok(true)
    }
}

struct Told<'a> {
    made: &'a Made,
    whole: Whole,
}
