//! FireLens: what a log router is given so that it takes in the output of the task's other
//! containers and routes it as their log options say
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_firelens.html>). Its generated
//! configuration is that of the ECS agent, section by section: definitions in use include parts of it
//! and match its tags. Pure, but for [`share_socket`].

use crate::runtime::{Bind, ShownFile};
use neargate_base::Secret;
use neargate_domain::{
    Assignment, ContainerSpec, InstanceNetwork, LogRouter, TaskNetwork, TaskSecrets,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

/// The driver's name in a log configuration.
const DRIVER: &str = "awsfirelens";
/// Where the router finds the directory of its socket, and the socket.
const SOCKET_DIR: &str = "/var/run";
const SOCKET: &str = "/var/run/fluent.sock";
/// Where programs of the task reach it by network.
pub const PORT: &str = "24224";
/// The directory among a task's containers that nobody's name can be.
pub const DIR: &str = ".firelens";

/// Is this container's output routed?
fn is_routed(spec: &ContainerSpec) -> bool {
    spec.log_route.as_ref().is_some_and(|r| r.driver == DRIVER)
}

/// Does its configuration include an object of S3?
pub fn is_from_s3(spec: &ContainerSpec) -> bool {
    let options = spec.firelens.as_ref().map(|f| &f.options);
    options
        .and_then(|o| o.get("config-file-type"))
        .map(String::as_str)
        == Some("s3")
}

/// Shows the router the directory of its socket; made when it is missing, and owned by the router's
/// user, where that is a number: the ECS agent knows no other either.
///
/// # Errors
/// It cannot be made.
pub fn share_socket(dir: &Path, router: &ContainerSpec) -> io::Result<Bind> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755).create(dir)?;
    let user = router.user.as_deref().unwrap_or_default();
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    if let Ok(user) = user.parse() {
        chown(dir, Some(user), group.parse().ok())?;
    }
    Ok(Bind {
        source: dir.to_owned(),
        target: SOCKET_DIR.to_owned(),
        ..Bind::default()
    })
}

/// The router's configuration, and what it includes.
///
/// # Errors
/// The ECS agent's words for options that make no configuration.
pub fn files(
    task: &Assignment,
    router: &ContainerSpec,
    instance_id: Option<&str>,
    included: Option<&str>,
) -> Result<Vec<ShownFile>, String> {
    let Some(firelens) = &router.firelens else {
        return Ok(Vec::new());
    };
    let failed = |why: String| format!("unable to generate firelens config file: {why}");
    let config = Config::of(
        task,
        router,
        firelens.router,
        &firelens.options,
        instance_id,
    );
    let config = config.map_err(failed)?;
    let (main, external) = places(firelens.router);
    let mut files = vec![ShownFile {
        target: main.to_owned(),
        text: config.text(firelens.router),
    }];
    files.extend(included.map(|text| ShownFile {
        target: external.to_owned(),
        text: text.to_owned(),
    }));
    Ok(files)
}

/// Where its configuration is, and what that includes of S3.
fn places(router: LogRouter) -> (&'static str, &'static str) {
    match router {
        LogRouter::Fluentbit => (
            "/fluent-bit/etc/fluent-bit.conf",
            "/fluent-bit/etc/external.conf",
        ),
        LogRouter::Fluentd => ("/fluentd/etc/fluent.conf", "/fluentd/etc/external.conf"),
    }
}

/// What the router's environment has for its configuration: the secret options of those that log
/// through it.
pub fn secrets(
    task: &Assignment,
    router: &ContainerSpec,
    all: &TaskSecrets,
) -> Vec<Secret<String>> {
    if router.firelens.is_none() {
        return Vec::new();
    }
    let routed = task.containers.iter().enumerate();
    let routed = routed.filter(|(_, spec)| is_routed(spec));
    let options = routed.filter_map(|(i, spec)| Some((i, all.0.get(&spec.name)?)));
    let variables = options.flat_map(|(i, secrets)| {
        secrets.log_options.iter().map(move |option| {
            let variable = variable(&option.name, i);
            Secret::new(format!("{variable}={}", option.value.expose()))
        })
    });
    variables.collect()
}

/// The variable of the secret option of the container with this index.
fn variable(option: &str, index: usize) -> String {
    format!("{option}_{index}")
}

/// What containers find the router by. `router`: its address on the bridge.
pub fn environment(
    task: &Assignment,
    spec: &ContainerSpec,
    router: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut environment = Vec::new();
    if spec.firelens.as_ref().map(|f| f.router) == Some(LogRouter::Fluentd) {
        // Otherwise its image leaves root's rights, and cannot listen.
        environment.push(("FLUENT_UID", "0".to_owned()));
    }
    let host = match &task.network {
        TaskNetwork::Awsvpc(_) => Some("127.0.0.1"),
        TaskNetwork::Instance(InstanceNetwork::Bridge) => router,
        TaskNetwork::Instance(_) => None,
    };
    if let (true, Some(host)) = (is_routed(spec), host) {
        environment.push(("FLUENT_HOST", host.to_owned()));
        environment.push(("FLUENT_PORT", PORT.to_owned()));
    }
    environment
}

/// An input or output.
struct Pipe {
    name: String,
    tag: String,
    options: BTreeMap<String, String>,
}

fn pipe(name: &str, tag: &str, options: &[(&str, &str)]) -> Pipe {
    let options = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Pipe {
        name: name.to_owned(),
        tag: tag.to_owned(),
        options: options.collect(),
    }
}

/// The sections of a configuration, in the order of the file.
#[derive(Default)]
struct Config {
    inputs: Vec<Pipe>,
    /// Tag and pattern of lines that pass.
    includes: Vec<(String, String)>,
    /// Of lines that do not.
    excludes: Vec<(String, String)>,
    /// What is added to every record.
    fields: BTreeMap<&'static str, String>,
    /// A file that is included behind the filters.
    included: Option<String>,
    outputs: Vec<Pipe>,
}

impl Config {
    fn of(
        task: &Assignment,
        router: &ContainerSpec,
        kind: LogRouter,
        options: &BTreeMap<String, String>,
        instance_id: Option<&str>,
    ) -> Result<Config, String> {
        let mut config = Config::default();
        config.take_in(task, router, kind);
        let wants_metadata = options.get("enable-ecs-log-metadata").map(String::as_str);
        // What is neither true nor false counts as not said, which for the ECS agent is false.
        if wants_metadata.is_none_or(|v| matches!(v, "1" | "t" | "T" | "true" | "TRUE" | "True")) {
            config.fields.extend([
                ("ecs_cluster", task.cluster.clone()),
                ("ecs_task_arn", task.task_arn.clone()),
                (
                    "ecs_task_definition",
                    format!("{}:{}", task.family, task.revision),
                ),
            ]);
            config
                .fields
                .extend(instance_id.map(|id| ("ec2_instance_id", id.to_owned())));
        }
        for (i, spec) in task.containers.iter().enumerate() {
            if is_routed(spec) {
                config.put_out(i, spec, kind).map_err(|why| {
                    format!(
                        "unable to generate firelens config: unable to apply log options of \
                         container {} to firelens config: {why}",
                        spec.name
                    )
                })?;
            }
        }
        let value = options.get("config-file-value");
        config.included = match options.get("config-file-type").map(String::as_str) {
            None => None,
            Some("s3") => Some(places(kind).1.to_owned()),
            Some("file") => {
                let missing =
                    "option config-file-type is specified but config-file-value is not specified";
                Some(value.ok_or(missing)?.clone())
            }
            Some(other) => {
                return Err(format!(
                    "invalid value {other} is specified for option config-file-type"
                ));
            }
        };
        Ok(config)
    }

    /// The node's socket, and where programs of the task have a network of their own, a port and a
    /// health check.
    fn take_in(&mut self, task: &Assignment, router: &ContainerSpec, kind: LogRouter) {
        let limit = router.memory_reservation_mib.or(router.memory_mib);
        let limit = limit
            .map(|mib| mib / 2)
            .filter(|mib| *mib > 0)
            .unwrap_or(25);
        let limit = format!("{limit}MB");
        self.inputs.push(match kind {
            LogRouter::Fluentbit => pipe(
                "forward",
                "",
                &[("unix_path", SOCKET), ("Mem_Buf_Limit", &limit)],
            ),
            LogRouter::Fluentd => pipe("unix", "", &[("path", SOCKET)]),
        });
        let bind = match &task.network {
            TaskNetwork::Awsvpc(_) => "127.0.0.1",
            TaskNetwork::Instance(InstanceNetwork::Bridge) => "0.0.0.0",
            TaskNetwork::Instance(_) => return,
        };
        match kind {
            LogRouter::Fluentbit => {
                let listen = |host, port| [("Port", port), ("Listen", host)];
                self.inputs.push(pipe("forward", "", &listen(bind, PORT)));
                let health = "firelens-healthcheck";
                self.inputs
                    .push(pipe("tcp", health, &listen("127.0.0.1", "8877")));
                self.outputs.push(pipe("null", health, &[]));
            }
            LogRouter::Fluentd => {
                let listen = [("port", PORT), ("bind", bind)];
                self.inputs.push(pipe("forward", "", &listen));
            }
        }
    }

    /// Where the lines of a container go that logs through the router.
    fn put_out(
        &mut self,
        index: usize,
        spec: &ContainerSpec,
        kind: LogRouter,
    ) -> Result<(), String> {
        let (name_option, any) = match kind {
            LogRouter::Fluentbit => ("Name", "*"),
            LogRouter::Fluentd => ("@type", "**"),
        };
        let tag = format!("{}-firelens{any}", spec.name);
        let mut options = spec
            .log_route
            .as_ref()
            .map(|r| r.options.clone())
            .unwrap_or_default();
        options.remove("log-driver-buffer-limit");
        for (option, _) in &spec.log_secrets {
            let variable = variable(option, index);
            let value = match kind {
                LogRouter::Fluentbit => format!("${{{variable}}}"),
                LogRouter::Fluentd => format!("\"#{{ENV['{variable}']}}\""),
            };
            options.insert(option.clone(), value);
        }
        if let Some(pattern) = options.remove("include-pattern") {
            self.includes.push((tag.clone(), pattern));
        }
        if let Some(pattern) = options.remove("exclude-pattern") {
            self.excludes.push((tag.clone(), pattern));
        }
        match options.remove(name_option) {
            Some(name) => self.outputs.push(Pipe { name, tag, options }),
            // What is included may have an output.
            None if options.is_empty() => {}
            None => {
                let kind = match kind {
                    LogRouter::Fluentbit => "fluentbit",
                    LogRouter::Fluentd => "fluentd",
                };
                return Err(format!(
                    "missing output key {name_option} which is required for firelens configuration \
                     of type {kind}"
                ));
            }
        }
        Ok(())
    }

    fn text(&self, kind: LogRouter) -> String {
        match kind {
            LogRouter::Fluentbit => self.fluent_bit(),
            LogRouter::Fluentd => self.fluentd(),
        }
    }

    fn fluent_bit(&self) -> String {
        let mut text = String::new();
        let mut section = |name: &str, lines: &[String]| {
            let _ = write!(text, "\n[{name}]\n");
            for line in lines {
                let _ = writeln!(text, "    {line}");
            }
        };
        let options = |pipe: &Pipe| -> Vec<String> {
            pipe.options
                .iter()
                .map(|(k, v)| format!("{k} {v}"))
                .collect()
        };
        for input in &self.inputs {
            let mut lines = vec![format!("Name {}", input.name)];
            lines.extend(Some(format!("Tag {}", input.tag)).filter(|_| !input.tag.is_empty()));
            lines.extend(options(input));
            section("INPUT", &lines);
        }
        let grep = |tag: &str, what: String| ["Name   grep".into(), format!("Match {tag}"), what];
        for (tag, pattern) in &self.includes {
            section("FILTER", &grep(tag, format!("Regex  log {pattern}")));
        }
        for (tag, pattern) in &self.excludes {
            section("FILTER", &grep(tag, format!("Exclude log {pattern}")));
        }
        if !self.fields.is_empty() {
            let mut lines = vec!["Name record_modifier".to_owned(), "Match *".to_owned()];
            lines.extend(self.fields.iter().map(|(k, v)| format!("Record {k} {v}")));
            section("FILTER", &lines);
        }
        if let Some(path) = &self.included {
            let _ = write!(text, "\n@INCLUDE {path}\n");
        }
        let mut section = |name: &str, lines: &[String]| {
            let _ = write!(text, "\n[{name}]\n");
            for line in lines {
                let _ = writeln!(text, "    {line}");
            }
        };
        for output in &self.outputs {
            let mut lines = vec![
                format!("Name {}", output.name),
                format!("Match {}", output.tag),
            ];
            lines.extend(options(output));
            section("OUTPUT", &lines);
        }
        text
    }

    fn fluentd(&self) -> String {
        let mut text = String::new();
        let options = |pipe: &Pipe| -> String {
            let lines = pipe.options.iter();
            lines.map(|(k, v)| format!("    {k} {v}\n")).collect()
        };
        for input in &self.inputs {
            let _ = write!(
                text,
                "\n<source>\n    @type {}\n{}</source>\n",
                input.name,
                options(input)
            );
        }
        for (patterns, kind) in [(&self.includes, "regexp"), (&self.excludes, "exclude")] {
            for (tag, pattern) in patterns {
                let _ = write!(
                    text,
                    "\n<filter {tag}>\n    @type  grep\n    <{kind}>\n        key log\n        \
                     pattern {pattern}\n    </{kind}>\n</filter>\n"
                );
            }
        }
        if !self.fields.is_empty() {
            let fields = self.fields.iter();
            let fields: String = fields.map(|(k, v)| format!("        {k} {v}\n")).collect();
            let _ = write!(
                text,
                "\n<filter **>\n    @type record_transformer\n    <record>\n{fields}    \
                 </record>\n</filter>\n"
            );
        }
        if let Some(path) = &self.included {
            let _ = write!(text, "\n@include {path}\n");
        }
        for output in &self.outputs {
            let _ = write!(
                text,
                "\n<match {}>\n    @type {}\n{}</match>\n",
                output.tag,
                output.name,
                options(output)
            );
        }
        text
    }
}
