//! AWS CodeBuild: projects, and builds that are tasks of ECS's on the same nodes.
//!
//! A build's phases are a script that its container runs by itself (`plan/script`); a driver for each build
//! (`run`) brings the source in, follows what the script tells and takes artifacts out.

mod api;
mod archive;
mod buildspec;
mod error;
mod events;
mod model;
mod plan;
mod run;

#[cfg(test)]
mod tests;

use neargate_api_codebuild::{SERVICE, ops};
use neargate_base::task;
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Which builds are driven by this process.
#[derive(Debug, Default)]
pub struct CodeBuild {
    drivers: Mutex<HashMap<String, JoinHandle<()>>>,
}

impl CodeBuild {
    /// The build of this key has a driver from now on, if it has none.
    fn drive(&self, house: &Arc<House>, key: String) {
        let mut drivers = self.drivers.lock();
        drivers.retain(|_, driver| !driver.is_finished());
        let house = house.clone();
        let of = key.clone();
        drivers
            .entry(key)
            .or_insert_with(|| task::spawn("codebuild", run::drive(house, of)));
    }
}

#[async_trait::async_trait]
impl Component for CodeBuild {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{builds, images, projects, reports, start};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::breaks_the_model)
            .partly(ops::CreateProject, projects::create_project, PROJECTS)
            .partly(ops::UpdateProject, projects::update_project, PROJECTS)
            .on(ops::DeleteProject, projects::delete_project)
            .on(ops::BatchGetProjects, projects::batch_get_projects)
            .on(ops::ListProjects, projects::list_projects)
            .partly(ops::StartBuild, start::start_build, BUILDS)
            .partly(ops::RetryBuild, start::retry_build, BUILDS)
            .on(ops::StopBuild, builds::stop_build)
            .on(ops::BatchGetBuilds, builds::batch_get_builds)
            .on(ops::BatchDeleteBuilds, builds::batch_delete_builds)
            .on(ops::ListBuilds, builds::list_builds)
            .on(ops::ListBuildsForProject, builds::list_builds_for_project)
            .partly(
                ops::ListCuratedEnvironmentImages,
                images::list_curated_environment_images,
                "only the images that the operator named",
            )
            .partly(
                ops::CreateReportGroup,
                reports::create_report_group,
                REPORTS,
            )
            .partly(
                ops::UpdateReportGroup,
                reports::update_report_group,
                REPORTS,
            )
            .on(ops::DeleteReportGroup, reports::delete_report_group)
            .on(ops::BatchGetReportGroups, reports::batch_get_report_groups)
            .on(ops::ListReportGroups, reports::list_report_groups)
            .on(ops::BatchGetReports, reports::batch_get_reports)
            .on(ops::ListReports, reports::list_reports)
            .on(
                ops::ListReportsForReportGroup,
                reports::list_reports_for_report_group,
            )
            .on(ops::DeleteReport, reports::delete_report)
            .on(ops::DescribeTestCases, reports::describe_test_cases);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(run::Builds {
            codebuild: self,
            house,
        });
    }

    async fn reset(self: Arc<Self>, _: &Arc<House>) -> Result<AfterReset, AwsError> {
        for (_, driver) in self.drivers.lock().drain() {
            driver.abort();
        }
        Ok(AfterReset::nothing())
    }
}

const PROJECTS: &str = "fleets, build file systems, badges and public projects are refused; batch configurations and \
                        local caches are kept and do nothing";
const BUILDS: &str = "Linux on this machine's processor, small to large; sources NO_SOURCE, S3, CODECOMMIT and those \
                      of a pipeline; reports of JUnit and Cucumber; caches in S3; no batches";
const REPORTS: &str = "reports of tests without exports to S3; reports of coverage are refused";
