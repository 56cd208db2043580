//! Which shapes a service's taken operations reach, and how the Rust types are named.

use anyhow::{Result, ensure};
use neargate_wire::schema::{ErrorShape, Kind, Service, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// The shapes of the taken operations, by name.
pub struct Graph {
    /// All that get a table.
    pub shapes: BTreeMap<&'static str, &'static Shape>,
    pub errors: BTreeMap<&'static str, &'static ErrorShape>,
    /// Structures that get a Rust type: reachable from inputs and outputs.
    pub structures: BTreeMap<&'static str, &'static Shape>,
    /// Structures reachable from inputs, whose required members are plain.
    inputs: BTreeSet<&'static str>,
    /// `RunTaskRequest` -> `RunTaskInput`.
    renamed: BTreeMap<&'static str, String>,
}

impl Graph {
    pub fn new(service: &'static Service) -> Result<Graph> {
        let (mut inputs, mut outputs, mut all) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut errors = BTreeMap::new();
        for op in service.operations {
            op.input
                .iter()
                .for_each(|shape| reach(shape.get(), &mut inputs));
            op.output
                .iter()
                .for_each(|shape| reach(shape.get(), &mut outputs));
            for error in op.errors {
                errors.insert(error.name, *error);
                reach(error.shape.get(), &mut all);
            }
        }
        let is_structure = |s: &&Shape| matches!(s.kind, Kind::Structure(_));
        let structures: BTreeMap<_, _> = inputs
            .iter()
            .chain(&outputs)
            .map(|(n, s)| (*n, *s))
            .filter(|(_, s)| is_structure(s))
            .collect();
        all.extend(inputs.iter().chain(&outputs).map(|(n, s)| (*n, *s)));
        let mut graph = Graph {
            shapes: all,
            errors,
            structures,
            inputs: inputs.into_keys().collect(),
            renamed: BTreeMap::new(),
        };
        graph.rename(service)?;
        Ok(graph)
    }

    /// A shape that is one operation's input or output and nothing else is named after it.
    fn rename(&mut self, service: &'static Service) -> Result<()> {
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for shape in self.shapes.values() {
            for target in targets(shape) {
                *uses.entry(target.name).or_default() += 1;
            }
        }
        let ends = |op: &'static neargate_wire::schema::Operation| {
            [(op.input, "Input"), (op.output, "Output")]
        };
        for op in service.operations {
            for (target, _) in ends(op) {
                target
                    .iter()
                    .for_each(|t| *uses.entry(t.name).or_default() += 1);
            }
        }
        for op in service.operations {
            for (target, suffix) in ends(op) {
                let name = format!("{}{suffix}", op.name);
                let Some(target) = target.map(|t| t.get()) else {
                    continue;
                };
                if target.name == name {
                    continue;
                }
                ensure!(
                    !self.structures.contains_key(name.as_str()),
                    "{}: {name} is the name of another shape",
                    service.id
                );
                if uses[target.name] == 1 {
                    self.renamed.insert(target.name, name);
                }
            }
        }
        Ok(())
    }

    /// The Rust type of a structure.
    pub fn type_name(&self, shape: &'static Shape) -> String {
        match self.renamed.get(shape.name) {
            Some(name) => name.clone(),
            None => {
                let mut letters = shape.name.chars();
                let first = letters.next().map(|c| c.to_ascii_uppercase());
                first.into_iter().chain(letters).collect()
            }
        }
    }

    pub fn is_input(&self, shape: &Shape) -> bool {
        self.inputs.contains(shape.name)
    }
}

/// Whether a structure contains itself by value through this member.
pub fn is_recursive(of: &Shape, member: &'static Shape) -> bool {
    let mut seen = BTreeSet::new();
    let mut pending = vec![member];
    while let Some(shape) = pending.pop() {
        if !matches!(shape.kind, Kind::Structure(_)) {
            continue;
        }
        if shape.name == of.name {
            return true;
        }
        if seen.insert(shape.name) {
            pending.extend(targets(shape));
        }
    }
    false
}

fn reach(shape: &'static Shape, into: &mut BTreeMap<&'static str, &'static Shape>) {
    let mut pending = vec![shape];
    while let Some(shape) = pending.pop() {
        if into.insert(shape.name, shape).is_none() {
            pending.extend(targets(shape));
        }
    }
}

/// The shapes a shape names.
fn targets(shape: &'static Shape) -> Vec<&'static Shape> {
    match shape.kind {
        Kind::Structure(members) => members.iter().map(|m| m.shape.get()).collect(),
        Kind::List(of) => vec![of.shape.get()],
        Kind::Map { key, value } => vec![key.shape.get(), value.shape.get()],
        _ => Vec::new(),
    }
}
