//! The records of one kind in one account.

use super::Record;
use crate::model::id_of;
use neargate_service::Stored;
use std::collections::BTreeMap;
use std::sync::Arc;

/// By id, and by the unique id where the kind has one.
#[derive(Debug, Clone)]
pub struct Shelf<T> {
    by_id: BTreeMap<String, Arc<Stored<T>>>,
    ids: BTreeMap<String, String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf {
            by_id: BTreeMap::new(),
            ids: BTreeMap::new(),
        }
    }
}

impl<T: Record> Shelf<T> {
    /// The one of this name, in whatever case.
    pub fn named(&self, name: &str) -> Option<&Arc<Stored<T>>> {
        self.by_id.get(&id_of(name))
    }

    pub fn of_unique_id(&self, unique_id: &str) -> Option<&Arc<Stored<T>>> {
        self.by_id.get(self.ids.get(unique_id)?)
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Stored<T>>> {
        self.by_id.values()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn put(&mut self, stored: Stored<T>) {
        let id = stored.value.id();
        if let Some(unique) = stored.value.unique_id() {
            self.ids.insert(unique.to_owned(), id.clone());
        }
        self.by_id.insert(id, Arc::new(stored));
    }

    pub(super) fn remove(&mut self, id: &str) {
        let Some(gone) = self.by_id.remove(id) else {
            return;
        };
        // Under a new name the same unique id may be there already.
        let unique = gone.value.unique_id();
        if let Some(unique) = unique.filter(|u| self.ids.get(*u).is_some_and(|of| of == id)) {
            self.ids.remove(unique);
        }
    }
}
