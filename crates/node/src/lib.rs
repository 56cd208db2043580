//! Floor 4: the node. It runs the containers of the tasks assigned to it: images, network
//! interfaces, cgroups, processes, logs. It knows `domain`'s nouns only: no API, no store.

pub mod about;
pub mod agent;
pub mod build;
pub mod capability;
pub mod cgroup;
pub mod image;
pub mod net;
pub mod remote;
pub mod runtime;
pub mod seccomp;
pub mod shim;
pub mod slice;
pub mod upstream;
pub mod volume;
