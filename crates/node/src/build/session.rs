//! One build, from its Dockerfile to an image.

use super::builder::Builder;
use super::error::{BuildError, wrong};
use super::options::{Built, Request};
use super::progress::{Event, Progress};
use super::snapshot::{Sealing, Snapshot};
use super::state::{State, architecture};
use super::tags::Tag;
use neargate_blob::Digest;
use neargate_build::dockerfile::{Dockerfile, Instruction, Kind};
use neargate_build::image::Image;
use neargate_build::{Located, expand};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What is known while a build goes on.
pub(super) struct Session {
    pub builder: Arc<Builder>,
    pub request: Request,
    pub file: Dockerfile,
    pub progress: Arc<dyn Progress>,
    /// `ARG`s before the first `FROM`, and what the platform is called.
    pub globals: BTreeMap<String, String>,
    /// Stages that are done.
    pub stages: Vec<Option<State>>,
    /// Images that were named, as they begin.
    pub images: HashMap<String, State>,
    /// Steps that were done in this build.
    pub steps: HashMap<Digest, Snapshot>,
    pub number: usize,
    pub of: usize,
    sealings: Vec<Sealing>,
}

impl Session {
    pub fn new(
        builder: Arc<Builder>,
        request: Request,
        progress: Arc<dyn Progress>,
    ) -> Result<Session, BuildError> {
        let file = Dockerfile::parse(&request.dockerfile)?;
        let mut session = Session {
            stages: vec![None; file.stages.len()],
            builder,
            request,
            progress,
            globals: platform(),
            images: HashMap::new(),
            steps: HashMap::new(),
            number: 0,
            of: 0,
            sealings: Vec::new(),
            file,
        };
        session.global_arguments()?;
        Ok(session)
    }

    fn global_arguments(&mut self) -> Result<(), Located> {
        for instruction in &self.file.arguments {
            let at = |e: String| wrong(e).at(&instruction.lines);
            for word in neargate_build::dockerfile::words(&instruction.rest, self.file.escape) {
                let (name, default) = match word.split_once('=') {
                    Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
                    None => (word, None),
                };
                let given = self.request.arguments.get(&name).cloned();
                let value = match (given, default) {
                    (Some(given), _) => Some(given),
                    (None, Some(default)) => {
                        let lookup = |name: &str| self.globals.get(name).cloned();
                        Some(expand::word(&default, self.file.escape, &lookup).map_err(at)?)
                    }
                    (None, None) => None,
                };
                if let Some(value) = value {
                    self.globals.insert(name, value);
                }
            }
        }
        Ok(())
    }

    /// A word of a `FROM`, in which only what stands before the first one is known.
    pub fn global(&self, text: &str) -> Result<String, Located> {
        let lookup = |name: &str| self.globals.get(name).cloned();
        expand::word(text, self.file.escape, &lookup).map_err(wrong)
    }

    pub async fn run(&mut self) -> Result<Built, BuildError> {
        let all = self.file.stages.len();
        let target = match self.request.target.as_deref().filter(|t| !t.is_empty()) {
            None => all - 1,
            Some(name) => self
                .file
                .stage(name, all)
                .ok_or_else(|| wrong(format!("target stage {name:?} could not be found")))?,
        };
        let mut needed = BTreeSet::new();
        self.needs(target, &mut needed);
        let steps = |index: &usize| {
            let instructions = &self.file.stages[*index].instructions;
            1 + instructions.iter().filter(|i| is_step(i)).count()
        };
        self.of = needed.iter().map(steps).sum();
        // In their order: what a stage needs comes before it.
        for index in needed {
            self.stage(index).await?;
        }
        let state = self.stage(target).await?;
        self.finish(state).await
    }

    /// The stages that one is made of, as far as names say it.
    fn needs(&self, index: usize, needed: &mut BTreeSet<usize>) {
        if !needed.insert(index) {
            return;
        }
        let stage = &self.file.stages[index];
        let image = self.global(&stage.image).unwrap_or_default();
        let of_mount = |text: &str| {
            let mut fields = text.split(',');
            fields.find_map(|field| field.strip_prefix("from=").map(str::to_owned))
        };
        let mut names = vec![image];
        for instruction in &stage.instructions {
            names.extend(instruction.flag("from").map(str::to_owned));
            names.extend(instruction.all_of("mount").filter_map(of_mount));
        }
        for name in names {
            if let Some(earlier) = self.file.stage(&name, index) {
                self.needs(earlier, needed);
            }
        }
    }

    async fn finish(&mut self, state: State) -> Result<Built, BuildError> {
        let mut layers = Vec::with_capacity(state.parts.len());
        for part in &state.parts {
            layers.push(part.clone().await.map_err(wrong)?);
        }
        let mut config = state.config;
        config.labels.extend(self.request.labels.clone());
        let image = Image {
            architecture: state.architecture,
            variant: state.variant,
            created: state.created,
            author: state.author,
            config,
            history: state.history,
            layers,
        };
        let documents = image.documents();
        let keep = |bytes: Vec<u8>| {
            let blobs = self.builder.blobs.clone();
            async move {
                let stored = blobs.put_bytes(bytes.into(), None).await;
                stored.map(|s| s.digest).map_err(|e| wrong(e.to_string()))
            }
        };
        let id = keep(documents.config).await?;
        let digest = keep(documents.manifest).await?;
        for name in &self.request.tags {
            let tag = Tag {
                digest,
                built: true,
            };
            let set = self.builder.tags.set(name, tag);
            set.map_err(|e| wrong(format!("invalid tag {name:?}: {e}")))?;
        }
        self.progress.tell(Event::Built {
            id: id.to_string(),
            tags: self.request.tags.clone(),
        });
        Ok(Built { digest, id })
    }

    /// Waits for what is still being sealed.
    pub async fn settle(&mut self) {
        for sealing in std::mem::take(&mut self.sealings) {
            // Whoever needed it has been told.
            let _ = sealing.await;
        }
    }

    /// The outcome of a step: known, or made by what is in the directory that `make` answers.
    pub async fn step<F>(&mut self, key: Digest, make: F) -> Result<Snapshot, BuildError>
    where
        F: Future<Output = Result<std::path::PathBuf, BuildError>>,
    {
        let known = match self.steps.get(&key) {
            Some(done) => Some(done.clone()),
            None if self.request.no_cache => None,
            None => self.builder.known(&key),
        };
        if let Some(snapshot) = known {
            self.progress.tell(Event::Cached);
            self.steps.insert(key, snapshot.clone());
            return Ok(snapshot);
        }
        let work = make.await?;
        let snapshot = self.builder.place(&work, &key)?;
        self.sealings.push(snapshot.layer.clone());
        self.steps.insert(key, snapshot.clone());
        Ok(snapshot)
    }
}

/// Instructions that make no difference to what is shown are not steps.
pub(super) fn is_step(instruction: &Instruction) -> bool {
    instruction.kind != Kind::Arg
}

/// BuildKit's automatic arguments.
fn platform() -> BTreeMap<String, String> {
    let ours = architecture();
    let mut all = BTreeMap::new();
    for of in ["BUILD", "TARGET"] {
        let pairs = [
            ("PLATFORM", format!("linux/{ours}")),
            ("OS", "linux".to_owned()),
            ("ARCH", ours.to_owned()),
            ("VARIANT", String::new()),
        ];
        all.extend(pairs.map(|(name, value)| (format!("{of}{name}"), value)));
    }
    all
}
