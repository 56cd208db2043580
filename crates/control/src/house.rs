//! Puts one control plane together: store, blobs, logs, services, controllers.

use crate::accounts::Accounts;
use crate::root_key::{self, RootKeyError};
use crate::services::{self, Held};
use crate::state_file::{self, StateError};
use neargate_base::{AccountId, Clock, Rng};
use neargate_blob::{BlobError, Blobs, Extents};
use neargate_cloudwatch::{Engine as MetricEngine, EngineError as MetricError};
use neargate_codecommit::CodeCommit;
use neargate_ec2::Ec2;
use neargate_ecs::{Ecs, Times};
use neargate_elbv2::Elbv2;
use neargate_logs::{EngineError, LogEngine, Logs};
use neargate_route53::Route53;
use neargate_service::certificate;
use neargate_service::ctx::Settings;
use neargate_service::door::HttpDoor;
use neargate_service::eni::Cursors;
use neargate_service::events;
use neargate_service::identity::Seat;
use neargate_service::mail;
use neargate_service::metrics;
use neargate_service::outbound::Outbound;
use neargate_service::session::Sessions;
use neargate_service::{AwsError, Background, Caller, Component, Db, House};
use neargate_ses::Ses;
use neargate_ses::relay::Relay;
use neargate_sns::Sns;
use neargate_sqs::{Engine as MessageEngine, EngineError as MessageError};
use neargate_store::Store;
use neargate_wire::route::Door;
use neargate_xray::{Engine as TraceEngine, EngineError as TraceError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct Options {
    pub data: PathBuf,
    pub account: AccountId,
    pub settings: Settings,
    /// Begin with no state when what there was is lost or damaged.
    pub new_state: bool,
    /// Where the key comes from that secrets are sealed under.
    pub root_key: root_key::Source,
    pub times: Times,
    /// Where mails go; without it they stay in the outbox.
    pub relay: Option<Relay>,
}

/// Why the control plane could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot make {path}")]
    Directory {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    #[error("cannot open the blobs under {path}")]
    Blobs { path: PathBuf, source: BlobError },
    #[error("cannot read the accounts")]
    Accounts(#[source] AwsError),
    #[error("cannot open the objects under {path}")]
    Objects { path: PathBuf, source: BlobError },
    #[error("cannot open the logs under {path}")]
    Logs { path: PathBuf, source: EngineError },
    #[error("cannot open the mails under {path}")]
    Mails { path: PathBuf, source: BlobError },
    #[error("cannot open the metrics")]
    Metrics(#[source] MetricError),
    #[error("cannot open what is to be delivered, {path}")]
    Notifications {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot open the repositories of git under {path}")]
    Repositories {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot open the messages of queues")]
    Messages(#[source] MessageError),
    #[error("cannot open the traces of requests")]
    Traces(#[source] TraceError),
}

/// A running control plane. Dropping it ends its controllers.
#[derive(Debug)]
pub struct ControlPlane {
    pub house: Arc<House>,
    pub ec2: Arc<Ec2>,
    pub ecs: Arc<Ecs>,
    pub elbv2: Arc<Elbv2>,
    pub logs: Arc<Logs>,
    pub metrics: Arc<MetricEngine>,
    pub route53: Arc<Route53>,
    pub ses: Arc<Ses>,
    pub account: AccountId,
    pub accounts: Accounts,
    components: Vec<Arc<dyn Component>>,
    doors: BTreeMap<Door, Arc<dyn HttpDoor>>,
    _background: Background,
}

impl ControlPlane {
    /// Opens everything under `options.data` and starts the components.
    ///
    /// # Errors
    /// When something there cannot be opened.
    pub async fn start(
        options: Options,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
    ) -> Result<ControlPlane, StartError> {
        let data = &options.data;
        std::fs::create_dir_all(data).map_err(|source| StartError::Directory {
            path: data.clone(),
            source,
        })?;
        let store: Arc<dyn Store> = state_file::open(data, clock.clone(), options.new_state)?;
        let db = Db::new(store);
        let root_key = root_key::open(&options.root_key, data, &db).await?;
        let path = data.join("blobs");
        let blobs = Blobs::open(&path).map_err(|source| StartError::Blobs { path, source })?;
        let path = data.join("objects");
        let objects =
            Extents::open(&path).map_err(|source| StartError::Objects { path, source })?;
        let path = data.join("mails");
        let mails = Extents::open(&path).map_err(|source| StartError::Mails { path, source })?;
        let path = data.join("logs");
        let engine = LogEngine::open(&path, clock.clone())
            .map_err(|source| StartError::Logs { path, source })?;
        let metrics = MetricEngine::open(&data.join("metrics"), clock.clone());
        let metrics = metrics.map_err(StartError::Metrics)?;
        let path = data.join("notifications");
        let sns = Sns::open(&path).map_err(|source| StartError::Notifications { path, source })?;
        let path = data.join("git");
        let codecommit = CodeCommit::open(&path);
        let codecommit = codecommit.map_err(|source| StartError::Repositories { path, source })?;
        let outbound = Outbound::new(options.settings.reach.clone());
        let messages = MessageEngine::open(&data.join("messages"), clock.clone());
        let messages = messages.map_err(StartError::Messages)?;
        let traces = TraceEngine::open(&data.join("traces"), clock.clone());
        let traces = traces.map_err(StartError::Traces)?;
        let house = Arc::new(House {
            db,
            clock,
            addresses: Cursors::new(&rng),
            rng,
            blobs,
            caller: Caller::default(),
            settings: options.settings,
            root_key,
            identities: Seat::default(),
            metrics: metrics::Seat::default(),
            mail: mail::Seat::default(),
            events: events::Seat::default(),
            sessions: Sessions::default(),
            outbound,
            authority: certificate::Seat::default(),
        });
        let accounts = Accounts::open(house.clone()).await;
        let accounts = accounts.map_err(StartError::Accounts)?;
        let ec2 = Arc::new(Ec2::default());
        let ecs = Arc::new(Ecs::new(options.times));
        let logs = Arc::new(Logs::new(engine));
        let elbv2 = Arc::new(Elbv2::default());
        let route53 = Arc::<Route53>::default();
        let ses = Arc::new(Ses::new(mails, options.relay));
        let components = services::components(Held {
            ec2: ec2.clone(),
            ecs: ecs.clone(),
            elbv2: elbv2.clone(),
            logs: logs.clone(),
            route53: route53.clone(),
            ses: ses.clone(),
            objects,
            metrics: metrics.clone(),
            messages,
            traces,
            sns: Arc::new(sns),
            codecommit: Arc::new(codecommit),
        });
        let all = || components.iter().cloned();
        house.caller.connect(all().map(Component::table).collect());
        let mut background = Background::new(house.clone());
        all().for_each(|component| component.start(&mut background));
        for component in &components {
            component.ready().await;
        }
        all().for_each(|component| component.resume(&house));
        let doors = all().flat_map(Component::doors).collect();
        Ok(ControlPlane {
            house,
            ec2,
            ecs,
            elbv2,
            logs,
            metrics,
            route53,
            ses,
            account: options.account,
            accounts,
            components,
            doors,
            _background: background,
        })
    }

    /// What answers there; `None` when no component does.
    pub(crate) fn door(&self, door: Door) -> Option<&Arc<dyn HttpDoor>> {
        self.doors.get(&door)
    }

    /// Stops every task at once, then forgets everything: the development-mode reset.
    ///
    /// # Errors
    /// When a store cannot be emptied.
    pub async fn reset(&self) -> Result<(), AwsError> {
        let mut after = Vec::new();
        for component in &self.components {
            after.push(component.clone().reset(&self.house).await?);
        }
        self.house.db.store().wipe().await?;
        self.accounts.forget();
        root_key::mark(&self.house.root_key, &self.house.db).await?;
        for part in after {
            part.run().await?;
        }
        Ok(())
    }
}
