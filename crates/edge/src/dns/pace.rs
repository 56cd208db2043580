//! How much a client may ask: AWS takes 1,024 packets a second of each interface
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>) and drops the rest.
//! And how many of its questions may wait for servers elsewhere, so that one client's slow names
//! leave room for others'.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const PER_SECOND: u32 = 1_024;
const WAITING: usize = 128;
const WAITING_IN_ALL: usize = 1_024;

/// A client: its VPC and address.
pub(super) type Client = (Arc<str>, IpAddr);

/// Counts what clients ask.
#[derive(Debug, Default)]
pub(super) struct Pace {
    asked: Mutex<Asked>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Asked {
    second: u64,
    by: HashMap<Client, u32>,
}

#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    by: HashMap<Client, usize>,
}

impl Pace {
    /// May the client ask one question more in this second?
    pub fn admits(&self, client: &Client, now: Duration) -> bool {
        let mut asked = self.asked.lock();
        if asked.second != now.as_secs() {
            asked.second = now.as_secs();
            asked.by.clear();
        }
        let count = asked.by.entry(client.clone()).or_default();
        *count += 1;
        *count <= PER_SECOND
    }

    /// A place to wait in, which is free again when it is dropped.
    pub fn place(&self, client: &Client) -> Option<Place> {
        let mut waiting = self.waiting.lock();
        let own = waiting.by.get(client).copied().unwrap_or(0);
        if own >= WAITING || waiting.all >= WAITING_IN_ALL {
            return None;
        }
        waiting.all += 1;
        waiting.by.insert(client.clone(), own + 1);
        Some(Place {
            client: client.clone(),
            waiting: Arc::clone(&self.waiting),
        })
    }
}

#[derive(Debug)]
pub(super) struct Place {
    client: Client,
    waiting: Arc<Mutex<Waiting>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        waiting.all -= 1;
        match waiting.by.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                waiting.by.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn so_many_a_second_are_admitted_of_each_client() {
        let pace = Pace::default();
        let of = |vpc: &str| -> Client { (vpc.into(), IpAddr::V4(Ipv4Addr::LOCALHOST)) };
        let (one, other) = (of("vpc-1"), of("vpc-2"));
        let admitted = |client: &Client, millis| {
            let now = Duration::from_millis(millis);
            (0..2_000).filter(|_| pace.admits(client, now)).count()
        };
        assert_eq!((admitted(&one, 100), admitted(&one, 999)), (1_024, 0));
        assert_eq!(
            (admitted(&other, 999), admitted(&one, 1_000)),
            (1_024, 1_024)
        );
    }
}
