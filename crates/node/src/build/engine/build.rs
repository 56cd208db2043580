//! `POST /build`: the classic way, a context as an archive and lines of text back.

use super::Engine;
use super::reply::{self, Lines, Refusal, Reply};
use super::route::Asked;
use crate::build::{Context, Event, Progress, Request, unpack};
use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use neargate_base::task::{spawn, spawn_blocking};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Pieces of a context between the network and the disk.
const QUEUE: usize = 16;
const LARGEST_DOCKERFILE: u64 = 4 << 20;

/// A body as something to read from, off the async threads.
pub(super) struct Reading {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Reading {
    pub fn of(mut body: Incoming) -> Reading {
        let (sender, pieces) = mpsc::channel(QUEUE);
        drop(spawn("body", async move {
            while let Some(frame) = body.frame().await {
                let piece = match frame {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => Ok(data),
                        Err(_) => continue,
                    },
                    Err(e) => Err(io::Error::other(e)),
                };
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        }));
        Reading {
            pieces,
            piece: Bytes::new(),
        }
    }
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

/// A directory that goes when it is no longer needed.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let dir = std::mem::take(&mut self.0);
        drop(spawn_blocking(move || {
            // What is left goes at the next start.
            let _ = std::fs::remove_dir_all(dir);
        }));
    }
}

impl Engine {
    pub(super) async fn build(
        self: Arc<Self>,
        asked: Asked,
        body: Incoming,
    ) -> Result<Reply, Refusal> {
        refuse(&asked)?;
        if let Some(header) = asked.header("x-registry-config") {
            self.registries.take_config(header);
        }
        let map = |name: &str| -> Result<BTreeMap<String, String>, Refusal> {
            let text = asked.get(name).unwrap_or("{}");
            // An argument without a value is one that is not given.
            let all: BTreeMap<String, Option<String>> =
                serde_json::from_str(text).map_err(|e| Refusal::bad(format!("{name}: {e}")))?;
            Ok(all.into_iter().filter_map(|(n, v)| Some((n, v?))).collect())
        };
        let (arguments, labels) = (map("buildargs")?, map("labels")?);
        let file_name = asked.get("dockerfile").unwrap_or("Dockerfile").to_owned();
        let scratch = Scratch(self.builder.context_dir());
        let (dir, name, reading) = (scratch.0.clone(), file_name.clone(), Reading::of(body));
        let read = spawn_blocking(move || {
            unpack(reading, &dir).map_err(|e| format!("the context cannot be unpacked: {e}"))?;
            read_file(&dir, &name)
        });
        let (context, dockerfile) = read.await.map_err(Refusal::failed)?.map_err(Refusal::bad)?;
        let request = Request {
            context,
            file_name,
            dockerfile,
            arguments,
            target: asked.get("target").map(str::to_owned),
            labels,
            tags: asked
                .all("t")
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect(),
            no_cache: asked.is("nocache"),
            pull: asked.is("pull"),
            without_network: asked.get("networkmode") == Some("none"),
            secrets: Vec::new(),
        };
        let quiet = asked.is("q");
        let (lines, reply) = reply::lines();
        drop(spawn("build", async move {
            let _scratch = scratch;
            let said: Arc<dyn Progress> = Arc::new(Said {
                lines: lines.clone(),
                quiet,
            });
            let text = request.dockerfile.clone();
            let name = request.file_name.clone();
            let has_tags = !request.tags.is_empty();
            let built = tokio::select! {
                built = self.builder.build(request, said) => built,
                // Nobody waits for it: what runs is ended.
                () = lines.gone() => return,
            };
            match built {
                Ok(built) => {
                    if !has_tags {
                        self.unnamed.lock().insert(built.id.hex(), built.digest);
                    }
                }
                Err(error) => {
                    let shown = neargate_build::shown(&error.located, &name, &text);
                    if !shown.is_empty() {
                        lines.say(&json!({"stream": shown}));
                    }
                    lines.fail(&error.to_string(), error.exit_code);
                }
            }
        }));
        Ok(reply)
    }
}

/// What a build may be asked for, and is not served.
fn refuse(asked: &Asked) -> Result<(), Refusal> {
    let no = |what: String| Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, what));
    if asked.get("version") == Some("2") {
        return no("BuildKit's protocol is not served: set DOCKER_BUILDKIT=0".to_owned());
    }
    for name in ["remote", "squash", "extrahosts"] {
        let value = asked
            .get(name)
            .filter(|v| !["0", "false", "null", "[]"].contains(v));
        if let Some(value) = value {
            return no(format!("docker build with {name}={value} is not served"));
        }
    }
    match asked.get("networkmode") {
        None | Some("default" | "bridge" | "none" | "host") => Ok(()),
        Some(other) => no(format!(
            "docker build with networkmode={other} is not served"
        )),
    }
}

fn read_file(dir: &Path, name: &str) -> Result<(Context, String), String> {
    let dockerfile = Context::read(dir, name, LARGEST_DOCKERFILE);
    let dockerfile = dockerfile.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => format!("Cannot locate specified Dockerfile: {name}"),
        _ => format!("{name}: {e}"),
    })?;
    let context = Context::open(dir, name).map_err(|e| e.to_string())?;
    Ok((context, dockerfile))
}

/// Tells a client how far its build is, in the classic builder's words.
#[derive(Debug)]
struct Said {
    lines: Lines,
    /// Nothing but the image's id is told.
    quiet: bool,
}

impl Progress for Said {
    fn tell(&self, event: Event) {
        let say = |text: String| self.lines.say(&json!({"stream": text}));
        if self.quiet {
            if let Event::Built { id, .. } = event {
                say(format!("{id}\n"));
            }
            return;
        }
        let text = match event {
            Event::Step {
                text, number, of, ..
            } => format!("Step {number}/{of} : {text}\n"),
            Event::Cached => " ---> Using cache\n".to_owned(),
            Event::Output { line, .. } => format!("{line}\n"),
            Event::Done => return,
            Event::Note(note) => format!("{note}\n"),
            // Docker's clients look for each of these by itself.
            Event::Built { id, tags } => {
                self.lines.say(&json!({"aux": {"ID": id}}));
                let short = id.strip_prefix("sha256:").unwrap_or(&id);
                let short = short.get(..12).unwrap_or(short);
                say(format!("Successfully built {short}\n"));
                for tag in tags {
                    say(format!("Successfully tagged {tag}\n"));
                }
                return;
            }
        };
        say(text);
    }
}
