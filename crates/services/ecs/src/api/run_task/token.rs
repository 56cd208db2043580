//! Client tokens: the same call made twice runs its tasks once.

use crate::describe;
use crate::error;
use crate::model::{ClientToken, Task};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx, db, idempotency};

const MAX_TOKEN_CHARS: usize = 64;

/// What makes a call idempotent: unique within its cluster
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>).
pub(super) struct Token {
    /// The id within its key.
    id: String,
    /// A digest of the call.
    pub(super) request: String,
}

impl Token {
    /// # Errors
    /// `InvalidParameterException` for one that is too long or has other characters.
    pub(super) fn of(input: &api::RunTaskInput, cluster: &str) -> Result<Option<Token>, AwsError> {
        let Some(token) = input.client_token.as_deref() else {
            return Ok(None);
        };
        if token.len() > MAX_TOKEN_CHARS {
            return Err(error::invalid_parameter(format!(
                "clientToken longer than {MAX_TOKEN_CHARS}."
            )));
        }
        if token.is_empty() || !idempotency::is_printable(token) {
            return Err(error::invalid_parameter(
                "clientToken contains invalid characters.",
            ));
        }
        // However the cluster is named: it is part of the key.
        let asked = api::RunTaskInput {
            cluster: None,
            ..input.clone()
        };
        Ok(Some(Token {
            id: format!("run-task/{cluster}/{token}"),
            request: idempotency::digest(&asked),
        }))
    }

    pub(super) fn key(&self, cx: &Ctx) -> String {
        db::key::<ClientToken>(&cx.scope, &self.id)
    }
}

/// What the same client token made before.
pub(super) async fn earlier(
    cx: &Ctx,
    token: Option<&Token>,
) -> Result<Option<api::RunTaskOutput>, AwsError> {
    let Some(token) = token else { return Ok(None) };
    let Some(record) = cx.db().get_key::<ClientToken>(&token.key(cx)).await? else {
        return Ok(None);
    };
    if record.request != token.request {
        let arn = |id: &String| cx.arn("ecs", format!("task/{id}"));
        return Err(error::token_in_use(record.tasks.iter().map(arn).collect()));
    }
    let mut tasks = Vec::new();
    for id in &record.tasks {
        if let Some(task) = cx.db().get::<Task>(&cx.scope, id).await? {
            tasks.push(describe::task(&task, true));
        }
    }
    Ok(Some(api::RunTaskOutput {
        tasks: Some(tasks),
        failures: Some(Vec::new()),
    }))
}
