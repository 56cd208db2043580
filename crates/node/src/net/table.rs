//! What nftables holds of ours in one network namespace (nft(8)) as a value: pure. It is loaded
//! whole, or as the difference from what was loaded before; either is one transaction, so that the
//! kernel goes from the old rules to the new ones and is never between them.

use super::batch::{Batch, Unsayable};
use std::collections::BTreeMap;
use std::fmt;

/// Sets and chains by family, table and name, such as `inet neargate guard`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tables {
    sets: BTreeMap<String, Set>,
    chains: BTreeMap<String, Chain>,
}

/// A set, or a map: its elements have values.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    kind: Kind,
    elements: BTreeMap<String, String>,
}

/// The type of a set's elements, and of a map's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Set(&'static str),
    Map(&'static str, &'static str),
    /// Its elements are the kernel's: rules add them, each with a counter, and who is not added again for
    /// [`COUNTED`] is forgotten.
    Counted(&'static str),
}

/// How long the kernel keeps what it counts, in seconds.
pub(super) const COUNTED: u64 = 120;
/// How many elements such a set has at the most.
pub(super) const MOST_COUNTED: usize = 32_768;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Chain {
    /// `type … hook … priority …; policy …;`, of a chain that the kernel calls.
    hook: &'static str,
    rules: Vec<String>,
}

impl Tables {
    /// The set is there, with or without elements.
    pub(super) fn set(&mut self, name: impl Into<String>, kind: Kind) {
        let elements = BTreeMap::new();
        self.sets
            .entry(name.into())
            .or_insert(Set { kind, elements });
    }

    /// An element of a set that is there.
    pub(super) fn element(&mut self, set: &str, element: impl Into<String>) {
        self.value(set, element, "");
    }

    /// An element of a map that is there.
    pub(super) fn value(
        &mut self,
        map: &str,
        element: impl Into<String>,
        value: impl Into<String>,
    ) {
        let set = self
            .sets
            .get_mut(map)
            .expect("a set comes before its elements");
        set.elements.insert(element.into(), value.into());
    }

    /// A chain that others jump to.
    pub(super) fn chain(&mut self, name: impl Into<String>, rules: Vec<String>) {
        self.hooked(name, "", rules);
    }

    /// A chain that the kernel calls.
    pub(super) fn hooked(
        &mut self,
        name: impl Into<String>,
        hook: &'static str,
        rules: Vec<String>,
    ) {
        self.chains.insert(name.into(), Chain { hook, rules });
    }

    /// The text that puts all of this in the place of whatever these tables hold now.
    pub(super) fn whole(&self, tables: &[&str]) -> String {
        let anew = tables
            .iter()
            .map(|t| format!("add table {t}\ndelete table {t}\nadd table {t}\n"));
        anew.collect::<String>() + &self.since(&Tables::default())
    }

    /// The text that makes this of `before`; empty where they are the same.
    pub(super) fn since(&self, before: &Tables) -> String {
        let changes = self.changes(before);
        changes.iter().map(ToString::to_string).collect()
    }

    /// The same as what the kernel is told without `nft`; `None` where only that can say it, and where
    /// nothing changes.
    pub(super) fn batch_since(&self, before: &Tables) -> Option<Batch> {
        let (changes, mut batch) = (self.changes(before), Batch::default());
        for change in &changes {
            change.say(&mut batch).ok()?;
        }
        (!changes.is_empty()).then_some(batch)
    }

    fn changes<'a>(&'a self, before: &'a Tables) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        let sets = self.sets.iter();
        let new = sets.filter(|(name, _)| !before.sets.contains_key(*name));
        changes.extend(new.map(|(name, set)| Change::AddSet(name, set.kind)));
        let is_new = |name: &String| !before.chains.contains_key(name);
        let new = self.chains.iter().filter(|(name, _)| is_new(name));
        changes.extend(new.map(|(name, chain)| Change::AddChain(name, chain.hook)));
        // Elements go before the chains that they lead to, and before others come in their place.
        let none = BTreeMap::new();
        for (name, old) in &before.sets {
            let new = self.sets.get(name).map_or(&none, |s| &s.elements);
            let gone = old.elements.iter().filter(|(k, v)| new.get(*k) != Some(v));
            let gone: Vec<&str> = gone.map(|(k, _)| k.as_str()).collect();
            if !gone.is_empty() {
                changes.push(Change::DeleteElements(name, old.kind, gone));
            }
        }
        let changed = |name: &String, old: &Chain| self.chains.get(name) != Some(old);
        let old = before
            .chains
            .iter()
            .filter(|(name, old)| changed(name, old));
        changes.extend(old.map(|(name, _)| Change::FlushChain(name)));
        for (name, chain) in &self.chains {
            if before.chains.get(name) != Some(chain) {
                let rules = chain.rules.iter();
                changes.extend(rules.map(|rule| Change::AddRule(name, rule)));
            }
        }
        for (name, set) in &self.sets {
            let old = before.sets.get(name).map_or(&none, |s| &s.elements);
            let new = set.elements.iter().filter(|(k, v)| old.get(*k) != Some(v));
            let new: Vec<(&str, &str)> = new.map(|(k, v)| (k.as_str(), v.as_str())).collect();
            if !new.is_empty() {
                changes.push(Change::AddElements(name, set.kind, new));
            }
        }
        let is_gone = |name: &&String| !self.chains.contains_key(*name);
        let gone = before.chains.keys().filter(is_gone);
        changes.extend(gone.map(|name| Change::DeleteChain(name)));
        let sets = before.sets.iter();
        let gone = sets.filter(|(name, _)| !self.sets.contains_key(*name));
        changes.extend(gone.map(|(name, set)| Change::DeleteSet(name, set.kind)));
        changes
    }
}

/// A step from one value to another; the names are `family table name`.
enum Change<'a> {
    AddSet(&'a str, Kind),
    AddChain(&'a str, &'a str),
    DeleteElements(&'a str, Kind, Vec<&'a str>),
    FlushChain(&'a str),
    AddRule(&'a str, &'a str),
    AddElements(&'a str, Kind, Vec<(&'a str, &'a str)>),
    DeleteChain(&'a str),
    DeleteSet(&'a str, Kind),
}

impl Change<'_> {
    fn say(&self, batch: &mut Batch) -> Result<(), Unsayable> {
        match self {
            Change::AddSet(..) | Change::DeleteSet(..) => Err(Unsayable),
            Change::AddChain(name, "") => batch.add_chain(name),
            Change::AddChain(..) => Err(Unsayable),
            Change::DeleteElements(name, kind, all) => {
                batch.delete_elements(name, kind.keys(), all)
            }
            Change::FlushChain(name) => batch.flush_chain(name),
            Change::AddRule(name, rule) => batch.add_rule(name, rule),
            Change::AddElements(name, kind, all) => batch.add_elements(name, kind.keys(), all),
            Change::DeleteChain(name) => batch.delete_chain(name),
        }
    }
}

impl Kind {
    fn keys(self) -> &'static str {
        match self {
            Kind::Set(of) | Kind::Map(of, _) | Kind::Counted(of) => of,
        }
    }
}

/// As a line for `nft`.
impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::AddSet(name, Kind::Set(of)) => writeln!(f, "add set {name} {{ type {of}; }}"),
            Change::AddSet(name, Kind::Map(of, to)) => {
                writeln!(f, "add map {name} {{ type {of} : {to}; }}")
            }
            Change::AddSet(name, Kind::Counted(of)) => writeln!(
                f,
                "add set {name} {{ type {of}; size {MOST_COUNTED}; flags dynamic,timeout; timeout {COUNTED}s; counter; }}"
            ),
            Change::AddChain(name, "") => writeln!(f, "add chain {name}"),
            Change::AddChain(name, hook) => writeln!(f, "add chain {name} {{ {hook} }}"),
            Change::DeleteElements(name, _, all) => {
                writeln!(f, "delete element {name} {{ {} }}", all.join(", "))
            }
            Change::FlushChain(name) => writeln!(f, "flush chain {name}"),
            Change::AddRule(name, rule) => writeln!(f, "add rule {name} {rule}"),
            Change::AddElements(name, _, all) => {
                let element = |(k, v): &(&str, &str)| match *v {
                    "" => (*k).to_owned(),
                    v => format!("{k} : {v}"),
                };
                let all: Vec<String> = all.iter().map(element).collect();
                writeln!(f, "add element {name} {{ {} }}", all.join(", "))
            }
            Change::DeleteChain(name) => writeln!(f, "delete chain {name}"),
            Change::DeleteSet(name, Kind::Set(_) | Kind::Counted(_)) => {
                writeln!(f, "delete set {name}")
            }
            Change::DeleteSet(name, Kind::Map(..)) => writeln!(f, "delete map {name}"),
        }
    }
}
