//! `neargate logs`: what the containers of a service, or of one task, say.

mod choose;
mod kept;
mod source;

pub use source::{last_lines, streams_of};

use super::tasks;
use crate::client::{Client, Target};
use crate::view::{Output, Paint, Tone, last_part, plain, say, short};
use anyhow::{Result, bail};
use choose::Choice;
pub use choose::choose;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use kept::{Kept, keeps};
use neargate_api_ecs as ecs;
use neargate_base::time::{Stopwatch, SystemClock};
use neargate_base::{Clock, Timestamp};
use serde_json::json;
use source::{Line, Origin, Source};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Between two looks for new lines, and for new tasks.
const POLL: Duration = Duration::from_millis(300);
const LOOK_FOR_TASKS: Duration = Duration::from_secs(1);
/// Calls under way at the same time.
const PARALLEL: usize = 8;

/// Show what containers write, from CloudWatch Logs or from this host's files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate logs web                  all of the service web, oldest first
  neargate logs -f web               and go on: tasks that start later are shown too
  neargate logs 1dc5c17a --since 10m
  neargate logs web --container app --output json

SERVICE|TASK is a service, a task definition family whose tasks run alone, or a task's id
(its start is enough). Following one task ends with it.")]
pub struct Logs {
    #[arg(value_name = "SERVICE|TASK")]
    named: String,
    /// Go on until Ctrl-C, or until the task has ended
    #[arg(long, short)]
    follow: bool,
    /// Only what is newer: 90s, 10m, 3h, 2d
    #[arg(long, value_name = "AGE", value_parser = since)]
    since: Option<Duration>,
    /// Only this container of each task
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Its cluster [default: wherever it is found]
    #[arg(long, short, value_name = "NAME")]
    cluster: Option<String>,
    /// Show when each line was written
    #[arg(long, short)]
    timestamps: bool,
    /// json: one object a line
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

impl Logs {
    /// Those of a service of one cluster.
    pub fn of_service(named: String, cluster: String, follow: bool, target: Target) -> Logs {
        Logs {
            named,
            follow,
            since: None,
            container: None,
            cluster: Some(cluster),
            timestamps: false,
            output: Output::default(),
            target,
        }
    }

    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let choice = choose::choose(&client, self.cluster.as_deref(), &self.named).await?;
        let from = self.since.map(|age| SystemClock.now() - age);
        let mut reader = Reader {
            client,
            choice,
            from,
            container: self.container.clone(),
            data: self.target.data(),
            definitions: BTreeMap::new(),
            sources: BTreeMap::new(),
            silent: BTreeSet::new(),
        };
        let printer = Printer::new(&self);
        let mut looked = Stopwatch::start();
        let mut alive = reader.look_for_tasks().await?;
        if reader.sources.is_empty() && (!self.follow || !alive) {
            bail!("{}", reader.why_nothing(&self.named));
        }
        loop {
            let ended = !alive;
            reader.read(&printer).await?;
            if !self.follow || ended {
                if !printer.printed.get() {
                    // An empty answer looks like a broken one.
                    tell!("{} has written nothing, as far as it is kept.", self.named);
                }
                return Ok(ExitCode::SUCCESS);
            }
            tokio::time::sleep(POLL).await;
            if looked.elapsed() >= LOOK_FOR_TASKS {
                looked = Stopwatch::start();
                alive = reader.look_for_tasks().await?;
            }
        }
    }
}

/// Reads all streams of the chosen tasks.
struct Reader {
    client: Client,
    choice: Choice,
    from: Option<Timestamp>,
    container: Option<String>,
    /// Where the Neargate of this host keeps its files.
    data: Option<PathBuf>,
    definitions: BTreeMap<String, ecs::TaskDefinition>,
    /// The sources, keyed by task id and container.
    sources: BTreeMap<(String, String), Source>,
    /// Containers whose output goes elsewhere, or nowhere.
    silent: BTreeSet<String>,
}

impl Reader {
    /// Adds the streams of tasks not known yet. Can anything more be written?
    async fn look_for_tasks(&mut self) -> Result<bool> {
        let tasks = self.choice.tasks(&self.client).await?;
        let unknown: BTreeSet<String> = tasks
            .iter()
            .filter_map(|t| t.task_definition_arn.clone())
            .filter(|arn| !self.definitions.contains_key(arn))
            .collect();
        for definition in tasks::definitions(&self.client, unknown).await? {
            let arn = definition.task_definition_arn.clone().unwrap_or_default();
            self.definitions.insert(arn, definition);
        }
        for task in &tasks {
            let arn = task.task_definition_arn.as_deref().unwrap_or_default();
            let Some(definition) = self.definitions.get(arn) else {
                continue;
            };
            let id = last_part(task.task_arn.as_deref().unwrap_or_default());
            for (container, stream) in streams_of(definition, task, self.client.region()) {
                if self
                    .container
                    .as_ref()
                    .is_some_and(|only| *only != container)
                {
                    continue;
                }
                let origin = stream.map(Origin::Stream);
                match origin.or_else(|| self.kept(definition, id, &container)) {
                    Some(origin) => {
                        let key = (id.to_owned(), container);
                        let number = self.sources.values().map(|s| s.number + 1).max();
                        let of_task = self.sources.values().find(|s| s.task_id == id);
                        let number = of_task.map_or(number.unwrap_or(0), |s| s.number);
                        self.sources
                            .entry(key)
                            .or_insert_with_key(|(id, container)| {
                                Source::new(origin, id, container, number)
                            });
                    }
                    None => drop(self.silent.insert(container)),
                }
            }
        }
        let ended = |t: &ecs::Task| t.last_status.as_deref() == Some("STOPPED");
        for task in tasks.iter().filter(|t| ended(t)) {
            let id = last_part(task.task_arn.as_deref().unwrap_or_default());
            for source in self.sources.values_mut().filter(|s| s.task_id == id) {
                source.ended = true;
            }
        }
        Ok(!self.choice.is_one_task() || !tasks.iter().all(ended))
    }

    /// Prints everything that is there now, the oldest line first.
    async fn read(&mut self, printer: &Printer) -> Result<()> {
        for source in self.sources.values_mut() {
            source.dry = source.done;
        }
        self.read_until_dry(printer).await?;
        for source in self.sources.values_mut() {
            source.done = source.ended;
        }
        Ok(())
    }

    async fn read_until_dry(&mut self, printer: &Printer) -> Result<()> {
        loop {
            let (client, from) = (&self.client, self.from);
            let thirsty = self.sources.values_mut().filter(|s| s.is_thirsty());
            let filling = stream::iter(thirsty).map(|s| s.fill(client, from));
            let filling = filling.buffer_unordered(PARALLEL);
            filling.try_collect::<()>().await?;
            // The oldest line of all, as long as each source that has more shows its own.
            loop {
                let heads = self.sources.values_mut().filter_map(|s| {
                    let at = s.head()?;
                    Some((at, s))
                });
                let Some((_, oldest)) = heads.min_by_key(|(at, _)| *at) else {
                    return Ok(());
                };
                printer.print(oldest);
                if oldest.is_thirsty() {
                    break;
                }
            }
        }
    }

    /// What its host keeps of a container's output, if that is this one.
    fn kept(
        &self,
        definition: &ecs::TaskDefinition,
        task_id: &str,
        container: &str,
    ) -> Option<Origin> {
        let mut containers = definition.container_definitions.iter().flatten();
        let named = containers.find(|c| c.name.as_deref() == Some(container))?;
        let log = named.log_configuration.as_ref()?;
        let data = self.data.as_ref().filter(|_| keeps(&log.log_driver))?;
        Kept::find(data, task_id, container).map(Origin::Kept)
    }

    fn why_nothing(&self, named: &str) -> String {
        let silent: Vec<&str> = self.silent.iter().map(String::as_str).collect();
        match (&self.container, silent.is_empty()) {
            (Some(container), true) => format!("no task of {named} has a container {container:?}"),
            (None, true) => format!("{named} has no tasks, and none that are remembered"),
            (_, false) => format!(
                "{named} keeps no logs in CloudWatch Logs: give {} a logConfiguration with the \
                 logDriver awslogs (what json-file and local keep is read on the host of the task, \
                 as long as that is there)",
                silent.join(", ")
            ),
        }
    }
}

/// How lines look.
struct Printer {
    paint: Paint,
    on_terminal: bool,
    timestamps: bool,
    json: bool,
    /// Has there been a line?
    printed: Cell<bool>,
}

impl Printer {
    fn new(given: &Logs) -> Printer {
        Printer {
            paint: Paint::stdout(),
            on_terminal: std::io::stdout().is_terminal(),
            timestamps: given.timestamps,
            json: given.output == Output::Json,
            printed: Cell::new(false),
        }
    }

    /// Prints and drops the source's oldest line.
    fn print(&self, source: &mut Source) {
        let Some(Line { at, message }) = source.take() else {
            return;
        };
        self.printed.set(true);
        if self.json {
            let line = json!({
                "timestamp": at.as_millis(),
                "taskId": source.task_id,
                "container": source.container,
                "message": message,
            });
            return say(&line.to_string());
        }
        let name = format!("{}/{}", source.container, short(&source.task_id));
        let name = self.paint.text(&name, Tone::Nth(source.number));
        let at = if self.timestamps {
            format!("{} ", self.paint.text(&at.rfc3339(), Tone::Quiet))
        } else {
            String::new()
        };
        // Files and pipes get the bytes as they were written.
        let message = if self.on_terminal {
            plain(&message)
        } else {
            message
        };
        say(&format!("{name} {at}{message}"));
    }
}

/// `90s`, `10m`, `3h`, `2d`, as `aws logs tail` takes them.
pub fn since(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not an age such as 90s, 10m, 3h or 2d");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests;
