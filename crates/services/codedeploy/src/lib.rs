//! AWS CodeDeploy for ECS: applications, deployment groups, and blue/green deployments, which move the traffic of a
//! load balancer from a service's task set to its replacement.
//!
//! A deployment is one record; its controller takes it from stage to stage by ECS's and Elastic Load Balancing's
//! operations, in the name of the group's role.

mod api;
mod appspec;
mod config;
mod controller;
mod error;
mod model;
mod traffic;

#[cfg(test)]
mod tests;

use neargate_api_codedeploy::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CodeDeploy;

impl Component for CodeDeploy {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{applications, configs, deployments, groups, tags, targets};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(
                ops::CreateApplication,
                applications::create_application,
                ECS,
            )
            .on(ops::GetApplication, applications::get_application)
            .on(
                ops::BatchGetApplications,
                applications::batch_get_applications,
            )
            .on(ops::ListApplications, applications::list_applications)
            .on(ops::DeleteApplication, applications::delete_application)
            .partly(
                ops::CreateDeploymentGroup,
                groups::create_deployment_group,
                GROUPS,
            )
            .partly(
                ops::UpdateDeploymentGroup,
                groups::update_deployment_group,
                GROUPS,
            )
            .on(ops::GetDeploymentGroup, groups::get_deployment_group)
            .on(
                ops::BatchGetDeploymentGroups,
                groups::batch_get_deployment_groups,
            )
            .on(ops::ListDeploymentGroups, groups::list_deployment_groups)
            .on(ops::DeleteDeploymentGroup, groups::delete_deployment_group)
            .partly(
                ops::CreateDeploymentConfig,
                configs::create_deployment_config,
                ECS,
            )
            .on(ops::GetDeploymentConfig, configs::get_deployment_config)
            .on(ops::ListDeploymentConfigs, configs::list_deployment_configs)
            .on(
                ops::DeleteDeploymentConfig,
                configs::delete_deployment_config,
            )
            .partly(
                ops::CreateDeployment,
                deployments::create_deployment,
                DEPLOYMENTS,
            )
            .on(ops::GetDeployment, deployments::get_deployment)
            .on(ops::BatchGetDeployments, deployments::batch_get_deployments)
            .on(ops::ListDeployments, deployments::list_deployments)
            .on(ops::ContinueDeployment, deployments::continue_deployment)
            .partly(ops::StopDeployment, deployments::stop_deployment, BACK)
            .on(ops::ListDeploymentTargets, targets::list_deployment_targets)
            .partly(
                ops::GetDeploymentTarget,
                targets::get_deployment_target,
                COUNTS,
            )
            .partly(
                ops::BatchGetDeploymentTargets,
                targets::batch_get_deployment_targets,
                COUNTS,
            )
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(controller::Deployments::new(house));
    }
}

const ECS: &str = "the ECS compute platform; EC2/on-premises and Lambda are refused";
const GROUPS: &str = "groups of the ECS compute platform; triggers are refused";
const DEPLOYMENTS: &str = "application specifications in the call, in YAML or JSON, or in S3; hooks that are \
                           Lambda functions are refused";
const BACK: &str = "traffic always goes back to the original task set";
const COUNTS: &str = "task sets are told without the counts of their tasks";
