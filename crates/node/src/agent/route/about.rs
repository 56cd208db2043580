//! What drivers tell of the container whose lines they take, and the templates that name it.

use super::super::command;
use neargate_domain::{Assignment, ContainerSpec, LaunchType};
use std::collections::BTreeMap;

/// What Docker calls a logger's info.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The container's `runtimeId`.
    pub id: String,
    /// As Docker names it, without the slash.
    pub name: String,
    pub image: String,
    pub image_id: String,
    pub command: String,
    pub labels: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    /// The host's name.
    pub host: String,
    /// How the log router's tag calls it: `name-firelens-taskid`.
    pub router_tag: String,
    pub is_fargate: bool,
}

impl About {
    pub fn of(task: &Assignment, spec: &ContainerSpec, image_id: Option<&str>) -> About {
        let id = command::runtime_id(task, &spec.name);
        let is_fargate = task.launch_type == LaunchType::Fargate;
        About {
            name: match is_fargate {
                true => spec.name.clone(),
                false => command::docker_name(task, &spec.name),
            },
            id,
            image: spec.image.name.clone(),
            image_id: image_id.unwrap_or_default().to_owned(),
            command: spec.command.clone().unwrap_or_default().join(" "),
            labels: spec.labels.clone(),
            environment: spec.environment.clone(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            router_tag: format!("{}-firelens-{}", spec.name, task.task_id),
            is_fargate,
        }
    }

    /// The `container_name` of a record: Docker's names begin with a slash.
    pub fn shown_name(&self) -> String {
        match self.is_fargate {
            true => self.name.clone(),
            false => format!("/{}", self.name),
        }
    }

    /// Docker's short id.
    fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// A `tag`: text with `{{.Name}}` and its like
    /// (<https://docs.docker.com/engine/logging/log_tags/>).
    ///
    /// # Errors
    /// What it names that Docker does not know, or that needs Go's templates.
    pub fn tag(&self, template: &str) -> Result<String, String> {
        let mut tag = String::new();
        let mut rest = template;
        while let Some((before, inside)) = rest.split_once("{{") {
            tag += before;
            let (field, behind) = inside
                .split_once("}}")
                .ok_or_else(|| format!("template: log-tag:1: unclosed action in {template:?}"))?;
            tag += match field.trim() {
                ".ID" => self.short_id(),
                ".FullID" => &self.id,
                ".Name" | ".FullName" => &self.name,
                ".ImageID" => {
                    let id = self.image_id.trim_start_matches("sha256:");
                    id.get(..12).unwrap_or(id)
                }
                ".ImageFullID" => &self.image_id,
                ".ImageName" => &self.image,
                ".DaemonName" => "docker",
                other => {
                    return Err(format!(
                        "template: log-tag:1: {{{{{other}}}}} in {template:?} is not evaluated here"
                    ));
                }
            };
            rest = behind;
        }
        Ok(tag + rest)
    }

    /// The short id, where a `tag` says nothing else: Docker's default template.
    pub fn default_tag(&self) -> String {
        self.short_id().to_owned()
    }
}
