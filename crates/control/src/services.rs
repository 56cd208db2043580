//! Every service, and how completely each of its operations is served.

use neargate_acm::Acm;
use neargate_application_autoscaling::ApplicationAutoscaling;
use neargate_appmesh::{AppMesh, MeshSource};
use neargate_autoscaling::Autoscaling;
use neargate_blob::Extents;
use neargate_cloudformation::CloudFormation;
use neargate_cloudwatch::CloudWatch;
use neargate_codebuild::CodeBuild;
use neargate_codecommit::CodeCommit;
use neargate_codedeploy::CodeDeploy;
use neargate_codepipeline::CodePipeline;
use neargate_codestar_notifications::CodeStarNotifications;
use neargate_ec2::Ec2;
use neargate_ecr::Ecr;
use neargate_ecs::Ecs;
use neargate_ecs::connect::ConnectSource;
use neargate_elbv2::Elbv2;
use neargate_events::Events;
use neargate_iam::Iam;
use neargate_kms::Kms;
use neargate_logs::Logs;
use neargate_rds::Rds;
use neargate_route53::Route53;
use neargate_s3::S3;
use neargate_scheduler::Scheduler;
use neargate_secretsmanager::SecretsManager;
use neargate_service::{Component, House, Service, Status};
use neargate_servicediscovery::ServiceDiscovery;
use neargate_ses::{Ses, SesV2};
use neargate_sns::Sns;
use neargate_sqs::Sqs;
use neargate_ssm::Ssm;
use neargate_sts::Sts;
use neargate_wire::schema;
use neargate_xds::Source;
use neargate_xray::XRay;
use std::sync::Arc;

/// Services that others hold, too: nodes, edges and our own pages reach them by more than their
/// operations, or they keep something that was opened from the disk.
#[derive(Debug)]
pub struct Held {
    pub ec2: Arc<Ec2>,
    pub ecs: Arc<Ecs>,
    pub elbv2: Arc<Elbv2>,
    pub logs: Arc<Logs>,
    pub route53: Arc<Route53>,
    pub ses: Arc<Ses>,
    pub objects: Arc<Extents>,
    pub metrics: Arc<neargate_cloudwatch::Engine>,
    pub messages: Arc<neargate_sqs::Engine>,
    pub traces: Arc<neargate_xray::Engine>,
    pub sns: Arc<Sns>,
    pub codecommit: Arc<CodeCommit>,
}

/// The services that have handlers.
pub fn components(held: Held) -> Vec<Arc<dyn Component>> {
    vec![
        // Whoever emits events finds the seat taken.
        Arc::<Events>::default(),
        held.ecs,
        held.logs,
        held.ec2,
        Arc::new(Autoscaling::default()),
        Arc::<ApplicationAutoscaling>::default(),
        held.elbv2,
        Arc::new(CloudWatch::new(held.metrics)),
        Arc::new(Acm),
        Arc::new(Rds),
        Arc::new(CodePipeline),
        Arc::new(CodeDeploy),
        held.codecommit,
        Arc::new(CodeBuild::default()),
        Arc::new(CloudFormation),
        Arc::new(AppMesh),
        Arc::new(CodeStarNotifications),
        Arc::new(XRay::new(held.traces)),
        Arc::new(Ecr),
        Arc::new(S3::new(held.objects)),
        Arc::<Iam>::default(),
        Arc::new(Kms),
        held.route53,
        Arc::new(Scheduler),
        Arc::new(SecretsManager),
        Arc::new(ServiceDiscovery),
        Arc::new(SesV2::new(&held.ses)),
        held.ses,
        held.sns,
        Arc::new(Sqs::new(held.messages)),
        Arc::<Ssm>::default(),
        Arc::new(Sts::default()),
    ]
}

/// Who tells proxies what they are to do.
pub fn proxies(house: &Arc<House>, ecs: &Ecs) -> Arc<[Arc<dyn Source>]> {
    let connect = ConnectSource {
        db: house.db.clone(),
        endpoints: ecs.connect.clone(),
    };
    let mesh = MeshSource::new(house);
    let all: Vec<Arc<dyn Source>> = vec![Arc::new(connect), Arc::new(mesh)];
    all.into()
}

/// Every service whose requests are recognised, served or not.
pub fn schemas() -> &'static [&'static schema::Service] {
    neargate_api::SERVICES
}

/// An operation of a service and how completely it is served.
#[derive(Debug, serde::Serialize)]
pub struct OperationStatus {
    pub service: &'static str,
    pub operation: &'static str,
    /// `works`, `partly` or `not yet`.
    pub status: &'static str,
    /// What differs from AWS, when `partly`.
    pub lacking: &'static str,
}

/// Every operation of every service: what `docs/compatibility.md` is made from.
pub fn operations(tables: &[Arc<dyn Service>]) -> Vec<OperationStatus> {
    let of = |schema: &'static schema::Service| tables.iter().find(|t| t.schema().id == schema.id);
    let mut all = Vec::new();
    for service in schemas() {
        for operation in service.operations {
            let status = of(service).map_or(Status::NotYet, |t| t.status(operation.name));
            let (status, lacking) = match status {
                Status::Works => ("works", ""),
                Status::Partly(lacking) => ("partly", lacking),
                Status::NotYet => ("not yet", ""),
            };
            all.push(OperationStatus {
                service: service.id,
                operation: operation.name,
                status,
                lacking,
            });
        }
    }
    all
}
