//! What dependencies and links between containers may not ask for.

use super::*;

#[test]
fn dependencies() {
    refused(
        bridge,
        vec![
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
        ],
    );
}
