//! What indexes share: it depends on the registered instances, not on their tasks.

use crate::plan::placement::slots::{Held, Slots};
use std::collections::HashMap;

/// The instances divided into *cells*: those with the same values of some attributes.
#[derive(Debug)]
pub(super) struct Partition {
    /// For each cell its value at each level. Values are numbered per level; the same text
    /// under another value of the level before is another value.
    pub(super) values: Vec<Vec<u32>>,
    /// How many values each level has.
    pub(super) sizes: Vec<usize>,
    /// The instances of each cell by number, in order of their ids.
    pub(super) members: Vec<Vec<u32>>,
    /// By an instance's number: its cell, and which of the members it is. `None` for those
    /// that are only known by their tasks.
    places: Vec<Option<(u32, u32)>>,
}

impl Partition {
    pub(super) fn new(slots: &Slots, attributes: &[String]) -> Partition {
        let mut partition = Partition {
            values: Vec::new(),
            sizes: vec![0; attributes.len()],
            members: Vec::new(),
            places: vec![None; slots.len()],
        };
        let mut numbers = HashMap::new();
        let mut cells: HashMap<Vec<u32>, usize> = HashMap::new();
        for slot in slots.numbers() {
            let held = slots.get(slot);
            if held.instance.is_none() {
                continue;
            }
            let mut values = Vec::with_capacity(attributes.len());
            let mut above = 0;
            for (level, name) in attributes.iter().enumerate() {
                let next = partition.sizes[level];
                above = *numbers
                    .entry((level, above, value(held, name)))
                    .or_insert(next);
                partition.sizes[level] = next.max(above + 1);
                values.push(number(above));
            }
            let cell = *cells.entry(values).or_insert_with_key(|values| {
                partition.values.push(values.clone());
                partition.members.push(Vec::new());
                partition.members.len() - 1
            });
            let members = &mut partition.members[cell];
            partition.places[slot as usize] = Some((number(cell), number(members.len())));
            members.push(slot);
        }
        partition
    }

    pub(super) fn place(&self, slot: u32) -> Option<(usize, usize)> {
        let place = self.places.get(slot as usize).copied().flatten();
        place.map(|(cell, member)| (cell as usize, member as usize))
    }
}

fn value<'a>(held: &'a Held, attribute: &str) -> Option<&'a str> {
    let value = held.instance.as_ref()?.attributes.get(attribute)?;
    Some(value.as_deref().unwrap_or_default())
}

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("fewer than 4 billion instances")
}
