//! A stage, instruction by instruction.

use super::copy::{self, Copy, Origin};
use super::error::{BuildError, failed, wrong};
use super::mounts::Mount;
use super::progress::Event;
use super::run::Program;
use super::session::{Session, is_step};
use super::state::{State, architecture};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use neargate_base::task::spawn_blocking;
use neargate_build::dockerfile::{Command, Instruction, Kind, words};
use neargate_build::ignore::Ignore;
use neargate_build::key::Key;

/// Arguments that are known without an `ARG`, and that are no part of an image's cache.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
];

impl Session {
    /// A stage, done.
    pub fn stage(&mut self, index: usize) -> BoxFuture<'_, Result<State, BuildError>> {
        async move {
            if let Some(done) = &self.stages[index] {
                return Ok(done.clone());
            }
            let stage = self.file.stages[index].clone();
            let label = match (&stage.name, self.file.stages.len()) {
                (Some(name), _) => name.clone(),
                (None, 1) => String::new(),
                (None, _) => format!("stage-{index}"),
            };
            let label = match label.as_str() {
                "" => String::new(),
                label => format!("{label} "),
            };
            let steps = stage.instructions.iter().filter(|i| is_step(i)).count();
            let of = 1 + steps;
            let at = |e: BuildError| BuildError {
                located: e.located.at(&stage.from.lines),
                exit_code: e.exit_code,
            };
            self.tell(format!("[{label}1/{of}]"), &stage.from);
            let mut state = self.begin(index, &stage).await.map_err(at)?;
            self.progress.tell(Event::Done);
            for text in std::mem::take(&mut state.config.on_build) {
                let trigger = Instruction::of_trigger(&text).map_err(|e| at(e.into()))?;
                self.tell(format!("[{label}1/{of}] onbuild"), &trigger);
                self.apply(&mut state, &trigger, index).await.map_err(at)?;
                self.progress.tell(Event::Done);
            }
            let mut number = 1;
            for instruction in &stage.instructions {
                if is_step(instruction) {
                    number += 1;
                    self.tell(format!("[{label}{number}/{of}]"), instruction);
                }
                let applied = self.apply(&mut state, instruction, index).await;
                applied.map_err(|e| BuildError {
                    located: e.located.at(&instruction.lines),
                    exit_code: e.exit_code,
                })?;
                if is_step(instruction) {
                    self.progress.tell(Event::Done);
                }
            }
            self.stages[index] = Some(state.clone());
            Ok(state)
        }
        .boxed()
    }

    fn tell(&mut self, place: String, instruction: &Instruction) {
        self.number += 1;
        self.of = self.of.max(self.number);
        self.progress.tell(Event::Step {
            place,
            text: instruction.text.clone(),
            number: self.number,
            of: self.of,
        });
    }

    async fn begin(
        &mut self,
        index: usize,
        stage: &neargate_build::dockerfile::Stage,
    ) -> Result<State, BuildError> {
        if let Some(platform) = stage.from.flag("platform") {
            let platform = self.global(platform)?;
            let ours = architecture();
            let named: Vec<&str> = platform.split('/').collect();
            let is_ours =
                matches!(named.as_slice(), ["linux", a, ..] if *a == ours) || platform == ours;
            if !is_ours {
                return Err(wrong(format!("platform {platform} is not this machine's (linux/{ours}): images of other machines are not built here")).into());
            }
        }
        let image = self.global(&stage.image)?;
        if image.is_empty() {
            return Err(wrong(format!("base name ({}) should not be blank", stage.image)).into());
        }
        let mut state = match self.file.stage(&image, index) {
            Some(earlier) if image.parse::<usize>().is_err() => self.stage(earlier).await?,
            _ if image == "scratch" => State::scratch(),
            _ => self.image(&image).await?,
        };
        state.arguments.clear();
        state.has_command = false;
        Ok(state)
    }

    /// The state that an image begins with.
    async fn image(&mut self, name: &str) -> Result<State, BuildError> {
        if let Some(state) = self.images.get(name) {
            return Ok(state.clone());
        }
        let state = self.builder.begin(name, self.request.pull).await?;
        self.images.insert(name.to_owned(), state.clone());
        Ok(state)
    }

    /// Where `--from` leads to.
    async fn origin(&mut self, name: &str, index: usize) -> Result<Origin, BuildError> {
        match self.file.stage(name, index) {
            Some(earlier) => Ok(self.stage(earlier).await?.origin()),
            None if name == "scratch" => Ok(State::scratch().origin()),
            None => Ok(self.image(name).await?.origin()),
        }
    }

    async fn apply(
        &mut self,
        state: &mut State,
        instruction: &Instruction,
        index: usize,
    ) -> Result<(), BuildError> {
        match instruction.kind {
            Kind::Run => self.run_step(state, instruction, index).await,
            Kind::Add | Kind::Copy => self.copy_step(state, instruction, index).await,
            Kind::Workdir => self.workdir(state, instruction).await,
            Kind::Arg => self.argument(state, instruction),
            _ => Ok(super::config::apply(state, instruction, self.file.escape)?),
        }
    }

    fn argument(&self, state: &mut State, instruction: &Instruction) -> Result<(), BuildError> {
        for word in words(&instruction.rest, self.file.escape) {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
                None => (word, None),
            };
            let value = match (self.request.arguments.get(&name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    Some(state.word(&default, self.file.escape).map_err(wrong)?)
                }
                (None, None) => self.globals.get(&name).cloned(),
            };
            if let Some(value) = value {
                state.arguments.insert(name, value);
            }
        }
        Ok(())
    }

    async fn workdir(
        &mut self,
        state: &mut State,
        instruction: &Instruction,
    ) -> Result<(), BuildError> {
        let path = state
            .word(&instruction.rest, self.file.escape)
            .map_err(wrong)?;
        let path = state.absolute(path.trim_end_matches('/'));
        state.config.working_dir.clone_from(&path);
        if path == "/" {
            state.note(instruction.text.clone(), true);
            return Ok(());
        }
        let mut key = Key::of("workdir", &state.key);
        key.add(&path);
        let key = key.finish();
        let (builder, layers) = (self.builder.clone(), state.layers.clone());
        let make = async move {
            let work = builder.work_dir()?;
            let dir = work.clone();
            let made = spawn_blocking(move || copy::make_directory(&dir, &layers, &path)).await;
            made.map_err(|e| wrong(e.to_string()))?
                .map_err(failed("WORKDIR"))?;
            Ok(work)
        };
        let snapshot = self.step(key, make).await?;
        state.add(key, snapshot, instruction.text.clone());
        Ok(())
    }

    async fn copy_step(
        &mut self,
        state: &mut State,
        instruction: &Instruction,
        index: usize,
    ) -> Result<(), BuildError> {
        let name = instruction.kind.name();
        let escape = self.file.escape;
        let word = |text: &str| state.word(text, escape).map_err(wrong);
        let mut paths = Vec::new();
        let mut texts = Vec::new();
        let mut heredocs = instruction.heredocs.iter();
        let all = instruction.list(escape);
        let Some((to, sources)) = all.split_last().filter(|(_, sources)| !sources.is_empty())
        else {
            let what = format!(
                "{name} requires at least two arguments, but only {} were provided",
                all.len()
            );
            return Err(wrong(what).into());
        };
        for source in sources {
            if source.contains("<<")
                && let Some(heredoc) = heredocs.next()
            {
                let text = match heredoc.expands {
                    true => expanded(state, &heredoc.text(), escape)?,
                    false => heredoc.text(),
                };
                texts.push((heredoc.name.clone(), text));
                continue;
            }
            let source = word(source)?;
            let is_remote = ["http://", "https://", "git@", "git://", "ssh://"];
            if instruction.kind == Kind::Add
                && is_remote.iter().any(|scheme| source.starts_with(scheme))
            {
                return Err(wrong(format!("ADD of {source} is not supported: fetch it with RUN, or beforehand into the context")).into());
            }
            paths.push(source);
        }
        for flag in ["checksum", "keep-git-dir"] {
            if instruction.flag(flag).is_some() {
                let what = format!("ADD --{flag} is for remote sources, which are not supported");
                return Err(wrong(what).into());
            }
        }
        let to = state.absolute(&word(to)?);
        if paths.len() + texts.len() > 1 && !to.ends_with('/') {
            return Err(wrong(format!("When using {name} with more than one source file, the destination must be a directory and end with a /")).into());
        }
        let mode = match instruction.flag("chmod") {
            None => None,
            Some(mode) => {
                let mode = word(mode)?;
                let number = u32::from_str_radix(&mode, 8).ok().filter(|m| *m <= 0o7777);
                Some(number.ok_or_else(|| {
                    wrong(format!("invalid chmod parameter: '{mode}'. it should be octal string and between 0 and 07777"))
                })?)
            }
        };
        let exclude = Ignore::of(instruction.all_of("exclude")).map_err(wrong)?;
        let origin = match instruction.flag("from") {
            None => self.request.context.origin(),
            Some(from) => {
                let from = word(from)?;
                self.origin(&from, index).await?
            }
        };
        let copy = Copy {
            origin,
            paths,
            texts,
            to,
            chown: instruction
                .flag("chown")
                .map(|o| state.word(o, escape))
                .transpose()
                .map_err(wrong)?,
            mode,
            exclude,
            unpacks: instruction.kind == Kind::Add && instruction.flag("unpack") != Some("false"),
            parents: instruction.flag("parents").is_some_and(|on| on != "false"),
        };
        let (weighed, parent) = (copy.clone(), state.key);
        let key = spawn_blocking(move || {
            let mut key = Key::of("copy", &parent);
            weighed.weigh(&mut key).map(|()| key.finish())
        });
        let key = key.await.map_err(|e| wrong(e.to_string()))?;
        let key = key.map_err(failed("failed to calculate checksum of the sources"))?;
        let (builder, layers) = (self.builder.clone(), state.layers.clone());
        let make = async move {
            let work = builder.work_dir()?;
            let dir = work.clone();
            let made = spawn_blocking(move || copy.carry_out(&dir, &layers)).await;
            let made = made.map_err(|e| wrong(e.to_string()))?;
            if let Err(error) = made {
                let _ = builder.discard(&work);
                return Err(failed(format!("failed to {}", name.to_lowercase()))(error).into());
            }
            Ok(work)
        };
        let snapshot = self.step(key, make).await?;
        state.add(key, snapshot, instruction.text.clone());
        Ok(())
    }

    async fn run_step(
        &mut self,
        state: &mut State,
        instruction: &Instruction,
        index: usize,
    ) -> Result<(), BuildError> {
        let escape = self.file.escape;
        let without_network = match instruction.flag("network") {
            None | Some("default") => self.request.without_network,
            Some("none") => true,
            Some(other) => {
                return Err(wrong(format!(
                    "RUN --network={other} is not supported: default or none"
                ))
                .into());
            }
        };
        if let Some(other) = instruction.flag("security").filter(|s| *s != "sandbox") {
            return Err(wrong(format!(
                "RUN --security={other} is not supported: steps are confined as tasks are"
            ))
            .into());
        }
        let mut mounts = Vec::new();
        for text in instruction.all_of("mount") {
            let text = state.word(text, escape).map_err(wrong)?;
            let mut mount = Mount::read(&text)?;
            if !mount.target.is_empty() {
                mount.target = state.absolute(&mount.target);
            }
            let copied = match mount.kind.as_str() {
                "bind" => {
                    let origin = match &mount.from {
                        None => self.request.context.origin(),
                        Some(from) => self.origin(from, index).await?,
                    };
                    Some(mount.copied(origin))
                }
                _ => None,
            };
            mounts.push((mount, copied));
        }
        let mut env = state.config.env.clone();
        let mut proxies = Vec::new();
        for (name, value) in &self.request.arguments {
            let is_proxy = PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy));
            if is_proxy && !state.arguments.contains_key(name) {
                proxies.push(format!("{name}={value}"));
            }
        }
        for (name, value) in &state.arguments {
            if state.config.variable(name).is_none() {
                env.push(format!("{name}={value}"));
            }
        }
        let (args, script) = arguments(state, instruction);
        let mut key = Key::of("run", &state.key);
        key.list(args.iter());
        key.add(script.as_ref().map_or("", |(_, text)| text));
        key.list(env.iter());
        key.add(&state.config.user);
        key.add(&state.config.working_dir);
        key.add([u8::from(without_network)]);
        let weighed = mounts.clone();
        let key = spawn_blocking(move || {
            for (mount, copied) in &weighed {
                mount.weigh(&mut key, copied.as_ref())?;
            }
            Ok::<_, neargate_build::Located>(key.finish())
        });
        let key = key.await.map_err(|e| wrong(e.to_string()))??;
        env.extend(proxies);
        let program = Program {
            args,
            env,
            cwd: state.config.working_dir.clone(),
            user: state.config.user.clone(),
            layers: state.layers.clone(),
            without_network,
        };
        let (builder, progress) = (self.builder.clone(), self.progress.clone());
        let secrets = self.request.secrets.clone();
        let make = async move {
            let mut mounted = builder.mount(&mounts, &secrets).await?;
            if let Some((path, text)) = script {
                builder.show_script(&path, &text, &mut mounted)?;
            }
            let ran = builder.run(program, &mounted, &progress).await;
            builder.unmount(&mounted);
            ran
        };
        let snapshot = self.step(key, make).await?;
        state.add(key, snapshot, instruction.text.clone());
        Ok(())
    }
}

/// A file that a step executes: where it sees it, and what is in it.
type Script = (String, String);

/// The program of a `RUN`, its here-documents with it.
fn arguments(state: &State, instruction: &Instruction) -> (Vec<String>, Option<Script>) {
    let line = match instruction.command() {
        Command::Exec(args) => return (args, None),
        Command::Shell(line) => line,
    };
    let script = match instruction.heredocs.as_slice() {
        [] => line,
        // It is the script itself; what it begins with says who reads it.
        [only] if line.trim().starts_with("<<") && line.split_whitespace().count() == 1 => {
            let text = only.text();
            if text.starts_with("#!") {
                // BuildKit's place for it.
                let path = format!("/dev/pipes/{}", only.name);
                return (vec![path.clone()], Some((path, text)));
            }
            text
        }
        all => {
            let mut script = line;
            for heredoc in all {
                script.push_str(&format!("\n{}{}", heredoc.content, heredoc.name));
            }
            script
        }
    };
    let mut args = state.config.shell();
    args.push(script);
    (args, None)
}

/// A here-document's text with its variables replaced; quotes are text in it.
fn expanded(state: &State, text: &str, escape: char) -> Result<String, BuildError> {
    let quoted: String = text
        .chars()
        .flat_map(|c| match c {
            '"' | '\'' => vec![escape, c],
            c => vec![c],
        })
        .collect();
    // Between double quotes, where spaces and single quotes mean themselves.
    let quoted = quoted.replace(&format!("{escape}'"), "'");
    Ok(state
        .word(&format!("\"{quoted}\""), escape)
        .map_err(wrong)?)
}
