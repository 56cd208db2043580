//! What is typed while a command shows something: `q` ends it, as Ctrl-C does.

use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr,
};
use std::io::{self, BufReader, Read, stdin};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The terminal gives each key as it is typed, and does not show it, until this is dropped.
#[derive(Debug)]
pub struct Keys {
    before: Option<Termios>,
    /// `None`: nobody can type.
    q: Option<oneshot::Receiver<()>>,
    interrupt: Signal,
}

impl Keys {
    /// Nothing changes where nobody can type: no terminal, or a command in the background.
    ///
    /// # Errors
    /// Ctrl-C cannot be listened for.
    pub fn listen() -> io::Result<Keys> {
        let interrupt = signal(SignalKind::interrupt())?;
        let in_front = isatty(stdin()) && tcgetpgrp(stdin()).is_ok_and(|front| front == getpgrp());
        let before = in_front.then(|| tcgetattr(stdin()).ok()).flatten();
        let (typed, q) = oneshot::channel();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            let _ = tcsetattr(stdin(), OptionalActions::Now, &raw);
            // A thread, since a terminal has no reads that can be given up; it ends with the
            // process.
            std::thread::spawn(move || {
                let is_q = |key: io::Result<u8>| matches!(key, Ok(b'q' | b'Q'));
                if BufReader::new(stdin()).bytes().any(is_q) {
                    let _ = typed.send(());
                }
            });
        }
        Ok(Keys {
            before,
            q: Some(q),
            interrupt,
        })
    }

    /// Waits until `q` or Ctrl-C.
    pub async fn end(&mut self) {
        let Keys { q, interrupt, .. } = self;
        let typed = async {
            if let Some(typed) = q {
                if typed.await.is_ok() {
                    return;
                }
                // Nobody holds the other end, and it must not be asked again.
                *q = None;
            }
            std::future::pending().await
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            () = typed => {}
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn keys() -> (oneshot::Sender<()>, Keys) {
        let (typed, q) = oneshot::channel();
        let keys = Keys {
            before: None,
            q: Some(q),
            interrupt: signal(SignalKind::interrupt()).expect("listened for"),
        };
        (typed, keys)
    }

    #[tokio::test]
    async fn where_nobody_types_nothing_ends_however_often_it_is_asked() {
        let (typed, mut keys) = keys();
        assert_eq!(keys.end().now_or_never(), None);
        drop(typed);
        for _ in 0..3 {
            assert_eq!(keys.end().now_or_never(), None);
        }
    }

    #[tokio::test]
    async fn q_ends_it() {
        let (typed, mut keys) = keys();
        typed.send(()).expect("listened for");
        keys.end().await;
    }
}
