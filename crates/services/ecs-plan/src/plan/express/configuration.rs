//! What an Express service may be asked to be: defaults, what an update leaves as it was, the task definition.
//!
//! Defaults are the API reference's
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateExpressGatewayService.html>).

use super::CONTAINER;
use crate::error;
use neargate_api_ecs as api;
use neargate_service::AwsError;
use std::collections::BTreeMap;

const CPU: &str = "256";
const MEMORY: &str = "512";
const PATH: &str = "/ping";
const PORT: i32 = 80;
const METRIC: &str = "AVERAGE_CPU";
const TARGET: i32 = 60;
const MIN_TASKS: i32 = 1;
const MAX_TASKS: i32 = 20;
/// Elastic Load Balancing's own limit of a path of health checks.
const MAX_PATH: usize = 1_024;

/// What of a call makes a configuration; a creation and an update have the same members.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub execution_role_arn: Option<String>,
    pub task_role_arn: Option<String>,
    pub task_definition_arn: Option<String>,
    pub primary_container: Option<api::ExpressGatewayContainer>,
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub cpu_architecture: Option<String>,
    pub health_check_path: Option<String>,
    pub network: Option<api::ExpressGatewayServiceNetworkConfiguration>,
    pub scaling_target: Option<api::ExpressGatewayScalingTarget>,
}

/// The configuration that is asked for on top of the one before. What is known only later, such as the task
/// definition that is made of it, is not set.
///
/// # Errors
/// `InvalidParameterException`.
pub fn of(
    before: Option<&api::ExpressGatewayServiceConfiguration>,
    asked: Asked,
    log_group: &str,
) -> Result<api::ExpressGatewayServiceConfiguration, AwsError> {
    let old = before.cloned().unwrap_or_default();
    let path = asked.health_check_path.or(old.health_check_path);
    let path = path.unwrap_or_else(|| PATH.into());
    if !path.starts_with('/') || path.len() > MAX_PATH {
        return Err(error::invalid_parameter(
            "The health check path must start with a forward slash and have at most 1024 characters.",
        ));
    }
    let mut new = api::ExpressGatewayServiceConfiguration {
        health_check_path: Some(path),
        network_configuration: network(old.network_configuration, asked.network),
        scaling_target: Some(scaling(old.scaling_target, asked.scaling_target)?),
        ..Default::default()
    };
    if let Some(definition) = asked.task_definition_arn {
        let others = [
            ("primaryContainer", asked.primary_container.is_some()),
            ("executionRoleArn", asked.execution_role_arn.is_some()),
            ("taskRoleArn", asked.task_role_arn.is_some()),
            ("cpu", asked.cpu.is_some()),
            ("memory", asked.memory.is_some()),
            ("cpuArchitecture", asked.cpu_architecture.is_some()),
        ];
        if let Some((what, _)) = others.iter().find(|(_, given)| *given) {
            return Err(error::invalid_parameter(format!(
                "{what} cannot be specified together with taskDefinitionArn."
            )));
        }
        new.task_definition_arn = Some(definition);
        return Ok(new);
    }
    let changed = asked.primary_container.is_some()
        || asked.execution_role_arn.is_some()
        || asked.task_role_arn.is_some()
        || asked.cpu.is_some()
        || asked.memory.is_some()
        || asked.cpu_architecture.is_some();
    if !changed && before.is_some() {
        // The same tasks as before, whoever wrote their definition.
        return Ok(api::ExpressGatewayServiceConfiguration {
            execution_role_arn: old.execution_role_arn,
            task_role_arn: old.task_role_arn,
            task_definition_arn: old.task_definition_arn,
            primary_container: old.primary_container,
            cpu: old.cpu,
            memory: old.memory,
            cpu_architecture: old.cpu_architecture,
            ..new
        });
    }
    let required = |what: &str| error::invalid_parameter(format!("{what} is required."));
    let container = asked.primary_container.or(old.primary_container);
    let container = container.ok_or_else(|| required("primaryContainer"))?;
    new.primary_container = Some(filled(container, log_group)?);
    let role = asked.execution_role_arn.or(old.execution_role_arn);
    new.execution_role_arn = Some(role.ok_or_else(|| required("executionRoleArn"))?);
    new.task_role_arn = asked.task_role_arn.or(old.task_role_arn);
    new.cpu = asked.cpu.or(old.cpu).or_else(|| Some(CPU.into()));
    new.memory = asked.memory.or(old.memory).or_else(|| Some(MEMORY.into()));
    let architecture = asked.cpu_architecture.or(old.cpu_architecture);
    new.cpu_architecture = Some(architecture.unwrap_or_else(|| "X86_64".into()));
    Ok(new)
}

/// Each member that is given replaces the one before.
fn network(
    old: Option<api::ExpressGatewayServiceNetworkConfiguration>,
    asked: Option<api::ExpressGatewayServiceNetworkConfiguration>,
) -> Option<api::ExpressGatewayServiceNetworkConfiguration> {
    let (old, asked) = (old.unwrap_or_default(), asked.unwrap_or_default());
    let some = |of: Option<Vec<String>>| of.filter(|of| !of.is_empty());
    Some(api::ExpressGatewayServiceNetworkConfiguration {
        security_groups: some(asked.security_groups).or(old.security_groups),
        subnets: some(asked.subnets).or(old.subnets),
    })
}

fn scaling(
    old: Option<api::ExpressGatewayScalingTarget>,
    asked: Option<api::ExpressGatewayScalingTarget>,
) -> Result<api::ExpressGatewayScalingTarget, AwsError> {
    let (old, asked) = (old.unwrap_or_default(), asked.unwrap_or_default());
    let least = asked.min_task_count.or(old.min_task_count);
    let least = least.unwrap_or(MIN_TASKS);
    let most = asked.max_task_count.or(old.max_task_count);
    let most = most.unwrap_or(MAX_TASKS.max(least));
    let value = asked
        .auto_scaling_target_value
        .or(old.auto_scaling_target_value);
    let value = value.unwrap_or(TARGET);
    let metric = asked.auto_scaling_metric.or(old.auto_scaling_metric);
    if least < 1 || most < least {
        return Err(error::invalid_parameter(
            "minTaskCount must be at least 1 and not greater than maxTaskCount.",
        ));
    }
    if value < 1 {
        return Err(error::invalid_parameter(
            "autoScalingTargetValue must be greater than 0.",
        ));
    }
    Ok(api::ExpressGatewayScalingTarget {
        min_task_count: Some(least),
        max_task_count: Some(most),
        auto_scaling_metric: Some(metric.unwrap_or_else(|| METRIC.into())),
        auto_scaling_target_value: Some(value),
    })
}

/// With its port and where it logs to.
fn filled(
    given: api::ExpressGatewayContainer,
    log_group: &str,
) -> Result<api::ExpressGatewayContainer, AwsError> {
    let port = given.container_port.unwrap_or(PORT);
    if !(1..=65_535).contains(&port) {
        return Err(error::invalid_parameter(
            "Container port must be between 1 and 65535.",
        ));
    }
    if given.image.trim().is_empty() {
        return Err(error::invalid_parameter(
            "Container.image should not be null or empty.",
        ));
    }
    let logs = given.aws_logs_configuration.clone();
    Ok(api::ExpressGatewayContainer {
        container_port: Some(port),
        aws_logs_configuration: Some(logs.unwrap_or_else(|| {
            api::ExpressGatewayServiceAwsLogsConfiguration {
                log_group: log_group.to_owned(),
                log_stream_prefix: "ecs".into(),
            }
        })),
        ..given
    })
}

/// The task definition of a configuration that has a primary container.
pub fn definition(
    family: &str,
    region: &str,
    of: &api::ExpressGatewayServiceConfiguration,
) -> Option<api::RegisterTaskDefinitionInput> {
    let container = of.primary_container.as_ref()?;
    let port = container.container_port?;
    let logs = container.aws_logs_configuration.as_ref()?;
    let options = [
        ("awslogs-group", logs.log_group.as_str()),
        ("awslogs-stream-prefix", &logs.log_stream_prefix),
        ("awslogs-region", region),
    ];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let credentials = container.repository_credentials.as_ref();
    let credentials = credentials.and_then(|c| c.credentials_parameter.clone());
    Some(api::RegisterTaskDefinitionInput {
        family: family.to_owned(),
        task_role_arn: of.task_role_arn.clone(),
        execution_role_arn: of.execution_role_arn.clone(),
        network_mode: Some("awsvpc".into()),
        requires_compatibilities: Some(vec!["FARGATE".into()]),
        cpu: of.cpu.clone(),
        memory: of.memory.clone(),
        runtime_platform: Some(api::RuntimePlatform {
            cpu_architecture: of.cpu_architecture.clone(),
            operating_system_family: Some("LINUX".into()),
        }),
        container_definitions: vec![api::ContainerDefinition {
            name: Some(CONTAINER.into()),
            image: Some(container.image.clone()),
            essential: Some(true),
            command: container.command.clone(),
            environment: container.environment.clone(),
            secrets: container.secrets.clone(),
            repository_credentials: credentials.map(|parameter| api::RepositoryCredentials {
                credentials_parameter: parameter,
            }),
            port_mappings: Some(vec![api::PortMapping {
                container_port: Some(port),
                protocol: Some("tcp".into()),
                name: Some(format!("main-{port}-tcp")),
                app_protocol: Some("http".into()),
                ..Default::default()
            }]),
            log_configuration: Some(api::LogConfiguration {
                log_driver: "awslogs".into(),
                options: Some(BTreeMap::from(options)),
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    })
}

/// The port of a customer's own task definition that traffic goes to.
///
/// # Errors
/// What an Express service cannot run.
pub fn port_of(definition: &api::TaskDefinition) -> Result<u16, AwsError> {
    let refused = |what: &str| {
        Err(error::invalid_parameter(format!(
            "The task definition must have {what}."
        )))
    };
    let mut compatible = definition.compatibilities.iter().flatten();
    if !compatible.any(|c| c == "FARGATE") {
        return refused("FARGATE compatibility");
    }
    let mut containers = definition.container_definitions.iter().flatten();
    let Some(main) = containers.find(|c| c.name.as_deref() == Some(CONTAINER)) else {
        return refused("a container named Main");
    };
    let tcp = |m: &&api::PortMapping| m.protocol.as_deref().unwrap_or("tcp") == "tcp";
    let ports: Vec<_> = main.port_mappings.iter().flatten().filter(tcp).collect();
    let named = |m: &&&api::PortMapping| m.name.as_ref().is_some_and(|n| !n.is_empty());
    match (ports.as_slice(), ports.first().filter(named)) {
        ([_], Some(mapping)) => {
            let port = mapping.container_port.and_then(|p| u16::try_from(p).ok());
            port.filter(|p| *p > 0)
                .map_or_else(|| refused("a container port"), Ok)
        }
        _ => refused(
            "a single TCP port mapping that includes a container port and port name in the container named Main",
        ),
    }
}
