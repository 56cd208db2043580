//! One request and its answer: which rule it meets, and how it goes to a target and back.

use super::answer::Answer;
use super::body::{Body, BodySink, Cut, Sink, Source, Trouble, copy};
use super::forward::{self, Hop, asks_for_websocket};
use super::framing::{self, Framing, Length};
use super::head::{Request, Response, Version};
use super::upstream::{self, NoResponse, Upstream};
use crate::load_balancer::listener::{Door, Front};
use crate::load_balancer::route::{End, Forward, Rewrite};
use crate::load_balancer::target::{Group, Target, Underway};
use crate::load_balancer::worker::Worker;
use futures_util::FutureExt as _;
use neargate_domain::load_balancer::{Protocol, ProtocolVersion};
use std::cell::Cell;
use std::io;
use std::net::SocketAddrV4;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How many targets are tried when none takes a connection.
const TRIES: usize = 3;
/// How many interim responses a target may send.
const INTERIM_MAX: usize = 16;

/// How a client is answered.
pub trait Reply: Sink {
    /// Sends the response's head, perhaps together with what follows.
    fn start(&mut self, response: &Response, framing: Framing, added: &[(&str, &str)]);

    /// Sends `100 Continue`.
    async fn go_on(&mut self) -> io::Result<()>;

    /// No other request is read after this one.
    fn close_after(&mut self);

    /// Sends an answer of our own.
    async fn answer(&mut self, answer: &Answer) -> io::Result<()>;
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// The client has a part of an answer that will not be complete, or is gone.
    Broken,
    /// From now on bytes are carried both ways.
    Tunnel(Box<Tunnel>),
}

#[derive(Debug)]
pub struct Tunnel {
    pub response: Response,
    pub upstream: Upstream,
    pub underway: Underway,
}

/// Everything about a request but its body.
#[derive(Debug)]
pub struct Exchange<'a> {
    pub worker: &'a Worker,
    pub door: &'a Door,
    pub front: &'a Front,
    pub peer: SocketAddrV4,
    pub request: &'a Request,
    pub framing: Framing,
}

impl Exchange<'_> {
    pub async fn run(&self, body: &mut impl Source, reply: &mut impl Reply) -> Outcome {
        if let Err(wrong) = forward::check_forwarded(self.request) {
            return self.answer(body, reply, &Answer::page(wrong.0)).await;
        }
        let mut routes = self.front.routes.iter();
        let route = routes.find(|route| route.is_for(self.request, *self.peer.ip()));
        let Some(route) = route else {
            return self.answer(body, reply, &Answer::page(503)).await;
        };
        match &route.end {
            End::Forward(forward) => self.forward(forward, &route.rewrites, body, reply).await,
            End::FixedResponse {
                status,
                content_type,
                body: text,
            } => {
                let answer = Answer::fixed(*status, content_type, text);
                self.answer(body, reply, &answer).await
            }
            End::Redirect(redirect) => {
                let protocol = if self.is_https() { "https" } else { "http" };
                let port = self.front.port;
                let answer = Answer::redirect(redirect, self.request, protocol, port);
                self.answer(body, reply, &answer).await
            }
            End::NotBuilt(name) => {
                tracing::warn!(
                    rule = route.rule_arn,
                    name,
                    "a rule asks for what is not built"
                );
                self.answer(body, reply, &Answer::page(500)).await
            }
        }
    }

    fn is_https(&self) -> bool {
        self.front.protocol == Protocol::Https
    }

    /// Answers by itself. What is at hand of the body is passed over; what still comes is not read.
    async fn answer(
        &self,
        body: &mut impl Source,
        reply: &mut impl Reply,
        answer: &Answer,
    ) -> Outcome {
        while let Some(Ok(Some(_))) = body.next().now_or_never() {}
        if !body.is_done() {
            reply.close_after();
        }
        match reply.answer(answer).await {
            Ok(()) => Outcome::Answered,
            Err(_) => Outcome::Broken,
        }
    }

    async fn forward(
        &self,
        forward: &Forward,
        rewrites: &[Rewrite],
        body: &mut impl Source,
        reply: &mut impl Reply,
    ) -> Outcome {
        let Some(group) = forward.group() else {
            return self.answer(body, reply, &Answer::page(503)).await;
        };
        if !self.suits(group) {
            return self.answer(body, reply, &Answer::page(464)).await;
        }
        let mut tried = Vec::new();
        let mut status = 503;
        while tried.len() < TRIES {
            let random = self.worker.random();
            let Some(target) = group.choose(&self.door.zone, &tried, random) else {
                break;
            };
            tried.push(target.number);
            match self.connection(&target, body).await {
                Ok(upstream) => return self.send(target, upstream, rewrites, body, reply).await,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => status = 504,
                Err(_) => status = 502,
            }
        }
        self.answer(body, reply, &Answer::page(status)).await
    }

    /// Can the group's protocol carry this request
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html>)?
    fn suits(&self, group: &Group) -> bool {
        match group.version {
            ProtocolVersion::Http1 => true,
            ProtocolVersion::Http2 => self.request.version == Version::Http2,
            ProtocolVersion::Grpc => {
                self.request.version == Version::Http2 && self.request.method() == b"POST"
            }
        }
    }

    /// Could it be sent again if the target closes the connection at this moment?
    fn may_send_again(&self, body: &impl Source) -> bool {
        self.request.is_idempotent() && self.framing.length.is_empty() && body.is_untouched()
    }

    async fn connection(&self, target: &Target, body: &impl Source) -> io::Result<Upstream> {
        let may_send_again = self.may_send_again(body);
        let waiting = self.worker.pool.take(target, self.door, may_send_again);
        match waiting {
            Some(upstream) => Ok(upstream),
            None => Upstream::connect(&self.door.place, target).await,
        }
    }

    async fn send(
        &self,
        target: Arc<Target>,
        mut upstream: Upstream,
        rewrites: &[Rewrite],
        body: &mut impl Source,
        reply: &mut impl Reply,
    ) -> Outcome {
        let trace = self.worker.trace();
        let hop = Hop {
            settings: &self.front.settings,
            peer: self.peer,
            is_https: self.is_https(),
            port: self.front.port,
            dns_name: &self.front.dns_name,
            trace: &trace,
            rewrites,
        };
        let underway = Underway::new(Arc::clone(&target));
        loop {
            let end = self.carry(&target, &mut upstream, &hop, body, reply).await;
            let status = match end {
                Carried::Whole { may_be_reused } => {
                    if may_be_reused {
                        self.worker.pool.put(&target, self.door, upstream);
                    }
                    return Outcome::Answered;
                }
                Carried::Switched(response) => {
                    return Outcome::Tunnel(Box::new(Tunnel {
                        response,
                        upstream,
                        underway,
                    }));
                }
                Carried::Unheard if upstream.is_reused && self.may_send_again(body) => {
                    match Upstream::connect(&self.door.place, &target).await {
                        Ok(new) => {
                            upstream = new;
                            continue;
                        }
                        Err(_) => 502,
                    }
                }
                Carried::Unheard | Carried::Refused => 502,
                Carried::TargetIsSlow => 504,
                Carried::ClientIsSlow => 408,
                Carried::Malformed => 400,
                Carried::Broken => return Outcome::Broken,
            };
            return self.answer(body, reply, &Answer::page(status)).await;
        }
    }

    /// Sends the request and gives back the response, both at once: a target may answer before it
    /// has heard everything.
    async fn carry(
        &self,
        target: &Target,
        upstream: &mut Upstream,
        hop: &Hop<'_>,
        body: &mut impl Source,
        reply: &mut impl Reply,
    ) -> Carried {
        let length = self.framing.length;
        let is_upgrade = asks_for_websocket(self.request) && length.is_empty();
        let out = &mut upstream.writer.gathered;
        forward::write_request(out, self.request, length, hop, is_upgrade);
        let activity = Activity::new(self.front.settings.idle_timeout);
        let is_sent = Cell::new(false);
        let waits_for_client = Cell::new(true);
        let is_started = Cell::new(false);
        let mut sink = BodySink::new(&mut upstream.writer, length == Length::Chunked);
        let sending = async {
            let moved = |bytes: usize| {
                waits_for_client.set(bytes == 0);
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
        let reader = &mut upstream.reader;
        let receiving = async {
            let response = self.response(reader, reply, is_upgrade, &activity).await?;
            if response.status == 101 {
                return Ok(Received::Switched(response));
            }
            let framing = framing::of_response(&response, self.request.method())
                .map_err(|_| Carried::Refused)?;
            is_started.set(true);
            reply.start(&response, framing, &[]);
            let mut source = Body::new(reader, framing.length);
            let copied = copy(&mut source, reply, |_| activity.touch()).await;
            copied.map_err(|_| Carried::Broken)?;
            let is_kept = response.version == Version::Http11
                && !response.fields.has_word("connection", "close")
                && framing.length != Length::UntilClose
                && !framing.is_doubtful
                && reader.text.is_empty();
            Ok(Received::Whole { is_kept })
        };
        let (mut sending, mut receiving) = (pin!(sending), pin!(receiving));
        let end = tokio::select! {
            biased;
            trouble = &mut sending => Err(match trouble {
                Trouble::Malformed if !is_started.get() => Carried::Malformed,
                Trouble::Malformed | Trouble::Gone => Carried::Broken,
            }),
            end = &mut receiving => end,
            () = target.gone.cancelled() => Err(Carried::Refused),
            () = activity.is_over() => Err(match is_sent.get() || !waits_for_client.get() {
                true => Carried::TargetIsSlow,
                false => Carried::ClientIsSlow,
            }),
        };
        match end {
            Ok(Received::Whole { is_kept }) => Carried::Whole {
                may_be_reused: is_kept && is_sent.get() && !self.framing.is_doubtful,
            },
            Ok(Received::Switched(response)) => Carried::Switched(response),
            Err(_) if is_started.get() => Carried::Broken,
            Err(end) => end,
        }
    }

    /// The response that is not an interim one.
    async fn response(
        &self,
        reader: &mut crate::load_balancer::stream::Reader,
        reply: &mut impl Reply,
        is_upgrade: bool,
        activity: &Activity,
    ) -> Result<Response, Carried> {
        for _ in 0..INTERIM_MAX {
            let response = upstream::response(reader).await;
            activity.touch();
            let response = response.map_err(|error| match error {
                NoResponse::Nothing => Carried::Unheard,
                NoResponse::Malformed => Carried::Refused,
            })?;
            match response.status {
                101 if is_upgrade => return Ok(response),
                101 => return Err(Carried::Refused),
                100 if self.request.fields.has_word("expect", "100-continue") => {
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
enum Carried {
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
