//! CodePipeline's errors, one constructor each
//! (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/CommonErrors.html>).

use neargate_service::tags::InvalidTags;
use neargate_service::{AwsError, Scope};
use neargate_wire::validate::Invalid;

pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

/// Input that breaks the model.
pub fn invalid(invalid: &Invalid) -> AwsError {
    validation(invalid.to_string())
}

pub fn structure(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidStructureException", message)
}

pub fn action_declaration(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidActionDeclarationException", message)
}

pub fn stage_declaration(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidStageDeclarationException", message)
}

pub fn name_in_use(scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        "PipelineNameInUseException",
        format!(
            "A pipeline with the name '{name}' already exists in account '{}'",
            scope.account
        ),
    )
}

pub fn pipeline_not_found(scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        "PipelineNotFoundException",
        format!(
            "Account '{}' does not have a pipeline with name '{name}'",
            scope.account
        ),
    )
}

pub fn version_not_found(name: &str, version: i32) -> AwsError {
    AwsError::client(
        "PipelineVersionNotFoundException",
        format!("The pipeline '{name}' does not have a version {version}"),
    )
}

pub fn execution_not_found(pipeline: &str, id: &str) -> AwsError {
    AwsError::client(
        "PipelineExecutionNotFoundException",
        format!(
            "The pipeline execution with id '{id}' does not exist for the pipeline '{pipeline}'."
        ),
    )
}

pub fn stage_not_found(pipeline: &str, stage: &str) -> AwsError {
    AwsError::client(
        "StageNotFoundException",
        format!("The pipeline '{pipeline}' does not have a stage with the name '{stage}'"),
    )
}

pub fn action_not_found(stage: &str, action: &str) -> AwsError {
    AwsError::client(
        "ActionNotFoundException",
        format!("The stage '{stage}' does not have an action with the name '{action}'"),
    )
}

pub fn not_stoppable(id: &str) -> AwsError {
    AwsError::client(
        "PipelineExecutionNotStoppableException",
        format!("The pipeline execution '{id}' cannot be stopped: it is not in progress."),
    )
}

pub fn stopped_twice(id: &str) -> AwsError {
    AwsError::client(
        "DuplicatedStopRequestException",
        format!("The pipeline execution '{id}' is already being stopped."),
    )
}

pub fn not_retryable(why: impl Into<String>) -> AwsError {
    AwsError::client("StageNotRetryableException", why)
}

pub fn not_latest(id: &str) -> AwsError {
    AwsError::client(
        "NotLatestPipelineExecutionException",
        format!("The stage has run in a later execution than '{id}'."),
    )
}

pub fn not_overridable(stage: &str) -> AwsError {
    AwsError::client(
        "ConditionNotOverridableException",
        format!(
            "The condition of the stage '{stage}' cannot be overridden: it neither waits nor has failed the stage"
        ),
    )
}

pub fn no_rollback(why: impl Into<String>) -> AwsError {
    AwsError::client("UnableToRollbackStageException", why)
}

pub fn outdated(id: &str) -> AwsError {
    AwsError::client(
        "PipelineExecutionOutdatedException",
        format!("The pipeline changed since the execution '{id}'."),
    )
}

pub fn too_many_executions() -> AwsError {
    AwsError::client(
        "ConcurrentPipelineExecutionsLimitExceededException",
        "The pipeline has reached the limit for concurrent pipeline executions.",
    )
}

pub fn approval_token() -> AwsError {
    AwsError::client(
        "InvalidApprovalTokenException",
        "The approval request already received a response or has expired.",
    )
}

pub fn approval_over() -> AwsError {
    AwsError::client(
        "ApprovalAlreadyCompletedException",
        "The approval action has already been approved or rejected.",
    )
}

pub fn job_not_found(id: &str) -> AwsError {
    AwsError::client("JobNotFoundException", format!("Job {id} was not found"))
}

pub fn job_state(id: &str) -> AwsError {
    AwsError::client(
        "InvalidJobStateException",
        format!("Job {id} is not in progress"),
    )
}

pub fn nonce() -> AwsError {
    AwsError::client("InvalidNonceException", "The nonce is not the job's newest")
}

pub fn action_type_not_found(category: &str, provider: &str, version: &str) -> AwsError {
    AwsError::client(
        "ActionTypeNotFoundException",
        format!(
            "ActionType (Category: '{category}', Provider: '{provider}', Owner: 'Custom', Version: '{version}') could \
             not be found"
        ),
    )
}

/// A type that is neither AWS's nor a partner's.
pub fn no_such_type(id: &neargate_api_codepipeline::ActionTypeId) -> AwsError {
    AwsError::client(
        "ActionTypeNotFoundException",
        format!(
            "ActionType (Category: '{}', Provider: '{}', Owner: '{}', Version: '{}') could not be found",
            id.category, id.provider, id.owner, id.version
        ),
    )
}

pub fn action_execution_not_found(id: &str) -> AwsError {
    AwsError::client(
        "ActionExecutionNotFoundException",
        format!("The action execution '{id}' was not found"),
    )
}

pub fn webhook_not_found(name: &str) -> AwsError {
    AwsError::client(
        "WebhookNotFoundException",
        format!("The webhook with the name '{name}' was not found"),
    )
}

pub fn webhook_authentication(why: &str) -> AwsError {
    AwsError::client("InvalidWebhookAuthenticationParametersException", why)
}

pub fn webhook_filter(path: &str) -> AwsError {
    AwsError::client(
        "InvalidWebhookFilterPatternException",
        format!("The filter's JsonPath or MatchEquals is not valid: {path}"),
    )
}

pub fn action_type_exists(provider: &str) -> AwsError {
    AwsError::client(
        "ActionTypeAlreadyExistsException",
        format!("An action type of the provider '{provider}' and this version already exists"),
    )
}

pub fn next_token() -> AwsError {
    AwsError::client("InvalidNextTokenException", "The next token is not valid.")
}

pub fn resource_not_found(scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        format!(
            "The account with id '{}' does not include a pipeline with the name '{name}'",
            scope.account
        ),
    )
}

pub fn invalid_arn(arn: &str) -> AwsError {
    AwsError::client("InvalidArnException", format!("Invalid ARN: {arn}"))
}

pub fn invalid_tags(why: &InvalidTags) -> AwsError {
    match why {
        InvalidTags::Reserved => AwsError::client(
            "InvalidTagsException",
            "Not allowed to modify system tags. System tags start with 'aws:'. msg=[Caller is an end user and not \
             allowed to mutate system tags]",
        ),
        InvalidTags::TooMany => AwsError::client("TooManyTagsException", why.to_string()),
        _ => AwsError::client("InvalidTagsException", why.to_string()),
    }
}

/// What AWS has and is not built here.
pub fn not_built(what: &str) -> AwsError {
    AwsError::not_implemented("codepipeline", what)
}

/// The role is gone, or was never there.
pub fn may_not_assume(role: &str) -> AwsError {
    AwsError::client(
        "AccessDenied",
        format!("CodePipeline is not authorized to perform AssumeRole on role {role}"),
    )
}
