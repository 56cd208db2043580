//! Is an expression true of a trace?

use super::{Expression, Flag, Id, Number, Op, Part, Text};
use crate::trace::{
    Cause, CauseKind, CauseService, Digest, Edge, Entity, Exception, Flags, Node, Scalar,
    ServiceName,
};
use serde_json::Value;

/// What is asked.
#[derive(Clone, Copy)]
enum About<'a> {
    Trace,
    Node(usize),
    Edge(&'a Edge),
    Cause(Item<'a>),
}

/// Something in the list that a root cause is.
#[derive(Clone, Copy)]
struct Item<'a> {
    index: usize,
    is_last: bool,
    of: Of<'a>,
}

#[derive(Clone, Copy)]
enum Of<'a> {
    Service(&'a CauseService),
    Entity(&'a Entity),
    Exception(&'a Exception),
}

/// `account` is that of services that say none.
pub fn matches(expression: &Expression, trace: &Digest, account: &str) -> bool {
    let asked = Asked { trace, account };
    asked.holds(expression, About::Trace)
}

/// Is one of the services meant that `expression` selects?
pub fn matches_node(expression: &Expression, trace: &Digest, account: &str, at: usize) -> bool {
    let asked = Asked { trace, account };
    match expression {
        Expression::Service(id, inner) => {
            asked.is(id, at) && asked.inner(inner.as_deref(), About::Node(at))
        }
        Expression::Or(all) => all.iter().any(|one| matches_node(one, trace, account, at)),
        Expression::And(all) => all.iter().all(|one| matches_node(one, trace, account, at)),
        _ => false,
    }
}

/// Is one of the calls meant that `expression` selects?
pub fn matches_edge(expression: &Expression, trace: &Digest, account: &str, edge: &Edge) -> bool {
    let asked = Asked { trace, account };
    match expression {
        Expression::Edge(from, to, inner) => {
            asked.is(from, edge.from)
                && asked.is(to, edge.to)
                && asked.inner(inner.as_deref(), About::Edge(edge))
        }
        Expression::Or(all) => all.iter().any(|e| matches_edge(e, trace, account, edge)),
        Expression::And(all) => all.iter().all(|e| matches_edge(e, trace, account, edge)),
        _ => false,
    }
}

struct Asked<'a> {
    trace: &'a Digest,
    account: &'a str,
}

impl<'a> Asked<'a> {
    fn holds(&self, expression: &Expression, about: About<'a>) -> bool {
        match expression {
            Expression::Always => true,
            Expression::And(all) => all.iter().all(|one| self.holds(one, about)),
            Expression::Or(all) => all.iter().any(|one| self.holds(one, about)),
            Expression::Not(one) => !self.holds(one, about),
            Expression::Flag(flag) => self.flag(*flag, about),
            Expression::HasNumber(number) => self.number(*number, about).is_some(),
            Expression::Number(number, op, value) => self
                .number(*number, about)
                .is_some_and(|own| compare(own, *op, *value)),
            Expression::HasText(text) => !self.texts(*text, about).is_empty(),
            Expression::Text(text, op, value) => is_any(&self.texts(*text, about), *op, value),
            Expression::HasAnnotation(key) => self.annotations(key, about).any(|value| {
                // One that is true or false speaks for itself.
                *value != Scalar::Bool(false)
            }),
            Expression::Annotation(key, op, value) => self.annotation(key, *op, value, about),
            Expression::Service(id, inner) => (0..self.trace.nodes.len())
                .any(|at| self.is(id, at) && self.inner(inner.as_deref(), About::Node(at))),
            Expression::Edge(from, to, inner) => self.trace.edges.iter().any(|edge| {
                self.is(from, edge.from)
                    && self.is(to, edge.to)
                    && self.inner(inner.as_deref(), About::Edge(edge))
            }),
            Expression::Cause(kind, part, inner) => self.causes(*kind).iter().any(|cause| {
                let items = items(cause, *part);
                let mut items = items.into_iter();
                items.any(|item| self.inner(inner.as_deref(), About::Cause(item)))
            }),
            Expression::CauseLike(like) => self.is_like(like),
            // Groups that are not there have no traces.
            Expression::Group(_) => false,
        }
    }

    fn inner(&self, inner: Option<&Expression>, about: About<'a>) -> bool {
        inner.is_none_or(|inner| self.holds(inner, about))
    }

    fn causes(&self, kind: CauseKind) -> &'a [Cause] {
        let [faults, errors, response_times] = &self.trace.causes;
        match kind {
            CauseKind::Fault => faults,
            CauseKind::Error => errors,
            CauseKind::ResponseTime => response_times,
        }
    }

    fn is(&self, id: &Id, at: usize) -> bool {
        let Some(node) = self.trace.nodes.get(at) else {
            return false;
        };
        let ServiceName {
            name,
            kind,
            account,
        } = &node.service;
        let account = account.as_deref().unwrap_or(self.account);
        id.name.as_ref().is_none_or(|wanted| wanted == name)
            && id
                .kind
                .as_ref()
                .is_none_or(|wanted| Some(wanted) == kind.as_ref())
            && id.account.as_ref().is_none_or(|wanted| wanted == account)
    }

    fn node(&self, about: About<'a>) -> Option<&'a Node> {
        match about {
            About::Trace => self.trace.root(),
            About::Node(at) => self.trace.nodes.get(at),
            About::Edge(edge) => self.trace.nodes.get(edge.to),
            About::Cause(_) => None,
        }
    }

    fn flag(&self, flag: Flag, about: About<'a>) -> bool {
        if let About::Cause(item) = about {
            return match (flag, item.of) {
                (Flag::First, _) => item.index == 0,
                (Flag::Last, _) => item.is_last,
                (Flag::Inferred, Of::Service(service)) => service.inferred,
                (Flag::Remote, Of::Entity(entity)) => entity.remote,
                _ => false,
            };
        }
        let flags = match about {
            About::Edge(edge) => edge.flags,
            _ => self.node(about).map_or(Flags::default(), |n| n.flags),
        };
        let node = self.node(about);
        match flag {
            Flag::Ok => flags.is_ok() && node.is_some_and(|n| !n.in_progress),
            Flag::Error => flags.error,
            Flag::Throttle => flags.throttle,
            Flag::Fault => flags.fault,
            Flag::Partial => match about {
                About::Trace => self.trace.partial,
                _ => node.is_some_and(|n| n.in_progress),
            },
            Flag::Inferred => match about {
                About::Trace => self.trace.nodes.iter().any(|n| n.inferred),
                _ => node.is_some_and(|n| n.inferred),
            },
            Flag::Root => match about {
                About::Trace => self.trace.root.is_some(),
                About::Node(at) => self.trace.root == Some(at),
                _ => false,
            },
            Flag::First | Flag::Last | Flag::Remote => false,
        }
    }

    fn number(&self, number: Number, about: About<'a>) -> Option<f64> {
        if let About::Cause(item) = about {
            return match (number, item.of) {
                (Number::Index, _) => Some(item.index as f64),
                (Number::Coverage, Of::Entity(entity)) => Some(entity.coverage),
                _ => None,
            };
        }
        match (number, about) {
            (Number::Duration, About::Trace) => Some(self.trace.seconds()),
            (Number::ResponseTime | Number::Duration, About::Edge(edge)) => Some(edge.seconds()),
            (Number::ResponseTime | Number::Duration, _) => {
                let node = self.node(about)?;
                (!node.in_progress).then(|| node.seconds())
            }
            (Number::Status, _) => self.node(about)?.http.status.map(|status| status as f64),
            (Number::Index | Number::Coverage, _) => None,
        }
    }

    fn texts(&self, text: Text, about: About<'a>) -> Vec<&'a str> {
        if let About::Cause(item) = about {
            let found = match (text, item.of) {
                (Text::Name, Of::Service(service)) => Some(service.service.name.as_str()),
                (Text::Type, Of::Service(service)) => service.service.kind.as_deref(),
                (Text::Name, Of::Entity(entity)) => Some(entity.name.as_str()),
                (Text::Name, Of::Exception(exception)) => exception.name.as_deref(),
                (Text::Message, Of::Exception(exception)) => exception.message.as_deref(),
                _ => None,
            };
            return found.into_iter().collect();
        }
        let of = |node: &'a Node| match text {
            Text::Url => node.http.url.as_deref(),
            Text::Method => node.http.method.as_deref(),
            Text::UserAgent => node.http.user_agent.as_deref(),
            Text::ClientIp => node.http.client_ip.as_deref(),
            Text::User => node.user.as_deref(),
            Text::Name => Some(node.service.name.as_str()),
            Text::Type => node.service.kind.as_deref(),
            Text::Zone => node.zone.as_deref(),
            Text::Instance => node.instance.as_deref(),
            Text::Resource => node.resource_arn.as_deref(),
            Text::Message => None,
        };
        let is_of_request = matches!(
            text,
            Text::Url | Text::Method | Text::UserAgent | Text::ClientIp
        );
        match about {
            About::Trace if !is_of_request => self.trace.nodes.iter().filter_map(of).collect(),
            _ => self.node(about).and_then(of).into_iter().collect(),
        }
    }

    fn annotations(
        &self,
        key: &str,
        about: About<'a>,
    ) -> impl Iterator<Item = &'a Scalar> + use<'a> {
        let node = match about {
            About::Node(at) => Some(at),
            About::Edge(edge) => Some(edge.to),
            About::Trace | About::Cause(_) => None,
        };
        let key = key.to_owned();
        let all = self.trace.annotations.iter();
        all.filter(move |a| a.key == key && node.is_none_or(|node| a.node == node))
            .map(|a| &a.value)
    }

    fn annotation(&self, key: &str, op: Op, value: &Scalar, about: About<'a>) -> bool {
        let own: Vec<&Scalar> = self.annotations(key, about).collect();
        match op {
            Op::NotEqual => !own.is_empty() && own.iter().all(|own| *own != value),
            op => own.iter().any(|own| match (own, value) {
                (Scalar::Text(own), Scalar::Text(value)) => is_text(own, op, value),
                (Scalar::Number(own), Scalar::Number(value)) => compare(*own, op, *value),
                (Scalar::Bool(own), Scalar::Bool(value)) => own == value,
                _ => false,
            }),
        }
    }

    /// `like` is a root cause, or several of which one is enough.
    fn is_like(&self, like: &Value) -> bool {
        let likes = match like {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        let causes = self.trace.causes.iter().flatten();
        let shown: Vec<Value> = causes.map(shown).collect();
        likes
            .into_iter()
            .any(|like| shown.iter().any(|cause| fits(like, cause)))
    }
}

/// A cause in the form in which summaries show it.
fn shown(cause: &Cause) -> Value {
    let services = cause.iter().map(|service| {
        let entities = service.entities.iter().map(|entity| {
            let exceptions = entity.exceptions.iter();
            let exceptions: Vec<Value> = exceptions
                .map(|e| serde_json::json!({"Name": e.name, "Message": e.message}))
                .collect();
            serde_json::json!({"Name": entity.name, "Remote": entity.remote,
                "Coverage": entity.coverage, "Exceptions": exceptions})
        });
        let entities: Vec<Value> = entities.collect();
        serde_json::json!({"Name": service.service.name, "Names": [service.service.name],
            "Type": service.service.kind, "AccountId": service.service.account,
            "Inferred": service.inferred, "EntityPath": entities})
    });
    serde_json::json!({"Services": services.collect::<Vec<Value>>()})
}

/// Every field that is there must be the same; what is left out may be anything.
fn fits(like: &Value, value: &Value) -> bool {
    match (like, value) {
        (Value::Object(like), Value::Object(value)) => like
            .iter()
            .all(|(key, like)| value.get(key).is_some_and(|value| fits(like, value))),
        (Value::Array(like), Value::Array(value)) => {
            like.len() == value.len() && like.iter().zip(value).all(|(l, v)| fits(l, v))
        }
        (Value::Number(like), Value::Number(value)) => like.as_f64() == value.as_f64(),
        (like, value) => like == value,
    }
}

fn items(cause: &Cause, part: Part) -> Vec<Item<'_>> {
    let entities = || cause.iter().flat_map(|service| &service.entities);
    let all: Vec<Of<'_>> = match part {
        Part::Service => cause.iter().map(Of::Service).collect(),
        Part::Entity => entities().map(Of::Entity).collect(),
        Part::Exception => entities()
            .flat_map(|entity| &entity.exceptions)
            .map(Of::Exception)
            .collect(),
    };
    let last = all.len().saturating_sub(1);
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(index, of)| Item {
            index,
            is_last: index == last,
            of,
        })
        .collect()
}

fn compare(own: f64, op: Op, value: f64) -> bool {
    match op {
        Op::Equal => own == value,
        Op::NotEqual => own != value,
        Op::Less => own < value,
        Op::LessOrEqual => own <= value,
        Op::Greater => own > value,
        Op::GreaterOrEqual => own >= value,
        Op::Contains | Op::BeginsWith | Op::EndsWith => false,
    }
}

fn is_text(own: &str, op: Op, value: &str) -> bool {
    match op {
        Op::Equal => own == value,
        Op::NotEqual => own != value,
        Op::Contains => own.contains(value),
        Op::BeginsWith => own.starts_with(value),
        Op::EndsWith => own.ends_with(value),
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => false,
    }
}

fn is_any(own: &[&str], op: Op, value: &str) -> bool {
    match op {
        Op::NotEqual => !own.is_empty() && own.iter().all(|own| *own != value),
        op => own.iter().any(|own| is_text(own, op, value)),
    }
}
