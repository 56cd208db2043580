//! A request on its way to a target and back, both directions at once.

use super::body::{Cut, Sink, Source, Trouble, copy};
use super::exchange::{Exchange, Reply, Sticks};
use super::head::Response;
use super::upstream::{Answers, NoResponse};
use crate::load_balancer::target::Target;
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How many interim responses a target may send.
const INTERIM_MAX: usize = 16;

/// A request on its way to a target and back.
pub(super) struct Carry<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) target: &'a Target,
    pub(super) sticks: &'a Sticks,
    pub(super) is_upgrade: bool,
}

impl Carry<'_> {
    /// Sends the request and gives back the response, both at once: a target may answer before it
    /// has heard everything.
    pub(super) async fn run(
        &self,
        mut sink: impl Sink,
        mut answers: impl Answers,
        body: &mut impl Source,
        reply: &mut impl Reply,
    ) -> Carried {
        let exchange = self.exchange;
        let activity = Activity::new(exchange.front.settings.idle_timeout);
        let is_sent = Cell::new(false);
        let waits_for_client = Cell::new(true);
        let is_started = Cell::new(false);
        let sending = async {
            let moved = |bytes: usize| {
                waits_for_client.set(bytes == 0);
                exchange.record.received(bytes);
                activity.touch();
            };
            match copy(body, &mut sink, moved).await {
                Ok(()) => is_sent.set(true),
                Err(Cut::Source(trouble)) => return trouble,
                // What the target says to it is still to come.
                Err(Cut::Sink) => std::future::pending().await,
            }
            body.gone().await;
            Trouble::Gone
        };
        let receiving = async {
            let response = self.response(&mut answers, reply, &activity).await?;
            if response.status == 101 {
                return Ok(Received::Switched(response));
            }
            let framing = answers.framing(&response, exchange.request.method());
            let framing = framing.map_err(|_| Carried::Refused)?;
            is_started.set(true);
            exchange.record.target_answers(response.status);
            reply.start(&response, framing, &self.sticks.fields(&response));
            let copied = {
                let mut source = answers.body(framing.length);
                let moved = |bytes: usize| {
                    exchange.record.sent(bytes);
                    activity.touch();
                };
                copy(&mut source, reply, moved).await
            };
            copied.map_err(|_| Carried::Broken)?;
            Ok(Received::Whole {
                is_kept: answers.may_go_on(&response, framing),
            })
        };
        let (mut sending, mut receiving) = (pin!(sending), pin!(receiving));
        let end = tokio::select! {
            biased;
            trouble = &mut sending => Err(match trouble {
                Trouble::Malformed if !is_started.get() => Carried::Malformed,
                Trouble::Malformed | Trouble::Gone => Carried::Broken,
            }),
            end = &mut receiving => end,
            () = self.target.gone.cancelled() => Err(Carried::Refused),
            () = activity.is_over() => Err(match is_sent.get() || !waits_for_client.get() {
                true => Carried::TargetIsSlow,
                false => Carried::ClientIsSlow,
            }),
        };
        match end {
            Ok(Received::Whole { is_kept }) => Carried::Whole {
                may_be_reused: is_kept && is_sent.get() && !exchange.framing.is_doubtful,
            },
            Ok(Received::Switched(response)) => Carried::Switched(response),
            Err(_) if is_started.get() => Carried::Broken,
            Err(end) => end,
        }
    }

    /// The response that is not an interim one.
    async fn response(
        &self,
        answers: &mut impl Answers,
        reply: &mut impl Reply,
        activity: &Activity,
    ) -> Result<Response, Carried> {
        for _ in 0..INTERIM_MAX {
            let response = tokio::select! {
                response = answers.head() => response?,
                () = reply.gone() => return Err(Carried::Broken),
            };
            activity.touch();
            match response.status {
                101 if self.is_upgrade => return Ok(response),
                101 => return Err(Carried::Refused),
                100 if self
                    .exchange
                    .request
                    .fields
                    .has_word("expect", "100-continue") =>
                {
                    reply.go_on().await.map_err(|_| Carried::Broken)?;
                }
                100..200 => {}
                _ => return Ok(response),
            }
        }
        Err(Carried::Refused)
    }
}

enum Received {
    Whole { is_kept: bool },
    Switched(Response),
}

/// How carrying a request to a target ended.
pub(super) enum Carried {
    Whole {
        may_be_reused: bool,
    },
    Switched(Response),
    /// The target closed the connection without a word.
    Unheard,
    /// What it said is no response.
    Refused,
    TargetIsSlow,
    ClientIsSlow,
    /// The client's body is none.
    Malformed,
    /// The client is gone, or has a part of a response.
    Broken,
}

impl From<NoResponse> for Carried {
    fn from(error: NoResponse) -> Carried {
        match error {
            NoResponse::Nothing => Carried::Unheard,
            NoResponse::Malformed => Carried::Refused,
        }
    }
}

/// When something last moved, and how long nothing may.
#[derive(Debug)]
pub struct Activity {
    last: Cell<Instant>,
    limit: Duration,
}

impl Activity {
    pub fn new(limit: Duration) -> Activity {
        Activity {
            last: Cell::new(Instant::now()),
            limit,
        }
    }

    pub fn touch(&self) {
        self.last.set(Instant::now());
    }

    /// Waits until nothing has moved for too long.
    pub async fn is_over(&self) {
        loop {
            let due = self.last.get() + self.limit;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }
}
