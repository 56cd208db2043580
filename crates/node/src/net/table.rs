//! What nftables holds of ours in one network namespace (nft(8)) as a value: pure. It is loaded
//! whole, or as the difference from what was loaded before; either is one transaction, so that the
//! kernel goes from the old rules to the new ones and is never between them.

use std::collections::BTreeMap;
use std::fmt::Write;

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
}

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
        let mut text = String::new();
        let mut say = |line: std::fmt::Arguments<'_>| {
            let _ = text.write_fmt(line);
        };
        for (name, set) in self
            .sets
            .iter()
            .filter(|(n, _)| !before.sets.contains_key(*n))
        {
            match set.kind {
                Kind::Set(of) => say(format_args!("add set {name} {{ type {of}; }}\n")),
                Kind::Map(of, to) => {
                    say(format_args!("add map {name} {{ type {of} : {to}; }}\n"));
                }
            }
        }
        let is_new = |name: &String| !before.chains.contains_key(name);
        for (name, chain) in self.chains.iter().filter(|(n, _)| is_new(n)) {
            match chain.hook {
                "" => say(format_args!("add chain {name}\n")),
                hook => say(format_args!("add chain {name} {{ {hook} }}\n")),
            }
        }
        // Elements go before the chains that they lead to, and before others come in their place.
        let none = BTreeMap::new();
        for (name, old) in &before.sets {
            let new = self.sets.get(name).map_or(&none, |s| &s.elements);
            let gone = old.elements.iter().filter(|(k, v)| new.get(*k) != Some(v));
            let gone: Vec<&str> = gone.map(|(k, _)| k.as_str()).collect();
            if !gone.is_empty() {
                say(format_args!(
                    "delete element {name} {{ {} }}\n",
                    gone.join(", ")
                ));
            }
        }
        for (name, old) in &before.chains {
            if self.chains.get(name) != Some(old) {
                say(format_args!("flush chain {name}\n"));
            }
        }
        for (name, chain) in &self.chains {
            if before.chains.get(name) != Some(chain) {
                for rule in &chain.rules {
                    say(format_args!("add rule {name} {rule}\n"));
                }
            }
        }
        for (name, set) in &self.sets {
            let old = before.sets.get(name).map_or(&none, |s| &s.elements);
            let new = set.elements.iter().filter(|(k, v)| old.get(*k) != Some(v));
            let new: Vec<String> = new
                .map(|(k, v)| match v.as_str() {
                    "" => k.clone(),
                    v => format!("{k} : {v}"),
                })
                .collect();
            if !new.is_empty() {
                say(format_args!(
                    "add element {name} {{ {} }}\n",
                    new.join(", ")
                ));
            }
        }
        for name in before
            .chains
            .keys()
            .filter(|n| !self.chains.contains_key(*n))
        {
            say(format_args!("delete chain {name}\n"));
        }
        for (name, set) in before
            .sets
            .iter()
            .filter(|(n, _)| !self.sets.contains_key(*n))
        {
            let kind = match set.kind {
                Kind::Set(_) => "set",
                Kind::Map(..) => "map",
            };
            say(format_args!("delete {kind} {name}\n"));
        }
        text
    }
}
