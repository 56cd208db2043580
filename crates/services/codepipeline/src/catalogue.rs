//! The action types of AWS that are served here: how many artifacts they take and make, and what configures them
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html>).

use neargate_api_codepipeline as api;

/// An action type of AWS.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub category: &'static str,
    pub provider: &'static str,
    /// Fewest and most.
    pub inputs: (usize, usize),
    pub outputs: (usize, usize),
    /// Keys, and whether each must be there.
    pub keys: &'static [(&'static str, bool)],
    pub timeout_minutes: u64,
}

const BUILD: &[(&str, bool)] = &[
    ("ProjectName", true),
    ("PrimarySource", false),
    ("EnvironmentVariables", false),
    ("BatchEnabled", false),
    ("CombineArtifacts", false),
];

pub static KNOWN: &[Known] = &[
    Known {
        category: "Source",
        provider: "S3",
        inputs: (0, 0),
        outputs: (1, 1),
        keys: &[
            ("S3Bucket", true),
            ("S3ObjectKey", true),
            ("PollForSourceChanges", false),
            ("AllowOverrideForS3ObjectKey", false),
        ],
        timeout_minutes: 60,
    },
    Known {
        category: "Source",
        provider: "ECR",
        inputs: (0, 0),
        outputs: (1, 1),
        keys: &[("RepositoryName", true), ("ImageTag", false)],
        timeout_minutes: 60,
    },
    Known {
        category: "Source",
        provider: "CodeCommit",
        inputs: (0, 0),
        outputs: (1, 1),
        keys: &[
            ("RepositoryName", true),
            ("BranchName", true),
            ("PollForSourceChanges", false),
            ("OutputArtifactFormat", false),
        ],
        timeout_minutes: 60,
    },
    Known {
        category: "Build",
        provider: "CodeBuild",
        inputs: (1, 5),
        outputs: (0, 5),
        keys: BUILD,
        timeout_minutes: 480,
    },
    Known {
        category: "Test",
        provider: "CodeBuild",
        inputs: (1, 5),
        outputs: (0, 5),
        keys: BUILD,
        timeout_minutes: 480,
    },
    Known {
        category: "Deploy",
        provider: "ECS",
        inputs: (1, 1),
        outputs: (0, 0),
        keys: &[
            ("ClusterName", true),
            ("ServiceName", true),
            ("FileName", false),
            ("DeploymentTimeout", false),
        ],
        timeout_minutes: 60,
    },
    Known {
        category: "Deploy",
        provider: "CodeDeployToECS",
        inputs: (1, 5),
        outputs: (0, 0),
        keys: &[
            ("ApplicationName", true),
            ("DeploymentGroupName", true),
            ("TaskDefinitionTemplateArtifact", true),
            ("AppSpecTemplateArtifact", true),
            ("AppSpecTemplatePath", false),
            ("TaskDefinitionTemplatePath", false),
            ("Image1ArtifactName", false),
            ("Image1ContainerName", false),
            ("Image2ArtifactName", false),
            ("Image2ContainerName", false),
            ("Image3ArtifactName", false),
            ("Image3ContainerName", false),
            ("Image4ArtifactName", false),
            ("Image4ContainerName", false),
        ],
        timeout_minutes: 7_200,
    },
    Known {
        category: "Deploy",
        provider: "S3",
        inputs: (1, 1),
        outputs: (0, 0),
        keys: &[
            ("BucketName", true),
            ("Extract", true),
            ("ObjectKey", false),
            ("KMSEncryptionKeyARN", false),
            ("CannedACL", false),
            ("CacheControl", false),
        ],
        timeout_minutes: 60,
    },
    Known {
        category: "Approval",
        provider: "Manual",
        inputs: (0, 0),
        outputs: (0, 0),
        keys: &[
            ("NotificationArn", false),
            ("CustomData", false),
            ("ExternalEntityLink", false),
        ],
        timeout_minutes: 7 * 24 * 60,
    },
];

/// Providers that AWS has and that are not built here, by their categories.
const ELSEWHERE: &[(&str, &str)] = &[
    ("Source", "CodeStarSourceConnection"),
    ("Build", "ECRBuildAndPublish"),
    ("Test", "DeviceFarm"),
    ("Deploy", "CloudFormation"),
    ("Deploy", "CloudFormationStackSet"),
    ("Deploy", "CloudFormationStackInstances"),
    ("Deploy", "CodeDeploy"),
    ("Deploy", "EC2"),
    ("Deploy", "EKS"),
    ("Deploy", "ElasticBeanstalk"),
    ("Deploy", "AppConfig"),
    ("Deploy", "OpsWorks"),
    ("Deploy", "ServiceCatalog"),
    ("Deploy", "Lambda"),
    ("Invoke", "Lambda"),
    ("Invoke", "StepFunctions"),
    ("Invoke", "InspectorScan"),
    ("Invoke", "CodePipeline"),
    ("Compute", "Commands"),
];

pub fn find(id: &api::ActionTypeId) -> Option<&'static Known> {
    let owned = id.owner == "AWS" && id.version == "1";
    KNOWN
        .iter()
        .find(|known| owned && known.category == id.category && known.provider == id.provider)
}

/// Has AWS such a type, though it is not built here?
pub fn is_elsewhere(id: &api::ActionTypeId) -> bool {
    id.owner == "ThirdParty"
        || id.owner == "AWS" && ELSEWHERE.contains(&(id.category.as_str(), id.provider.as_str()))
}

/// How it is listed.
pub fn shown(known: &Known) -> api::ActionType {
    let counts = |(least, most): (usize, usize)| {
        let number = |n| i32::try_from(n).unwrap_or(i32::MAX);
        api::ArtifactDetails {
            minimum_count: number(least),
            maximum_count: number(most),
        }
    };
    let property = |(name, required): &(&str, bool)| api::ActionConfigurationProperty {
        name: (*name).into(),
        required: *required,
        key: true,
        secret: false,
        queryable: Some(false),
        ..Default::default()
    };
    api::ActionType {
        id: Some(api::ActionTypeId {
            category: known.category.into(),
            owner: "AWS".into(),
            provider: known.provider.into(),
            version: "1".into(),
        }),
        settings: Some(api::ActionTypeSettings::default()),
        action_configuration_properties: Some(known.keys.iter().map(property).collect()),
        input_artifact_details: Some(counts(known.inputs)),
        output_artifact_details: Some(counts(known.outputs)),
    }
}
