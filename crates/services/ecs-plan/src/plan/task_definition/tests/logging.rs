//! What a log configuration may not ask for.

use super::*;

#[test]
fn log_drivers() {
    refused(
        bridge,
        vec![
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
                logs(
                    json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "awslogs-datetime-format": "%Y", "awslogs-multiline-pattern": "^A"}),
                ),
                "you cannot configure log opt 'awslogs-datetime-format' and 'awslogs-multiline-pattern' at the same time",
            ),
            (
                no(),
                logs(json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "mode": "maybe"})),
                "logger: logging mode not supported: maybe",
            ),
            (
                no(),
                logs(
                    json!({"awslogs-region": "us-east-1", "awslogs-group": "g", "max-buffer-size": "much"}),
                ),
                "logger: error parsing option max-buffer-size: invalid size: 'much'",
            ),
            (
                no(),
                json!({"logConfiguration": {"logDriver": "json-file", "options": {"mode": "blocking", "max-buffer-size": "4m"}}}),
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
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
        ],
    );
}
