//! The rules and archives of one bus, found by the source of an event: patterns nearly always name theirs, and
//! those of other sources are not looked at.

use neargate_service::event_pattern::Pattern;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A rule or an archive with its pattern.
#[derive(Debug)]
pub struct Compiled<T> {
    pub of: T,
    /// `None`: every event.
    pub pattern: Option<Pattern>,
}

impl<T> Compiled<T> {
    fn texts(&self, member: &str) -> Option<Vec<&str>> {
        self.pattern.as_ref()?.exact(member)
    }

    fn may_match(&self, source: &str, detail_type: &str) -> bool {
        let allows = |member, text: &str| {
            let texts = self.texts(member);
            texts.is_none_or(|texts| texts.contains(&text))
        };
        allows("source", source) && allows("detail-type", detail_type)
    }

    pub fn matches(&self, event: &Value) -> bool {
        let pattern = self.pattern.as_ref();
        pattern.is_none_or(|pattern| pattern.matches(event))
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Shelf<T> {
    /// By name.
    all: BTreeMap<String, Arc<Compiled<T>>>,
    by_source: HashMap<String, Vec<Arc<Compiled<T>>>>,
    of_any_source: Vec<Arc<Compiled<T>>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf {
            all: BTreeMap::new(),
            by_source: HashMap::new(),
            of_any_source: Vec::new(),
        }
    }
}

impl<T> Shelf<T> {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn set(&mut self, name: String, compiled: Option<Compiled<T>>) {
        match compiled {
            Some(compiled) => drop(self.all.insert(name, Arc::new(compiled))),
            None => drop(self.all.remove(&name)),
        }
        self.by_source.clear();
        self.of_any_source.clear();
        for compiled in self.all.values() {
            match compiled.texts("source") {
                None => self.of_any_source.push(compiled.clone()),
                Some(sources) => {
                    for source in sources {
                        let there = self.by_source.entry(source.to_owned()).or_default();
                        there.push(compiled.clone());
                    }
                }
            }
        }
    }

    fn candidates(&self, source: &str) -> impl Iterator<Item = &Arc<Compiled<T>>> {
        let named = self.by_source.get(source).into_iter().flatten();
        named.chain(&self.of_any_source)
    }

    fn may_match(&self, source: &str, detail_type: &str) -> bool {
        let mut all = self.candidates(source);
        all.any(|compiled| compiled.may_match(source, detail_type))
    }

    /// Those that the event matches.
    pub fn matching(&self, event: &Value) -> Vec<Arc<Compiled<T>>> {
        let source = event["source"].as_str().unwrap_or_default();
        let matching = self.candidates(source).filter(|c| c.matches(event));
        matching.cloned().collect()
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Compiled<T>>> {
        self.all.get(name)
    }
}

/// One bus.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// Rules that are enabled, with a pattern or a schedule.
    pub rules: Shelf<crate::model::Rule>,
    /// Archives that take events, by name.
    pub archives: Shelf<String>,
}

impl Lookup {
    pub fn may_match(&self, source: &str, detail_type: &str) -> bool {
        self.rules.may_match(source, detail_type) || self.archives.may_match(source, detail_type)
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.archives.is_empty()
    }
}
