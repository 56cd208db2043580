//! `neargate pipeline`: the pipelines, where their executions are, and what people do with them.

mod picture;

use crate::client::{Client, Target};
use crate::view::{Cell, Live, Output, Paint, Table, age, plain, print_json, say, short};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use neargate_api_codepipeline::{self as api, ops};
use neargate_base::Clock;
use neargate_base::time::SystemClock;
use neargate_wire::Structure;
use neargate_wire::json::{self, Form};
use std::process::ExitCode;
use std::time::Duration;

/// How often a picture is drawn anew.
const LOOK: Duration = Duration::from_millis(500);

/// Show pipelines as pictures, approve what waits for it, and try again what failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate pipeline list
  neargate pipeline show web
  neargate pipeline watch web                        until its execution is over
  neargate pipeline approve web                      the approval that waits
  neargate pipeline approve web --reject --summary 'not on a Friday'
  neargate pipeline retry web                        the stage that failed

Exit codes of watch: 0 the execution succeeded, 1 it did not.")]
pub struct Pipeline {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the pipelines and how their newest executions stand.
    List {
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        target: Target,
    },
    /// Show a pipeline's stages and actions as they are now.
    Show {
        /// The pipeline's name
        name: String,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        target: Target,
    },
    /// Show them until the newest execution is over.
    Watch {
        /// The pipeline's name
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Answer an approval that waits.
    Approve {
        /// The pipeline's name
        name: String,
        /// The action's name, where several wait
        action: Option<String>,
        /// Say no
        #[arg(long)]
        reject: bool,
        /// What to say with it
        #[arg(long, default_value = "")]
        summary: String,
        #[command(flatten)]
        target: Target,
    },
    /// Try a failed stage again.
    Retry {
        /// The pipeline's name
        name: String,
        /// The stage's name, where several failed
        stage: Option<String>,
        /// All of its actions, not only those that failed
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        target: Target,
    },
}

impl Pipeline {
    pub async fn run(self) -> Result<ExitCode> {
        match self.what {
            What::List { output, target } => list(&target.client()?, output).await,
            What::Show {
                name,
                output,
                target,
            } => show(&target.client()?, &name, output).await,
            What::Watch { name, target } => watch(&target.client()?, &name).await,
            What::Approve {
                name,
                action,
                reject,
                summary,
                target,
            } => {
                approve(
                    &target.client()?,
                    &name,
                    action.as_deref(),
                    !reject,
                    summary,
                )
                .await
            }
            What::Retry {
                name,
                stage,
                all,
                target,
            } => retry(&target.client()?, &name, stage.as_deref(), all).await,
        }
    }
}

/// An answer as AWS writes it.
fn tree<T: Structure>(answer: &T) -> serde_json::Value {
    json::write(T::SHAPE, &answer.to_value(), Form::WIRE)
}

async fn state(client: &Client, name: &str) -> Result<api::GetPipelineStateOutput> {
    let input = api::GetPipelineStateInput {
        name: name.to_owned(),
    };
    Ok(client.call(ops::GetPipelineState, &input).await?)
}

/// The newest execution that has begun.
async fn newest(client: &Client, name: &str) -> Result<Option<api::PipelineExecutionSummary>> {
    let input = api::ListPipelineExecutionsInput {
        pipeline_name: name.to_owned(),
        max_results: Some(1),
        ..Default::default()
    };
    let answer = client.call(ops::ListPipelineExecutions, &input).await?;
    let all = answer.pipeline_execution_summaries.unwrap_or_default();
    Ok(all.into_iter().next())
}

async fn list(client: &Client, output: Output) -> Result<ExitCode> {
    let (mut all, mut next_token) = (Vec::new(), None);
    loop {
        let input = api::ListPipelinesInput {
            next_token,
            max_results: None,
        };
        let page = client.call(ops::ListPipelines, &input).await?;
        all.extend(page.pipelines.unwrap_or_default());
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    if matches!(output, Output::Json) {
        let all: Vec<serde_json::Value> = all.iter().map(tree).collect();
        print_json(&all.into());
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        tell!("There are no pipelines. `aws codepipeline create-pipeline` makes one.");
        return Ok(ExitCode::SUCCESS);
    }
    let headings = [
        "PIPELINE",
        "TYPE",
        "MODE",
        "NEWEST EXECUTION",
        "STATE",
        "AGE?",
    ];
    let mut table = Table::new(&headings);
    let now = SystemClock.now();
    for of in all {
        let name = of.name.unwrap_or_default();
        let newest = newest(client, &name).await?.unwrap_or_default();
        let id = newest.pipeline_execution_id.unwrap_or_else(|| "-".into());
        table.row(vec![
            Cell::strong(&name),
            of.pipeline_type.unwrap_or_default().into(),
            of.execution_mode.unwrap_or_default().into(),
            short(&id).into(),
            Cell::state(newest.status.unwrap_or_else(|| "-".into())),
            age(newest.start_time, now).into(),
        ]);
    }
    table.print(Paint::stdout());
    Ok(ExitCode::SUCCESS)
}

async fn show(client: &Client, name: &str, output: Output) -> Result<ExitCode> {
    let state = state(client, name).await?;
    match output {
        Output::Json => print_json(&tree(&state)),
        Output::Table => {
            let newest = newest(client, name).await?;
            for line in picture::lines(&state, newest.as_ref(), Paint::stdout(), SystemClock.now())
            {
                say(&line);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn watch(client: &Client, name: &str) -> Result<ExitCode> {
    let mut live = Live::new();
    loop {
        let newest = newest(client, name).await?;
        let state = state(client, name).await?;
        let now = SystemClock.now();
        live.show(picture::lines(
            &state,
            newest.as_ref(),
            Paint::stderr(),
            now,
        ));
        let status = newest.and_then(|n| n.status).unwrap_or_default();
        match status.as_str() {
            "InProgress" | "Stopping" => tokio::time::sleep(LOOK).await,
            "Succeeded" => return Ok(ExitCode::SUCCESS),
            _ => return Ok(ExitCode::FAILURE),
        }
    }
}

/// The stages' actions that wait for an answer: stage, action, token.
fn asked(state: &api::GetPipelineStateOutput) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for stage in state.stage_states.iter().flatten() {
        for action in stage.action_states.iter().flatten() {
            let run = action.latest_execution.as_ref();
            if let Some(token) = run.and_then(|run| run.token.clone()) {
                let stage = stage.stage_name.clone().unwrap_or_default();
                all.push((stage, action.action_name.clone().unwrap_or_default(), token));
            }
        }
    }
    all
}

async fn approve(
    client: &Client,
    name: &str,
    action: Option<&str>,
    approved: bool,
    summary: String,
) -> Result<ExitCode> {
    let mut waiting = asked(&state(client, name).await?);
    if let Some(action) = action {
        waiting.retain(|(_, of, _)| of == action);
    }
    let (stage, action, token) = match &waiting[..] {
        [one] => one.clone(),
        [] => {
            bail!("no approval of {name} waits; `neargate pipeline show {name}` shows where it is")
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(_, of, _)| of.as_str()).collect();
            bail!("several approvals wait, name one: {}", names.join(", "))
        }
    };
    let status = if approved { "Approved" } else { "Rejected" };
    let input = api::PutApprovalResultInput {
        pipeline_name: name.to_owned(),
        stage_name: stage.clone(),
        action_name: action.clone(),
        result: api::ApprovalResult {
            summary,
            status: status.to_owned(),
        },
        token,
    };
    client.call(ops::PutApprovalResult, &input).await?;
    say(&format!(
        "{} of {}: {status}",
        plain(&action),
        plain(&stage)
    ));
    Ok(ExitCode::SUCCESS)
}

async fn retry(client: &Client, name: &str, stage: Option<&str>, all: bool) -> Result<ExitCode> {
    let state = state(client, name).await?;
    let failed = |of: &&api::StageState| {
        let run = of.latest_execution.as_ref();
        let status = run.and_then(|run| run.status.as_deref());
        matches!(status, Some("Failed" | "Stopped"))
            && stage.is_none_or(|stage| of.stage_name.as_deref() == Some(stage))
    };
    let stages = state.stage_states.iter().flatten();
    let failed: Vec<&api::StageState> = stages.filter(failed).collect();
    let found = match failed[..] {
        [one] => one,
        [] => bail!(
            "no stage of {name} has failed; `neargate pipeline show {name}` shows where it is"
        ),
        _ => bail!("several stages have failed, name one"),
    };
    let run = found.latest_execution.clone().context("no execution")?;
    let stage = found.stage_name.clone().unwrap_or_default();
    let mode = if all { "ALL_ACTIONS" } else { "FAILED_ACTIONS" };
    let input = api::RetryStageExecutionInput {
        pipeline_name: name.to_owned(),
        stage_name: stage.clone(),
        pipeline_execution_id: run.pipeline_execution_id.unwrap_or_default(),
        retry_mode: mode.to_owned(),
    };
    client.call(ops::RetryStageExecution, &input).await?;
    say(&format!("{} is tried again", plain(&stage)));
    Ok(ExitCode::SUCCESS)
}
