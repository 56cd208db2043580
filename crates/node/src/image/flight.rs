//! [`Flights`]: of several who want the same thing at the same time, one does the work.
//!
//! The work lives as long as anybody waits for it: when the last one gives up, it is dropped.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;

type Work<V> = BoxFuture<'static, V>;

/// Work under way, by key.
pub(super) struct Flights<K, V: Clone>(Mutex<HashMap<K, WeakShared<Work<V>>>>);

impl<K, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Flights(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    /// Wait for the work under `key`, starting it with `start` unless it is under way.
    pub(super) async fn join(&self, key: &K, start: impl FnOnce() -> Work<V>) -> V {
        let shared: Shared<Work<V>> = {
            let mut all = self.0.lock();
            // `peek`: a finished flight serves nobody who comes later.
            let running = all
                .get(key)
                .and_then(WeakShared::upgrade)
                .filter(|s| s.peek().is_none());
            match running {
                Some(shared) => shared,
                None => {
                    all.retain(|_, weak| weak.upgrade().is_some_and(|s| s.peek().is_none()));
                    let shared = start().shared();
                    let weak = shared.downgrade().expect("not polled yet");
                    all.insert(key.clone(), weak);
                    shared
                }
            }
        };
        shared.await
    }
}

impl<K, V: Clone> std::fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flights")
    }
}
