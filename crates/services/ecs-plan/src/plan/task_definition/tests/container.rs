//! What a container may not ask for: secrets and variables, health checks, restarts and limits.

use super::*;

#[test]
fn secrets_and_variables() {
    let files: Vec<Value> = (0..11)
        .map(|n| json!({"type": "s3", "value": format!("arn:aws:s3:::b/{n}.env")}))
        .collect();
    refused(
        bridge,
        vec![
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
                json!({"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/x.txt"}]}),
                "The environment file 'arn:aws:s3:::b/x.txt' must have a .env file extension.",
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
        ],
    );
}

#[test]
fn health_restarts_and_limits() {
    refused(
        bridge,
        vec![
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
        ],
    );
}
