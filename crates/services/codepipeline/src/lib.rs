//! AWS CodePipeline: pipelines, their executions, and the controller that carries them out.
//!
//! An execution is one record with all that happened in it. `plan` decides, without doing anything, which actions
//! begin and what stages come to; the controller writes that, and then has `actions` do one step of each action
//! that is under way, by calling the service of its provider in the name of the action's role.

mod actions;
mod api;
mod catalogue;
mod controller;
mod error;
mod model;
mod plan;
mod start;
mod structure;
pub mod webhook;

#[cfg(test)]
mod tests;

use neargate_api_codepipeline::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CodePipeline;

impl Component for CodePipeline {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{
            executions, history, jobs, partners, pipelines, revisions, rules, stages, state, tags,
            types, webhooks,
        };
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(ops::CreatePipeline, pipelines::create_pipeline, STRUCTURE)
            .partly(ops::UpdatePipeline, pipelines::update_pipeline, STRUCTURE)
            .on(ops::GetPipeline, pipelines::get_pipeline)
            .on(ops::ListPipelines, pipelines::list_pipelines)
            .on(ops::DeletePipeline, pipelines::delete_pipeline)
            .on(
                ops::StartPipelineExecution,
                executions::start_pipeline_execution,
            )
            .on(
                ops::StopPipelineExecution,
                executions::stop_pipeline_execution,
            )
            .on(
                ops::GetPipelineExecution,
                executions::get_pipeline_execution,
            )
            .on(
                ops::ListPipelineExecutions,
                executions::list_pipeline_executions,
            )
            .on(ops::GetPipelineState, state::get_pipeline_state)
            .on(ops::ListActionExecutions, history::list_action_executions)
            .on(
                ops::DisableStageTransition,
                stages::disable_stage_transition,
            )
            .on(ops::EnableStageTransition, stages::enable_stage_transition)
            .on(ops::RetryStageExecution, stages::retry_stage_execution)
            .on(ops::RollbackStage, stages::rollback_stage)
            .on(ops::PutApprovalResult, stages::put_approval_result)
            .on(
                ops::CreateCustomActionType,
                types::create_custom_action_type,
            )
            .on(
                ops::DeleteCustomActionType,
                types::delete_custom_action_type,
            )
            .on(ops::ListActionTypes, types::list_action_types)
            .on(ops::PollForJobs, jobs::poll_for_jobs)
            .on(ops::AcknowledgeJob, jobs::acknowledge_job)
            .on(ops::GetJobDetails, jobs::get_job_details)
            .on(ops::PutJobSuccessResult, jobs::put_job_success_result)
            .on(ops::PutJobFailureResult, jobs::put_job_failure_result)
            .on(ops::ListRuleTypes, rules::list_rule_types)
            .on(ops::ListRuleExecutions, rules::list_rule_executions)
            .on(ops::OverrideStageCondition, rules::override_stage_condition)
            .on(ops::PutActionRevision, revisions::put_action_revision)
            .partly(
                ops::ListDeployActionExecutionTargets,
                revisions::list_deploy_action_execution_targets,
                "deployments to instances are not built, so that there are no targets",
            )
            .on(ops::PutWebhook, webhooks::put_webhook)
            .on(ops::ListWebhooks, webhooks::list_webhooks)
            .on(ops::DeleteWebhook, webhooks::delete_webhook)
            .partly(
                ops::RegisterWebhookWithThirdParty,
                webhooks::register_webhook_with_third_party,
                GITHUB,
            )
            .partly(
                ops::DeregisterWebhookWithThirdParty,
                webhooks::deregister_webhook_with_third_party,
                GITHUB,
            )
            .partly(ops::GetActionType, partners::get_action_type, PARTNERS)
            .partly(
                ops::UpdateActionType,
                partners::update_action_type,
                PARTNERS,
            )
            .partly(
                ops::PollForThirdPartyJobs,
                partners::poll_for_third_party_jobs,
                PARTNERS,
            )
            .partly(
                ops::AcknowledgeThirdPartyJob,
                partners::acknowledge_third_party_job,
                PARTNERS,
            )
            .partly(
                ops::GetThirdPartyJobDetails,
                partners::get_third_party_job_details,
                PARTNERS,
            )
            .partly(
                ops::PutThirdPartyJobSuccessResult,
                partners::put_third_party_job_success_result,
                PARTNERS,
            )
            .partly(
                ops::PutThirdPartyJobFailureResult,
                partners::put_third_party_job_failure_result,
                PARTNERS,
            )
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(controller::Pipelines::new(house));
    }
}

const STRUCTURE: &str = "actions are S3, ECR and CodeCommit sources, CodeBuild, Commands, CloudFormation, ECS, \
                         CodeDeployToECS and S3 deployments, pipelines that start others, manual approvals and \
                         custom actions; triggers, which AWS has for connections alone, and rules that are Lambda \
                         functions are refused";
const PARTNERS: &str =
    "there are no partners of AWS here, and so none of their action types and jobs";
const GITHUB: &str = "GitHub is not told of webhooks; give it the webhook's address by hand";
