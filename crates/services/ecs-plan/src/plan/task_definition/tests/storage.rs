//! What volumes and mount points may not ask for.

use super::*;

#[test]
fn volumes() {
    refused(
        bridge,
        vec![
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
        ],
    );
}
