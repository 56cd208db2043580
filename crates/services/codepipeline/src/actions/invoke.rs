//! Another pipeline: started, and not waited for
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-PipelineInvoke.html>).

use super::{Done, Ended, Step, Work, failed};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub async fn step(work: &Work<'_>) -> Result<Step, Ended> {
    let mut input = json!({
        "name": work.required("PipelineName"),
        // A second attempt finds the execution that the first one began.
        "clientRequestToken": work.run.id,
    });
    for (key, member) in [
        ("Variables", "variables"),
        ("SourceRevisions", "sourceRevisions"),
    ] {
        let Some(text) = work.configured(key) else {
            continue;
        };
        let given: Value = serde_json::from_str(text).unwrap_or_default();
        if !given.is_array() {
            return Err(failed(
                "ConfigurationError",
                format!("{key} is not a JSON array"),
            ));
        }
        input[member] = given;
    }
    let named = ("codepipeline", "StartPipelineExecution");
    let started = work.call(named, input).await?;
    let id = started["pipelineExecutionId"].as_str().unwrap_or_default();
    Ok(Step::Done(Done {
        external_id: Some(id.to_owned()),
        variables: BTreeMap::from([("PipelineExecutionId".to_owned(), id.to_owned())]),
        ..Done::default()
    }))
}
