//! One request and its answer: which rule it meets, and how it goes to a target and back.

use super::answer::Answer;
use super::body::{BodySink, Sink, Source};
use super::carry::{Carried, Carry};
use super::cookie;
use super::forward::{self, Hop, asks_for_websocket};
use super::framing::{Framing, Length};
use super::head::{Request, Response, Version};
use super::upstream::{Http1Answers, Upstream};
use crate::load_balancer::http2::upstream as http2;
use crate::load_balancer::listener::{Door, Front};
use crate::load_balancer::observed::counts::Metric;
use crate::load_balancer::observed::record::Record;
use crate::load_balancer::route::{End, Forward, Rewrite, Route};
use crate::load_balancer::settings::Stickiness;
use crate::load_balancer::target::{Group, Target, Underway};
use crate::load_balancer::tls::Agreed;
use crate::load_balancer::token::Refused;
use crate::load_balancer::worker::Worker;
use futures_util::FutureExt as _;
use neargate_domain::load_balancer::{Protocol, ProtocolVersion};
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;

/// How many targets are tried when none takes a connection.
const TRIES: usize = 3;
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
    pub record: &'a Record,
}

impl Exchange<'_> {
    pub async fn run(&self, body: &mut impl Source, reply: &mut impl Reply) -> Outcome {
        if let Err(wrong) = forward::check_forwarded(self.request) {
            return self.answer(body, reply, &Answer::page(wrong.0)).await;
        }
        let mut routes = self.front.routes.iter().enumerate();
        let route = routes.find(|(_, route)| route.is_for(self.request, *self.peer.ip()));
        let Some((at, route)) = route else {
            return self.answer(body, reply, &Answer::page(503)).await;
        };
        self.record.route.set(Some(at));
        let others = self.front.routes.len() - 1;
        self.record.evaluated.set(others.min(at + 1));
        self.record.action.set(match &route.end {
            End::Forward(_) => "forward",
            End::Redirect(_) => "redirect",
            End::FixedResponse { .. } => "fixed-response",
            End::Nothing => "-",
        });
        if let Some(status) = self.refuses(route) {
            self.record.action.set("jwt-validation");
            return self.answer(body, reply, &Answer::page(status)).await;
        }
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
            End::Nothing => {
                tracing::warn!(rule = route.rule_arn, "a rule does not say what to do");
                self.answer(body, reply, &Answer::page(500)).await
            }
        }
    }

    /// What a request without the token that its rule asks for is answered with.
    fn refuses(&self, route: &Route) -> Option<u16> {
        let now = i64::try_from(self.worker.now_seconds()).unwrap_or(i64::MAX);
        let mut checks = route.validations.iter();
        let refused = checks.find_map(|asked| asked.check(self.request, now).err())?;
        Some(match refused {
            Refused::Token => 401,
            Refused::Keys => 500,
        })
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
        self.record.is_answered(answer.status);
        self.record
            .location
            .borrow_mut()
            .clone_from(&answer.location);
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
                Err(error) => {
                    let counts = [Some(&self.door.counts), group.counts(&self.door.zone)];
                    for counts in counts.into_iter().flatten() {
                        counts.count(Metric::TargetConnectionError);
                    }
                    status = match error.kind() {
                        io::ErrorKind::TimedOut => 504,
                        _ => 502,
                    };
                }
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
        self.record.goes_to(group, &target);
        if self.front.logs.access.is_some() {
            let trace = forward::trace(&self.request.fields, &trace);
            *self.record.trace.borrow_mut() = String::from_utf8_lossy(&trace).into_owned();
        }
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
                        self.record.target_answers(response.status);
                        self.record.is_websocket.set(true);
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

/// How a request goes to its target.
struct Way<'a> {
    group: &'a Arc<Group>,
    target: Arc<Target>,
    rewrites: &'a [Rewrite],
    sticks: Sticks,
}

/// Cookies that the client gets.
#[derive(Debug, Default)]
pub(super) struct Sticks {
    set: Vec<String>,
    /// Those that it gets when the target sets a cookie of this name.
    after: Option<(String, Vec<String>)>,
}

impl Sticks {
    pub(super) fn fields(&self, response: &Response) -> Vec<(&str, &str)> {
        let after = self.after.iter();
        let after = after.filter(|(name, _)| cookie::is_set(&response.fields, name));
        let all = self.set.iter().chain(after.flat_map(|(_, set)| set));
        all.map(|cookie| ("Set-Cookie", cookie.as_str())).collect()
    }
}
