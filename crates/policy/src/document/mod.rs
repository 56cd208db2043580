//! A policy document, compiled
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>).

mod malformed;
mod parse;
mod tree;

use crate::condition::Condition;
use crate::pattern::Pattern;
use crate::principal::{Named, Reach, spares};
use crate::request::{Context, Request, Requester};
pub use malformed::Malformed;
pub use parse::Use;
use std::collections::BTreeSet;

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its statements, in order.
    pub statements: Vec<Statement>,
}

/// What a statement does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It grants.
    Allow,
    /// It denies, whatever else grants.
    Deny,
}

/// Some of a kind, or all but some.
#[derive(Debug, Clone, PartialEq)]
pub enum Matcher<T> {
    /// What matches one of these.
    Any(Vec<T>),
    /// What matches none of these.
    Not(Vec<T>),
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its name.
    pub sid: Option<String>,
    /// What it does.
    pub effect: Effect,
    /// Whom it is about; `None`: whoever the policy is attached to.
    pub principals: Option<Matcher<Named>>,
    /// Which actions; patterns in lower case.
    pub actions: Matcher<Pattern>,
    /// Which resources; `None`: the one that the policy is attached to.
    pub resources: Option<Matcher<Pattern>>,
    /// When: all of these hold.
    pub conditions: Vec<Condition>,
}

/// What a document says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement denies.
    Denied,
    /// A statement grants, and says so of this principal.
    Allowed(Reach),
    /// No statement applies.
    Silent,
}

impl Document {
    /// What it says about the request; the action is written in lower case.
    pub(crate) fn verdict(&self, request: &Request, lower_action: &str) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            let reach = statement.reach(request, lower_action);
            if reach == Reach::No {
                continue;
            }
            match (statement.effect, verdict) {
                (Effect::Deny, _) => return Verdict::Denied,
                (Effect::Allow, Verdict::Allowed(before)) if before >= reach => {}
                (Effect::Allow, _) => verdict = Verdict::Allowed(reach),
            }
        }
        verdict
    }

    /// The places of the statements that apply to the request.
    pub fn matching(&self, request: &Request) -> Vec<usize> {
        let action = request.action.to_lowercase();
        let all = self.statements.iter().enumerate();
        let applying = all.filter(|(_, s)| s.reach(request, &action) != Reach::No);
        applying.map(|(at, _)| at).collect()
    }

    /// Does it ask for a condition key that contains this, in lower case?
    pub fn asks_for(&self, fragment: &str) -> bool {
        self.statements.iter().any(|statement| {
            let of_conditions = statement.conditions.iter().any(|c| {
                c.key().contains(fragment) || c.variables().iter().any(|v| v.contains(fragment))
            });
            let (Matcher::Any(resources) | Matcher::Not(resources)) = match &statement.resources {
                Some(resources) => resources,
                None => return of_conditions,
            };
            let mut variables = resources.iter().flat_map(Pattern::variables);
            of_conditions || variables.any(|v| v.contains(fragment))
        })
    }

    /// The condition keys that it asks for, in lower case.
    pub fn context_keys(&self) -> BTreeSet<&str> {
        let mut keys = BTreeSet::new();
        for statement in &self.statements {
            for condition in &statement.conditions {
                keys.insert(condition.key());
                keys.extend(condition.variables());
            }
            if let Some(Matcher::Any(all) | Matcher::Not(all)) = &statement.resources {
                keys.extend(all.iter().flat_map(Pattern::variables));
            }
        }
        keys
    }
}

impl Statement {
    /// Does it apply, and how near does it come to who asks?
    fn reach(&self, request: &Request, lower_action: &str) -> Reach {
        let reach = self.names(&request.requester);
        if reach == Reach::No
            || !self.is_about(lower_action)
            || !self.is_on(request.resource, request.context)
            || !self
                .conditions
                .iter()
                .all(|c| self.holds(c, request.context))
        {
            return Reach::No;
        }
        reach
    }

    fn names(&self, who: &Requester) -> Reach {
        match &self.principals {
            None => Reach::Direct,
            Some(Matcher::Any(named)) => {
                let all = named.iter().map(|n| n.reach(who));
                all.max().unwrap_or(Reach::No)
            }
            Some(Matcher::Not(named)) => {
                let spared = match self.effect {
                    Effect::Deny => spares(named, who),
                    Effect::Allow => named.iter().any(|n| n.reach(who) != Reach::No),
                };
                if spared { Reach::No } else { Reach::Role }
            }
        }
    }

    fn is_about(&self, lower_action: &str) -> bool {
        let none = Context::new();
        let any = |all: &[Pattern]| all.iter().any(|a| a.matches(lower_action, &none));
        match &self.actions {
            Matcher::Any(all) => any(all),
            Matcher::Not(all) => !any(all),
        }
    }

    fn is_on(&self, resource: &str, context: &Context) -> bool {
        match &self.resources {
            None => true,
            Some(Matcher::Any(all)) => all.iter().any(|r| r.matches(resource, context)),
            // What cannot be told must not grant.
            Some(Matcher::Not(all)) => {
                let told =
                    self.effect == Effect::Deny || all.iter().all(|r| r.is_resolved(context));
                told && !all.iter().any(|r| r.matches(resource, context))
            }
        }
    }

    fn holds(&self, condition: &Condition, context: &Context) -> bool {
        let told = self.effect == Effect::Deny
            || !condition.is_negated()
            || condition.is_resolved(context);
        told && condition.holds(context)
    }
}
