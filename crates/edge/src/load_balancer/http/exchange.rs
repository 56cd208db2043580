//! One request and its answer: which rule it meets, and how it goes to a target and back.

use super::answer::Answer;
use super::body::{BodySink, Cut, Sink, Source, Trouble, copy};
use super::cookie;
use super::forward::{self, Hop, asks_for_websocket};
use super::framing::{Framing, Length};
use super::head::{Request, Response, Version};
use super::upstream::{Answers, Http1Answers, NoResponse, Upstream};
use crate::load_balancer::http2::upstream as http2;
use crate::load_balancer::listener::{Door, Front};
use crate::load_balancer::route::{End, Forward, Rewrite};
use crate::load_balancer::settings::Stickiness;
use crate::load_balancer::target::{Group, Target, Underway};
use crate::load_balancer::tls::Agreed;
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

    /// Waits until the client wants no answer any more, where that is said apart from the body.
    async fn gone(&mut self);

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
    /// What TLS with the client was agreed on.
    pub agreed: Option<&'a Agreed>,
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
        let now = self.worker.now_seconds();
        let mut sticks = Sticks::default();
        let number = |name: &str| {
            let value = cookie::find(&self.request.fields, name)?;
            cookie::read(value, now)
        };
        let stays = forward.stickiness.and_then(|_| number(cookie::GROUP));
        let group = stays
            .and_then(|n| forward.find(n))
            .or_else(|| forward.group());
        let Some(group) = group else {
            return self.answer(body, reply, &Answer::page(503)).await;
        };
        if !self.suits(group) {
            return self.answer(body, reply, &Answer::page(464)).await;
        }
        if let Some(duration) = forward.stickiness {
            let is_https = self.is_https();
            sticks.set = cookie::write(cookie::GROUP, group.cookie(), now, duration, is_https);
        }
        let stays = match &group.settings.stickiness {
            Stickiness::Off | Stickiness::SourceIp => None,
            Stickiness::LoadBalancerCookie(_) => number(cookie::TARGET),
            Stickiness::ApplicationCookie { name, .. } => {
                let own = cookie::find(&self.request.fields, name);
                own.and_then(|_| number(cookie::APPLICATION))
            }
        };
        let mut stays = stays.and_then(|number| group.find(&self.door.zone, number));
        let mut tried = Vec::new();
        let mut status = 503;
        while tried.len() < TRIES {
            let random = self.worker.random();
            let chosen = || group.choose(&self.door.zone, &tried, random);
            let Some(target) = stays.take().or_else(chosen) else {
                break;
            };
            tried.push(target.number);
            let upstream = match group.version {
                ProtocolVersion::Http1 => {
                    self.connection(&target, group, body).await.map(Line::One)
                }
                ProtocolVersion::Http2 | ProtocolVersion::Grpc => {
                    let pool = &self.worker.pool2;
                    let requests = pool.requests(&target, group, self.door).await;
                    requests.map(|(requests, is_reused)| Line::Many {
                        requests,
                        is_reused,
                    })
                }
            };
            match upstream {
                Ok(upstream) => {
                    self.stick(&mut sticks, group, &target, now);
                    let way = Way {
                        group,
                        target,
                        rewrites,
                        sticks,
                    };
                    return self.send(way, upstream, body, reply).await;
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => status = 504,
                Err(_) => status = 502,
            }
        }
        self.answer(body, reply, &Answer::page(status)).await
    }

    /// Has the client stay with this target, as its group asks.
    fn stick(&self, sticks: &mut Sticks, group: &Group, target: &Target, now: u64) {
        let cookie =
            |name, duration| cookie::write(name, target.cookie, now, duration, self.is_https());
        match &group.settings.stickiness {
            Stickiness::Off | Stickiness::SourceIp => {}
            Stickiness::LoadBalancerCookie(duration) => {
                sticks.set.extend(cookie(cookie::TARGET, *duration));
            }
            Stickiness::ApplicationCookie { name, duration } => {
                sticks.after = Some((name.clone(), cookie(cookie::APPLICATION, *duration)));
            }
        }
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

    async fn connection(
        &self,
        target: &Target,
        group: &Group,
        body: &impl Source,
    ) -> io::Result<Upstream> {
        let may_send_again = self.may_send_again(body);
        let waiting = self.worker.pool.take(target, self.door, may_send_again);
        match waiting {
            Some(upstream) => Ok(upstream),
            None => Upstream::connect(&self.door.place, target, group.protocol).await,
        }
    }

    async fn send(
        &self,
        way: Way<'_>,
        mut line: Line,
        body: &mut impl Source,
        reply: &mut impl Reply,
    ) -> Outcome {
        let Way {
            group,
            target,
            rewrites,
            sticks,
        } = way;
        let trace = self.worker.trace();
        let hop = Hop {
            settings: &self.front.settings,
            peer: self.peer,
            is_https: self.is_https(),
            port: self.front.port,
            dns_name: &self.front.dns_name,
            trace: &trace,
            agreed: self.agreed,
            rewrites,
        };
        let underway = Underway::new(Arc::clone(&target));
        loop {
            let is_upgrade = matches!(line, Line::One(_))
                && asks_for_websocket(self.request)
                && self.framing.length.is_empty();
            let carry = Carry {
                exchange: self,
                target: &target,
                sticks: &sticks,
                is_upgrade,
            };
            let length = self.framing.length;
            let (end, is_reused) = match &mut line {
                Line::One(upstream) => {
                    let out = &mut upstream.writer.gathered;
                    forward::write_request(out, self.request, length, &hop, is_upgrade);
                    let sink = BodySink::new(&mut upstream.writer, length == Length::Chunked);
                    let answers = Http1Answers(&mut upstream.reader);
                    (
                        carry.run(sink, answers, body, reply).await,
                        upstream.is_reused,
                    )
                }
                Line::Many {
                    requests,
                    is_reused,
                } => {
                    let is_https = group.protocol == Protocol::Https;
                    let end = match http2::send(requests, self.request, length, &hop, is_https) {
                        Ok((sink, answers)) => carry.run(sink, answers, body, reply).await,
                        Err(error) => error.into(),
                    };
                    (end, *is_reused)
                }
            };
            let status = match end {
                Carried::Whole { may_be_reused } => {
                    if let (Line::One(upstream), true) = (line, may_be_reused) {
                        self.worker.pool.put(&target, self.door, upstream);
                    }
                    return Outcome::Answered;
                }
                Carried::Switched(response) => match line {
                    Line::One(upstream) => {
                        return Outcome::Tunnel(Box::new(Tunnel {
                            response,
                            upstream,
                            underway,
                        }));
                    }
                    Line::Many { .. } => 502,
                },
                Carried::Unheard if is_reused && self.may_send_again(body) => {
                    match self.another(&line, group, &target).await {
                        Ok(new) => {
                            line = new;
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

    /// A new connection in place of one that turned out closed.
    async fn another(&self, line: &Line, group: &Group, target: &Target) -> io::Result<Line> {
        match line {
            Line::One(_) => Upstream::connect(&self.door.place, target, group.protocol)
                .await
                .map(Line::One),
            Line::Many { .. } => {
                self.worker.pool2.forget(&[target.number]);
                let (requests, _) = self.worker.pool2.requests(target, group, self.door).await?;
                Ok(Line::Many {
                    requests,
                    is_reused: false,
                })
            }
        }
    }
}

/// A connection to a target.
enum Line {
    /// For one request at a time.
    One(Upstream),
    /// For many at once.
    Many {
        requests: h2::client::SendRequest<bytes::Bytes>,
        is_reused: bool,
    },
}

/// A request on its way to a target and back.
struct Carry<'a> {
    exchange: &'a Exchange<'a>,
    target: &'a Target,
    sticks: &'a Sticks,
    is_upgrade: bool,
}

impl Carry<'_> {
    /// Sends the request and gives back the response, both at once: a target may answer before it
    /// has heard everything.
    async fn run(
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
            reply.start(&response, framing, &self.sticks.fields(&response));
            let copied = {
                let mut source = answers.body(framing.length);
                copy(&mut source, reply, |_| activity.touch()).await
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

/// How a request goes to its target.
struct Way<'a> {
    group: &'a Group,
    target: Arc<Target>,
    rewrites: &'a [Rewrite],
    sticks: Sticks,
}

/// Cookies that the client gets.
#[derive(Debug, Default)]
struct Sticks {
    set: Vec<String>,
    /// Those that it gets when the target sets a cookie of this name.
    after: Option<(String, Vec<String>)>,
}

impl Sticks {
    fn fields(&self, response: &Response) -> Vec<(&str, &str)> {
        let after = self.after.iter();
        let after = after.filter(|(name, _)| cookie::is_set(&response.fields, name));
        let all = self.set.iter().chain(after.flat_map(|(_, set)| set));
        all.map(|cookie| ("Set-Cookie", cookie.as_str())).collect()
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
