//! ECS Service Connect: a proxy in each task, by which it reaches other services of its namespace under names
//! of their own (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect.html>).
//!
//! [`check`] is what a configuration may be, [`task`] puts the proxy into a task, [`endpoints`] knows in memory
//! which tasks are behind each name, and [`source`] tells the proxies, by what [`compile`] makes of it.

mod check;
mod compile;
mod endpoints;
mod namespaces;
mod source;
mod task;

pub(crate) use check::checked;
pub use endpoints::Endpoints;
pub(crate) use endpoints::follow;
pub(crate) use namespaces::find as namespace;
pub use source::ConnectSource;
pub(crate) use task::{aliases, join, services_of};
