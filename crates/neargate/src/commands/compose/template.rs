//! A project as a CloudFormation template: a VPC of its own whose domain services find one another in,
//! a security group for each network, a cluster, and for each service a task definition and an ECS
//! service that Cloud Map knows. Pure.

use super::model::{Condition, Project, Service};
use super::size;
use neargate_wire::sigv4::sha256_hex;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Ranges of VPCs may be the same: nothing leads from one to another.
const RANGE: &str = "10.200.0.0/16";
const SUBNET: &str = "10.200.0.0/20";

/// How long names are remembered, in seconds.
const TTL: u64 = 5;

/// The cluster of a project, which is its stack's name, too.
pub fn stack_name(project: &str) -> String {
    format!("compose-{project}")
}

/// The domain that a project's services are in.
pub fn domain(project: &str) -> String {
    format!("{project}.internal")
}

/// The parameter that a secret is given in.
pub fn secret_parameter(secret: &str) -> String {
    id("Value", secret)
}

/// The elastic file system that a named volume is.
pub fn file_system(kept: &str) -> String {
    let hash = sha256_hex(format!("compose/{kept}").as_bytes());
    format!("fs-{}", &hash[..17])
}

/// The template. `images` are the names of services' images, as they are pulled.
///
/// # Errors
/// A service that is larger than Fargate's tasks.
pub fn template(project: &Project, images: &BTreeMap<String, String>) -> Result<Value, String> {
    let mut resources = network(project);
    let mut add = |name: String, kind: &str, properties: Value| {
        resources.insert(name, json!({"Type": kind, "Properties": properties}));
    };
    let stack = stack_name(&project.name);
    add(
        "Cluster".into(),
        "AWS::ECS::Cluster",
        json!({"ClusterName": stack}),
    );
    add(
        "Logs".into(),
        "AWS::Logs::LogGroup",
        json!({"LogGroupName": format!("/compose/{}", project.name)}),
    );
    add("ExecutionRole".into(), "AWS::IAM::Role", role(project));
    add(
        "Namespace".into(),
        "AWS::ServiceDiscovery::PrivateDnsNamespace",
        json!({"Name": domain(&project.name), "Vpc": {"Ref": "Vpc"}}),
    );
    for name in project.secrets.keys() {
        add(
            id("Secret", name),
            "AWS::SecretsManager::Secret",
            json!({
                "Name": format!("{stack}/{name}"),
                "SecretString": {"Ref": secret_parameter(name)},
            }),
        );
    }
    for (name, service) in project.own_services() {
        add(
            id("Name", name),
            "AWS::ServiceDiscovery::Service",
            json!({
                "Name": name,
                "NamespaceId": {"Ref": "Namespace"},
                "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": TTL}]},
                "HealthCheckCustomConfig": {"FailureThreshold": 1},
            }),
        );
        add(
            id("Task", name),
            "AWS::ECS::TaskDefinition",
            task(project, name, service, images)?,
        );
    }
    for (name, service) in project.own_services() {
        resources.insert(id("Service", name), ecs_service(project, name, service));
    }
    let parameters: Map<String, Value> = project
        .secrets
        .keys()
        .map(|name| {
            let parameter = json!({"Type": "String", "NoEcho": true});
            (secret_parameter(name), parameter)
        })
        .collect();
    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("The Compose project {}", project.name),
        "Resources": resources,
    });
    if !parameters.is_empty() {
        template["Parameters"] = Value::Object(parameters);
    }
    Ok(template)
}

/// The VPC, its way to the internet, and a security group for each network.
fn network(project: &Project) -> Map<String, Value> {
    let vpc = json!({"Ref": "Vpc"});
    let named = json!([{"Key": "Name", "Value": stack_name(&project.name)}]);
    let all = [
        (
            "Vpc",
            json!({"Type": "AWS::EC2::VPC", "Properties": {
                "CidrBlock": RANGE, "EnableDnsSupport": true, "EnableDnsHostnames": true, "Tags": named}}),
        ),
        (
            "Domain",
            json!({"Type": "AWS::EC2::DHCPOptions", "Properties": {
                "DomainName": domain(&project.name), "DomainNameServers": ["AmazonProvidedDNS"]}}),
        ),
        (
            "DomainOfVpc",
            json!({"Type": "AWS::EC2::VPCDHCPOptionsAssociation", "Properties": {
                "VpcId": vpc, "DhcpOptionsId": {"Ref": "Domain"}}}),
        ),
        (
            "Gateway",
            json!({"Type": "AWS::EC2::InternetGateway", "Properties": {}}),
        ),
        (
            "GatewayOfVpc",
            json!({"Type": "AWS::EC2::VPCGatewayAttachment", "Properties": {
                "VpcId": vpc, "InternetGatewayId": {"Ref": "Gateway"}}}),
        ),
        (
            "Subnet",
            json!({"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": vpc, "CidrBlock": SUBNET}}),
        ),
        (
            "Routes",
            json!({"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": vpc}}),
        ),
        (
            "RoutesOfSubnet",
            json!({"Type": "AWS::EC2::SubnetRouteTableAssociation", "Properties": {
                "SubnetId": {"Ref": "Subnet"}, "RouteTableId": {"Ref": "Routes"}}}),
        ),
        (
            "Outwards",
            json!({"Type": "AWS::EC2::Route", "DependsOn": "GatewayOfVpc", "Properties": {
                "RouteTableId": {"Ref": "Routes"}, "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": {"Ref": "Gateway"}}}),
        ),
    ];
    let mut resources: Map<String, Value> = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for name in project.networks.keys() {
        let group = id("Network", name);
        let description = format!("The network {name} of the Compose project {}", project.name);
        let made = json!({"Type": "AWS::EC2::SecurityGroup", "Properties": {
            "GroupDescription": description, "VpcId": vpc}});
        let among = json!({"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {
            "GroupId": group_id(name), "IpProtocol": "-1", "SourceSecurityGroupId": group_id(name)}});
        resources.insert(group, made);
        resources.insert(id("Among", name), among);
    }
    resources
}

fn group_id(network: &str) -> Value {
    json!({"Fn::GetAtt": [id("Network", network), "GroupId"]})
}

fn role(project: &Project) -> Value {
    let mut role = json!({
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]},
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"],
    });
    if !project.secrets.is_empty() {
        let secrets: Vec<Value> = project
            .secrets
            .keys()
            .map(|name| json!({"Ref": id("Secret", name)}))
            .collect();
        role["Policies"] = json!([{"PolicyName": "secrets", "PolicyDocument": {
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets}]}}]);
    }
    role
}

fn ecs_service(project: &Project, name: &str, service: &Service) -> Value {
    let before = project.before(name);
    let group = std::iter::once(service);
    let group = group.chain(before.iter().map(|name| &project.services[*name]));
    let mut waits: BTreeSet<String> = ["Outwards", "RoutesOfSubnet", "DomainOfVpc"]
        .map(str::to_owned)
        .into();
    waits.extend(service.networks.iter().map(|network| id("Among", network)));
    for member in group.clone() {
        let others = member.depends_on.iter();
        let others = others.filter(|(_, condition)| **condition != Condition::Completed);
        waits.extend(others.map(|(name, _)| id("Service", name)));
    }
    let internal = |network: &String| project.networks.get(network).copied().unwrap_or(false);
    let public = match service.networks.iter().all(internal) {
        true => "DISABLED",
        false => "ENABLED",
    };
    let groups: Vec<Value> = service.networks.iter().map(|name| group_id(name)).collect();
    // Two tasks that write the same files at a time would be the end of many a database.
    let writes = group
        .flat_map(|member| &member.mounts)
        .any(|mount| !mount.read_only);
    let (least, most) = if writes { (0, 100) } else { (100, 200) };
    json!({
        "Type": "AWS::ECS::Service",
        "DependsOn": waits,
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "ServiceName": name,
            "TaskDefinition": {"Ref": id("Task", name)},
            "DesiredCount": service.replicas,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"AwsvpcConfiguration": {
                "AssignPublicIp": public, "SecurityGroups": groups, "Subnets": [{"Ref": "Subnet"}]}},
            "ServiceRegistries": [{"RegistryArn": {"Fn::GetAtt": [id("Name", name), "Arn"]}}],
            "DeploymentConfiguration": {
                "MinimumHealthyPercent": least, "MaximumPercent": most,
                "DeploymentCircuitBreaker": {"Enable": true, "Rollback": true}},
        },
    })
}

fn task(
    project: &Project,
    name: &str,
    service: &Service,
    images: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let before = project.before(name);
    let mut members: Vec<(&str, &Service)> = vec![(name, service)];
    members.extend(before.iter().map(|name| (*name, &project.services[*name])));
    // Containers of a task run beside each other, those that end first before the other one.
    let most = |of: fn(&Service) -> Option<u64>| members.iter().filter_map(|(_, s)| of(s)).max();
    let cpu = most(|s| s.cpu_units).unwrap_or(256);
    let memory = most(|s| s.memory_mib.max(s.memory_reservation_mib)).unwrap_or(512);
    let (cpu, memory) = size::fargate(cpu, memory).ok_or_else(|| {
        format!("services.{name} wants {cpu} CPU units and {memory} MiB, which no Fargate task has")
    })?;
    let mut volumes: BTreeMap<String, Value> = BTreeMap::new();
    let mut containers = Vec::new();
    for (member, of) in &members {
        for mount in &of.mounts {
            let kept = &project.volumes[&mount.volume];
            let system = json!({
                "Name": mount.volume,
                "EFSVolumeConfiguration": {"FilesystemId": file_system(kept)},
            });
            volumes.insert(mount.volume.clone(), system);
        }
        for n in 0..of.scratch.len() {
            let name = scratch(member, n);
            volumes.insert(name.clone(), json!({"Name": name}));
        }
        let image = images.get(*member).cloned().unwrap_or_default();
        let waits = match *member == name {
            true => before.clone(),
            false => Vec::new(),
        };
        containers.push(container(
            project,
            member,
            of,
            &image,
            &waits,
            *member == name,
        ));
    }
    Ok(json!({
        "Family": format!("{}-{name}", stack_name(&project.name)),
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": cpu.to_string(),
        "Memory": memory.to_string(),
        "ExecutionRoleArn": {"Fn::GetAtt": ["ExecutionRole", "Arn"]},
        "Volumes": volumes.into_values().collect::<Vec<_>>(),
        "ContainerDefinitions": containers,
    }))
}

fn scratch(service: &str, n: usize) -> String {
    format!("{service}-scratch-{n}")
}

fn container(
    project: &Project,
    name: &str,
    service: &Service,
    image: &str,
    waits: &[&str],
    essential: bool,
) -> Value {
    let mut made = json!({
        "Name": name,
        "Image": image,
        "Essential": essential,
        "LogConfiguration": {"LogDriver": "awslogs", "Options": {
            "awslogs-group": {"Ref": "Logs"},
            "awslogs-region": {"Ref": "AWS::Region"},
            "awslogs-stream-prefix": "compose"}},
    });
    let mut set = |key: &str, value: Value| made[key] = value;
    if let Some(command) = &service.command {
        set("Command", json!(command));
    }
    if let Some(entrypoint) = &service.entrypoint {
        set("EntryPoint", json!(entrypoint));
    }
    if !service.environment.is_empty() {
        let all = service.environment.iter();
        let all = all.map(|(name, value)| json!({"Name": name, "Value": value}));
        set("Environment", all.collect());
    }
    if !service.secrets.is_empty() {
        let all = service.secrets.iter();
        let all =
            all.map(|(name, of)| json!({"Name": name, "ValueFrom": {"Ref": id("Secret", of)}}));
        set("Secrets", all.collect());
    }
    if let Some(health) = &service.health {
        set(
            "HealthCheck",
            json!({
                "Command": health.test, "Interval": health.interval_seconds,
                "Timeout": health.timeout_seconds, "Retries": health.retries,
                "StartPeriod": health.start_seconds}),
        );
    }
    let ports: BTreeSet<u16> = service.ports.iter().map(|port| port.container).collect();
    if !ports.is_empty() {
        let ports = ports.into_iter();
        set(
            "PortMappings",
            ports.map(|port| json!({"ContainerPort": port})).collect(),
        );
    }
    let mounts = service.mounts.iter().map(|mount| {
        json!({"SourceVolume": mount.volume, "ContainerPath": mount.target, "ReadOnly": mount.read_only})
    });
    let scratches = service
        .scratch
        .iter()
        .enumerate()
        .map(|(n, target)| json!({"SourceVolume": scratch(name, n), "ContainerPath": target}));
    let mounts: Vec<Value> = mounts.chain(scratches).collect();
    if !mounts.is_empty() {
        set("MountPoints", Value::Array(mounts));
    }
    if !waits.is_empty() {
        let waits = waits
            .iter()
            .map(|name| json!({"ContainerName": name, "Condition": "SUCCESS"}));
        set("DependsOn", waits.collect());
    }
    if let Some(mib) = service.memory_mib {
        set("Memory", json!(mib));
    }
    if let Some(mib) = service.memory_reservation_mib {
        let hard = service.memory_mib.unwrap_or(u64::MAX);
        set("MemoryReservation", json!(mib.min(hard)));
    }
    for (key, value) in [
        ("User", &service.user),
        ("WorkingDirectory", &service.working_dir),
    ] {
        if let Some(value) = value {
            set(key, json!(value));
        }
    }
    let switches = [
        ("ReadonlyRootFilesystem", service.read_only),
        ("Interactive", service.interactive),
        ("PseudoTerminal", service.terminal),
    ];
    for (key, _) in switches.iter().filter(|(_, on)| *on) {
        set(key, json!(true));
    }
    if let Some(seconds) = service.stop_seconds {
        set("StopTimeout", json!(seconds));
    }
    if let Some((soft, hard)) = service.open_files {
        set(
            "Ulimits",
            json!([{"Name": "nofile", "SoftLimit": soft, "HardLimit": hard}]),
        );
    }
    let mut linux = Map::new();
    if service.init {
        linux.insert("InitProcessEnabled".into(), json!(true));
    }
    let mut capabilities = Map::new();
    for (key, names) in [("Add", &service.cap_add), ("Drop", &service.cap_drop)] {
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(|n| n.trim_start_matches("CAP_")).collect();
            capabilities.insert(key.into(), json!(names));
        }
    }
    if !capabilities.is_empty() {
        linux.insert("Capabilities".into(), Value::Object(capabilities));
    }
    if !linux.is_empty() {
        set("LinuxParameters", Value::Object(linux));
    }
    let mut labels = service.labels.clone();
    labels.insert("com.docker.compose.project".into(), project.name.clone());
    labels.insert("com.docker.compose.service".into(), name.to_owned());
    set("DockerLabels", json!(labels));
    made
}

/// A logical id, of letters and digits only: no two names have the same.
fn id(prefix: &str, name: &str) -> String {
    let mut out = prefix.to_owned();
    let mut upper = true;
    for c in name.chars() {
        match c.is_ascii_alphanumeric() {
            true if upper => out.push(c.to_ascii_uppercase()),
            true => out.push(c),
            false => {}
        }
        upper = !c.is_ascii_alphanumeric();
    }
    let is_plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !is_plain {
        out.push_str(&sha256_hex(name.as_bytes())[..6]);
    }
    out
}
