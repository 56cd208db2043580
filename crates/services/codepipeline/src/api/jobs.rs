//! Custom actions: workers of customers poll for jobs, and say what came of them
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-create-custom-action.html>).

use crate::actions::{Done, Failed, Step};
use crate::controller::{come_to, role_of};
use crate::model::{Execution, Job, Place, Revision, pipeline_arn};
use crate::{CodePipeline, error, start};
use neargate_api_codepipeline as api;
use neargate_service::identity::session;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::sync::Arc;
use std::time::Duration;

/// How long the keys of a job are good.
const KEYS_LAST: Duration = Duration::from_secs(3_600);

async fn job(cx: &Ctx, id: &str) -> Result<Stored<Job>, AwsError> {
    let found = cx.db().get::<Job>(&cx.scope, id).await?;
    found.ok_or_else(|| error::job_not_found(id))
}

async fn of(cx: &Ctx, job: &Stored<Job>) -> Result<Stored<Execution>, AwsError> {
    let found = cx.db().get_key::<Execution>(&job.execution).await?;
    found.ok_or_else(|| error::job_not_found(job.id()))
}

pub async fn poll_for_jobs(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::PollForJobsInput,
) -> Result<api::PollForJobsOutput, AwsError> {
    let wanted = &input.action_type_id;
    let most = usize::try_from(input.max_batch_size.unwrap_or(1)).unwrap_or(1);
    let query = input.query_param.unwrap_or_default();
    let mut jobs = Vec::new();
    for job in cx.db().list::<Job>(&cx.scope).await? {
        let fits = job.category == wanted.category
            && job.provider == wanted.provider
            && job.version == wanted.version
            && wanted.owner == "Custom"
            && !job.acknowledged;
        if !fits || jobs.len() >= most {
            continue;
        }
        let Some(data) = data(&cx, &job).await? else {
            continue;
        };
        let configured = data.action_configuration.as_ref();
        let configured = configured.and_then(|c| c.configuration.clone());
        let configured = configured.unwrap_or_default();
        if query.iter().any(|(k, v)| configured.get(k) != Some(v)) {
            continue;
        }
        jobs.push(api::Job {
            id: Some(job.id().to_owned()),
            data: Some(data),
            nonce: Some(job.nonce.clone()),
            account_id: Some(cx.scope.account.to_string()),
        });
    }
    Ok(api::PollForJobsOutput { jobs: Some(jobs) })
}

async fn data(cx: &Ctx, job: &Stored<Job>) -> Result<Option<api::JobData>, AwsError> {
    let execution = of(cx, job).await?;
    let Some(run) = execution.actions.iter().find(|run| run.id == job.id()) else {
        return Ok(None);
    };
    let Some(declared) = execution.declared(run) else {
        return Ok(None);
    };
    let declaration = &execution.declaration;
    let artifact = |(name, place): (&String, &Place)| api::Artifact {
        name: Some(name.clone()),
        revision: None,
        location: Some(api::ArtifactLocation {
            r#type: Some("S3".into()),
            s3_location: Some(api::S3ArtifactLocation {
                bucket_name: Some(place.bucket.clone()),
                object_key: Some(place.key.clone()),
            }),
        }),
    };
    let (_, role) = role_of(&cx.scope, declaration, declared);
    let keys = session::of_role(&cx.house, role, "codepipeline-job", KEYS_LAST);
    let store = declaration.artifact_store.as_ref();
    Ok(Some(api::JobData {
        action_type_id: Some(declared.action_type_id.clone()),
        action_configuration: Some(api::ActionConfiguration {
            configuration: Some(run.configuration.clone()),
        }),
        pipeline_context: Some(api::PipelineContext {
            pipeline_name: Some(declaration.name.clone()),
            stage: Some(api::StageContext {
                name: Some(run.stage.clone()),
            }),
            action: Some(api::ActionContext {
                name: Some(run.action.clone()),
                action_execution_id: Some(run.id.clone()),
            }),
            pipeline_arn: Some(pipeline_arn(&cx.scope, &declaration.name)),
            pipeline_execution_id: Some(execution.id.clone()),
        }),
        input_artifacts: Some(run.inputs.iter().map(artifact).collect()),
        output_artifacts: Some(run.outputs.iter().map(artifact).collect()),
        artifact_credentials: keys.map(|keys| api::AWSSessionCredentials {
            access_key_id: Some(keys.access_key),
            secret_access_key: Some(keys.secret_key.expose().clone()),
            session_token: Some(keys.token.expose().clone()),
        }),
        continuation_token: job.continuation.clone(),
        encryption_key: store.and_then(|store| store.encryption_key.clone()),
    }))
}

pub async fn acknowledge_job(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::AcknowledgeJobInput,
) -> Result<api::AcknowledgeJobOutput, AwsError> {
    let key = db::key::<Job>(&cx.scope, &input.job_id);
    let changed = cx.db().modify::<Job, _>(&key, |job| {
        if job.nonce != input.nonce {
            return Err(error::nonce());
        }
        Ok(!std::mem::replace(&mut job.acknowledged, true))
    });
    let found = changed.await?;
    found.ok_or_else(|| error::job_not_found(&input.job_id))?;
    Ok(api::AcknowledgeJobOutput {
        status: Some("InProgress".into()),
    })
}

pub async fn get_job_details(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::GetJobDetailsInput,
) -> Result<api::GetJobDetailsOutput, AwsError> {
    let job = job(&cx, &input.job_id).await?;
    let data = data(&cx, &job).await?;
    Ok(api::GetJobDetailsOutput {
        job_details: Some(api::JobDetails {
            id: Some(input.job_id),
            data,
            account_id: Some(cx.scope.account.to_string()),
        }),
    })
}

/// Writes what a worker says of its job.
async fn end(cx: &Ctx, id: &str, step: &Step) -> Result<(), AwsError> {
    loop {
        let job = job(cx, id).await?;
        if !job.acknowledged {
            return Err(error::job_state(id));
        }
        let before = of(cx, &job).await?;
        let mut after = before.value.clone();
        if !come_to(&mut after, id, step, cx.now()) {
            return Err(error::job_state(id));
        }
        let (scope, house) = (&cx.scope, &cx.house);
        let tx = start::told(cx.db().tx(), house, scope, Some(&before.value), &after);
        if let Committed::At(_) = tx.update(&before, &after).commit().await? {
            return Ok(());
        }
    }
}

pub async fn put_job_success_result(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::PutJobSuccessResultInput,
) -> Result<api::ops::PutJobSuccessResultOutput, AwsError> {
    if let Some(continuation) = input.continuation_token {
        return go_on(&cx, &input.job_id, continuation).await;
    }
    let details = input.execution_details.unwrap_or_default();
    let job = job(&cx, &input.job_id).await?;
    let execution = of(&cx, &job).await?;
    let run = execution.actions.iter().find(|run| run.id == input.job_id);
    let revision = input
        .current_revision
        .zip(run)
        .map(|(given, run)| Revision {
            action: run.action.clone(),
            artifact: run.outputs.keys().next().cloned().unwrap_or_default(),
            id: given.revision,
            summary: given.revision_summary,
            created: given.created.or(Some(cx.now())),
            url: None,
        });
    let done = Done {
        summary: details.summary,
        external_id: details.external_execution_id,
        variables: input.output_variables.unwrap_or_default(),
        revision,
    };
    end(&cx, &input.job_id, &Step::Done(done)).await?;
    Ok(Default::default())
}

/// The job is not over: it is handed out again, with what the worker wants to be told.
async fn go_on(
    cx: &Ctx,
    id: &str,
    continuation: String,
) -> Result<api::ops::PutJobSuccessResultOutput, AwsError> {
    let key = db::key::<Job>(&cx.scope, id);
    let nonce = cx.house.rng.uuid();
    let changed = cx.db().modify::<Job, _>(&key, |job| {
        if !job.acknowledged {
            return Err(error::job_state(id));
        }
        job.acknowledged = false;
        job.nonce.clone_from(&nonce);
        job.continuation = Some(continuation.clone());
        Ok(true)
    });
    changed.await?.ok_or_else(|| error::job_not_found(id))?;
    Ok(Default::default())
}

pub async fn put_job_failure_result(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::PutJobFailureResultInput,
) -> Result<api::ops::PutJobFailureResultOutput, AwsError> {
    let failed = Failed {
        code: input.failure_details.r#type,
        message: input.failure_details.message,
    };
    end(&cx, &input.job_id, &Step::Failed(failed)).await?;
    Ok(Default::default())
}
