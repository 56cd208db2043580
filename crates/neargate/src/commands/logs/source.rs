//! The log stream of one container, read forwards.

use super::kept::Kept;
use crate::client::{Client, ClientError, Code};
use crate::view::last_part;
use neargate_api_ecs as ecs;
use neargate_api_logs::{self as logs, ops};
use neargate_base::Timestamp;
use neargate_domain::{LaunchType, runtime_id};
use std::collections::VecDeque;

/// Lines read at once.
const PAGE: i32 = 1_000;

/// Where a container's output is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStream {
    pub region: String,
    pub group: String,
    pub stream: String,
}

/// The containers of a task of this definition, with their streams: `prefix/container/task`, or
/// the container's id where there is no prefix
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html>).
/// `None`: its output is not kept in CloudWatch Logs.
pub fn streams_of(
    definition: &ecs::TaskDefinition,
    task: &ecs::Task,
    region: &str,
) -> Vec<(String, Option<LogStream>)> {
    let containers = definition.container_definitions.iter().flatten();
    let task_id = last_part(task.task_arn.as_deref().unwrap_or_default());
    let launch_type = match task.launch_type.as_deref() {
        Some("FARGATE") => LaunchType::Fargate,
        _ => LaunchType::Ec2,
    };
    let stream = |c: &ecs::ContainerDefinition, name: &str| {
        let log = c.log_configuration.as_ref()?;
        let options = log
            .options
            .as_ref()
            .filter(|_| log.log_driver == "awslogs")?;
        let stream = match options.get("awslogs-stream-prefix") {
            Some(prefix) if !prefix.is_empty() => format!("{prefix}/{name}/{task_id}"),
            _ => runtime_id(launch_type, task_id, name),
        };
        let region = options.get("awslogs-region").map_or(region, String::as_str);
        Some(LogStream {
            region: region.to_owned(),
            group: options.get("awslogs-group")?.clone(),
            stream,
        })
    };
    containers
        .filter_map(|c| {
            let name = c.name.clone()?;
            let stream = stream(c, &name);
            Some((name, stream))
        })
        .collect()
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: Timestamp,
    pub message: String,
}

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Stream(LogStream),
    Kept(Kept),
}

/// A stream, and how far it was read.
#[derive(Debug)]
pub struct Source {
    origin: Origin,
    pub task_id: String,
    pub container: String,
    /// The number of the task, which chooses its colour.
    pub number: usize,
    lines: VecDeque<Line>,
    next: Option<String>,
    /// There was nothing more when it was last asked.
    pub dry: bool,
    /// Its task has stopped: nothing is written any more.
    pub ended: bool,
    /// Read to its very end.
    pub done: bool,
}

impl Source {
    pub fn new(origin: Origin, task_id: &str, container: &str, number: usize) -> Source {
        Source {
            origin,
            task_id: task_id.to_owned(),
            container: container.to_owned(),
            number,
            lines: VecDeque::new(),
            next: None,
            dry: false,
            ended: false,
            done: false,
        }
    }

    pub fn head(&self) -> Option<Timestamp> {
        self.lines.front().map(|line| line.at)
    }

    pub fn take(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }

    /// Must it be filled before its next line is known?
    pub fn is_thirsty(&self) -> bool {
        self.lines.is_empty() && !self.dry
    }

    /// Reads the next lines, if any. A stream comes to be with its first line.
    pub async fn fill(
        &mut self,
        client: &Client,
        from: Option<Timestamp>,
    ) -> Result<(), ClientError> {
        let stream = match &mut self.origin {
            Origin::Stream(stream) => &*stream,
            Origin::Kept(kept) => {
                let lines = kept.read();
                let lines = lines.map_err(|e| ClientError::Unreadable(e.to_string()))?;
                self.dry = lines.is_empty();
                let is_wanted = |line: &Line| from.is_none_or(|from| line.at >= from);
                self.lines.extend(lines.into_iter().filter(is_wanted));
                return Ok(());
            }
        };
        let input = logs::GetLogEventsInput {
            log_group_name: Some(stream.group.clone()),
            log_stream_name: stream.stream.clone(),
            start_time: from.map(Timestamp::as_millis),
            start_from_head: Some(true),
            next_token: self.next.clone(),
            limit: Some(PAGE),
            ..Default::default()
        };
        let client = client.in_region(&stream.region);
        let page = match client.call(ops::GetLogEvents, &input).await {
            Err(error) if error.is(Code::ResourceNotFound) => {
                self.dry = true;
                return Ok(());
            }
            page => page?,
        };
        self.lines
            .extend(page.events.into_iter().flatten().map(line));
        // At the end, the answer's token is the one that was given.
        self.dry = self.lines.is_empty();
        self.next = page.next_forward_token.or(self.next.take());
        Ok(())
    }
}

fn line(event: logs::OutputLogEvent) -> Line {
    let message = event.message.unwrap_or_default();
    Line {
        at: Timestamp::from_millis(event.timestamp.unwrap_or(0)),
        message: message.trim_end_matches(['\n', '\r']).to_owned(),
    }
}

/// The newest lines of a stream, oldest first; none if there is no such stream.
pub async fn last_lines(
    client: &Client,
    stream: &LogStream,
    limit: i32,
) -> Result<Vec<Line>, ClientError> {
    let input = logs::GetLogEventsInput {
        log_group_name: Some(stream.group.clone()),
        log_stream_name: stream.stream.clone(),
        limit: Some(limit),
        ..Default::default()
    };
    match client
        .in_region(&stream.region)
        .call(ops::GetLogEvents, &input)
        .await
    {
        Err(error) if error.is(Code::ResourceNotFound) => Ok(Vec::new()),
        page => Ok(page?.events.into_iter().flatten().map(line).collect()),
    }
}
