//! What the task as a whole may not ask for.

use super::*;

#[test]
fn names_and_images() {
    let many: Vec<Value> = (0..11)
        .map(|n| json!({"name": format!("c{n}"), "image": "busybox", "memory": 64}))
        .collect();
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
        ],
    );
}

#[test]
fn sizes() {
    refused(
        bridge,
        vec![
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
        ],
    );
}

#[test]
fn roles() {
    refused(
        bridge,
        vec![
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
        ],
    );
}

#[test]
fn what_is_left() {
    refused(
        bridge,
        vec![
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
