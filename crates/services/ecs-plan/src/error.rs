//! ECS's errors, one constructor each
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html>).

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;

/// Something the caller did wrong that has no error of its own.
pub fn client(message: impl Into<String>) -> AwsError {
    AwsError::client("ClientException", message)
}

pub fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
}

/// Somebody deleted the zone's default subnet, where instances go.
pub fn no_default_subnet(zone: &str) -> AwsError {
    invalid_parameter(format!(
        "There is no default subnet in {zone}: make one with ec2's CreateDefaultSubnet."
    ))
}

/// A name that belongs to services of this installation. AWS has no such names.
pub fn reserved_name(name: &str) -> AwsError {
    invalid_parameter(format!(
        "The name {name} is reserved for tasks that services of this installation run."
    ))
}

pub fn cluster_not_found() -> AwsError {
    AwsError::client("ClusterNotFoundException", "Cluster not found.")
}

/// It was deleted, but can still be described.
pub fn cluster_inactive() -> AwsError {
    AwsError::client(
        "ClusterNotFoundException",
        "The referenced cluster was inactive.",
    )
}

/// It exists, and other arguments made it.
pub fn inconsistent_arguments() -> AwsError {
    invalid_parameter(
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    )
}

pub fn cluster_contains_tasks() -> AwsError {
    AwsError::client(
        "ClusterContainsTasksException",
        "The Cluster cannot be deleted while Tasks are active.",
    )
}

pub fn task_definition_not_found() -> AwsError {
    client("TaskDefinition not found.")
}

/// `DescribeTaskDefinition`'s own wording.
pub fn unable_to_describe() -> AwsError {
    client("Unable to describe task definition.")
}

pub fn task_definition_inactive() -> AwsError {
    client("TaskDefinition is inactive")
}

pub fn task_not_found() -> AwsError {
    invalid_parameter("The referenced task was not found.")
}

pub fn resource_not_found() -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        "The specified resource was not found.",
    )
}

pub fn invalid_next_token() -> AwsError {
    invalid_parameter("Invalid token")
}

/// The host is no such machine.
pub fn platform_incompatible() -> AwsError {
    AwsError::client(
        "PlatformTaskDefinitionIncompatibilityException",
        "The specified platform version does not satisfy the task definition's required capabilities.",
    )
}

/// A parameter whose part of AWS's behaviour is not built yet.
pub fn unsupported(what: &str) -> AwsError {
    AwsError::client(
        "UnsupportedFeatureException",
        format!("Neargate does not implement {what} yet."),
    )
}

/// The client token belongs to another `RunTask`, which started these tasks.
pub fn token_in_use(arns: Vec<String>) -> AwsError {
    AwsError::client(
        "ConflictException",
        "The RunTask request could not be processed due to conflicts. The provided clientToken is already in use with a different RunTask request.",
    )
    .field("resourceIds", arns)
}

/// No node has room or none is connected.
pub fn no_capacity() -> AwsError {
    client(
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
    )
}

/// A tag rule of the request is broken.
pub fn invalid_tags(e: InvalidTags) -> AwsError {
    invalid_parameter(e.to_string())
}

// Container instances, attributes and capacity providers.

pub fn container_instance_not_found() -> AwsError {
    invalid_parameter("The specified container instance was not found.")
}

pub fn instance_has_tasks() -> AwsError {
    invalid_parameter("Found running tasks on the instance.")
}

/// A machine says that it is a container instance that it is not.
pub fn not_that_instance() -> AwsError {
    client("The specified container instance does not exist or is another machine's.")
}

pub fn invalid_attribute_name() -> AwsError {
    invalid_parameter(
        "Attribute names must be between 1 and 128 characters, and contain only letters, numbers, hyphens, underscores, forward slashes, back slashes, or periods.",
    )
}

pub fn invalid_attribute_value() -> AwsError {
    invalid_parameter(
        "Attribute values must be between 1 and 128 characters, and contain only letters, numbers, hyphens, underscores, periods, at signs (@), forward slashes, back slashes, colons, or spaces, and not start or end with a space.",
    )
}

pub fn capacity_provider_not_found() -> AwsError {
    invalid_parameter(
        "The specified capacity provider was not found. Specify a valid name or ARN and try again.",
    )
}

pub fn invalid_filter(why: crate::plan::query::Invalid) -> AwsError {
    invalid_parameter(format!("Invalid filter expression: {why}"))
}

pub fn instance_status() -> AwsError {
    invalid_parameter("Container instance status should be one of [ACTIVE,DRAINING]")
}

pub fn invalid_identity_document() -> AwsError {
    invalid_parameter("Instance identity document is not valid.")
}

/// `name`: of the resource.
pub fn invalid_resource(name: String) -> AwsError {
    invalid_parameter(format!("The value of the resource {name} is not valid."))
}

pub fn no_agent_update() -> AwsError {
    AwsError::client(
        "NoUpdateAvailableException",
        "There is no update available for the container agent. It is updated with Neargate on its host.",
    )
}

pub fn missing_agent_version() -> AwsError {
    AwsError::client(
        "MissingVersionException",
        "Amazon ECS is unable to determine the current version of the Amazon ECS container agent on the container instance and does not have enough information to proceed with an update.",
    )
}

pub fn target_not_found() -> AwsError {
    AwsError::client(
        "TargetNotFoundException",
        "The specified target wasn't found. You can view your available container instances with ListContainerInstances.",
    )
}

pub fn too_many_attributes() -> AwsError {
    AwsError::client(
        "AttributeLimitExceededException",
        "You can apply up to 10 custom attributes for each resource.",
    )
}

pub fn reserved_attribute(name: &str) -> AwsError {
    invalid_parameter(format!(
        "The attribute {name} is reserved and cannot be changed."
    ))
}

pub fn capacity_provider_name() -> AwsError {
    client(
        "The specified capacity provider name is invalid. Up to 255 characters are allowed, including letters (upper and lowercase), numbers, underscores, and hyphens. The name cannot be prefixed with \"aws\", \"ecs\", or \"fargate\". Specify a valid name and try again.",
    )
}

pub fn capacity_provider_exists() -> AwsError {
    client(
        "The specified capacity provider already exists. To change the configuration of an existing capacity provider, update the capacity provider.",
    )
}

pub fn capacity_provider_does_not_exist() -> AwsError {
    client(
        "The specified capacity provider does not exist. Specify a valid name or ARN and try again.",
    )
}

pub fn reserved_capacity_provider() -> AwsError {
    client(
        "The FARGATE and FARGATE_SPOT capacity providers are reserved and can't be changed or deleted.",
    )
}

pub fn one_kind_of_capacity_provider() -> AwsError {
    invalid_parameter(
        "Exactly one of autoScalingGroupProvider and managedInstancesProvider must be specified, of the capacity provider's own kind.",
    )
}

pub fn invalid_auto_scaling_group() -> AwsError {
    client(
        "The specified Auto Scaling group ARN is invalid. Specify a valid Auto Scaling group ARN and try again.",
    )
}

pub fn group_without_protection() -> AwsError {
    invalid_parameter(
        "The managed termination protection setting for the capacity provider is invalid. To enable managed termination protection for a capacity provider, the Auto Scaling group must have instance protection from scale in enabled.",
    )
}

pub fn auto_scaling_group_in_use() -> AwsError {
    client(
        "The specified Auto Scaling group ARN is already being used by another capacity provider. Specify a unique Auto Scaling group ARN and try again.",
    )
}

pub fn too_many_capacity_providers() -> AwsError {
    AwsError::client(
        "LimitExceededException",
        "You've reached the limit of capacity providers that can be created in this Region.",
    )
}

/// A cluster's list names it.
pub fn capacity_provider_associated() -> AwsError {
    client(
        "The specified capacity provider is associated with a cluster and cannot be deleted. Remove it from the cluster's capacity providers and try again.",
    )
}

pub fn capacity_provider_in_use() -> AwsError {
    AwsError::client(
        "ResourceInUseException",
        "The specified capacity provider is in use and cannot be removed.",
    )
}

pub fn cluster_contains_instances() -> AwsError {
    AwsError::client(
        "ClusterContainsContainerInstancesException",
        "The Cluster cannot be deleted while Container Instances are active or draining.",
    )
}

pub fn cluster_contains_services() -> AwsError {
    AwsError::client(
        "ClusterContainsServicesException",
        "The Cluster cannot be deleted while Services are active.",
    )
}

/// Managed instances providers belong to their cluster.
pub fn cluster_contains_providers() -> AwsError {
    AwsError::client(
        "ClusterContainsCapacityProviderException",
        "The Cluster cannot be deleted while Cluster Scoped Capacity Providers are attached to the cluster.",
    )
}

pub fn service_not_found() -> AwsError {
    AwsError::client("ServiceNotFoundException", "Service not found.")
}

/// `what` is to be tagged, a `cluster` or a `service`
/// (<https://github.com/gruntwork-io/cloud-nuke/issues/145> shows an inactive cluster).
pub fn inactive_tagged(what: &str) -> AwsError {
    invalid_parameter(format!(
        "The specified {what} is inactive. Specify an active {what} and try again."
    ))
}

pub fn missing_tagged(what: &str) -> AwsError {
    invalid_parameter(format!("The specified {what} does not exist."))
}

pub fn short_arn() -> AwsError {
    invalid_parameter("Long arn format must be used for tagging operations")
}

// Services.

pub fn service_not_active() -> AwsError {
    AwsError::client("ServiceNotActiveException", "Service was not ACTIVE.")
}

/// The name is taken by a service that another call made.
pub fn not_idempotent() -> AwsError {
    invalid_parameter("Creation of service was not idempotent.")
}

pub fn still_draining() -> AwsError {
    invalid_parameter("Unable to Start a service that is still Draining.")
}

/// `UpdateService` refuses to change the capacity without a new deployment
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ecs-service.html>
/// quotes it).
pub fn capacity_without_force() -> AwsError {
    invalid_parameter(
        "When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.",
    )
}

pub fn rebalancing_without_room() -> AwsError {
    invalid_parameter(
        "Availability Zone Rebalancing does not support maximumPercent <= 100 % as deployment configuration.",
    )
}

/// (<https://github.com/hashicorp/terraform-provider-aws/issues/31104> shows it.)
pub fn grace_without_load_balancer() -> AwsError {
    invalid_parameter(
        "Health check grace period is only valid for services configured to use load balancers",
    )
}

/// What the listener rules of a deployment that shifts traffic must be
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html>).
pub fn group_without_rule(group: &str) -> AwsError {
    invalid_parameter(format!(
        "Target group {group} is not associated with either productionListenerRule or testListenerRule."
    ))
}

/// The production rule leads elsewhere; the same page.
pub fn unexpected_group(found: &str, group: &str, alternate: &str) -> AwsError {
    invalid_parameter(format!(
        "Production listener rule is forwarding traffic to unexpected target group {found}. Expected traffic to be forwarded to either targetGroupArn: {group} or alternateTargetGroupArn: {alternate}"
    ))
}

/// "a rule that mixes forward with other actions": only the weights of one forward action are shifted.
pub fn mixed_rule(rule: &str) -> AwsError {
    invalid_parameter(format!(
        "The listener rule {rule} must have exactly one action, of type forward."
    ))
}

/// `ContinueServiceDeployment` of a hook that is not waited for.
pub fn no_such_hook(hook: &str) -> AwsError {
    let has_form = hook.strip_prefix("ecs-").is_some_and(|rest| {
        rest.split_once('-')
            .is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty())
    });
    invalid_parameter(match has_form {
        true => {
            "Provided hookId is either completed, unavailable, or not associated with the given Resource ARN"
        }
        false => "Invalid hookId: hookId must follow the format: ecs-{hookType}-{id}",
    })
}

/// `ContinueServiceDeployment` of one that has ended
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html>).
pub fn service_deployment_terminal() -> AwsError {
    invalid_parameter(
        "Continuing a service deployment is not allowed for service deployment in terminal states.",
    )
}

/// There is no such target group, as ECS says it
/// (<https://repost.aws/knowledge-center/ecs-unable-to-assume-role-error>).
pub fn cannot_validate_target_group() -> AwsError {
    invalid_parameter(
        "Unable to assume role and validate the specified targetGroupArn. Please verify that the ECS service role being passed has the proper permissions.",
    )
}

/// A service registry that is none of Cloud Map's services.
pub fn registry_not_found(arn: &str) -> AwsError {
    invalid_parameter(format!("The service registry {arn} does not exist."))
}

/// Seen in users' reports, such as umotif-public/terraform-aws-ecs-fargate's issue 25; the second
/// sentence goes on with the registry's ARN and name there.
pub fn superfluous_of_registry(what: &str) -> AwsError {
    invalid_parameter(format!(
        "The values specified for serviceRegistries do not require a value for '{what}'. Remove the value and retry.",
    ))
}

/// `ListTasks` takes one filter at a time
/// (<https://github.com/aws/aws-sdk-go-v2/issues/1893>,
/// <https://github.com/boto/boto3/issues/874> show it).
pub fn only_filter(name: &str) -> AwsError {
    invalid_parameter(format!("cannot specify {name} with other arguments"))
}

// Task sets.

/// (<https://github.com/hashicorp/terraform-provider-aws/issues/30347> shows it.)
pub fn not_external() -> AwsError {
    invalid_parameter(
        "Amazon ECS only supports task set management on services configured to use external deployment controllers.",
    )
}

/// (<https://github.com/aws-samples/ecs-bg-external-controller/issues/6> shows it.)
pub fn too_many_task_sets(count: usize) -> AwsError {
    invalid_parameter(format!(
        "{count} deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit."
    ))
}

pub fn task_set_not_found() -> AwsError {
    AwsError::client(
        "TaskSetNotFoundException",
        "The specified task set was not found.",
    )
}

pub fn task_set_is_scaled() -> AwsError {
    invalid_parameter("The task set cannot be deleted while it is scaled above 0.")
}

/// The token belongs to another call.
pub fn task_set_not_idempotent() -> AwsError {
    invalid_parameter("Creation of task set was not idempotent.")
}

pub fn service_is_scaled() -> AwsError {
    invalid_parameter("The service cannot be stopped while it is scaled above 0.")
}

pub fn namespace_not_found() -> AwsError {
    AwsError::client(
        "NamespaceNotFoundException",
        "The specified namespace wasn't found.",
    )
}

pub fn service_deployment_not_found() -> AwsError {
    AwsError::client(
        "ServiceDeploymentNotFoundException",
        "The service deploy ARN that you specified in the StopServiceDeployment doesn't exist. You can use ListServiceDeployments to retrieve the service deployment ARNs.",
    )
}

/// A service deployment that has ended cannot be stopped.
pub fn service_deployment_over() -> AwsError {
    AwsError::client(
        "ConflictException",
        "The service deployment has already finished and cannot be stopped.",
    )
}

// ECS Exec.

/// As AWS says it, apostrophe included (fabfuel/ecs-deploy#193).
pub fn no_agent_runs() -> AwsError {
    invalid_parameter(
        "The execute command failed because execute command was not enabled when the task was run or \
         the execute command agent isn\u{2019}t running. Wait and try again or run a new task with \
         execute command enabled and try again.",
    )
}

/// boto/boto3#2822.
pub fn not_interactive() -> AwsError {
    invalid_parameter("Interactive is the only mode supported currently.")
}

pub fn no_command() -> AwsError {
    invalid_parameter("Command cannot be empty, and its quotes must be closed.")
}

pub fn which_container() -> AwsError {
    invalid_parameter(
        "The container name must be specified for tasks with more than one container.",
    )
}

pub fn no_such_container(name: &str) -> AwsError {
    invalid_parameter(format!(
        "The container '{name}' does not belong to the task."
    ))
}

/// aws/aws-cli#6070.
pub fn target_not_connected() -> AwsError {
    out_of_reach("The execute command failed due to an internal error. Try again later.".to_owned())
}

pub fn out_of_reach(why: String) -> AwsError {
    AwsError::client("TargetNotConnectedException", why)
}
