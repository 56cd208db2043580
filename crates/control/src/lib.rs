//! Floor 4: the control plane. The gateway turns requests into calls of the services; the
//! house puts services, store and blobs together; the node port is how nodes ask for work and
//! report.

pub mod accounts;
mod budget;
mod error;
pub mod gateway;
pub mod house;
pub mod instance_metadata;
pub mod node_api;
pub mod node_port;
pub mod operator;
pub mod pages;
mod people;
pub mod port_certificate;
mod private_file;
pub mod publications;
pub mod root_credentials;
pub mod root_key;
pub mod services;
mod state_file;

pub use gateway::Gateway;
pub use house::{ControlPlane, Options, StartError};
pub use node_api::NodeApi;
pub use node_port::NodePort;
pub use root_key::RootKeyError;
pub use state_file::StateError;
