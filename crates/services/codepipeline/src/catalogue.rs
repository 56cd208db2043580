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
        category: "Deploy",
        provider: "CloudFormation",
        inputs: (0, 10),
        outputs: (0, 1),
        keys: &[
            ("ActionMode", true),
            ("StackName", true),
            ("ChangeSetName", false),
            ("TemplatePath", false),
            ("TemplateConfiguration", false),
            ("Capabilities", false),
            ("RoleArn", false),
            ("ParameterOverrides", false),
            ("OutputFileName", false),
        ],
        timeout_minutes: 4_320,
    },
    Known {
        category: "Invoke",
        provider: "CodePipeline",
        inputs: (0, 0),
        outputs: (0, 0),
        keys: &[
            ("PipelineName", true),
            ("SourceRevisions", false),
            ("Variables", false),
        ],
        timeout_minutes: 60,
    },
    Known {
        category: "Compute",
        provider: "Commands",
        inputs: (0, 10),
        outputs: (0, 1),
        keys: &[],
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

/// The rules of conditions
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference.html>).
pub static RULES: &[Known] = &[
    Known {
        category: "Rule",
        provider: "CloudWatchAlarm",
        inputs: (0, 0),
        outputs: (0, 0),
        keys: &[
            ("AlarmName", true),
            ("AlarmStates", false),
            ("WaitTime", false),
        ],
        timeout_minutes: 1_440,
    },
    Known {
        category: "Rule",
        provider: "CodeBuild",
        inputs: (0, 5),
        outputs: (0, 0),
        keys: BUILD,
        timeout_minutes: 480,
    },
    Known {
        category: "Rule",
        provider: "Commands",
        inputs: (0, 10),
        outputs: (0, 0),
        keys: &[],
        timeout_minutes: 60,
    },
    Known {
        category: "Rule",
        provider: "DeploymentWindow",
        inputs: (0, 0),
        outputs: (0, 0),
        keys: &[("Cron", true), ("TimeZone", false)],
        timeout_minutes: 60,
    },
    Known {
        category: "Rule",
        provider: "VariableCheck",
        inputs: (0, 0),
        outputs: (0, 0),
        keys: &[("Variable", true), ("Value", true), ("Operator", true)],
        timeout_minutes: 60,
    },
];

/// Providers that AWS has and that are not built here, by their categories.
const ELSEWHERE: &[(&str, &str)] = &[
    ("Source", "CodeStarSourceConnection"),
    ("Build", "ECRBuildAndPublish"),
    ("Test", "DeviceFarm"),
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
    ("Rule", "LambdaInvoke"),
];

pub fn find(id: &api::ActionTypeId) -> Option<&'static Known> {
    let owned = id.owner == "AWS" && id.version == "1";
    KNOWN
        .iter()
        .chain(RULES)
        .find(|known| owned && known.category == id.category && known.provider == id.provider)
}

/// Has AWS such a type, though it is not built here?
pub fn is_elsewhere(id: &api::ActionTypeId) -> bool {
    id.owner == "ThirdParty"
        || id.owner == "AWS" && ELSEWHERE.contains(&(id.category.as_str(), id.provider.as_str()))
}

fn counts((least, most): (usize, usize)) -> api::ArtifactDetails {
    let number = |n| i32::try_from(n).unwrap_or(i32::MAX);
    api::ArtifactDetails {
        minimum_count: number(least),
        maximum_count: number(most),
    }
}

/// How a rule is listed.
pub fn shown_rule(known: &Known) -> api::RuleType {
    let property = |(name, required): &(&str, bool)| api::RuleConfigurationProperty {
        name: Some((*name).into()),
        required: Some(*required),
        key: Some(true),
        secret: Some(false),
        queryable: Some(false),
        ..Default::default()
    };
    api::RuleType {
        id: Some(api::RuleTypeId {
            category: known.category.into(),
            owner: Some("AWS".into()),
            provider: known.provider.into(),
            version: Some("1".into()),
        }),
        settings: Some(api::RuleTypeSettings::default()),
        rule_configuration_properties: Some(known.keys.iter().map(property).collect()),
        input_artifact_details: Some(counts(known.inputs)),
    }
}

/// How it is listed.
pub fn shown(known: &Known) -> api::ActionType {
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
