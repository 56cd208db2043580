//! `compatibilities` and `requiresAttributes`: where a definition could run, and what a container
//! instance's agent must be capable of for it
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html>).
//! Which field asks for which attribute is read off definitions as AWS described them.

use super::{fargate, logs};
use neargate_api_ecs as api;
use std::collections::BTreeSet;

/// Where the definition could run: on Fargate only if it keeps all of Fargate's rules, on external
/// machines unless it wants an interface of its own, on managed instances if it says so.
pub(super) fn compatibilities(input: &api::RegisterTaskDefinitionInput) -> Vec<String> {
    let list: &[&str] = match input.network_mode.as_deref() {
        Some("awsvpc") if fargate::check(input).is_ok() => &["EC2", "FARGATE"],
        Some("awsvpc") => &["EC2"],
        _ => &["EXTERNAL", "EC2"],
    };
    let mut list: Vec<String> = list.iter().map(|c| (*c).to_owned()).collect();
    const MANAGED: &str = "MANAGED_INSTANCES";
    let mut asked = input.requires_compatibilities.iter().flatten();
    if asked.any(|c| c == MANAGED) {
        list.push(MANAGED.to_owned());
    }
    list
}

pub(super) fn required(input: &api::RegisterTaskDefinitionInput) -> Vec<api::Attribute> {
    let mut all = Attributes::default();
    all.of_task(input);
    let has_role = input
        .execution_role_arn
        .as_deref()
        .is_some_and(|r| !r.is_empty());
    for c in &input.container_definitions {
        all.of_container(c, has_role);
    }
    let attribute = |name| api::Attribute {
        name,
        ..Default::default()
    };
    all.0.into_iter().map(attribute).collect()
}

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|l| !l.is_empty())
}

#[derive(Default)]
struct Attributes(BTreeSet<String>);

impl Attributes {
    /// An older one: `com.amazonaws.ecs.capability.NAME`.
    fn older(&mut self, name: &str) {
        self.0
            .insert(format!("com.amazonaws.ecs.capability.{name}"));
    }

    /// A newer one: `ecs.capability.NAME`.
    fn newer(&mut self, name: &str) {
        self.0.insert(format!("ecs.capability.{name}"));
    }

    /// A version of Docker's API.
    fn docker(&mut self, version: &str) {
        self.older(&format!("docker-remote-api.{version}"));
    }

    fn of_task(&mut self, input: &api::RegisterTaskDefinitionInput) {
        let mode = input.network_mode.as_deref();
        if mode == Some("awsvpc") {
            self.newer("task-eni");
        }
        if matches!(mode, Some("awsvpc" | "host")) {
            self.docker("1.18");
        }
        if input
            .task_role_arn
            .as_deref()
            .is_some_and(|r| !r.is_empty())
        {
            let of_host = mode == Some("host");
            self.older(if of_host {
                "task-iam-role-network-host"
            } else {
                "task-iam-role"
            });
        }
        if input.pid_mode.is_some() || input.ipc_mode.is_some() {
            self.newer("pid-ipc-namespace-sharing");
        }
        if input.proxy_configuration.is_some() {
            self.newer("aws-appmesh");
        }
        if input.ephemeral_storage.is_some() {
            self.newer("extensible-ephemeral-storage");
        }
        if input.enable_fault_injection == Some(true) {
            self.newer("fault-injection");
        }
        for v in input.volumes.iter().flatten() {
            if let Some(docker) = &v.docker_volume_configuration {
                let driver = docker.driver.as_deref().filter(|d| !d.is_empty());
                self.newer(&format!("docker-plugin.{}", driver.unwrap_or("local")));
                self.docker("1.25");
            }
            if v.efs_volume_configuration.is_some() {
                self.newer("efs");
                self.newer("efsAuth");
                self.docker("1.25");
            }
            if v.fsx_windows_file_server_volume_configuration.is_some() {
                self.newer("fsxWindowsFileServer");
            }
        }
    }

    fn of_container(&mut self, c: &api::ContainerDefinition, has_role: bool) {
        if c.image.as_deref().is_some_and(|i| i.contains(".dkr.ecr.")) {
            self.older("ecr-auth");
            if has_role {
                self.newer("execution-role-ecr-pull");
            }
        }
        self.of_docker(c);
        self.of_logs(c, has_role);
        if let Some(check) = &c.health_check {
            self.newer("container-health-check");
            // `startPeriod` came with the later version.
            self.docker(if check.start_period.is_some() {
                "1.29"
            } else {
                "1.24"
            });
        }
        if some(&c.depends_on) || c.start_timeout.is_some() || c.stop_timeout.is_some() {
            self.newer("container-ordering");
        }
        for secret in c.secrets.iter().flatten() {
            self.newer(&format!("secrets.{}.environment-variables", store(secret)));
        }
        if some(&c.environment_files) {
            self.newer("env-files.s3");
        }
        if c.repository_credentials.is_some() {
            self.newer("private-registry-authentication.secretsmanager");
        }
        if some(&c.credential_specs) {
            self.newer("gmsa");
        }
        let mut ports = c.port_mappings.iter().flatten();
        if ports.any(|p| p.container_port_range.is_some()) {
            self.newer("network.container-port-range");
        }
        if c.restart_policy.as_ref().is_some_and(|r| r.enabled) {
            self.newer("container-restart-policy");
        }
    }

    /// What Docker could not always do. A list counts though it is empty.
    fn of_docker(&mut self, c: &api::ContainerDefinition) {
        let linux = c.linux_parameters.as_ref();
        let is_set = |s: &Option<String>| s.as_deref().is_some_and(|s| !s.is_empty());
        let versions = [
            (
                "1.17",
                is_set(&c.user)
                    || is_set(&c.hostname)
                    || is_set(&c.working_directory)
                    || c.readonly_root_filesystem == Some(true)
                    || c.disable_networking == Some(true)
                    || c.extra_hosts.is_some()
                    || c.dns_servers.is_some()
                    || c.dns_search_domains.is_some()
                    || linux.is_some_and(|l| some(&l.devices)),
            ),
            ("1.18", c.docker_labels.is_some() || c.ulimits.is_some()),
            ("1.21", c.memory_reservation.is_some()),
            (
                "1.22",
                linux.is_some_and(|l| l.shared_memory_size.is_some() || some(&l.tmpfs)),
            ),
            (
                "1.25",
                linux.is_some_and(|l| l.init_process_enabled == Some(true)),
            ),
            (
                "1.32",
                linux.is_some_and(|l| l.max_swap.is_some() || l.swappiness.is_some()),
            ),
        ];
        for (version, _) in versions.iter().filter(|(_, needed)| *needed) {
            self.docker(version);
        }
        for option in c.docker_security_options.iter().flatten() {
            match option.split([':', '=']).next() {
                Some("label") => self.older("selinux"),
                Some("apparmor") => self.older("apparmor"),
                Some("no-new-privileges") => self.docker("1.23"),
                _ => {}
            }
        }
        if c.privileged == Some(true) {
            self.older("privileged-container");
        }
    }

    fn of_logs(&mut self, c: &api::ContainerDefinition, has_role: bool) {
        if let Some(router) = &c.firelens_configuration {
            self.newer(&format!("firelens.{}", router.r#type));
            if let Some(kind) = logs::config_file_type(router) {
                self.newer(&format!("firelens.options.config.{kind}"));
            }
        }
        let Some(log) = &c.log_configuration else {
            return;
        };
        self.older(&format!("logging-driver.{}", log.log_driver));
        self.docker("1.19");
        for secret in log.secret_options.iter().flatten() {
            self.newer(&format!("secrets.{}.bootstrap.log-driver", store(secret)));
        }
        if log.log_driver != "awslogs" {
            return;
        }
        if has_role {
            self.newer("execution-role-awslogs");
        }
        let has = |option: &str| log.options.as_ref().is_some_and(|o| o.contains_key(option));
        if has("mode") || has("max-buffer-size") {
            self.docker("1.28");
        }
        if has("awslogs-create-group") {
            self.docker("1.29");
        }
    }
}

/// Where a secret is kept: in Secrets Manager, or in the parameter store, which takes plain names.
fn store(secret: &api::Secret) -> &'static str {
    match secret.value_from.split(':').nth(2) {
        Some("secretsmanager") => "asm",
        _ => "ssm",
    }
}
