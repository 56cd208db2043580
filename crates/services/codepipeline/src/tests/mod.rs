//! Operations through their table, with the controller driven by hand, on a store in memory.

mod approvals;
mod conditions;
mod deploys;
mod modes;
mod structures;
mod webhooks;

use crate::CodePipeline;
use crate::controller::Pipelines;
use crate::model::{CustomType, Execution, Job, Pipeline, Seen, Version, Webhook};
use neargate_api_codepipeline::{self as api, ops};
use neargate_service::controller::Controller;
use neargate_service::golden::check;
use neargate_service::{AwsError, Component, db};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const ROLE: &str = "arn:aws:iam::000000000000:role/pipeline";

pub struct World {
    pub lab: Lab,
    controller: Pipelines,
}

impl Default for World {
    fn default() -> World {
        let lab = Lab::default();
        let controller = Pipelines::new(lab.house.clone());
        World { lab, controller }
    }
}

pub fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}

pub fn custom(category: &str) -> api::ActionTypeId {
    api::ActionTypeId {
        category: category.into(),
        owner: "Custom".into(),
        provider: "Worker".into(),
        version: "1".into(),
    }
}

pub fn aws(category: &str, provider: &str) -> api::ActionTypeId {
    api::ActionTypeId {
        owner: "AWS".into(),
        provider: provider.into(),
        ..custom(category)
    }
}

pub fn action(name: &str, id: api::ActionTypeId) -> api::ActionDeclaration {
    api::ActionDeclaration {
        name: name.into(),
        action_type_id: id,
        ..Default::default()
    }
}

pub fn with(
    action: api::ActionDeclaration,
    configuration: &[(&str, &str)],
) -> api::ActionDeclaration {
    let pairs = configuration.iter();
    let pairs = pairs.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    api::ActionDeclaration {
        configuration: Some(pairs.collect()),
        ..action
    }
}

pub fn makes(action: api::ActionDeclaration, artifact: &str) -> api::ActionDeclaration {
    let made = api::OutputArtifact {
        name: artifact.into(),
        files: None,
    };
    api::ActionDeclaration {
        output_artifacts: Some(vec![made]),
        ..action
    }
}

pub fn takes(action: api::ActionDeclaration, artifact: &str) -> api::ActionDeclaration {
    let taken = api::InputArtifact {
        name: artifact.into(),
    };
    api::ActionDeclaration {
        input_artifacts: Some(vec![taken]),
        ..action
    }
}

pub fn stage(name: &str, actions: Vec<api::ActionDeclaration>) -> api::StageDeclaration {
    api::StageDeclaration {
        name: name.into(),
        actions,
        ..Default::default()
    }
}

pub fn pipeline(stages: Vec<api::StageDeclaration>) -> api::PipelineDeclaration {
    api::PipelineDeclaration {
        name: "p".into(),
        role_arn: ROLE.into(),
        pipeline_type: Some("V2".into()),
        artifact_store: Some(api::ArtifactStore {
            r#type: "S3".into(),
            location: "artifacts".into(),
            encryption_key: None,
        }),
        stages,
        ..Default::default()
    }
}

/// A source, and a stage of one action, both done by workers of the customer's.
pub fn worked() -> api::PipelineDeclaration {
    pipeline(vec![
        stage(
            "Source",
            vec![makes(action("src", custom("Source")), "app")],
        ),
        stage("Deploy", vec![action("go", custom("Deploy"))]),
    ])
}

impl World {
    pub async fn ask<O: OperationDef>(
        &self,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        let table = Arc::new(CodePipeline).table();
        call(&*table, self.lab.cx(), op, input).await
    }

    pub async fn create(&self, pipeline: api::PipelineDeclaration) -> Result<(), AwsError> {
        let input = api::CreatePipelineInput {
            pipeline,
            tags: None,
        };
        self.ask(ops::CreatePipeline, input).await.map(drop)
    }

    pub async fn custom_types(&self) {
        for category in ["Source", "Deploy"] {
            let input = api::CreateCustomActionTypeInput {
                category: category.into(),
                provider: "Worker".into(),
                version: "1".into(),
                input_artifact_details: counts(),
                output_artifact_details: counts(),
                ..Default::default()
            };
            self.ask(ops::CreateCustomActionType, input)
                .await
                .expect("made");
        }
    }

    /// Lets the controller take every step that there is without time passing.
    pub async fn run(&self) {
        let key = db::key::<Pipeline>(&self.lab.scope, "p");
        for _ in 0..20 {
            let Some(view) = self.controller.view(&key).await.expect("viewed") else {
                return;
            };
            let plan = self.controller.plan(&view, self.lab.house.now());
            for action in plan.actions {
                self.controller.apply(action).await.expect("applied");
            }
        }
    }

    pub async fn start(&self) -> String {
        let input = api::StartPipelineExecutionInput {
            name: "p".into(),
            ..Default::default()
        };
        let started = self.ask(ops::StartPipelineExecution, input).await;
        let started = started.expect("started");
        started.pipeline_execution_id.expect("an id")
    }

    /// Executions and their states, the first one first.
    pub async fn executions(&self) -> Vec<(String, String)> {
        let input = api::ListPipelineExecutionsInput {
            pipeline_name: "p".into(),
            ..Default::default()
        };
        let told = self.ask(ops::ListPipelineExecutions, input).await;
        let told = told.expect("told").pipeline_execution_summaries;
        let told = told.unwrap_or_default().into_iter().rev();
        told.map(|e| {
            (
                e.pipeline_execution_id.unwrap_or_default(),
                e.status.unwrap_or_default(),
            )
        })
        .collect()
    }

    pub async fn statuses(&self) -> Vec<String> {
        self.executions()
            .await
            .into_iter()
            .map(|(_, s)| s)
            .collect()
    }

    pub async fn state(&self) -> Vec<api::StageState> {
        let input = api::GetPipelineStateInput { name: "p".into() };
        let told = self.ask(ops::GetPipelineState, input).await;
        told.expect("told").stage_states.expect("stages")
    }

    /// What the newest attempts of all actions came to.
    pub async fn actions(&self) -> Vec<String> {
        let mut all = Vec::new();
        for stage in self.state().await {
            for action in stage.action_states.unwrap_or_default() {
                let name = action.action_name.unwrap_or_default();
                let run = action.latest_execution.unwrap_or_default();
                let status = run.status.unwrap_or_else(|| "-".into());
                let why = run.error_details.unwrap_or_default();
                let why = why.message.map(|m| format!(": {m}"));
                all.push(format!("{name} {status}{}", why.unwrap_or_default()));
            }
        }
        all
    }

    pub async fn jobs(&self, category: &str) -> Vec<api::Job> {
        let input = api::PollForJobsInput {
            action_type_id: custom(category),
            max_batch_size: Some(10),
            query_param: None,
        };
        let polled = self.ask(ops::PollForJobs, input).await.expect("polled");
        polled.jobs.unwrap_or_default()
    }

    /// A worker takes the one job there is and does it well or not; the controller goes on.
    pub async fn work(&self, category: &str, well: bool) {
        self.run().await;
        let job = self.jobs(category).await.into_iter().next().expect("a job");
        let id = job.id.expect("an id");
        let input = api::AcknowledgeJobInput {
            job_id: id.clone(),
            nonce: job.nonce.expect("a nonce"),
        };
        self.ask(ops::AcknowledgeJob, input).await.expect("taken");
        let ended = if well {
            let input = api::PutJobSuccessResultInput {
                job_id: id,
                output_variables: Some(BTreeMap::from([("Tag".to_owned(), "7".to_owned())])),
                ..Default::default()
            };
            self.ask(ops::PutJobSuccessResult, input).await.map(drop)
        } else {
            let input = api::PutJobFailureResultInput {
                job_id: id,
                failure_details: api::FailureDetails {
                    r#type: "JobFailed".into(),
                    message: "it broke".into(),
                    external_execution_id: None,
                },
            };
            self.ask(ops::PutJobFailureResult, input).await.map(drop)
        };
        ended.expect("told");
        self.run().await;
    }
}

fn counts() -> api::ArtifactDetails {
    api::ArtifactDetails {
        minimum_count: 0,
        maximum_count: 5,
    }
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Pipeline>(dir);
    check::<Version>(dir);
    check::<Seen>(dir);
    check::<CustomType>(dir);
    check::<Job>(dir);
    check::<Execution>(dir);
    check::<Webhook>(dir);
}
