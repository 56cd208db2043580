//! What registering fills in, and what an agent must be capable of.

use super::*;

fn described(input: &api::RegisterTaskDefinitionInput) -> Value {
    let now = Timestamp::from_millis(5);
    let definition = definition(input, ARN.into(), 1, "me".into(), now);
    serde_json::to_value(Json(definition)).expect("a tree")
}

#[test]
fn registering_fills_in_what_ecs_answers() {
    let rows: Vec<(Given, Value, Value, &str, Value)> = vec![
        (bridge, no(), no(), "/networkMode", Value::Null),
        (awsvpc, no(), no(), "/networkMode", json!("awsvpc")),
        (
            bridge,
            no(),
            no(),
            "/compatibilities",
            json!(["EXTERNAL", "EC2"]),
        ),
        (awsvpc, no(), no(), "/compatibilities", json!(["EC2"])),
        (
            fargate,
            no(),
            no(),
            "/compatibilities",
            json!(["EC2", "FARGATE"]),
        ),
        (
            fargate,
            json!({"requiresCompatibilities": null}),
            json!({"privileged": true}),
            "/compatibilities",
            json!(["EC2"]),
        ),
        (
            bridge,
            json!({"taskRoleArn": "mine"}),
            no(),
            "/taskRoleArn",
            json!("arn:aws-cn:iam::123456789012:role/mine"),
        ),
        (
            bridge,
            json!({"taskRoleArn": ""}),
            no(),
            "/taskRoleArn",
            Value::Null,
        ),
        (bridge, no(), no(), "/executionRoleArn", json!(ROLE)),
        (
            fargate,
            json!({"cpu": "0.25 vCPU"}),
            no(),
            "/cpu",
            json!("256"),
        ),
        (
            bridge,
            no(),
            no(),
            "/containerDefinitions/0/essential",
            json!(true),
        ),
        (bridge, no(), no(), "/containerDefinitions/0/cpu", json!(0)),
        (
            bridge,
            no(),
            json!({"logConfiguration": {"logDriver": "awsfirelens"}, "firelensConfiguration": {"type": "fluentbit"}}),
            "/containerDefinitions/0/user",
            json!("0"),
        ),
        (
            bridge,
            no(),
            json!({"portMappings": [{"containerPort": 80, "protocol": "TCP"}]}),
            "/containerDefinitions/0/portMappings/0",
            json!({"containerPort": 80, "hostPort": 0, "protocol": "tcp"}),
        ),
        (
            bridge,
            json!({"networkMode": "host"}),
            json!({"portMappings": [{"containerPort": 80, "protocol": "udp"}]}),
            "/containerDefinitions/0/portMappings/0",
            json!({"containerPort": 80, "hostPort": 80, "protocol": "udp"}),
        ),
        (
            awsvpc,
            no(),
            json!({"portMappings": [{"containerPort": 80}]}),
            "/containerDefinitions/0/portMappings/0",
            json!({"containerPort": 80, "hostPort": 80, "protocol": "tcp"}),
        ),
        (
            bridge,
            no(),
            json!({"portMappings": [{"containerPortRange": "80-81"}]}),
            "/containerDefinitions/0/portMappings/0",
            json!({"containerPortRange": "80-81", "protocol": "tcp"}),
        ),
        (
            bridge,
            no(),
            json!({"healthCheck": {"command": ["CMD", "x"]}}),
            "/containerDefinitions/0/healthCheck",
            json!({"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3}),
        ),
    ];
    for (base, task, container, path, expected) in rows {
        let answer = described(&with(base(), &task, &container));
        let found = answer.pointer(path).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{path} of {task} {container}");
    }
}

/// By field, as AWS described definitions that were published.
#[test]
fn what_an_agent_must_be_capable_of() {
    let log = |options: Value| {
        let mut all = json!({"awslogs-region": "us-east-1", "awslogs-group": "g"});
        for (name, value) in options.as_object().expect("options") {
            all[name] = value.clone();
        }
        logs(all)
    };
    let ssm = "arn:aws:ssm:us-east-1:123456789012:parameter/p";
    let asm = "arn:aws:secretsmanager:us-east-1:123456789012:secret:p";
    let router = json!({"type": "fluentbit", "options": {"config-file-type": "file", "config-file-value": "/c"}});
    let rows: Vec<(Given, Value, Value, &[&str])> = vec![
        (bridge, no(), no(), &[]),
        (awsvpc, no(), no(), &["docker-remote-api.1.18", "task-eni"]),
        (
            bridge,
            json!({"networkMode": "host", "taskRoleArn": "r"}),
            no(),
            &["docker-remote-api.1.18", "task-iam-role-network-host"],
        ),
        (
            bridge,
            json!({"taskRoleArn": "r"}),
            no(),
            &["task-iam-role"],
        ),
        (
            bridge,
            json!({"executionRoleArn": null}),
            log(no()),
            &["docker-remote-api.1.19", "logging-driver.awslogs"],
        ),
        (
            bridge,
            no(),
            log(no()),
            &[
                "docker-remote-api.1.19",
                "logging-driver.awslogs",
                "execution-role-awslogs",
            ],
        ),
        (
            bridge,
            no(),
            log(json!({"mode": "non-blocking", "awslogs-create-group": "true"})),
            &[
                "docker-remote-api.1.19",
                "docker-remote-api.1.28",
                "docker-remote-api.1.29",
                "logging-driver.awslogs",
                "execution-role-awslogs",
            ],
        ),
        (
            bridge,
            no(),
            json!({"image": "1.dkr.ecr.us-east-1.amazonaws.com/x"}),
            &["ecr-auth", "execution-role-ecr-pull"],
        ),
        (
            bridge,
            no(),
            json!({"secrets": [{"name": "A", "valueFrom": ssm}, {"name": "B", "valueFrom": asm}]}),
            &[
                "secrets.asm.environment-variables",
                "secrets.ssm.environment-variables",
            ],
        ),
        (
            bridge,
            no(),
            json!({"secrets": [{"name": "A", "valueFrom": "/plain/name"}]}),
            &["secrets.ssm.environment-variables"],
        ),
        (
            bridge,
            no(),
            json!({"logConfiguration": {"logDriver": "splunk", "secretOptions": [{"name": "t", "valueFrom": asm}]}}),
            &[
                "docker-remote-api.1.19",
                "logging-driver.splunk",
                "secrets.asm.bootstrap.log-driver",
            ],
        ),
        (
            bridge,
            no(),
            json!({"logConfiguration": {"logDriver": "awsfirelens"}, "firelensConfiguration": router}),
            &[
                "docker-remote-api.1.19",
                "logging-driver.awsfirelens",
                "firelens.fluentbit",
                "firelens.options.config.file",
            ],
        ),
        (
            bridge,
            no(),
            json!({"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/x.env"}]}),
            &["env-files.s3"],
        ),
        (
            bridge,
            no(),
            json!({"healthCheck": {"command": ["CMD", "x"]}}),
            &["docker-remote-api.1.24", "container-health-check"],
        ),
        (
            bridge,
            no(),
            json!({"healthCheck": {"command": ["CMD", "x"], "startPeriod": 0}}),
            &["docker-remote-api.1.29", "container-health-check"],
        ),
        (
            bridge,
            no(),
            json!({"stopTimeout": 5}),
            &["container-ordering"],
        ),
        (
            bridge,
            no(),
            json!({"memoryReservation": 6}),
            &["docker-remote-api.1.21"],
        ),
        (
            bridge,
            no(),
            json!({"user": "nobody"}),
            &["docker-remote-api.1.17"],
        ),
        (
            bridge,
            no(),
            json!({"privileged": true, "readonlyRootFilesystem": false}),
            &["privileged-container"],
        ),
        (
            bridge,
            no(),
            json!({"readonlyRootFilesystem": true, "privileged": false}),
            &["docker-remote-api.1.17"],
        ),
        (
            bridge,
            no(),
            json!({"dnsServers": [], "ulimits": []}),
            &["docker-remote-api.1.17", "docker-remote-api.1.18"],
        ),
        (
            bridge,
            no(),
            json!({"linuxParameters": {"initProcessEnabled": true, "maxSwap": 0}}),
            &["docker-remote-api.1.25", "docker-remote-api.1.32"],
        ),
        (
            bridge,
            no(),
            json!({"dockerSecurityOptions": ["no-new-privileges"]}),
            &["docker-remote-api.1.23"],
        ),
        (
            bridge,
            no(),
            json!({"dockerSecurityOptions": ["label:type:t"], "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "tmpfs": [{"containerPath": "/run", "size": 50}]}}),
            &["docker-remote-api.1.22", "selinux"],
        ),
        (
            bridge,
            json!({"pidMode": "task"}),
            no(),
            &["pid-ipc-namespace-sharing"],
        ),
        (
            bridge,
            json!({"volumes": [{"name": "v", "dockerVolumeConfiguration": {"scope": "task"}}]}),
            no(),
            &["docker-remote-api.1.25", "docker-plugin.local"],
        ),
        (
            bridge,
            json!({"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]}),
            no(),
            &["docker-remote-api.1.25", "efs", "efsAuth"],
        ),
        (
            bridge,
            no(),
            json!({"repositoryCredentials": {"credentialsParameter": "hub"}}),
            &["private-registry-authentication.secretsmanager"],
        ),
        (
            fargate,
            json!({"ephemeralStorage": {"sizeInGiB": 21}}),
            no(),
            &[
                "docker-remote-api.1.18",
                "extensible-ephemeral-storage",
                "task-eni",
            ],
        ),
    ];
    for (base, task, container, expected) in rows {
        let answer = described(&with(base(), &task, &container));
        let attributes = answer["requiresAttributes"].as_array().expect("a list");
        let name = |a: &Value| {
            let name = a["name"].as_str().expect("a name");
            let (_, name) = name.split_once("ecs.capability.").expect("a capability");
            name.to_owned()
        };
        let mut found: Vec<String> = attributes.iter().map(name).collect();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{task} {container}");
    }
}
