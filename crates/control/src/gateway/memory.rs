//! The memory that request bodies may take, all together and of one origin.
//!
//! There is memory for bodies of callers who proved who they are (by the head of the request, or
//! because they need no proof), and less for bodies that a signature covers and nobody has shown
//! yet to be anybody's. What comes first of a body is small and costs nothing, so that ordinary
//! calls pass whoever fills the memory.

use super::places::Origin;
use crate::budget::{Budget, Share};

/// So much of each body costs nothing.
const FREE_BYTES: usize = 16 << 10;

/// Bodies in memory of callers who proved who they are, and of one origin.
const CALLERS_BYTES: (usize, usize) = (512 << 20, 256 << 20);
/// Bodies in memory that nobody has shown yet to be anybody's.
const STRANGERS_BYTES: (usize, usize) = (192 << 20, 64 << 20);

/// The memory for request bodies, by whose they are.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    pub(super) callers: BodyMemory,
    pub(super) strangers: BodyMemory,
}

impl Default for Memory {
    fn default() -> Self {
        let of = |(bytes, of_one)| BodyMemory(Budget::new(bytes, of_one));
        Memory {
            callers: of(CALLERS_BYTES),
            strangers: of(STRANGERS_BYTES),
        }
    }
}

/// Memory for bodies that are alike.
#[derive(Debug, Clone)]
pub(crate) struct BodyMemory(Budget<Origin>);

/// The memory that one body takes, until it is dropped.
#[derive(Debug)]
pub(crate) struct HeldMemory(Share<Origin>);

impl BodyMemory {
    /// The memory of a body of which nothing has come yet.
    pub(crate) fn hold(&self, origin: Origin) -> HeldMemory {
        HeldMemory(self.0.share(origin))
    }
}

impl HeldMemory {
    /// Have memory for a body of so many bytes: whether there is that much.
    pub(crate) fn grow_to(&mut self, body: usize) -> bool {
        self.0.grow_to(body.saturating_sub(FREE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_body_costs_nothing() {
        let memory = BodyMemory(Budget::new(100, 60));
        let mut body = memory.hold(Origin::User(1));
        assert!(body.grow_to(FREE_BYTES) && memory.0.is_whole());
        assert!(body.grow_to(FREE_BYTES + 60));
        let mut other = memory.hold(Origin::User(1));
        assert!(other.grow_to(FREE_BYTES) && !other.grow_to(FREE_BYTES + 1));
        drop(body);
        assert!(other.grow_to(FREE_BYTES + 1));
    }
}
