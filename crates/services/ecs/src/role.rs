//! The role under which a service asks others
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html>).

use neargate_service::Scope;

/// The ARN of ECS's service-linked role.
pub(crate) fn service_linked(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        scope.account
    )
}
