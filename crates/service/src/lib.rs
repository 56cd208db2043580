//! Floor 2: what every AWS service shares: the operation table, the call context, errors,
//! typed resources, paging, tags, the internal caller and the controller driver.
//!
//! It knows no service by name; services (floor 3) are folders that fill an [`OperationTable`].

pub mod caller;
pub mod controller;
pub mod ctx;
pub mod db;
pub mod eni;
pub mod error;
#[doc(hidden)]
pub mod golden;
pub mod page;
pub mod table;
pub mod tags;

pub use caller::Caller;
pub use ctx::{Ctx, House, Principal, Scope, Settings};
pub use db::{Committed, Db, Resource, Stored, Tx};
pub use error::{AwsError, Fault};
pub use table::{OperationTable, Service, Status};
