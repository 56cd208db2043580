//! Every stored form of ECS is pinned.

use crate::model::{
    AccountSetting, Arrivals, CapacityProvider, ClientToken, Cluster, ContainerInstance, Family,
    InstanceSlice, KnownNode, Registered, Service, ServiceDeployment, ServiceEvent,
    ServiceRevision, Task, TaskDefinition,
};
use crate::model::{Agent, EventCursor, ExpressLoadBalancer, ExpressService, TaskSet};
use neargate_service::golden::check;

#[test]
fn stored_forms() {
    const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Cluster>(DIR);
    check::<Arrivals>(DIR);
    check::<Family>(DIR);
    check::<TaskDefinition>(DIR);
    check::<Task>(DIR);
    check::<ContainerInstance>(DIR);
    check::<InstanceSlice>(DIR);
    check::<KnownNode>(DIR);
    check::<ClientToken>(DIR);
    check::<EventCursor>(DIR);
    check::<Agent>(DIR);
    check::<TaskSet>(DIR);
    check::<ExpressService>(DIR);
    check::<ExpressLoadBalancer>(DIR);
    check::<Registered>(DIR);
    check::<CapacityProvider>(DIR);
    check::<AccountSetting>(DIR);
    check::<Service>(DIR);
    check::<ServiceEvent>(DIR);
    check::<ServiceRevision>(DIR);
    check::<ServiceDeployment>(DIR);
}
