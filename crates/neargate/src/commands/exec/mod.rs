//! `neargate exec`: a program on a terminal in a container, as ECS Exec has it, without AWS's plugin.

mod session;

use super::logs::choose;
use crate::client::{Client, Target};
use crate::view::last_part;
use anyhow::{Context, Result, bail};
use neargate_api_ecs::{self as ecs, ops};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use session::Session;
use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How many pieces of input wait to be sent.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 1024;

/// Run a program in a container, on a terminal (ECS Exec).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate exec web                          a shell in a task of the service web
  neargate exec 1dc5c17a -- ls -l /srv
  neargate exec web --container db -- psql
  echo 'select 1' | neargate exec web -- psql

Tasks must have been started with enableExecuteCommand. The program is root, as with ECS. The exit code is
the program's.

SERVICE|TASK is a service, a task definition family whose tasks run alone, or a task's id
(its start is enough). Of several tasks the newest is taken.")]
pub struct Exec {
    #[arg(value_name = "SERVICE|TASK")]
    named: String,
    /// The program and its arguments [default: /bin/sh]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Which container of the task; it need not be said where there is one
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Its cluster [default: wherever it is found]
    #[arg(long, short, value_name = "NAME")]
    cluster: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Exec {
    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let choice = choose(&client, self.cluster.as_deref(), &self.named).await?;
        let tasks = choice.tasks(&client).await?;
        let runs = |task: &&ecs::Task| task.last_status.as_deref() == Some("RUNNING");
        // The newest is first.
        let Some(task) = tasks.iter().find(runs) else {
            bail!("no task of {} runs", self.named);
        };
        let words = match self.command.is_empty() {
            true => vec!["/bin/sh".to_owned()],
            false => self.command,
        };
        let words = words.iter().map(String::as_str);
        let command = shlex::try_join(words).context("the command has a zero byte")?;
        let input = ecs::ExecuteCommandInput {
            cluster: task
                .cluster_arn
                .as_deref()
                .map(|arn| last_part(arn).to_owned()),
            container: self.container,
            command,
            interactive: true,
            task: task.task_arn.clone().unwrap_or_default(),
        };
        let begun = client.call(ops::ExecuteCommand, &input).await?;
        let begun = begun.session.unwrap_or_default();
        let code = carry(&client, &begun).await?;
        // A read of the terminal that nobody ends would keep the process.
        std::process::exit(code);
    }
}

/// Carries the session to its end; answers the program's exit code.
async fn carry(client: &Client, begun: &ecs::Session) -> Result<i32> {
    let mut session = Session::open(client, begun).await?;
    session.shake_hands().await?;
    let _raw = Raw::enter();
    let (sender, mut typed) = mpsc::channel::<Vec<u8>>(PIECES);
    let is_terminal = std::io::stdin().is_terminal();
    // A thread, since a terminal has no reads that can be given up; it ends with the process.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(n @ 1..) = input.read(&mut buffer) {
            if sender.blocking_send(buffer[..n].to_vec()).is_err() {
                return;
            }
        }
        if !is_terminal {
            // What a terminal takes for the end of its input.
            let _ = sender.blocking_send(vec![4]);
        }
    });
    let mut resized = signal(SignalKind::window_change())?;
    session.resize(size());
    let mut output = std::io::stdout();
    loop {
        tokio::select! {
            shown = session.output() => match shown? {
                Some(bytes) => {
                    output.write_all(&bytes)?;
                    output.flush()?;
                }
                None => break,
            },
            Some(bytes) = typed.recv(), if session.has_room() => session.type_in(bytes),
            _ = resized.recv() => session.resize(size()),
        }
    }
    let (said, code) = session.end();
    if !said.is_empty() {
        bail!("{}", said.trim());
    }
    Ok(code)
}

/// Columns and rows; as the plugin says where there is no terminal.
fn size() -> (u16, u16) {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 => (size.ws_col, size.ws_row),
        _ => (300, 100),
    }
}

/// The terminal passes on every key until this is dropped.
struct Raw(Termios);

impl Raw {
    /// `None`: the input is no terminal.
    fn enter() -> Option<Raw> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
