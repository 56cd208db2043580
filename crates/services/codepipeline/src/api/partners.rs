//! What partners of AWS do: their action types, and the jobs of those. There are none here, and the operations say
//! so as AWS does of a type or a job that it does not know.

use crate::{CodePipeline, catalogue, error};
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn get_action_type(
    _: Arc<CodePipeline>,
    _: Ctx,
    input: api::GetActionTypeInput,
) -> Result<api::GetActionTypeOutput, AwsError> {
    let id = api::ActionTypeId {
        category: input.category,
        owner: input.owner,
        provider: input.provider,
        version: input.version,
    };
    if catalogue::find(&id).is_some() || catalogue::is_elsewhere(&id) {
        return Err(error::not_built("the executor of AWS's own action types:"));
    }
    Err(error::no_such_type(&id))
}

pub async fn update_action_type(
    _: Arc<CodePipeline>,
    _: Ctx,
    input: api::UpdateActionTypeInput,
) -> Result<api::ops::UpdateActionTypeOutput, AwsError> {
    let id = input.action_type.id;
    Err(error::no_such_type(&api::ActionTypeId {
        category: id.category,
        owner: id.owner,
        provider: id.provider,
        version: id.version,
    }))
}

pub async fn poll_for_third_party_jobs(
    _: Arc<CodePipeline>,
    _: Ctx,
    input: api::PollForThirdPartyJobsInput,
) -> Result<api::PollForThirdPartyJobsOutput, AwsError> {
    Err(error::no_such_type(&input.action_type_id))
}

pub async fn acknowledge_third_party_job(
    _: Arc<CodePipeline>,
    _: Ctx,
    input: api::AcknowledgeThirdPartyJobInput,
) -> Result<api::AcknowledgeThirdPartyJobOutput, AwsError> {
    Err(error::job_not_found(&input.job_id))
}

pub async fn get_third_party_job_details(
    _: Arc<CodePipeline>,
    _: Ctx,
    input: api::GetThirdPartyJobDetailsInput,
) -> Result<api::GetThirdPartyJobDetailsOutput, AwsError> {
    Err(error::job_not_found(&input.job_id))
}

pub async fn put_third_party_job_success_result(
    _: Arc<CodePipeline>,
    _: Ctx,
    input: api::PutThirdPartyJobSuccessResultInput,
) -> Result<api::ops::PutThirdPartyJobSuccessResultOutput, AwsError> {
    Err(error::job_not_found(&input.job_id))
}

pub async fn put_third_party_job_failure_result(
    _: Arc<CodePipeline>,
    _: Ctx,
    input: api::PutThirdPartyJobFailureResultInput,
) -> Result<api::ops::PutThirdPartyJobFailureResultOutput, AwsError> {
    Err(error::job_not_found(&input.job_id))
}
