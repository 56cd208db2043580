//! A build's driver: from one stage to the next.

use super::artifacts::{self, Unmade};
use super::container::{self, Failed};
use super::{cache, follow, logs, reports, source, task, variables};
use crate::archive::{Content, tarred};
use crate::buildspec;
use crate::events;
use crate::model::{Build, Kept, Stage};
use crate::plan::advance::{End, exported, finish_phases, overdue, take_up};
use crate::plan::mask::Mask;
use crate::plan::phases::{
    self, DOWNLOAD_SOURCE, FAILED, FAULT, FINALIZING, PROVISIONING, STOPPED, SUCCEEDED,
    UPLOAD_ARTIFACTS,
};
use crate::plan::progress;
use crate::plan::{environment, script};
use bytes::Bytes;
use neargate_api_codebuild as api;
use neargate_service::session::Place;
use neargate_service::{AwsError, Committed, House, Scope, Stored};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often a driver looks.
const LOOK: Duration = Duration::from_millis(400);
/// How long it waits after something that may pass.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
const RUN: &str = "/codebuild/run";
/// The most values that a build may export, and of each.
const MOST_EXPORTED: usize = 100;

/// Until the build is complete, or gone.
pub async fn drive(house: Arc<House>, key: String) {
    let Some(scope) = Scope::of_key(&key) else {
        return;
    };
    let driver = Driver { house, scope, key };
    loop {
        match driver.step().await {
            Ok(Next::Over) => return,
            Ok(Next::Now) => {}
            Ok(Next::Later) => sleep(LOOK).await,
            Err(error) => {
                let cause = error.source.as_ref().map(ToString::to_string);
                tracing::warn!(build = driver.key, %error, cause, "a build will go on later");
                sleep(AFTER_TROUBLE).await;
            }
        }
    }
}

enum Next {
    Now,
    Later,
    Over,
}

struct Driver {
    house: Arc<House>,
    scope: Scope,
    key: String,
}

impl Driver {
    async fn step(&self) -> Result<Next, AwsError> {
        let Some(build) = self.house.db.get_key::<Build>(&self.key).await? else {
            return Ok(Next::Over);
        };
        if build.stage == Stage::Complete {
            return Ok(Next::Over);
        }
        if build.stage != Stage::Finalizing {
            if build.stopping {
                let end = End {
                    status: STOPPED,
                    context: None,
                };
                return self.give_up(&build, end).await;
            }
            if let Some(end) = overdue(&build, self.house.now()) {
                return self.give_up(&build, end).await;
            }
        }
        match build.stage {
            Stage::Queued => self.queued(&build).await,
            Stage::Provisioning => self.provisioning(&build).await,
            Stage::Downloading => self.downloading(&build).await,
            Stage::Running => self.running(&build).await,
            Stage::Uploading => self.uploading(&build).await,
            Stage::Finalizing => self.finalizing(&build).await,
            Stage::Complete => Ok(Next::Over),
        }
    }

    /// Writes a change of the build, and what it tells.
    async fn change(
        &self,
        build: &Stored<Build>,
        change: impl FnOnce(&mut Build),
    ) -> Result<Next, AwsError> {
        let mut after = build.value.clone();
        change(&mut after);
        if after == build.value {
            return Ok(Next::Later);
        }
        let tx = self.house.db.tx().update(build, &after);
        let tx = events::tell(&self.house, tx, &self.scope, Some(&build.value), &after);
        match tx.commit().await? {
            // Either way the next look begins with what is there.
            Committed::At(_) | Committed::Conflict => Ok(Next::Now),
        }
    }

    /// The phase that goes on ends so, and the build with it.
    async fn give_up(&self, build: &Stored<Build>, end: End<'_>) -> Result<Next, AwsError> {
        let now = self.house.now();
        self.change(build, |b| {
            if let Some((code, message)) = end.context {
                phases::context(&mut b.shown, code, message);
            }
            phases::end(&mut b.shown, end.status, now);
            b.verdict = Some(end.status.to_owned());
            phases::begin(&mut b.shown, FINALIZING, now);
            b.stage = Stage::Finalizing;
        })
        .await
    }

    async fn fail(
        &self,
        build: &Stored<Build>,
        code: &str,
        message: &str,
    ) -> Result<Next, AwsError> {
        let end = End {
            status: FAILED,
            context: Some((code, message)),
        };
        self.give_up(build, end).await
    }

    async fn queued(&self, build: &Stored<Build>) -> Result<Next, AwsError> {
        let Some(definition) = &build.definition else {
            if let Err(error) = logs::open(&self.house, &self.scope, build).await {
                if error.status >= 500 {
                    return Err(error);
                }
                let why = format!(
                    "Service role {} does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for \
                     build {}. Error message: {}",
                    build.role(),
                    build.shown.arn.as_deref().unwrap_or_default(),
                    error.message
                );
                return self.fail(build, "ACCESS_DENIED", &why).await;
            }
            return match task::register(&self.house, &self.scope, build).await {
                Ok(arn) => self.change(build, |b| b.definition = Some(arn)).await,
                Err(error) if error.status >= 500 => Err(error),
                Err(error) => self.fail(build, "CLIENT_ERROR", &error.message).await,
            };
        };
        match task::start(&self.house, &self.scope, build, definition).await {
            Ok(Some(arn)) => {
                let now = self.house.now();
                self.change(build, |b| {
                    b.task = Some(arn);
                    phases::turn(&mut b.shown, PROVISIONING, now);
                    b.stage = Stage::Provisioning;
                })
                .await
            }
            // It keeps its place in the queue.
            Ok(None) => Ok(Next::Later),
            Err(error) if error.status >= 500 => Err(error),
            Err(error) => self.fail(build, "CLIENT_ERROR", &error.message).await,
        }
    }

    /// How the task is; what has ended ends the build.
    async fn task(&self, build: &Build) -> Result<task::State, AwsError> {
        let arn = build.task.as_deref().unwrap_or_default();
        task::state(&self.house, &self.scope, arn).await
    }

    async fn provisioning(&self, build: &Stored<Build>) -> Result<Next, AwsError> {
        match self.task(build).await? {
            task::State::OnItsWay => Ok(Next::Later),
            task::State::Ended(why) => {
                let (code, why) = match why.contains("CannotPull") {
                    true => (
                        "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE",
                        format!("Unable to pull customer's container image. {why}"),
                    ),
                    false => ("INTERNAL_SERVICE_ERROR", why),
                };
                self.fail(build, code, &why).await
            }
            task::State::Running(_) => {
                let arn = build.task.as_deref().unwrap_or_default();
                let interface = task::interface(&self.house, &self.scope, arn).await?;
                let now = self.house.now();
                self.change(build, |b| {
                    if b.shown.vpc_config.is_some() {
                        b.shown.network_interface =
                            interface.map(|(subnet, id)| api::NetworkInterface {
                                subnet_id: Some(subnet),
                                network_interface_id: Some(id),
                            });
                    }
                    phases::turn(&mut b.shown, DOWNLOAD_SOURCE, now);
                    b.stage = Stage::Downloading;
                })
                .await
            }
        }
    }

    /// The container, or what is to be done instead.
    async fn place(&self, build: &Stored<Build>) -> Result<Result<Place, Next>, AwsError> {
        match self.task(build).await? {
            task::State::OnItsWay => Ok(Err(Next::Later)),
            task::State::Ended(why) => {
                let why = format!(
                    "Build container found dead before completing the build. Build container died because it was \
                     out of memory, or the Docker image is not supported. {why}"
                );
                let end = End {
                    status: FAULT,
                    context: Some(("BUILD_CONTAINER_DEAD", &why)),
                };
                Ok(Err(self.give_up(build, end).await?))
            }
            task::State::Running(running) => match container::place(&self.house, &running).await {
                Some(place) => Ok(Ok(place)),
                None => Ok(Err(Next::Later)),
            },
        }
    }

    /// What a container could not do.
    async fn failed(&self, build: &Stored<Build>, failed: Failed) -> Result<Next, AwsError> {
        match failed {
            Failed::Away(why) => {
                tracing::debug!(build = self.key, why, "a build's container is away");
                Ok(Next::Later)
            }
            Failed::Lacking(why) => self.fail(build, "CLIENT_ERROR", &why).await,
        }
    }

    async fn downloading(&self, build: &Stored<Build>) -> Result<Next, AwsError> {
        let place = match self.place(build).await? {
            Ok(place) => place,
            Err(next) => return Ok(next),
        };
        let unread = |unread| match unread {
            source::Unread::Never(why) => Ok(why),
            source::Unread::NotNow(error) => Err(error),
        };
        let (sources, resolved) = match source::fetch(&self.house, &self.scope, build).await {
            Ok(fetched) => fetched,
            Err(error) => return self.fail(build, "CLIENT_ERROR", &unread(error)?).await,
        };
        let entries = &sources[0].entries;
        let text = match source::buildspec(&self.house, &self.scope, build, entries).await {
            Ok(text) => text,
            Err(error) => return self.fail(build, "YAML_FILE_ERROR", &unread(error)?).await,
        };
        let spec = match buildspec::parse(&text) {
            Ok(spec) => spec,
            Err(why) => return self.fail(build, "YAML_FILE_ERROR", &why).await,
        };
        let found = variables::resolve(&self.house, &self.scope, build, &spec).await;
        let found = match found {
            Ok(found) => found,
            Err(variables::Unread::NotNow(error)) => return Err(error),
            Err(variables::Unread::Never(code, why)) => return self.fail(build, code, &why).await,
        };
        let mut shown = build.shown.0.clone();
        shown.resolved_source_version = resolved.clone();
        let directories: Vec<(Option<String>, String)> = sources
            .iter()
            .map(|s| (s.identifier.clone(), s.directory.clone()))
            .collect();
        let image = shown.environment.clone().unwrap_or_default().image;
        let own = environment::own(&shown, &directories, &image);
        let all = environment::merged(vec![found.all, own]);
        let place_of = script::Place {
            run: RUN,
            source: &directories[0].1,
        };
        let scripts = script::compile(&spec, place_of, &all);
        let packed = match self.packed(&sources, &scripts) {
            Ok(packed) => Bytes::from(packed),
            Err(why) => return self.fail(build, "CLIENT_ERROR", &why).await,
        };
        if let Some(told) =
            cache::restore(&self.house, &self.scope, build, &place, &spec.cache).await
        {
            logs::put(
                &self.house,
                &self.scope,
                build,
                &format!("[Container] {told}"),
            )
            .await?;
        }
        // A driver before this one may have done it: what runs is not begun again.
        let length = packed.len();
        let unpack = format!(
            "[ ! -e {RUN}/go ] || {{ head -c {length} >/dev/null; exit 0; }}
head -c {length} | tar -C / -xf - >{RUN}/tar-said 2>&1 || exit 93
: >{RUN}/events && : >{RUN}/go"
        );
        let said = container::run(&self.house, &place, &unpack, Some(packed), 1 << 20).await;
        match said {
            Err(failed) => return self.failed(build, failed).await,
            Ok(said) if said.code != 0 => {
                let why = format!(
                    "The source cannot be unpacked in the container: its shell ended with exit status {}. The \
                     image needs head and tar.",
                    said.code
                );
                return self.fail(build, "CLIENT_ERROR", &why).await;
            }
            Ok(_) => {}
        }
        let secrets = serde_json::to_vec(&found.secrets).unwrap_or_default();
        let sealed = self.house.root_key.seal(&self.key, &secrets);
        let hidden = |name: &String| name.starts_with("AWS_") || found.secret_names.contains(name);
        let exported = spec.exported.iter().filter(|name| !hidden(name));
        let kept = Kept {
            artifacts: spec.artifacts.clone(),
            secondary: spec.secondary_artifacts.clone(),
            exported: exported.take(MOST_EXPORTED).cloned().collect(),
            reports: spec.reports.clone(),
            cache: (!spec.cache.paths.is_empty()).then(|| spec.cache.clone()),
        };
        self.note(build, &spec).await?;
        self.change(build, |b| {
            b.shown.resolved_source_version = resolved;
            b.kept = Some(kept);
            b.secrets = Some(sealed);
            b.stage = Stage::Running;
        })
        .await
    }

    /// What the buildspec asks for that is not done.
    async fn note(&self, build: &Build, spec: &buildspec::Buildspec) -> Result<(), AwsError> {
        let lines = spec.unserved.iter();
        let lines = lines.map(|what| {
            format!("[Neargate] The buildspec's {what} are not served yet, and passed over.\n")
        });
        let text: String = lines.collect();
        logs::put(&self.house, &self.scope, build, &text).await
    }

    /// All that goes into the container.
    fn packed(
        &self,
        sources: &[source::Source],
        scripts: &script::Scripts,
    ) -> Result<Vec<u8>, String> {
        let file = |text: &str| Content::File {
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            mode: 0o600,
        };
        let (outer, inner) = (file(&scripts.outer), file(&scripts.inner));
        let mut directories: Vec<String> = vec![
            "codebuild".into(),
            RUN.trim_start_matches('/').into(),
            "codebuild/output".into(),
        ];
        for source in sources {
            let directory = source.directory.trim_start_matches('/');
            if let Some((parent, _)) = directory.rsplit_once('/') {
                directories.push(parent.to_owned());
            }
            directories.push(directory.to_owned());
        }
        let files = sources.iter().flat_map(|source| {
            let entries = source.entries.iter();
            entries.map(|e| (format!("{}/{}", source.directory, e.path), &e.content))
        });
        let files = files.chain([
            (format!("{RUN}/outer"), &outer),
            (format!("{RUN}/inner"), &inner),
        ]);
        let now = u64::try_from(self.house.now().as_millis() / 1000).unwrap_or_default();
        tarred(files, &directories, now)
    }

    async fn running(&self, build: &Stored<Build>) -> Result<Next, AwsError> {
        let place = match self.place(build).await? {
            Ok(place) => place,
            Err(next) => return Ok(next),
        };
        let look = match follow::look(&self.house, &place, build.logged_bytes).await {
            Ok(look) => look,
            Err(failed) => return self.failed(build, failed).await,
        };
        let drained = look.log.len() < follow::LOG_BYTES;
        let over = look.done && drained;
        let shown = follow::whole_lines(&look.log, over);
        if !shown.is_empty() {
            let text = self.masked(build, &String::from_utf8_lossy(shown));
            logs::put(&self.house, &self.scope, build, &text).await?;
        }
        let logged = build.logged_bytes + shown.len() as u64;
        let told = progress::read(&look.events);
        let exports = match over {
            false => Vec::new(),
            true => match follow::small_files(&self.house, &place, "exports").await {
                Ok(files) => files,
                Err(failed) => return self.failed(build, failed).await,
            },
        };
        let now = self.house.now();
        let changed = self
            .change(build, |b| {
                b.logged_bytes = logged;
                take_up(b, &told);
                if over {
                    b.shown.exported_environment_variables = exported(b, exports);
                    finish_phases(b, &told, now);
                    phases::begin(&mut b.shown, UPLOAD_ARTIFACTS, now);
                    b.stage = Stage::Uploading;
                }
            })
            .await?;
        // There is more at once only where the log was longer than a look.
        Ok(match changed {
            Next::Now if !over && drained => Next::Later,
            next => next,
        })
    }

    fn masked(&self, build: &Build, text: &str) -> String {
        let opened = build
            .secrets
            .as_ref()
            .and_then(|sealed| self.house.root_key.open(&self.key, sealed));
        let secrets: Vec<String> = opened
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .unwrap_or_default();
        Mask::new(&secrets).apply(text)
    }

    async fn uploading(&self, build: &Stored<Build>) -> Result<Next, AwsError> {
        let place = match self.place(build).await? {
            Ok(place) => place,
            Err(next) => return Ok(next),
        };
        let made = self.made(build, &place).await;
        let now = self.house.now();
        match made {
            Ok((made, arns)) => {
                self.change(build, |b| {
                    let mut primary = None;
                    let mut secondary = Vec::new();
                    for artifact in made {
                        match artifact.artifact_identifier {
                            None => primary = Some(artifact),
                            Some(_) => secondary.push(artifact),
                        }
                    }
                    if primary.is_some() {
                        b.shown.artifacts = primary;
                    }
                    if !secondary.is_empty() {
                        b.shown.secondary_artifacts = Some(secondary);
                    }
                    b.shown.report_arns = Some(arns);
                    let well = phases::all_well(&b.shown);
                    phases::turn(&mut b.shown, FINALIZING, now);
                    let verdict = if well { SUCCEEDED } else { FAILED };
                    b.verdict = Some(verdict.to_owned());
                    b.stage = Stage::Finalizing;
                })
                .await
            }
            Err(Unmade::NotNow(error)) => Err(error),
            Err(Unmade::Container(failed)) => self.failed(build, failed).await,
            Err(Unmade::Never(why)) => self.fail(build, "CLIENT_ERROR", &why).await,
        }
    }

    /// Reports and artifacts.
    async fn made(
        &self,
        build: &Build,
        place: &Place,
    ) -> Result<(Vec<api::BuildArtifacts>, Vec<String>), Unmade> {
        let (house, scope) = (&self.house, &self.scope);
        let (arns, told) = reports::all(house, scope, build, place).await?;
        let lines = told.iter().map(|why| format!("[Neargate] {why}\n"));
        let text: String = lines.collect();
        logs::put(house, scope, build, &text)
            .await
            .map_err(Unmade::NotNow)?;
        let made = artifacts::upload(house, scope, build, place).await?;
        let cache = build.kept.as_ref().and_then(|kept| kept.cache.as_ref());
        if let Some(cache) = cache.filter(|_| phases::all_well(&build.shown))
            && let Some(told) = cache::keep(house, scope, build, place, cache).await
        {
            let told = logs::put(house, scope, build, &format!("[Container] {told}")).await;
            told.map_err(Unmade::NotNow)?;
        }
        Ok((made, arns))
    }

    /// What its container said last, where that still runs.
    async fn close_logs(&self, build: &Stored<Build>) -> Result<Next, AwsError> {
        let mut logged = build.logged_bytes;
        if build.task.is_some()
            && build.kept.is_some()
            && let task::State::Running(running) = self.task(build).await?
            && let Some(place) = container::place(&self.house, &running).await
        {
            if let Ok(look) = follow::look(&self.house, &place, logged).await
                && !look.log.is_empty()
            {
                let text = self.masked(build, &String::from_utf8_lossy(&look.log));
                logs::put(&self.house, &self.scope, build, &text).await?;
                logged += look.log.len() as u64;
            }
            if let Some(at) = logs::object(build)
                && let Ok(whole) = follow::whole(&self.house, &place).await
            {
                let text = self.masked(build, &String::from_utf8_lossy(&whole));
                logs::keep(&self.house, &self.scope, build, at, &text).await?;
            }
        }
        self.change(build, |b| {
            b.logs_closed = true;
            b.logged_bytes = logged;
        })
        .await
    }

    async fn finalizing(&self, build: &Stored<Build>) -> Result<Next, AwsError> {
        if !build.logs_closed {
            return self.close_logs(build).await;
        }
        if let Some(task) = &build.task {
            task::stop(&self.house, &self.scope, task).await?;
            if !matches!(self.task(build).await?, task::State::Ended(_)) {
                return Ok(Next::Later);
            }
        }
        if let Some(definition) = &build.definition {
            task::forget(&self.house, &self.scope, definition).await;
        }
        let now = self.house.now();
        self.change(build, |b| {
            let verdict = b.verdict.clone().unwrap_or_else(|| FAULT.to_owned());
            phases::end(&mut b.shown, SUCCEEDED, now);
            phases::complete(&mut b.shown, &verdict, now);
            b.secrets = None;
            b.stage = Stage::Complete;
        })
        .await
    }
}
