//! A project's stack: made or brought to another template, watched until that is done, deleted.

use super::template::{secret_parameter, stack_name};
use crate::client::{Client, ClientError, Element};
use crate::commands::deploy::progress;
use crate::commands::logs::{last_lines, streams_of};
use crate::commands::tasks::{self, Selection};
use crate::view::{Paint, Tone, last_part, plain, short};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const CLOUDFORMATION: (&str, &str) = ("cloudformation", "2010-05-15");
const POLL: Duration = Duration::from_millis(400);
/// What a failed task said last.
const SHOWN_LINES: i32 = 5;

/// What CloudFormation says of a stack.
#[derive(Debug, Clone)]
pub struct Stack {
    pub id: String,
    pub status: String,
    pub reason: Option<String>,
}

/// A resource that a stack has.
#[derive(Debug, Clone)]
pub struct Resource {
    pub logical: String,
    pub kind: String,
    pub physical: String,
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = all.iter();
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The project's stack, if there is one.
pub async fn find(client: &Client, named: &str) -> Result<Option<Stack>, ClientError> {
    let input = pairs(&[("StackName", named)]);
    match client.query(CLOUDFORMATION, "DescribeStacks", &input).await {
        Ok(answer) => Ok(answer.members("Stacks").next().map(|stack| Stack {
            id: stack.text_of("StackId").unwrap_or_default().to_owned(),
            status: stack.text_of("StackStatus").unwrap_or_default().to_owned(),
            reason: stack.text_of("StackStatusReason").map(str::to_owned),
        })),
        Err(ClientError::Aws { message, .. }) if message.contains("does not exist") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The stacks of all projects: name and status.
pub async fn all(client: &Client) -> Result<Vec<(String, String)>, ClientError> {
    let answer = client.query(CLOUDFORMATION, "DescribeStacks", &[]).await?;
    let stacks = answer.members("Stacks").filter_map(|stack| {
        let name = stack.text_of("StackName")?.strip_prefix("compose-")?;
        Some((name.to_owned(), stack.text_of("StackStatus")?.to_owned()))
    });
    Ok(stacks.collect())
}

/// What a stack has.
pub async fn resources(client: &Client, id: &str) -> Result<Vec<Resource>, ClientError> {
    let input = pairs(&[("StackName", id)]);
    let answer = client
        .query(CLOUDFORMATION, "DescribeStackResources", &input)
        .await?;
    let of = |element: &Element, name: &str| element.text_of(name).unwrap_or_default().to_owned();
    let all = answer.members("StackResources").map(|element| Resource {
        logical: of(element, "LogicalResourceId"),
        kind: of(element, "ResourceType"),
        physical: of(element, "PhysicalResourceId"),
    });
    Ok(all.collect())
}

/// Brings the project's stack to a template, and waits until it is.
///
/// # Errors
/// It failed; what was begun is taken back.
pub async fn bring(
    client: &Client,
    project: &str,
    template: &str,
    secrets: &BTreeMap<String, String>,
) -> Result<Stack> {
    let named = stack_name(project);
    let mut input = pairs(&[
        ("StackName", &named),
        ("TemplateBody", template),
        ("Capabilities.member.1", "CAPABILITY_IAM"),
    ]);
    for (n, (name, value)) in secrets.iter().enumerate() {
        let of = |what: &str| format!("Parameters.member.{}.{what}", n + 1);
        input.push((of("ParameterKey"), secret_parameter(name)));
        input.push((of("ParameterValue"), value.clone()));
    }
    let mut old = find(client, &named).await?;
    if let Some(stack) = &old
        && matches!(
            stack.status.as_str(),
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED"
        )
    {
        tell!("what an earlier `up` left half made goes first");
        delete(client, &named, stack).await?;
        old = None;
    }
    let seen = match &old {
        Some(stack) => event_ids(client, &stack.id).await?,
        None => BTreeSet::new(),
    };
    let action = match old {
        Some(_) => "UpdateStack",
        None => {
            // It is deleted here once its tasks have been asked why: with its cluster they are forgotten.
            input.extend(pairs(&[("OnFailure", "DO_NOTHING")]));
            "CreateStack"
        }
    };
    let asked = client.query(CLOUDFORMATION, action, &input).await;
    let id = match (asked, &old) {
        (Ok(answer), _) => answer.text_of("StackId").unwrap_or_default().to_owned(),
        (Err(ClientError::Aws { message, .. }), Some(stack))
            if message.contains("No updates are to be performed") =>
        {
            tell!("all is as the file says");
            return Ok(stack.clone());
        }
        (Err(error), _) => return Err(error.into()),
    };
    let mut watch = Watch {
        client,
        cluster: named.clone(),
        seen,
        told: BTreeSet::new(),
        failures: Vec::new(),
        paint: Paint::stderr(),
    };
    let stack = watch.until_it_ends(&id).await?;
    match stack.status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => Ok(stack),
        status => {
            let why = watch.failures.first().cloned().or(stack.reason.clone());
            if old.is_none() {
                delete(client, &named, &stack).await?;
            }
            bail!(
                "the stack is {status}: {}",
                why.unwrap_or_else(|| "CloudFormation does not say why".into())
            )
        }
    }
}

/// Deletes it, and waits until it is gone.
///
/// # Errors
/// Something of it cannot be deleted.
pub async fn delete(client: &Client, named: &str, stack: &Stack) -> Result<()> {
    let seen = event_ids(client, &stack.id).await?;
    let input = pairs(&[("StackName", &stack.id)]);
    client.query(CLOUDFORMATION, "DeleteStack", &input).await?;
    let mut watch = Watch {
        client,
        cluster: named.to_owned(),
        seen,
        told: BTreeSet::new(),
        failures: Vec::new(),
        paint: Paint::stderr(),
    };
    let ended = watch.until_it_ends(&stack.id).await?;
    match ended.status.as_str() {
        "DELETE_COMPLETE" => Ok(()),
        status => bail!(
            "the stack is {status}: {}",
            ended.reason.unwrap_or_default()
        ),
    }
}

async fn events(client: &Client, id: &str) -> Result<Vec<Element>, ClientError> {
    let input = pairs(&[("StackName", id)]);
    let answer = client
        .query(CLOUDFORMATION, "DescribeStackEvents", &input)
        .await?;
    Ok(answer.members("StackEvents").cloned().collect())
}

async fn event_ids(client: &Client, id: &str) -> Result<BTreeSet<String>, ClientError> {
    let all = events(client, id).await?;
    Ok(all
        .iter()
        .filter_map(|e| e.text_of("EventId"))
        .map(str::to_owned)
        .collect())
}

/// Follows a stack, and says what happens to its resources and its tasks.
struct Watch<'a> {
    client: &'a Client,
    cluster: String,
    /// Events that were told, or are of before.
    seen: BTreeSet<String>,
    /// Tasks whose end was told.
    told: BTreeSet<String>,
    failures: Vec<String>,
    paint: Paint,
}

impl Watch<'_> {
    async fn until_it_ends(&mut self, id: &str) -> Result<Stack> {
        loop {
            let stack = find(self.client, id).await?;
            self.tell_events(id).await?;
            self.tell_failures().await?;
            match stack {
                Some(stack) if !stack.status.ends_with("_IN_PROGRESS") => return Ok(stack),
                Some(_) => tokio::time::sleep(POLL).await,
                None => bail!("the stack is gone"),
            }
        }
    }

    async fn tell_events(&mut self, id: &str) -> Result<()> {
        let mut new = events(self.client, id).await?;
        new.reverse();
        for event in new {
            let of = |name: &str| event.text_of(name).unwrap_or_default();
            if !self.seen.insert(of("EventId").to_owned()) {
                continue;
            }
            let (status, logical) = (of("ResourceStatus"), of("LogicalResourceId"));
            let kind = of("ResourceType").trim_start_matches("AWS::");
            let failed = status.ends_with("_FAILED");
            let done = status.ends_with("_COMPLETE") && kind != "CloudFormation::Stack";
            if failed {
                let why = plain(of("ResourceStatusReason"));
                if !why.contains("cancelled") {
                    self.failures.push(format!("{logical}: {why}"));
                }
                let line = format!("  {kind} {logical} {status}: {why}");
                tell!("{}", self.paint.text(&line, Tone::Bad));
            } else if done {
                let verb = status.split('_').next().unwrap_or_default();
                let verb = match verb {
                    "CREATE" => "made",
                    "UPDATE" => "updated",
                    "DELETE" => "deleted",
                    _ => "settled",
                };
                tell!("  {verb} {kind} {}", self.paint.text(logical, Tone::Quiet));
            }
        }
        Ok(())
    }

    /// Tasks that ended badly, with what they said last: it is gone once the stack is taken back.
    async fn tell_failures(&mut self) -> Result<()> {
        let which = Selection {
            service: None,
            with_stopped: true,
        };
        let all = match tasks::tasks(self.client, &self.cluster, &which).await {
            Ok(all) => all,
            Err(ClientError::Aws { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for task in all {
            let arn = task.task_arn.clone().unwrap_or_default();
            if task.last_status.as_deref() != Some("STOPPED") || !self.told.insert(arn.clone()) {
                continue;
            }
            let Some(why) = progress::failure(&task) else {
                continue;
            };
            let of = last_part(task.group.as_deref().unwrap_or_default());
            let of = of.trim_start_matches("service:");
            let line = format!(
                "  task {} of {of} stopped: {}",
                short(last_part(&arn)),
                plain(&why)
            );
            tell!("{}", self.paint.text(&line, Tone::Bad));
            self.failures.push(format!("{of}: {}", plain(&why)));
            let definition = task.task_definition_arn.clone();
            for definition in tasks::definitions(self.client, definition).await? {
                for (container, stream) in streams_of(&definition, &task, self.client.region()) {
                    let Some(stream) = stream else { continue };
                    let lines = last_lines(self.client, &stream, SHOWN_LINES).await;
                    for line in lines.unwrap_or_default() {
                        tell!(
                            "    {} {}",
                            self.paint.text(&container, Tone::Quiet),
                            plain(&line.message)
                        );
                    }
                }
            }
        }
        Ok(())
    }
}
