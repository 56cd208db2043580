//! Why a trace was slow or failed: the paths from its root, through services and what they did, to where it
//! began.
//!
//! AWS does not say how it finds them. Here the path of a fault or an error goes through every subsegment that
//! has it, to those below which none has; that of a response time goes to what took longest, as long as that
//! is at least half of what it is part of.

use super::assemble::text;
use super::digest::{Flags, Node, ServiceName, flags, times};
use serde_json::Value;
use std::collections::HashMap;

/// Which of a trace's causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CauseKind {
    Fault,
    Error,
    ResponseTime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    pub name: Option<String>,
    pub message: Option<String>,
}

/// A segment or subsegment of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    pub name: String,
    pub exceptions: Vec<Exception>,
    /// Its part of the root's response time.
    pub coverage: f64,
    pub remote: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CauseService {
    pub service: ServiceName,
    pub inferred: bool,
    pub entities: Vec<Entity>,
}

/// One path.
pub type Cause = Vec<CauseService>;

/// Paths of one kind.
const MOST: usize = 8;
const MOST_STEPS: usize = 64;

struct Walk<'a> {
    documents: &'a [&'a Value],
    nodes: &'a [Node],
    called: &'a HashMap<&'a str, Vec<usize>>,
    kind: CauseKind,
    root_seconds: f64,
    found: Vec<Cause>,
}

pub fn find(
    documents: &[&Value],
    nodes: &[Node],
    called: &HashMap<&str, Vec<usize>>,
    root: usize,
) -> [Vec<Cause>; 3] {
    [CauseKind::Fault, CauseKind::Error, CauseKind::ResponseTime].map(|kind| {
        let mut walk = Walk {
            documents,
            nodes,
            called,
            kind,
            root_seconds: nodes[root].seconds(),
            found: Vec::new(),
        };
        if walk.is_it(nodes[root].flags) {
            walk.service(root, Vec::new(), 0);
        }
        walk.found
    })
}

impl<'a> Walk<'a> {
    fn is_it(&self, flags: Flags) -> bool {
        match self.kind {
            CauseKind::Fault => flags.fault,
            CauseKind::Error => flags.error,
            CauseKind::ResponseTime => self.root_seconds > 0.0,
        }
    }

    fn service(&mut self, at: usize, mut path: Cause, steps: usize) {
        let node = &self.nodes[at];
        path.push(CauseService {
            service: node.service.clone(),
            inferred: node.inferred,
            entities: Vec::new(),
        });
        self.entity(self.documents[at], path, steps);
    }

    fn entity(&mut self, document: &'a Value, mut path: Cause, steps: usize) {
        let entity = self.shown(document);
        if let Some(service) = path.last_mut() {
            service.entities.push(entity);
        }
        let before = self.found.len();
        if steps < MOST_STEPS && before < MOST {
            let id = text(document, "id").unwrap_or_default();
            let services = self.called.get(id).into_iter().flatten().copied();
            let services: Vec<usize> = services
                .filter(|to| self.is_it(self.nodes[*to].flags))
                .collect();
            let inside = document.get("subsegments").and_then(Value::as_array);
            let inside: Vec<&'a Value> = inside
                .into_iter()
                .flatten()
                .filter(|s| s.is_object() && self.is_it(flags(s)))
                .collect();
            match self.kind {
                CauseKind::Fault | CauseKind::Error => {
                    for to in services {
                        self.service(to, path.clone(), steps + 1);
                    }
                    for subsegment in inside {
                        self.entity(subsegment, path.clone(), steps + 1);
                    }
                }
                CauseKind::ResponseTime => self.longest(document, &services, &inside, &path, steps),
            }
        }
        if self.found.len() == before && before < MOST {
            self.found.push(path);
        }
    }

    fn longest(
        &mut self,
        document: &'a Value,
        services: &[usize],
        inside: &[&'a Value],
        path: &Cause,
        steps: usize,
    ) {
        let seconds = |document: &Value| {
            let (start, end) = times(document);
            end - start
        };
        let half = seconds(document) / 2.0;
        let service = services.iter().copied().max_by(|a, b| {
            self.nodes[*a]
                .seconds()
                .total_cmp(&self.nodes[*b].seconds())
        });
        let subsegment = inside
            .iter()
            .copied()
            .max_by(|a, b| seconds(a).total_cmp(&seconds(b)));
        match (service, subsegment) {
            (Some(to), _) if self.nodes[to].seconds() >= half && half > 0.0 => {
                self.service(to, path.clone(), steps + 1);
            }
            (_, Some(subsegment)) if seconds(subsegment) >= half && half > 0.0 => {
                self.entity(subsegment, path.clone(), steps + 1);
            }
            _ => {}
        }
    }

    fn shown(&self, document: &Value) -> Entity {
        let (start, end) = times(document);
        let all = document
            .pointer("/cause/exceptions")
            .and_then(Value::as_array);
        let exceptions = all
            .into_iter()
            .flatten()
            .take(MOST)
            .map(|exception| Exception {
                name: text(exception, "type").map(str::to_owned),
                message: text(exception, "message").map(str::to_owned),
            });
        let coverage = match self.root_seconds > 0.0 {
            true => ((end - start) / self.root_seconds).clamp(0.0, 1.0),
            false => 0.0,
        };
        Entity {
            name: text(document, "name").unwrap_or_default().to_owned(),
            exceptions: exceptions.collect(),
            coverage,
            remote: super::assemble::is_call(document),
        }
    }
}
