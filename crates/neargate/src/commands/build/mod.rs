//! `neargate build`: an image from a Dockerfile, in our own registry.

mod own;
mod show;

use crate::client::Target;
use crate::view::say;
use crate::{installation, machine};
use anyhow::{Context as _, Result, bail, ensure};
use neargate_base::Secret as Hidden;
use neargate_node::build::{BuildError, Builder, BuilderConfig, Built, Context, Request, Secret};
use neargate_node::image::RegistryConfig;
use neargate_node::runtime::ShownFile;
use own::Own;
use show::Plain;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Build an image from a Dockerfile, and keep it in the registry of this Neargate.
///
/// It needs root, as running containers does, and no daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate build -t web .                        build, and push to the repository `web`
  neargate build -t web:v2 -f docker/Dockerfile --build-arg VERSION=2 .
  neargate build --target test --no-push .       only see that it builds

The image is found under its name's AWS form, <account>.dkr.ecr.<region>.amazonaws.com/web:v2.")]
pub struct Build {
    /// The image's name: a repository of our registry, made if it is not there, and a tag
    #[arg(long = "tag", short = 't', value_name = "NAME")]
    tags: Vec<String>,
    /// The Dockerfile [default: DIR/Dockerfile]
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
    /// An argument of the Dockerfile's; without a value, the variable of this name
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    arguments: Vec<String>,
    /// Build this stage [default: the last one]
    #[arg(long = "target", value_name = "STAGE")]
    stage: Option<String>,
    /// A label of the image
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// A secret for `RUN --mount=type=secret`
    #[arg(long = "secret", value_name = "id=ID,src=FILE|env=NAME")]
    secrets: Vec<String>,
    /// Do every step, whether its outcome is known or not
    #[arg(long)]
    no_cache: bool,
    /// `RUN` has no network
    #[arg(long)]
    no_network: bool,
    /// Keep the image with the builder only
    #[arg(long)]
    no_push: bool,
    /// The directory that the Dockerfile copies from
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    target: Target,
}

/// No Dockerfile is larger.
const LARGEST_DOCKERFILE: u64 = 4 << 20;

/// An image that another command builds.
pub struct Image {
    /// A repository and a tag.
    pub name: String,
    pub dir: PathBuf,
    /// The Dockerfile's path, and its text where that is not in the file.
    pub dockerfile: (String, Option<String>),
    pub arguments: BTreeMap<String, Option<String>>,
    pub stage: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub no_cache: bool,
    pub target: Target,
}

impl Image {
    /// Builds it and keeps it in our registry, as `neargate build` does: its name there, by its digest.
    ///
    /// # Errors
    /// It does not build, or cannot be kept.
    pub async fn build(self) -> Result<String> {
        let (file, text) = self.dockerfile;
        let dockerfile = match text {
            Some(text) => (file, text),
            None => {
                let path = self.dir.join(&file);
                let text = std::fs::read_to_string(&path);
                (
                    file,
                    text.with_context(|| format!("cannot read {}", path.display()))?,
                )
            }
        };
        let argument = |(name, value): (String, Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => name,
        };
        let labels = self.labels.into_iter();
        let build = Build {
            tags: vec![self.name],
            file: None,
            arguments: self.arguments.into_iter().map(argument).collect(),
            stage: self.stage,
            labels: labels
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            secrets: Vec::new(),
            no_cache: self.no_cache,
            no_network: false,
            no_push: false,
            dir: self.dir,
            target: self.target,
        };
        let pushed = build.made(dockerfile).await?;
        pushed.into_iter().next().context("one name was asked for")
    }
}

impl Build {
    /// The image of this name from the Dockerfile of a directory.
    pub fn of(dir: PathBuf, tag: String, target: Target) -> Build {
        Build {
            tags: vec![tag],
            file: None,
            arguments: Vec::new(),
            stage: None,
            labels: Vec::new(),
            secrets: Vec::new(),
            no_cache: false,
            no_network: true,
            no_push: false,
            dir,
            target,
        }
    }

    pub async fn run(self) -> Result<ExitCode> {
        let dockerfile = self.dockerfile()?;
        for line in self.made(dockerfile).await? {
            say(&line);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Builds: the names under which it was pushed, by digest, or else its id.
    async fn made(self, dockerfile: (String, String)) -> Result<Vec<String>> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "building runs containers, which needs root: start it with sudo"
        );
        let client = self.target.client()?;
        let data = self
            .target
            .data()
            .context("cannot tell where this Neargate keeps its files: name it with --data")?;
        let own = Arc::new(Own::find(client).await?);
        let mut names = Vec::new();
        for tag in &self.tags {
            names.push(own.name(tag)?);
        }
        let (file_name, dockerfile) = dockerfile;
        let context = Context::open(&self.dir, &file_name);
        let context = context.with_context(|| format!("cannot read {}", self.dir.display()))?;
        let request = Request {
            context,
            file_name: file_name.clone(),
            dockerfile: dockerfile.clone(),
            arguments: arguments(&self.arguments),
            target: self.stage.clone(),
            labels: labels(&self.labels)?,
            tags: names.clone(),
            no_cache: self.no_cache,
            pull: true,
            without_network: self.no_network,
            secrets: secrets(&self.secrets)?,
        };
        let builder = builder(&data, own.clone())?;
        builder.sweep().await?;
        let plain = Arc::new(Plain::default());
        let built = tokio::select! {
            built = builder.build(request, plain) => built,
            _ = tokio::signal::ctrl_c() => Err(interrupted()),
        };
        // Nothing of it runs on, however it ended.
        let swept = builder.sweep().await;
        let _ = std::fs::remove_dir(memory());
        let built = match built {
            Ok(built) => built,
            Err(error) => {
                let shown = neargate_node::build::shown(&error.located, &file_name, &dockerfile);
                for line in shown.lines() {
                    tell!("{line}");
                }
                bail!("failed to build: {error}");
            }
        };
        swept?;
        let pushed = match self.no_push {
            true => Vec::new(),
            false => push(&builder, &own, &built, &names).await?,
        };
        Ok(match names.is_empty() {
            true => vec![built.id.to_string()],
            false => pushed,
        })
    }

    /// The Dockerfile's name and text.
    fn dockerfile(&self) -> Result<(String, String)> {
        if let Some(file) = &self.file {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.strip_prefix(&self.dir).unwrap_or(file);
            return Ok((name.display().to_string(), text));
        }
        let text = Context::read(&self.dir, "Dockerfile", LARGEST_DOCKERFILE);
        let path = self.dir.join("Dockerfile");
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(("Dockerfile".to_owned(), text))
    }
}

/// Where secrets are while a build runs.
fn memory() -> PathBuf {
    Path::new(machine::RUN_DIR).join(format!("build-{}", std::process::id()))
}

fn builder(data: &Path, own: Arc<Own>) -> Result<Arc<Builder>> {
    let id = data.join(installation::FILE);
    let id = std::fs::read_to_string(&id)
        .with_context(|| format!("no Neargate keeps its files in {}", data.display()))?;
    let shown = |target: &str, text: String| ShownFile {
        target: target.to_owned(),
        text,
    };
    let servers = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    let mut registries = RegistryConfig::default();
    registries.insecure.push(own.endpoint());
    let builder = Builder::open(BuilderConfig {
        dir: data.join("builder"),
        exe: std::env::current_exe().context("cannot find this program")?,
        cgroup_name: format!("{}-build", id.trim()),
        task_id: format!("build-{}", std::process::id()),
        in_task: false,
        // That of whoever builds.
        netns: format!("/proc/{}/ns/net", std::process::id()).into(),
        files: vec![
            shown("/etc/resolv.conf", servers),
            shown("/etc/hosts", hosts),
        ],
        memory: memory(),
        registries,
        reach: own,
    });
    builder.context("cannot set up the builder")
}

async fn push(
    builder: &Arc<Builder>,
    own: &Own,
    built: &Built,
    names: &[String],
) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for name in names {
        own.make_repository(name).await?;
        let (reached, login) = neargate_node::build::Registries::reach(own, name)
            .await
            .map_err(anyhow::Error::msg)?;
        let nothing = |_: &_, _, _| {};
        let pushed = builder
            .images()
            .push(&built.digest, &reached, login.as_ref(), &nothing);
        let pushed = pushed.await.map_err(|e| anyhow::anyhow!("{e}"));
        pushed.with_context(|| format!("cannot push {name}"))?;
        all.push(format!("{name}@{}", built.digest));
    }
    Ok(all)
}

fn interrupted() -> BuildError {
    neargate_node::build::Located::new("interrupted").into()
}

/// Without a value, an argument is the variable of its name, if there is one.
fn arguments(all: &[String]) -> BTreeMap<String, String> {
    all.iter()
        .filter_map(|text| match text.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => std::env::var(text).ok().map(|value| (text.clone(), value)),
        })
        .collect()
}

fn labels(all: &[String]) -> Result<BTreeMap<String, String>> {
    let label = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        ensure!(
            !name.is_empty(),
            "{text:?} is no label of the form NAME=VALUE"
        );
        Ok((name.to_owned(), value.to_owned()))
    };
    all.iter().map(label).collect()
}

fn secrets(all: &[String]) -> Result<Vec<Secret>> {
    let secret = |text: &String| {
        let field = |name: &str| {
            let mut fields = text.split(',').filter_map(|field| field.split_once('='));
            fields.find(|(n, _)| *n == name).map(|(_, value)| value)
        };
        let id = field("id").with_context(|| format!("--secret {text}: id=… is missing"))?;
        let value = match (field("src").or(field("source")), field("env")) {
            (Some(path), _) => std::fs::read_to_string(path)
                .with_context(|| format!("--secret {id}: cannot read {path}"))?,
            (None, variable) => {
                let variable = variable.unwrap_or(id);
                std::env::var(variable)
                    .with_context(|| format!("--secret {id}: the variable {variable}"))?
            }
        };
        Ok(Secret {
            id: id.to_owned(),
            value: Hidden::new(value),
        })
    };
    all.iter().map(secret).collect()
}
