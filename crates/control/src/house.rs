//! Puts one control plane together: store, blobs, logs, services, controllers.

use crate::state_file::{self, StateError};
use neargate_base::{AccountId, Clock, Rng, task};
use neargate_blob::{BlobError, Blobs};
use neargate_ecr::{self as ecr, Ecr};
use neargate_ecs::model::KnownNode;
use neargate_ecs::{
    self as ecs, Deletion, Deregistration, Ecs, Expire, ForgetTokens, Scheduler, TaskSets,
};
use neargate_logs::{EngineError, LogEngine, Logs, Retention};
use neargate_service::controller::{self, Controller};
use neargate_service::ctx::Settings;
use neargate_service::eni::Cursors;
use neargate_service::{AwsError, Caller, Db, House};
use neargate_store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct Options {
    pub data: PathBuf,
    pub account: AccountId,
    pub settings: Settings,
    /// A node elsewhere that is away for longer is lost.
    pub node_lease: Duration,
    /// Begin with no state when what there was is lost or damaged.
    pub new_state: bool,
    /// How long a service's task without health checks runs before it counts as healthy.
    pub service_settle: ecs::Settle,
}

/// Why the control plane could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("cannot make {path}")]
    Directory {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot open the blobs under {path}")]
    Blobs { path: PathBuf, source: BlobError },
    #[error("cannot open the logs under {path}")]
    Logs { path: PathBuf, source: EngineError },
}

/// A running control plane. Dropping it ends its controllers.
#[derive(Debug)]
pub struct Built {
    pub house: Arc<House>,
    pub ecs: Arc<Ecs>,
    pub ecr: Arc<Ecr>,
    pub logs: Arc<Logs>,
    pub account: AccountId,
    controllers: Vec<JoinHandle<()>>,
}

impl Drop for Built {
    fn drop(&mut self) {
        for controller in &self.controllers {
            controller.abort();
        }
    }
}

/// Open everything under `options.data` and start the controllers.
pub async fn build(
    options: Options,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
) -> Result<Built, BuildError> {
    let data = &options.data;
    std::fs::create_dir_all(data).map_err(|source| BuildError::Directory {
        path: data.clone(),
        source,
    })?;
    let store: Arc<dyn Store> = state_file::open(data, clock.clone(), options.new_state)?;
    let path = data.join("blobs");
    let blobs = Blobs::open(&path).map_err(|source| BuildError::Blobs { path, source })?;
    let path = data.join("logs");
    let engine = LogEngine::open(&path, clock.clone())
        .map_err(|source| BuildError::Logs { path, source })?;
    let house = Arc::new(House {
        db: Db::new(store),
        clock,
        addresses: Cursors::new(&rng),
        rng,
        blobs,
        caller: Caller::default(),
        settings: options.settings,
    });
    let ecs = Arc::new(Ecs::settling_in(options.service_settle));
    let ecr = Arc::new(Ecr::default());
    let logs = Arc::new(Logs::new(engine));
    house
        .caller
        .connect(crate::services::tables(&ecs, &ecr, &logs));
    let controllers = vec![
        start(
            &house,
            Expire {
                db: house.db.clone(),
                clock: house.clock.clone(),
            },
        ),
        start(
            &house,
            ForgetTokens {
                db: house.db.clone(),
            },
        ),
        start(
            &house,
            Deletion {
                db: house.db.clone(),
                fleet: ecs.fleet.clone(),
            },
        ),
        start(
            &house,
            Deregistration {
                db: house.db.clone(),
                fleet: ecs.fleet.clone(),
            },
        ),
        start(
            &house,
            Scheduler {
                ecs: ecs.clone(),
                house: house.clone(),
            },
        ),
        start(
            &house,
            TaskSets {
                ecs: ecs.clone(),
                house: house.clone(),
            },
        ),
        start(
            &house,
            Retention {
                db: house.db.clone(),
                engine: logs.engine.clone(),
            },
        ),
        task::spawn(
            "ecs-fleet",
            ecs::fleet::follow(
                ecs.fleet.clone(),
                ecs.nodes.clone(),
                house.db.clone(),
                house.rng.clone(),
            ),
        ),
        task::spawn(
            "ecs-lost-nodes",
            ecs::lost::watch(house.clone(), ecs.clone(), options.node_lease),
        ),
        task::spawn(
            "ecs-events",
            ecs::events::follow(ecs.events.clone(), ecs.fleet.clone(), house.clone()),
        ),
        task::spawn(
            "ecs-agents",
            ecs::events::announce(ecs.clone(), house.db.clone(), house.rng.clone()),
        ),
        task::spawn("ecr-collector", ecr::collect::run(house.clone())),
    ];
    Ok(Built {
        house,
        ecs,
        ecr,
        logs,
        account: options.account,
        controllers,
    })
}

fn start(house: &House, controller: impl Controller) -> JoinHandle<()> {
    let (db, clock, rng) = (house.db.clone(), house.clock.clone(), house.rng.clone());
    task::spawn(
        controller.name(),
        controller::run(Arc::new(controller), db, clock, rng),
    )
}

impl Built {
    /// Stop every task at once, then forget everything: the development-mode reset. Nodes of other
    /// hosts stay nodes; those that are away stop their tasks when they come back.
    ///
    /// # Errors
    /// When a store cannot be emptied.
    pub async fn reset(&self) -> Result<(), AwsError> {
        let db = &self.house.db;
        // Services would replace what is stopped.
        let _held = self.ecs.hold().await;
        let nodes = ecs::elsewhere(&self.house).await?;
        let here = |node: &str| !nodes.contains(node) || self.ecs.nodes.is_connected(node);
        ecs::halt(&self.house, here).await?;
        let known = db.list_prefix::<KnownNode>(&KnownNode::prefix()).await?;
        db.store().wipe().await?;
        for node in known.into_iter().filter(|n| !n.dismissed) {
            let kept = KnownNode {
                instance: None,
                ..node.value
            };
            // Without a compare there is no conflict.
            let _ = db.tx().put(node.key, &kept).commit().await?;
        }
        self.logs.wipe().await
    }
}
