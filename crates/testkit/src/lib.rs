//! The in-process house in which the operations of a service are tested: through their table, as
//! the gateway calls them, in milliseconds.
//!
//! It is for tests only; `cargo xtask floors` checks that.

use neargate_base::time::ManualClock;
use neargate_base::{AccountId, Clock, Region, Rng, Timestamp};
use neargate_blob::Blobs;
use neargate_service::certificate;
use neargate_service::eni::Cursors;
use neargate_service::events;
use neargate_service::identity::Seat;
use neargate_service::mail;
use neargate_service::metrics;
use neargate_service::outbound::{Outbound, Reach};
use neargate_service::sealing::{ROOT_KEY_BYTES, RootKey};
use neargate_service::session::Sessions;
use neargate_service::{AwsError, Caller, Ctx, Db, House, Principal, Scope, Service, Settings};
use neargate_store::Store;
use neargate_store::memory::MemoryStore;
use neargate_wire::structure::{OperationDef, Structure, from_value};
use neargate_wire::validate::validate;
use std::path::Path;
use std::sync::Arc;

/// When the clock of a [`Lab`] begins.
pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A house on a store in memory, with a clock that only the test moves.
#[derive(Debug)]
pub struct Lab {
    pub house: Arc<House>,
    pub clock: Arc<ManualClock>,
    /// The account and region that [`Lab::cx`] calls from.
    pub scope: Scope,
    scratch: tempfile::TempDir,
}

impl Default for Lab {
    fn default() -> Self {
        Lab::seeded(1)
    }
}

impl Lab {
    /// All randomness comes from `seed`.
    pub fn seeded(seed: u64) -> Lab {
        Lab::over(seed, |clock| MemoryStore::new(clock))
    }

    /// A house on another store.
    pub fn over(seed: u64, store: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Store>) -> Lab {
        let clock = Arc::new(ManualClock::at(START));
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let store = store(clock.clone());
        Lab {
            house: house(scratch.path(), store, clock.clone(), seed, settings()),
            clock,
            scope: scope(),
            scratch,
        }
    }

    /// A directory that goes with the lab.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub fn cx(&self) -> Ctx {
        cx(&self.house, &self.scope)
    }
}

/// A house with its blobs under `scratch`.
pub fn house(
    scratch: &Path,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    seed: u64,
    settings: Settings,
) -> Arc<House> {
    let rng = Arc::new(Rng::seeded(seed));
    Arc::new(House {
        db: Db::new(store),
        outbound: Outbound::new(settings.reach.clone()),
        clock,
        addresses: Cursors::new(&rng),
        rng,
        blobs: Blobs::open(&scratch.join("blobs")).expect("a scratch directory takes blobs"),
        caller: Caller::default(),
        settings,
        root_key: RootKey::new([7; ROOT_KEY_BYTES]),
        identities: Seat::default(),
        metrics: metrics::Seat::default(),
        mail: mail::Seat::default(),
        events: events::Seat::default(),
        sessions: Sessions::default(),
        authority: certificate::Seat::default(),
    })
}

pub fn settings() -> Settings {
    Settings {
        // Servers of tests are on loopback.
        reach: Reach {
            allow_private: true,
            own_ports: Vec::new(),
        },
        ..Settings::new("localhost:4566", scope())
    }
}

pub fn scope() -> Scope {
    Scope {
        account: AccountId::default(),
        region: Region::default(),
    }
}

/// A call by the root of the default account.
pub fn cx(house: &Arc<House>, scope: &Scope) -> Ctx {
    Ctx {
        request_id: "request".into(),
        scope: scope.clone(),
        principal: Principal::root(&AccountId::default(), "test"),
        reached_at: None,
        house: house.clone(),
    }
}

/// Admits, validates and calls, as the gateway does once a request is decoded.
///
/// # Errors
/// The operation's own, and the service's words for input that breaks the model.
pub async fn call<O: OperationDef>(
    table: &dyn Service,
    cx: Ctx,
    _: O,
    input: O::Input,
) -> Result<O::Output, AwsError> {
    let operation = O::operation();
    let mut value = input.to_value();
    table.admit(operation, &mut value);
    if let Some(shape) = operation.input {
        validate(&shape, &value).map_err(|invalid| table.invalid(&invalid))?;
    }
    let output = table.call(cx, operation, value).await?;
    Ok(from_value(output))
}
