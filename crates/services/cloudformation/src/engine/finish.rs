//! What a round does with the stack itself: the end of a phase, and what follows a failure.

use super::scene::Scene;
use super::{Engine, Said};
use crate::model::{Export, Name, Phase, Signal, Stack, StackOutput};
use neargate_service::{AwsError, Committed, Stored, db};
use std::collections::BTreeSet;

/// The outputs of a template, and the exports that it imports.
struct Outputs {
    outputs: Vec<StackOutput>,
    imports: Vec<String>,
}

impl Engine {
    pub(super) async fn finish(&self, scene: &Scene) -> Result<bool, AwsError> {
        let phase = scene.operation.phase;
        match phase {
            Phase::Create | Phase::Update => {
                let found = match outputs(scene) {
                    Ok(found) => found,
                    Err(why) => return self.fail(scene, &why).await,
                };
                if let Some(taken) = self.taken(scene, &found).await? {
                    return self.fail(scene, &taken).await;
                }
                let (status, next) = match phase {
                    Phase::Create => ("CREATE_COMPLETE", None),
                    _ if self.is_waited_for(scene).await? => {
                        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Some(Phase::Held))
                    }
                    _ => ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Some(Phase::CleanUp)),
                };
                self.complete(scene, found, status, next).await
            }
            Phase::RollBackUpdate => {
                let next = Some(Phase::CleanUpRollBack);
                let status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS";
                match outputs(scene) {
                    // What the update has told already is told no more.
                    Ok(found) => self.complete(scene, found, status, next).await,
                    Err(_) => {
                        self.turn(scene, status, None, |stack| set_phase(stack, next))
                            .await
                    }
                }
            }
            Phase::Held => Ok(false),
            Phase::CleanUp => {
                self.turn(scene, "UPDATE_COMPLETE", None, |stack| {
                    set_phase(stack, None)
                })
                .await
            }
            Phase::CleanUpRollBack => {
                self.turn(scene, "UPDATE_ROLLBACK_COMPLETE", None, |stack| {
                    set_phase(stack, None)
                })
                .await
            }
            Phase::RollBackCreate => match failures(scene) {
                None => {
                    self.turn(scene, "ROLLBACK_COMPLETE", None, |stack| {
                        set_phase(stack, None)
                    })
                    .await
                }
                Some(why) => {
                    self.turn(scene, "ROLLBACK_FAILED", Some(&why), |stack| {
                        set_phase(stack, None)
                    })
                    .await
                }
            },
            Phase::Delete => match failures(scene) {
                None => self.deleted(scene).await,
                Some(why) => {
                    self.turn(scene, "DELETE_FAILED", Some(&why), |stack| {
                        set_phase(stack, None)
                    })
                    .await
                }
            },
        }
    }

    /// Is it being changed by the stack above, which has not decided yet?
    async fn is_waited_for(&self, scene: &Scene) -> Result<bool, AwsError> {
        let parent = scene
            .stack
            .parent
            .as_deref()
            .and_then(|arn| arn.split_once(":stack/"));
        let Some((_, place)) = parent else {
            return Ok(false);
        };
        let parent = self.house.db.get::<Stack>(&scene.scope, place).await?;
        let phase = parent.and_then(|p| p.value.operation).map(|o| o.phase);
        Ok(matches!(
            phase,
            Some(Phase::Update | Phase::Held | Phase::RollBackUpdate)
        ))
    }

    /// Goes on once the stack above has.
    pub(super) async fn hold(&self, scene: &Scene) -> Result<bool, AwsError> {
        if self.is_waited_for(scene).await? {
            return Ok(false);
        }
        let free = |stack: &mut Stack| {
            let held = stack.operation.as_mut().filter(|o| o.phase == Phase::Held);
            Ok(held
                .map(|operation| operation.phase = Phase::CleanUp)
                .is_some())
        };
        self.house.db.modify(&scene.stack.key, free).await?;
        Ok(true)
    }

    pub(super) async fn fail(&self, scene: &Scene, why: &str) -> Result<bool, AwsError> {
        let phase = scene.operation.phase;
        match (phase, scene.stack.on_failure.as_str()) {
            (Phase::Create, "DO_NOTHING") => {
                self.turn(scene, "CREATE_FAILED", Some(why), interrupt)
                    .await
            }
            (Phase::Create, "DELETE") => {
                let why = format!("{why}Delete requested by user.");
                self.turn(scene, "DELETE_IN_PROGRESS", Some(&why), |stack| {
                    set_phase(stack, Some(Phase::Delete))
                })
                .await
            }
            (Phase::Create, _) => {
                let why = format!("{why}Rollback requested by user.");
                self.turn(scene, "ROLLBACK_IN_PROGRESS", Some(&why), |stack| {
                    set_phase(stack, Some(Phase::RollBackCreate));
                })
                .await
            }
            (Phase::Update, "DO_NOTHING") if !scene.operation.cancelled => {
                self.turn(scene, "UPDATE_FAILED", Some(why), interrupt)
                    .await
            }
            (Phase::Update, _) => {
                let next = self.house.rng.uuid();
                self.turn(scene, "UPDATE_ROLLBACK_IN_PROGRESS", Some(why), |stack| {
                    turn_back(stack, next.clone());
                })
                .await
            }
            (Phase::RollBackUpdate | Phase::CleanUpRollBack, _) => {
                self.turn(scene, "UPDATE_ROLLBACK_FAILED", Some(why), interrupt)
                    .await
            }
            (Phase::CleanUp | Phase::Held, _) => {
                self.turn(scene, "UPDATE_COMPLETE", None, |stack| {
                    set_phase(stack, None)
                })
                .await
            }
            (Phase::Delete | Phase::RollBackCreate, _) => {
                self.turn(scene, "DELETE_FAILED", Some(why), |stack| {
                    set_phase(stack, None)
                })
                .await
            }
        }
    }

    /// Writes the stack's next status with its event.
    async fn turn(
        &self,
        scene: &Scene,
        status: &str,
        reason: Option<&str>,
        change: impl Fn(&mut Stack),
    ) -> Result<bool, AwsError> {
        self.turned(scene, status, reason, change, |tx| tx).await
    }

    async fn turned(
        &self,
        scene: &Scene,
        status: &str,
        reason: Option<&str>,
        change: impl Fn(&mut Stack),
        more: impl FnOnce(neargate_service::Tx) -> neargate_service::Tx,
    ) -> Result<bool, AwsError> {
        let arn = scene.arn();
        let said = Said::stack(&scene.stack.name, &arn, status, reason);
        let (key, event) = self.event(&scene.scope, &scene.stack, said);
        let mut stack = scene.stack.value.clone();
        stack.status = status.to_owned();
        stack.reason = reason.map(str::to_owned);
        change(&mut stack);
        let tx = self
            .house
            .db
            .tx()
            .update(&scene.stack, &stack)
            .put(key, &event);
        // Whoever changed it meanwhile is seen in the next round.
        let (Committed::At(_) | Committed::Conflict) = more(tx).commit().await?;
        Ok(true)
    }

    /// The name of an export that another stack has.
    async fn taken(&self, scene: &Scene, found: &Outputs) -> Result<Option<String>, AwsError> {
        for name in found.outputs.iter().filter_map(|o| o.export.as_ref()) {
            let there = self.house.db.get::<Export>(&scene.scope, name).await?;
            if let Some(other) = there.filter(|export| export.stack != scene.stack.id) {
                return Ok(Some(format!(
                    "Export with name {name} is already exported by stack {}. ",
                    other.stack_name
                )));
            }
        }
        let kept: BTreeSet<&String> = found
            .outputs
            .iter()
            .filter_map(|o| o.export.as_ref())
            .collect();
        for gone in &scene.stack.outputs {
            let Some(name) = &gone.export else { continue };
            let value = found
                .outputs
                .iter()
                .find(|o| o.export.as_ref() == Some(name))
                .map(|o| &o.value);
            if kept.contains(name) && value == Some(&gone.value) {
                continue;
            }
            if let Some(user) =
                importers(&self.house.db.list::<Stack>(&scene.scope).await?, name).first()
            {
                let verb = if kept.contains(name) {
                    "update"
                } else {
                    "delete"
                };
                return Ok(Some(format!(
                    "Cannot {verb} export {name} as it is in use by {user}. "
                )));
            }
        }
        Ok(None)
    }

    async fn complete(
        &self,
        scene: &Scene,
        found: Outputs,
        status: &str,
        next: Option<Phase>,
    ) -> Result<bool, AwsError> {
        let exports: Vec<Export> = found
            .outputs
            .iter()
            .filter_map(|output| {
                Some(Export {
                    name: output.export.clone()?,
                    value: output.value.clone(),
                    stack: scene.stack.id.clone(),
                    stack_name: scene.stack.name.clone(),
                })
            })
            .collect();
        let gone = scene
            .stack
            .outputs
            .iter()
            .filter_map(|output| output.export.clone());
        let gone: Vec<String> = gone
            .filter(|name| !exports.iter().any(|e| e.name == *name))
            .collect();
        self.turned(
            scene,
            status,
            None,
            |stack| {
                stack.outputs.clone_from(&found.outputs);
                stack.imports.clone_from(&found.imports);
                set_phase(stack, next);
            },
            |tx| {
                let tx = exports.iter().fold(tx, |tx, export| {
                    tx.put(db::key::<Export>(&scene.scope, &export.name), export)
                });
                gone.iter().fold(tx, |tx, name| {
                    tx.delete_key(db::key::<Export>(&scene.scope, name))
                })
            },
        )
        .await
    }

    async fn deleted(&self, scene: &Scene) -> Result<bool, AwsError> {
        let said =
            neargate_service::db::key::<Signal>(&scene.scope, &format!("{}/", scene.stack.id));
        for signal in self.house.db.list_prefix::<Signal>(&said).await? {
            let tx = self.house.db.tx().delete_key(signal.key);
            let (Committed::At(_) | Committed::Conflict) = tx.commit().await?;
        }
        let now = self.house.now();
        let exports: Vec<String> = scene
            .stack
            .outputs
            .iter()
            .filter_map(|o| o.export.clone())
            .collect();
        self.turned(
            scene,
            "DELETE_COMPLETE",
            None,
            |stack| {
                stack.deleted_at = Some(now);
                set_phase(stack, None);
            },
            |tx| {
                let tx = tx.delete_key(db::key::<Name>(&scene.scope, &scene.stack.name));
                exports.iter().fold(tx, |tx, name| {
                    tx.delete_key(db::key::<Export>(&scene.scope, name))
                })
            },
        )
        .await
    }
}

/// The names of the stacks that import an export.
pub fn importers(all: &[Stored<Stack>], export: &str) -> Vec<String> {
    let using = all
        .iter()
        .filter(|s| !s.is_deleted() && s.imports.iter().any(|name| name == export));
    using.map(|stack| stack.name.clone()).collect()
}

fn set_phase(stack: &mut Stack, phase: Option<Phase>) {
    match (phase, &mut stack.operation) {
        (Some(phase), Some(operation)) => operation.phase = phase,
        (None, operation) => {
            *operation = None;
            stack.interrupted = None;
        }
        (Some(_), None) => {}
    }
}

/// It ends here, and may be gone on with.
fn interrupt(stack: &mut Stack) {
    stack.interrupted = stack.operation.take();
}

/// Makes an update into its rollback.
pub fn turn_back(stack: &mut Stack, id: String) {
    if let Some(operation) = &mut stack.operation {
        operation.phase = Phase::RollBackUpdate;
        operation.rolls_back = Some(std::mem::replace(&mut operation.id, id));
        operation.cancelled = false;
        if let Some(before) = operation.before.take() {
            stack.deployment = before;
        }
    }
}

fn failures(scene: &Scene) -> Option<String> {
    let failed = scene
        .resources
        .values()
        .filter(|r| r.status == "DELETE_FAILED" && scene.is_of_this(r));
    let names: Vec<&str> = failed.map(|r| r.logical_id.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "The following resource(s) failed to delete: [{}]. ",
            names.join(", ")
        )
    })
}

fn outputs(scene: &Scene) -> Result<Outputs, String> {
    let frame = scene.frame();
    let mut outputs = Vec::new();
    for (key, declared) in &scene.template.outputs {
        if !frame.holds(declared.condition.as_ref())? {
            continue;
        }
        let export = declared
            .export
            .as_ref()
            .map(|name| frame.text(name))
            .transpose()?;
        let value = match frame.resolve(&declared.value)? {
            Some(serde_json::Value::Array(_) | serde_json::Value::Object(_)) | None => {
                return Err(format!(
                    "Template format error: Output {key} is malformed. The Value field of every Outputs member must evaluate to a String."
                ));
            }
            Some(value) => crate::template::text_of(&value),
        };
        outputs.push(StackOutput {
            key: key.clone(),
            value,
            description: declared.description.clone(),
            export,
        });
    }
    // What resources import is asked for again, so that all of it is known.
    for name in &scene.wanted {
        if let Some(declared) = scene.template.resource(name) {
            frame.resolve(&declared.properties)?;
        }
    }
    let imports = frame.imported.borrow().iter().cloned().collect();
    Ok(Outputs { outputs, imports })
}

/// An export of the stack that others import, and those.
pub fn in_use(all: &[Stored<Stack>], stack: &Stack) -> Option<(String, Vec<String>)> {
    stack
        .outputs
        .iter()
        .filter_map(|output| output.export.as_ref())
        .find_map(|name| {
            let users = importers(all, name);
            (!users.is_empty()).then(|| (name.clone(), users))
        })
}
