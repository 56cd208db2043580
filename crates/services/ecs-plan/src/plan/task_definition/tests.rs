//! One row a rule: what is asked for besides a definition that is fine, and what ECS says to it.

use super::{check, definition};
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_wire::json::Json;
use serde_json::{Value, json};

/// Makes the definition that a row changes.
type Given = fn() -> Value;

const ARN: &str = "arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/web:1";
const ROLE: &str = "arn:aws:iam::123456789012:role/exec";

fn with(mut base: Value, task: &Value, container: &Value) -> api::RegisterTaskDefinitionInput {
    let merge = |into: &mut Value, from: &Value| {
        for (name, value) in from.as_object().expect("an object") {
            into[name] = value.clone();
        }
    };
    merge(&mut base["containerDefinitions"][0], container);
    merge(&mut base, task);
    let input: Json<_> = serde_json::from_value(base).expect("a definition");
    input.0
}

/// Fine on an instance.
fn bridge() -> Value {
    json!({"family": "web", "executionRoleArn": ROLE,
        "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}]})
}

fn awsvpc() -> Value {
    let mut base = bridge();
    base["networkMode"] = json!("awsvpc");
    base
}

fn fargate() -> Value {
    let mut base = awsvpc();
    base["requiresCompatibilities"] = json!(["FARGATE"]);
    (base["cpu"], base["memory"]) = (json!("256"), json!("512"));
    base
}

fn windows(cpu: u32, memory: u32) -> Value {
    json!({"cpu": cpu.to_string(), "memory": memory.to_string(),
        "runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}})
}

fn said(input: &api::RegisterTaskDefinitionInput) -> String {
    match check(input) {
        Ok(()) => String::new(),
        Err(error) => {
            assert_eq!(error.code, "ClientException");
            error.message
        }
    }
}

/// More of the task, more of its container, and the sentence.
type Row = (Value, Value, &'static str);

fn refused(base: Given, rows: Vec<Row>) {
    let none = json!({});
    assert_eq!(said(&with(base(), &none, &none)), "");
    for (task, container, sentence) in rows {
        let input = with(base(), &task, &container);
        assert_eq!(said(&input), sentence, "{task} {container}");
    }
}

fn two(other: Value) -> Value {
    json!({"containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}, other]})
}

fn logs(options: Value) -> Value {
    json!({"logConfiguration": {"logDriver": "awslogs", "options": options}})
}

fn secret(from: &str) -> Value {
    json!([{"name": "S", "valueFrom": from}])
}

#[test]
fn what_no_launch_type_takes() {
    let many: Vec<Value> = (0..11)
        .map(|n| json!({"name": format!("c{n}"), "image": "busybox", "memory": 64}))
        .collect();
    let files: Vec<Value> = (0..11)
        .map(|n| json!({"type": "s3", "value": format!("arn:aws:s3:::b/{n}.env")}))
        .collect();
    let no = || json!({});
    refused(
        bridge,
        vec![
            (
                json!({"family": ""}),
                no(),
                "Family should not be null or empty.",
            ),
            (
                json!({"family": "a b"}),
                no(),
                "Family contains invalid characters.",
            ),
            (json!({"tags": []}), no(), "Tags can not be empty."),
            (
                json!({"containerDefinitions": []}),
                no(),
                "Container list cannot be empty.",
            ),
            (
                json!({"containerDefinitions": many}),
                no(),
                "Too many containers.",
            ),
            (
                no(),
                json!({"name": ""}),
                "Container.name should not be null or empty.",
            ),
            (
                no(),
                json!({"name": "a b"}),
                "Container.name contains invalid characters.",
            ),
            (
                no(),
                json!({"image": ""}),
                "Container.image should not be null or empty.",
            ),
            (
                no(),
                json!({"image": "a b"}),
                "Container.image contains invalid characters.",
            ),
            (
                no(),
                json!({"image": "x".repeat(256)}),
                "Container.image contains invalid characters.",
            ),
            (
                two(json!({"name": "app", "image": "x", "memory": 64})),
                no(),
                "Container names must be unique within a task definition.",
            ),
            (
                no(),
                json!({"essential": false}),
                "Task definition doesn't have any essential container.",
            ),
            // Size.
            (
                no(),
                json!({"memory": null}),
                "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.",
            ),
            (
                no(),
                json!({"memory": 5}),
                "Invalid 'memory' setting for container 'app'.",
            ),
            (
                no(),
                json!({"memoryReservation": 65}),
                "Invalid setting for container 'app'. 'memory' must be greater than or equal to 'memoryReservation'.",
            ),
            (
                no(),
                json!({"cpu": -1}),
                "Container.cpu should not be negative.",
            ),
            (
                json!({"cpu": "96"}),
                no(),
                "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.",
            ),
            (
                json!({"memory": "much"}),
                no(),
                "Invalid 'memory' setting for task. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.",
            ),
            (
                json!({"cpu": "128"}),
                json!({"cpu": 129}),
                "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
            ),
            (
                json!({"memory": "32"}),
                no(),
                "The 'memory' setting for container 'app' is greater than for the task.",
            ),
            (
                json!({"requiresCompatibilities": ["EC2"], "ephemeralStorage": {"sizeInGiB": 30}}),
                no(),
                "Tasks using the EC2 launch type do not support EphemeralStorage.",
            ),
            // Roles.
            (
                json!({"taskRoleArn": "arn:aws:ecs:us-east-1:123456789012:cluster/c"}),
                no(),
                "Role is not valid",
            ),
            (
                json!({"executionRoleArn": "arn:aws:iam::12:role/x"}),
                no(),
                "Role is not valid",
            ),
            (
                json!({"taskRoleArn": "arn:aws:iam::123456789012:user/x"}),
                no(),
                "Role is not valid",
            ),
            (
                json!({"taskRoleArn": "<your role>"}),
                no(),
                "Role is not valid",
            ),
            // Secrets and variables.
            (
                json!({"executionRoleArn": ""}),
                json!({"secrets": secret("p")}),
                "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
            ),
            (
                no(),
                json!({"secrets": secret("p"), "environment": [{"name": "S", "value": "1"}]}),
                "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'S'.",
            ),
            (
                no(),
                json!({"secrets": [secret("p")[0], secret("q")[0]]}),
                "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'S'.",
            ),
            (
                no(),
                json!({"secrets": secret("arn:aws:ssm")}),
                "Invalid arn syntax.",
            ),
            (
                no(),
                json!({"environmentFiles": files}),
                "The maximum number of environment files was exceeded. Specify ten or less and try again.",
            ),
            (
                no(),
                json!({"environmentFiles": [{"type": "s3", "value": "s3://b/x.env"}]}),
                "Invalid arn syntax.",
            ),
            (
                no(),
                json!({"repositoryCredentials": {"credentialsParameter": "a b"}}),
                "The repository credentials parameter specified for container 'app' is invalid. Parameter names can include up to 255 (uppercase and lowercase), numbers, hyphens, and underscores are allowed. Spaces are not allowed.",
            ),
            // Ports.
            (
                no(),
                json!({"portMappings": [{"hostPort": 80}]}),
                "Invalid 'containerPort' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 0}]}),
                "Invalid 'containerPort' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 70_000}]}),
                "Invalid 'hostPort' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "containerPortRange": "90-91"}]}),
                "Invalid port mapping for container 'app', cannot specify both single port and port range.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPortRange": "91-90"}]}),
                "Invalid 'containerPortRange' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "name": "Http"}]}),
                "Invalid 'name' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]}),
                "When networkMode=bridge, port mapping name is already used",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 3000}, {"containerPort": 81, "hostPort": 3000}]}),
                "TCP host port '3000' is mapped multiple times in task.",
            ),
            (
                json!({"networkMode": "host"}),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 81}]}),
                "When networkMode=host, the host ports and container ports in port mappings must match.",
            ),
            (
                json!({"networkMode": "host"}),
                json!({"links": ["b"]}),
                "Links are not supported when networkMode=host.",
            ),
            (
                json!({"networkMode": "none"}),
                json!({"portMappings": [{"containerPort": 80}]}),
                "Port mappings are not supported when networkMode=none.",
            ),
            // Volumes.
            (
                no(),
                json!({"mountPoints": [{"sourceVolume": "nope", "containerPath": "/x"}]}),
                "Unknown volume 'nope'.",
            ),
            (
                no(),
                json!({"volumesFrom": [{"sourceContainer": "nope"}]}),
                "Invalid 'volumesFrom' setting. Unknown container: 'nope'.",
            ),
            (
                json!({"volumes": [{"name": "a.b"}]}),
                no(),
                "volume.name contains invalid characters.",
            ),
            (
                json!({"volumes": [{"host": {}}]}),
                no(),
                "volume.name should not be null or empty.",
            ),
            (
                json!({"volumes": [{"name": "v"}, {"name": "v"}]}),
                no(),
                "Volume names must be unique within a task definition.",
            ),
            (
                json!({"volumes": [{"name": "v", "host": {"sourcePath": "/x"}, "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]}),
                no(),
                "When the volume parameter is specified, only one volume configuration type should be used.",
            ),
            (
                json!({"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/x", "transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": "fsap-1"}}}]}),
                no(),
                "When using an EFS access point, the root directory must either be set to \"/\" or be omitted.",
            ),
            (
                json!({"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "authorizationConfig": {"iam": "ENABLED"}}}]}),
                no(),
                "EFS IAM authorization requires TransitEncryption to be enabled.",
            ),
            (
                json!({"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "transitEncryptionPort": 2049}}]}),
                no(),
                "TransitEncryptionPort requires that TransitEncryption is enabled.",
            ),
            (
                json!({"volumes": [{"name": "v", "configuredAtLaunch": true}]}),
                no(),
                "Volumes [v] are not referenced by any of the containers",
            ),
            // Dependencies.
            (
                no(),
                json!({"dependsOn": [{"containerName": "nope", "condition": "START"}]}),
                "Cannot depend on container + 'nope' because it does not exist",
            ),
            (
                no(),
                json!({"dependsOn": [{"containerName": "app", "condition": "START"}]}),
                "Container dependencies must not form a cycle.",
            ),
            (
                no(),
                json!({"links": ["app:me"]}),
                "Container links should not have a cycle",
            ),
            (
                json!({"containerDefinitions": [
                    {"name": "app", "image": "x", "memory": 64, "links": ["b"]},
                    {"name": "b", "image": "x", "memory": 64, "links": ["app"]},
                ]}),
                no(),
                "Container links should not have a cycle",
            ),
            (
                two(
                    json!({"name": "b", "image": "x", "memory": 64, "dependsOn": [{"containerName": "app", "condition": "HEALTHY"}]}),
                ),
                no(),
                "A dependency container with HEALTHY condition must have health check configured",
            ),
            (
                two(
                    json!({"name": "b", "image": "x", "memory": 64, "dependsOn": [{"containerName": "app", "condition": "SUCCESS"}]}),
                ),
                no(),
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
            ),
            // Health, restarts, limits.
            (
                no(),
                json!({"healthCheck": {"command": []}}),
                "Health check command must not be empty for container 'app'",
            ),
            (
                no(),
                json!({"healthCheck": {"command": ["CMD", "x"], "interval": 301}}),
                "Health check interval must be less than or equal to the maximum allowed value 300 for container 'app'",
            ),
            (
                no(),
                json!({"healthCheck": {"command": ["CMD", "x"], "timeout": 1}}),
                "Health check timeout must be greater than or equal to the minimum allowed value 2 for container 'app'",
            ),
            (
                no(),
                json!({"healthCheck": {"command": ["CMD", "x"], "retries": 11}}),
                "Health check retries must be less than or equal to the maximum allowed value 10 for container 'app'",
            ),
            (
                no(),
                json!({"healthCheck": {"command": ["CMD", "x"], "startPeriod": 301}}),
                "Health check startPeriod must be less than or equal to the maximum allowed value 300 for container 'app'",
            ),
            (
                no(),
                json!({"restartPolicy": {"enabled": true, "restartAttemptPeriod": 59}}),
                "The 'restartAttemptPeriod' setting for container 'app' must be between 60 and 1800.",
            ),
            (
                no(),
                json!({"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": 1}]}),
                "Soft limit exceeds hard limit for ulimit nofile",
            ),
            (
                no(),
                json!({"linuxParameters": {"swappiness": 101}}),
                "Invalid 'swappiness' setting for container 'app'.",
            ),
            (
                no(),
                json!({"linuxParameters": {"tmpfs": [{"containerPath": "/x", "size": 0}]}}),
                "The container has an invalid tmpfs size value specified. It must be a non-zero, non-negative integer.",
            ),
            (
                no(),
                json!({"linuxParameters": {"tmpfs": [{"containerPath": "x", "size": 1}]}}),
                "Invalid 'tmpfs' setting for container 'app'.",
            ),
            // Logs.
            (
                no(),
                logs(json!({})),
                "Log driver awslogs requires options: awslogs-region, awslogs-group",
            ),
            (
                no(),
                logs(json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "bogus": "1"})),
                "Log driver awslogs disallows options: bogus",
            ),
            (
                no(),
                logs(
                    json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "awslogs-create-group": "false"}),
                ),
                "Log driver awslogs option 'awslogs-create-group' should only be set to 'true', else omit option.",
            ),
            (
                no(),
                json!({"firelensConfiguration": {"type": "fluentbit"}}),
                "When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log driver.",
            ),
            (
                no(),
                json!({"logConfiguration": {"logDriver": "awsfirelens"}}),
                "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be configured in one of the containers.",
            ),
            (
                no(),
                json!({"logConfiguration": {"logDriver": "awsfirelens"}, "firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "s3", "config-file-value": "s3://b/c"}}}),
                "Invalid arn syntax.",
            ),
            // The rest.
            (
                json!({"inferenceAccelerators": [{"deviceName": "d", "deviceType": "eia1.medium"}]}),
                no(),
                "Unsupported field 'inferenceAccelerators'.",
            ),
            (
                json!({"placementConstraints": [{"type": "memberOf"}]}),
                no(),
                "memberOf expression should be specified.",
            ),
            (
                json!({"proxyConfiguration": {"containerName": "app"}}),
                no(),
                "APPMESH proxy configuration is only supported in networkMode=awsvpc",
            ),
        ],
    );
}

#[test]
fn what_an_interface_of_its_own_rules_out() {
    let no = || json!({});
    let on = |what: &str| match what {
        "links" => json!({"links": ["b"]}),
        "hostname" => json!({"hostname": "h"}),
        "hosts" => json!({"extraHosts": [{"hostname": "h", "ipAddress": "10.0.0.1"}]}),
        "dns" => json!({"dnsServers": ["10.0.0.1"]}),
        "search" => json!({"dnsSearchDomains": ["x"]}),
        _ => json!({"disableNetworking": true}),
    };
    let range = |a: &str, b: &str| json!({"portMappings": [{"containerPortRange": a}, {"containerPortRange": b}]});
    refused(
        awsvpc,
        vec![
            (
                no(),
                on("links"),
                "Links are not supported when networkMode=awsvpc.",
            ),
            (
                no(),
                on("hostname"),
                "hostname is not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("hosts"),
                "Extra hosts are not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("dns"),
                "DNS servers are not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("search"),
                "DNS search domains are not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("off"),
                "Disable Networking is not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 81}]}),
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
            ),
            (
                no(),
                range("8080-8085", "8085-8090"),
                "TCP container port '8085' is used multiple times in task when networkMode=awsvpc.",
            ),
            (
                json!({"proxyConfiguration": {"containerName": "envoy"}}),
                no(),
                "Proxy container [envoy] does not exist.",
            ),
            (
                json!({"proxyConfiguration": {"containerName": "app"}}),
                no(),
                "Ingress port not found",
            ),
            (
                json!({"requiresCompatibilities": ["EXTERNAL"]}),
                no(),
                "Tasks using the EXTERNAL launch type do not support networkMode 'awsvpc'.",
            ),
        ],
    );
}

#[test]
fn what_fargate_does_not_offer() {
    let no = || json!({});
    let linux = |what: &str, value: Value| json!({"linuxParameters": {what: value}});
    refused(
        fargate,
        vec![
            (
                json!({"networkMode": "bridge"}),
                no(),
                "Fargate only supports network mode ‘awsvpc’.",
            ),
            (
                json!({"networkMode": null}),
                no(),
                "Fargate only supports network mode ‘awsvpc’.",
            ),
            (
                json!({"cpu": null}),
                no(),
                "Fargate requires that 'cpu' be defined at the task level.",
            ),
            (
                json!({"memory": null}),
                no(),
                "Fargate requires that 'memory' be defined at the task level.",
            ),
            (
                json!({"memory": null}),
                json!({"memory": null}),
                "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.",
            ),
            (
                json!({"memory": "300"}),
                no(),
                "No Fargate configuration exists for given values: 256 CPU, 300 memory. See the Amazon ECS documentation for the valid values.",
            ),
            (
                windows(512, 2_048),
                no(),
                "No Fargate configuration exists for given values: 512 CPU, 2048 memory. See the Amazon ECS documentation for the valid values.",
            ),
            (
                windows(8_192, 16_384),
                no(),
                "No Fargate configuration exists for given values: 8192 CPU, 16384 memory. See the Amazon ECS documentation for the valid values.",
            ),
            (
                json!({"ephemeralStorage": {"sizeInGiB": 20}}),
                no(),
                "EphemeralStorage size should be at least 21",
            ),
            (
                json!({"ephemeralStorage": {"sizeInGiB": 201}}),
                no(),
                "EphemeralStorage size should be at most 200",
            ),
            (
                no(),
                json!({"cpu": 257}),
                "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
            ),
            (
                json!({"placementConstraints": [{"type": "memberOf", "expression": "attribute:a exists"}]}),
                no(),
                "Fargate compatible task definitions do not support constraints",
            ),
            (
                json!({"ipcMode": "task"}),
                no(),
                "Fargate compatible task definitions do not support ipcMode",
            ),
            (
                json!({"pidMode": "host"}),
                no(),
                "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'.",
            ),
            (
                json!({"volumes": [{"name": "v", "host": {"sourcePath": "/x"}}]}),
                no(),
                "Fargate compatible task definitions do not support sourcePath",
            ),
            (
                json!({"volumes": [{"name": "v", "dockerVolumeConfiguration": {"scope": "task"}}]}),
                no(),
                "Fargate compatible task definitions do not support dockerVolumeConfiguration",
            ),
            (
                no(),
                json!({"privileged": true}),
                "Fargate requires that the ‘privileged’ setting be ‘false’ at the container level.",
            ),
            (
                no(),
                json!({"dockerSecurityOptions": ["no-new-privileges"]}),
                "Fargate compatible task definitions do not support dockerSecurityOptions",
            ),
            (
                no(),
                linux("devices", json!([{"hostPath": "/dev/fuse"}])),
                "Fargate compatible task definitions do not support devices",
            ),
            (
                no(),
                linux("maxSwap", json!(64)),
                "Fargate compatible task definitions do not support maxSwap",
            ),
            (
                no(),
                linux("swappiness", json!(10)),
                "Fargate compatible task definitions do not support swappiness",
            ),
            (
                no(),
                linux("sharedMemorySize", json!(128)),
                "Fargate compatible task definitions do not support sharedMemorySize",
            ),
            (
                no(),
                linux("capabilities", json!({"add": ["NET_ADMIN"]})),
                "NET_ADMIN is not allowed on Fargate.",
            ),
            (
                no(),
                json!({"resourceRequirements": [{"type": "GPU", "value": "1"}]}),
                "Tasks using the Fargate launch type do not support GPU resource requirements.",
            ),
            (
                no(),
                json!({"stopTimeout": 121}),
                "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.",
            ),
            (
                no(),
                json!({"stopTimeout": 1}),
                "Granular stop timeout on container 'app' must be at least 2 seconds.",
            ),
            (
                no(),
                json!({"logConfiguration": {"logDriver": "json-file"}}),
                "json-file is not a valid log driver. Must be one of [awslogs,splunk,awsfirelens]",
            ),
            (
                no(),
                logs(json!({"awslogs-region": "us-east-1", "awslogs-group": "g"})),
                "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.",
            ),
            (
                json!({"executionRoleArn": null}),
                logs(
                    json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "awslogs-stream-prefix": "p"}),
                ),
                "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
            ),
            (
                json!({"executionRoleArn": null}),
                json!({"image": "1.dkr.ecr.us-east-1.amazonaws.com/x"}),
                "Fargate requires task definition to have execution role ARN to support ECR images.",
            ),
        ],
    );
}

/// What looks wrong and is not.
#[test]
fn what_ecs_takes() {
    let no = || json!({});
    let rows: Vec<(Given, Value, Value)> = vec![
        (
            bridge,
            json!({"taskRoleArn": "", "executionRoleArn": ""}),
            no(),
        ),
        (
            bridge,
            json!({"taskRoleArn": "arn:aws:iam::123456789012:role/service-role/x"}),
            no(),
        ),
        (
            bridge,
            no(),
            logs(
                json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "awslogs-create-group": "True"}),
            ),
        ),
        (
            bridge,
            no(),
            json!({"portMappings": [{"containerPort": 80, "protocol": "HTTP"}, {"containerPort": 80, "protocol": "udp"}]}),
        ),
        (
            bridge,
            no(),
            json!({"portMappings": [{"containerPort": 53, "hostPort": 53}, {"containerPort": 53, "hostPort": 53, "protocol": "udp"}]}),
        ),
        (
            bridge,
            no(),
            json!({"links": ["b:c"], "hostname": "h", "privileged": true}),
        ),
        (
            bridge,
            no(),
            json!({"healthCheck": {"command": ["/healthcheck"]}}),
        ),
        (
            bridge,
            no(),
            json!({"ulimits": [{"name": "core", "softLimit": -1, "hardLimit": -1}]}),
        ),
        (
            bridge,
            json!({"volumes": [{"name": "v", "host": {}, "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]}),
            no(),
        ),
        (
            awsvpc,
            no(),
            json!({"links": [], "dnsServers": [], "extraHosts": [], "hostname": ""}),
        ),
        (
            fargate,
            json!({"pidMode": "task", "volumes": [{"name": "v", "host": {}}]}),
            json!({"dockerSecurityOptions": [], "privileged": false}),
        ),
        (
            fargate,
            no(),
            json!({"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 1}], "capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}}}),
        ),
        (fargate, windows(1_024, 2_048), no()),
    ];
    for (base, task, container) in rows {
        assert_eq!(
            said(&with(base(), &task, &container)),
            "",
            "{task} {container}"
        );
    }
}

fn described(input: &api::RegisterTaskDefinitionInput) -> Value {
    let now = Timestamp::from_millis(5);
    let definition = definition(input, ARN.into(), 1, "me".into(), now);
    serde_json::to_value(Json(definition)).expect("a tree")
}

#[test]
fn registering_fills_in_what_ecs_answers() {
    let no = || json!({});
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
    let no = || json!({});
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
