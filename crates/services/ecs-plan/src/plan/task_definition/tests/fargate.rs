//! What Fargate does not offer.

use super::*;

#[test]
fn what_fargate_does_not_offer() {
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
