//! Floor 1: the nouns that cross a wall between API, controllers, node and edge, and their
//! state machines. No I/O, no AWS wire shapes: those stay in `api`.

pub mod assignment;
pub mod network;
pub mod report;
pub mod task;
pub mod vpc;

pub use assignment::{Assignment, ContainerSpec, DesiredState, ImageRef, LogLine, LogTarget};
pub use network::NetworkInterface;
pub use report::{ContainerReport, ContainerStatus, TaskReport, TaskStopped};
pub use task::{TaskEvent, TaskStatus};
