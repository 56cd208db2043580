//! The memory that request bodies may take, all together and of one origin.
//!
//! There are two rooms: one for bodies of callers who proved who they are (by the head of the
//! request, or because they need no proof), and a smaller one for bodies that a signature covers
//! and nobody has shown yet to be anybody's. What comes first of a body is small and costs no
//! room, so that ordinary calls pass whoever fills it.

use super::places::Origin;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Of each body, beside the room.
const FREE_BYTES: usize = 16 << 10;

/// Room for bodies.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    bytes: usize,
    of_one: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    by: HashMap<Origin, usize>,
}

/// What one body takes of its room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Room,
    origin: Origin,
    bytes: usize,
}

impl Room {
    pub(super) fn new(bytes: usize, of_one: usize) -> Room {
        Room {
            bytes,
            of_one,
            taken: Arc::default(),
        }
    }

    /// A share of the room, which is nothing at first.
    pub(crate) fn share(&self, origin: Origin) -> Share {
        Share {
            room: self.clone(),
            origin,
            bytes: 0,
        }
    }
}

impl Share {
    /// Have room for a body of so many bytes: whether there is that much.
    pub(crate) fn grow_to(&mut self, body: usize) -> bool {
        let wanted = body.saturating_sub(FREE_BYTES);
        let more = wanted.saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        let mut taken = self.room.taken.lock();
        let of_one = taken.by.get(&self.origin).copied().unwrap_or(0);
        if taken.bytes + more > self.room.bytes || of_one + more > self.room.of_one {
            return false;
        }
        taken.bytes += more;
        taken.by.insert(self.origin, of_one + more);
        self.bytes = wanted;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut taken = self.room.taken.lock();
        taken.bytes -= self.bytes;
        if let Some(left) = taken.by.get_mut(&self.origin) {
            *left -= self.bytes;
            if *left == 0 {
                taken.by.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_take_room_until_they_are_gone() {
        let room = Room::new(100 << 10, 60 << 10);
        let [one, two] = [Origin::User(1), Origin::User(2)];
        let mut a = room.share(one);
        assert!(a.grow_to(FREE_BYTES), "costs nothing");
        assert!(a.grow_to(FREE_BYTES + (40 << 10)));
        let mut b = room.share(one);
        assert!(!b.grow_to(FREE_BYTES + (21 << 10)), "more than its share");
        assert!(b.grow_to(FREE_BYTES + (20 << 10)));
        let mut c = room.share(two);
        assert!(!c.grow_to(FREE_BYTES + (41 << 10)), "more than there is");
        assert!(c.grow_to(FREE_BYTES + (40 << 10)));
        drop(a);
        assert!(c.grow_to(FREE_BYTES + (60 << 10)));
        drop((b, c));
        let taken = room.taken.lock();
        assert!(
            taken.bytes == 0 && taken.by.is_empty(),
            "nothing is remembered"
        );
    }
}
