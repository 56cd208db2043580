//! What is done in a build's container: programs on a terminal, as ECS Exec runs them, whose terminal is set
//! to pass bytes as they are.

use super::task;
use bytes::Bytes;
use neargate_domain::{TerminalInput, TerminalOutput};
use neargate_service::House;
use neargate_service::session::Place;
use std::time::Duration;
use tokio::time::timeout;

/// How much input goes at once.
const PIECE_BYTES: usize = 4096;
/// A program that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(120);
/// Says that the program reads its input as it is.
const READY: u8 = b'R';
/// The code that says that the terminal could not be set.
const NO_STTY: i32 = 91;

/// Why nothing came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// The container does not run, or not yet.
    Away(String),
    /// It will not be otherwise another time.
    Lacking(String),
}

/// What a program said and ended with.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub bytes: Vec<u8>,
}

/// Runs a script in the container of a build. What it says beyond `most` bytes is an error.
pub async fn run(
    house: &House,
    place: &Place,
    script: &str,
    input: Option<Bytes>,
    most: usize,
) -> Result<Said, Failed> {
    let containers = house.sessions.containers();
    let containers =
        containers.ok_or_else(|| Failed::Lacking("this host runs no containers".to_owned()))?;
    let begin = match input {
        Some(_) => "stty raw -echo || exit 91\nprintf R\n",
        None => "stty raw -echo || exit 91\n",
    };
    let args = ["sh".to_owned(), "-c".to_owned(), format!("{begin}{script}")];
    let opened = containers.terminal(place, &args).await;
    let mut terminal = opened.map_err(Failed::Away)?;
    let away = || Failed::Away("the container ended".to_owned());
    let mut bytes = Vec::new();
    let mut left = input.unwrap_or_default();
    let mut ready = left.is_empty();
    let mut expects_ready = !ready;
    loop {
        let sends = ready && !left.is_empty();
        let piece = left.slice(..left.len().min(PIECE_BYTES));
        let sent = async {
            match sends {
                true => {
                    let room = terminal.input.reserve().await;
                    room.map(|room| room.send(TerminalInput::Bytes(piece.to_vec())))
                        .is_ok()
                }
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            sent = sent => {
                if !sent {
                    return Err(away());
                }
                left = left.slice(piece.len()..);
            }
            got = timeout(SILENCE, terminal.output.recv()) => match got {
                Err(_) => return Err(Failed::Away("the container does not answer".to_owned())),
                Ok(None) => return Err(away()),
                Ok(Some(TerminalOutput::Ended(NO_STTY))) => {
                    return Err(Failed::Lacking(
                        "The image lacks stty, which Neargate needs in a build's image beside sh, cat, head, \
                         tail, wc, find and tar".to_owned(),
                    ));
                }
                Ok(Some(TerminalOutput::Ended(code))) => return Ok(Said { code, bytes }),
                Ok(Some(TerminalOutput::Bytes(more))) => {
                    let mut more = &more[..];
                    if expects_ready && let Some(at) = more.iter().position(|b| *b == READY) {
                        more = &more[at + 1..];
                        expects_ready = false;
                        ready = true;
                    }
                    bytes.extend_from_slice(more);
                    if bytes.len() > most {
                        return Err(Failed::Lacking(format!("more than {most} bytes came out of the container")));
                    }
                }
            },
        }
    }
}

/// The container of a build's task that runs, if it does.
pub async fn place(house: &House, running: &task::Running) -> Option<Place> {
    let containers = house.sessions.containers()?;
    containers
        .find(house, &running.scope, &running.target)
        .await
}
