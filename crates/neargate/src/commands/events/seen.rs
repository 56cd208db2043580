//! Which events were printed already: after a restart Neargate may tell the last ones again,
//! under the same ids.

use std::collections::{HashSet, VecDeque};

/// More than Neargate keeps.
const LIMIT: usize = 4_096;

#[derive(Debug, Default)]
pub struct Seen {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    /// Is it new? It is not from now on.
    pub fn is_new(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }

    /// The newest.
    pub fn last(&self) -> Option<&str> {
        self.order.back().map(String::as_str)
    }
}
