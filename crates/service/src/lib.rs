//! Floor 2: what every AWS service shares: the operation table, the call context, errors,
//! typed resources, paging, tags, idempotency, wildcards, the internal caller and the controller
//! driver.
//!
//! It knows no service by name; a service (floor 4) is a crate that hands the house a [`Component`].

pub mod alarm;
pub mod authority;
pub mod caller;
pub mod certificate;
pub mod component;
pub mod controller;
pub mod cron;
pub mod ctx;
pub mod data_keys;
pub mod db;
pub mod deliver;
pub mod dns;
pub mod door;
pub mod eni;
pub mod error;
pub mod event_pattern;
pub mod events;
mod forward;
#[doc(hidden)]
pub mod golden;
pub mod idempotency;
pub mod identity;
pub mod instance;
pub mod invocation;
pub mod journal;
mod linked_role;
pub mod mail;
pub mod managed;
pub mod metrics;
pub mod outbound;
pub mod page;
pub mod scaling;
pub mod schedule;
pub mod sealing;
pub mod session;
pub mod table;
pub mod tags;
pub mod target_health;
pub mod vpc;
pub mod wildcard;

pub use caller::Caller;
pub use component::{AfterReset, Background, Component};
pub use ctx::{Ctx, House, Scope, Settings};
pub use db::{Committed, Db, Resource, Stored, Tx};
pub use error::{AwsError, Fault};
pub use identity::Principal;
pub use table::{OperationTable, Service, Status};
