//! Fixtures: assignments, and fakes of everything around the agent.

mod clock_set;
mod command;
mod driver;
pub mod fakes;
mod firelens;
mod health;
mod ledger;
mod plan;
mod properties;
mod restart;
mod shipping;

use super::state::TaskState;
use neargate_base::{AccountId, Region, Timestamp};
use neargate_domain::{
    Assignment, ContainerSpec, DesiredState, ImageRef, LaunchType, LogTarget, NetworkInterface,
    TaskNetwork,
};

pub const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub fn at(millis: u64) -> Timestamp {
    T0 + std::time::Duration::from_millis(millis)
}

pub fn container(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        image: ImageRef {
            name: format!("{name}:latest"),
        },
        essential: true,
        entry_point: None,
        command: None,
        environment: [].into(),
        working_directory: None,
        user: None,
        hostname: None,
        cpu_units: None,
        memory_mib: None,
        memory_reservation_mib: None,
        read_only_root: false,
        privileged: false,
        cap_add: vec![],
        cap_drop: vec![],
        init_process: false,
        shm_size_mib: None,
        tmpfs: vec![],
        ulimits: vec![],
        sysctls: [].into(),
        extra_hosts: vec![],
        interactive: false,
        pseudo_terminal: false,
        stop_timeout_secs: 30,
        start_timeout_secs: 0,
        port_mappings: vec![],
        health_check: None,
        restart_policy: None,
        arn: None,
        labels: [].into(),
        secrets: Vec::new(),
        repository_credentials: None,
        network: Default::default(),
        depends_on: vec![],
        log: None,
        ..ContainerSpec::default()
    }
}

pub fn sidecar(name: &str) -> ContainerSpec {
    ContainerSpec {
        essential: false,
        ..container(name)
    }
}

pub fn after(mut spec: ContainerSpec, on: &str, condition: &str) -> ContainerSpec {
    spec.depends_on.push((on.into(), condition.into()));
    spec
}

pub fn logged(spec: ContainerSpec) -> ContainerSpec {
    let log = Some(LogTarget {
        account: AccountId::default(),
        region: Region::default(),
        group: "/ecs/web".into(),
        stream: format!("ecs/{}/0", spec.name),
        create_group: false,
        multiline: None,
    });
    ContainerSpec { log, ..spec }
}

pub fn assignment(containers: Vec<ContainerSpec>) -> Assignment {
    Assignment {
        task_id: "0123456789abcdef0123456789abcdef".into(),
        task_arn:
            "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef"
                .into(),
        account: AccountId::default(),
        region: Region::default(),
        cluster: "default".into(),
        family: "web".into(),
        revision: 1,
        generation: 1,
        desired: DesiredState::Running,
        cpu_units: Some(256),
        memory_mib: Some(512),
        ephemeral_storage_gib: None,
        network: TaskNetwork::Awsvpc(NetworkInterface {
            id: "eni-0123456789abcdef0".into(),
            mac: "02:00:00:00:00:05".into(),
            private_ipv4: [172, 31, 0, 5].into(),
            prefix_len: 20,
            gateway: [172, 31, 0, 1].into(),
            vpc_cidr: "172.31.0.0/16".into(),
            subnet_id: "subnet-1".into(),
            vpc_id: "vpc-1".into(),
            security_groups: vec![],
            private_dns_name: "ip-172-31-0-5.ec2.internal".into(),
            domain_name: None,
            availability_zone: "us-east-1a".into(),
            in_default_vpc: true,
            public_ipv4: None,
        }),
        launch_type: LaunchType::Fargate,
        container_instance_arn: None,
        task_role_arn: None,
        execution_role_arn: None,
        service_name: None,
        containers,
        volumes: Vec::new(),
        pid_mode: None,
        ipc_mode: None,
        proxy: None,
        fault_injection: false,
    }
}

/// A network for up to four containers.
pub fn links() -> std::sync::Arc<super::seams::TaskLinks> {
    vec![Ok(super::seams::Joined::default()); 4].into()
}

pub fn stop(assignment: &Assignment) -> Assignment {
    Assignment {
        generation: assignment.generation + 1,
        desired: DesiredState::Stopped,
        ..assignment.clone()
    }
}

pub fn new_task(containers: Vec<ContainerSpec>) -> TaskState {
    TaskState::new(assignment(containers), T0)
}
