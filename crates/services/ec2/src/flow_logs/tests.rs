//! What hosts tell becomes records, beside a CloudWatch Logs that remembers them.

use super::*;
use neargate_api_ec2::{self as ec2, ops};
use neargate_api_logs as logs;
use neargate_domain::NetworkInterface;
use neargate_domain::vpc::DefaultVpc;
use neargate_service::{Committed, Ctx, OperationTable, Service, eni};
use neargate_testkit::Lab;

/// Streams with what was put there; a stream must have been made.
#[derive(Debug, Default)]
struct StandIn {
    streams: Mutex<BTreeMap<(String, String), Vec<String>>>,
    denies: Mutex<bool>,
}

impl StandIn {
    async fn group(
        self: Arc<Self>,
        _: Ctx,
        _: logs::CreateLogGroupInput,
    ) -> Result<neargate_wire::structure::Unit, AwsError> {
        Ok(neargate_wire::structure::Unit)
    }

    async fn stream(
        self: Arc<Self>,
        _: Ctx,
        input: logs::CreateLogStreamInput,
    ) -> Result<neargate_wire::structure::Unit, AwsError> {
        let at = (input.log_group_name, input.log_stream_name);
        self.streams.lock().entry(at).or_default();
        Ok(neargate_wire::structure::Unit)
    }

    async fn put(
        self: Arc<Self>,
        _: Ctx,
        input: logs::PutLogEventsInput,
    ) -> Result<logs::PutLogEventsOutput, AwsError> {
        if *self.denies.lock() {
            return Err(AwsError::client("AccessDeniedException", "no"));
        }
        let at = (input.log_group_name, input.log_stream_name);
        let mut streams = self.streams.lock();
        let stream = streams.get_mut(&at);
        let missing = || AwsError::client("ResourceNotFoundException", "there is none");
        let events = input.log_events.into_iter().map(|event| event.message);
        stream.ok_or_else(missing)?.extend(events);
        Ok(logs::PutLogEventsOutput::default())
    }

    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        let table = OperationTable::new(&logs::SERVICE, self)
            .on(logs::ops::CreateLogGroup, StandIn::group)
            .on(logs::ops::CreateLogStream, StandIn::stream)
            .on(logs::ops::PutLogEvents, StandIn::put);
        Arc::new(table)
    }
}

struct Place {
    lab: Lab,
    table: Arc<dyn Service>,
    ec2: Arc<crate::Ec2>,
    logs: Arc<StandIn>,
    vpc: DefaultVpc,
    following: tokio::task::JoinHandle<()>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn place() -> Place {
    let lab = Lab::seeded(11);
    let ec2 = Arc::<crate::Ec2>::default();
    let table: Arc<dyn Service> = Arc::new(crate::table(ec2.clone()));
    let logs = Arc::<StandIn>::default();
    lab.house.caller.connect(vec![logs.clone().table()]);
    let follow = ec2.networks.clone().follow(lab.house.clone());
    let following = neargate_base::task::spawn("networks", follow);
    ec2.networks.subscribe().await;
    Place {
        vpc: DefaultVpc::of(&lab.scope.account, &lab.scope.region),
        lab,
        table,
        ec2,
        logs,
        following,
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

impl Place {
    async fn create(&self, input: ec2::CreateFlowLogsInput) -> Result<Vec<String>, AwsError> {
        let made = neargate_testkit::call(&*self.table, self.lab.cx(), ops::CreateFlowLogs, input);
        Ok(made.await?.flow_log_ids.unwrap_or_default())
    }

    fn of_vpc(&self) -> ec2::CreateFlowLogsInput {
        ec2::CreateFlowLogsInput {
            resource_ids: vec![self.vpc.vpc_id.clone()],
            resource_type: "VPC".into(),
            traffic_type: some("ALL"),
            log_group_name: some("flows"),
            deliver_logs_permission_arn: some("arn:aws:iam::000000000000:role/flows"),
            max_aggregation_interval: Some(60),
            ..Default::default()
        }
    }

    async fn described(&self) -> Vec<ec2::FlowLog> {
        let input = ec2::DescribeFlowLogsInput::default();
        let cx = self.lab.cx();
        let found = neargate_testkit::call(&*self.table, cx, ops::DescribeFlowLogs, input);
        found.await.expect("described").flow_logs.expect("a list")
    }

    async fn interface(&self, owner: &str) -> NetworkInterface {
        let wanted = eni::Wanted {
            subnet_id: &self.vpc.subnets[0].id,
            security_groups: &[],
            public: false,
            owner,
            held: &[],
        };
        let reserved = eni::reserve(&self.lab.house, &self.lab.scope, wanted).await;
        let reserved = reserved.expect("reserved");
        let tx = self.lab.house.db.tx();
        let tx = tx.with(reserved.compares, reserved.ops).commit().await;
        let Ok(Committed::At(revision)) = tx else {
            panic!("stored");
        };
        self.ec2.networks.at(revision).await;
        reserved.interface
    }

    async fn tick(&self) {
        let (logs, networks) = (&self.ec2.flow_logs, &self.ec2.networks);
        logs.tick(networks, &self.lab.house).await.expect("looked");
    }

    /// A minute is over.
    async fn minute(&self) {
        self.lab.clock.advance(Duration::from_secs(60));
        self.tick().await;
    }

    /// Everybody has heard what was written.
    async fn settled(&self) {
        let revision = self.lab.house.db.store().revision().await.expect("read");
        self.ec2.networks.at(revision).await;
    }

    fn said(&self, interface: &NetworkInterface, kind: &str) -> Vec<String> {
        let stream = format!("{}-{kind}", interface.id);
        let mut streams = self.logs.streams.lock();
        let said = streams.get_mut(&("flows".to_owned(), stream));
        said.map(std::mem::take).unwrap_or_default()
    }
}

fn flow(interface: &NetworkInterface, now: Timestamp) -> Flow {
    Flow {
        between: FlowEnds {
            source: interface.private_ipv4,
            destination: Ipv4Addr::new(203, 0, 113, 9),
            protocol: 6,
            source_port: 40_000,
            destination_port: 443,
        },
        is_ingress: false,
        is_accepted: true,
        packets: 10,
        bytes: 840,
        tcp_flags: 2,
        first_at: now,
        last_at: now.shift(9_000),
    }
}

fn report(of: &NetworkInterface, flows: Vec<Flow>) -> FlowReport {
    FlowReport {
        vpc_id: of.vpc_id.clone(),
        interfaces: vec![of.private_ipv4],
        is_complete: true,
        flows,
    }
}

#[tokio::test]
async fn flows_of_an_interval_become_records_and_none_says_so() {
    let place = place().await;
    place.tick().await;
    let busy = place
        .interface("arn:aws:ecs:us-east-1:000000000000:task/web/0123")
        .await;
    let made = place.create(place.of_vpc()).await.expect("made");
    assert_eq!(made.len(), 1);
    place.settled().await;
    place.tick().await;
    let now = place.lab.house.now();
    let flow = flow(&busy, now);
    let logs = &place.ec2.flow_logs;
    logs.told([
        report(&busy, vec![flow.clone()]),
        report(&busy, vec![flow.clone()]),
    ]);
    logs.told([report(
        &busy,
        vec![Flow {
            is_accepted: false,
            is_ingress: false,
            ..flow
        }],
    )]);
    place.tick().await;
    assert_eq!(
        place.said(&busy, "all"),
        [""; 0],
        "the interval is not over"
    );
    place.minute().await;
    let (account, id, own) = (&place.lab.scope.account, &busy.id, busy.private_ipv4);
    let start = now.as_millis() / 1_000;
    let end = start + 9;
    assert_eq!(
        place.said(&busy, "all"),
        [
            format!(
                "2 {account} {id} {own} 203.0.113.9 40000 443 6 10 840 {start} {end} REJECT OK"
            ),
            format!(
                "2 {account} {id} {own} 203.0.113.9 40000 443 6 20 1680 {start} {end} ACCEPT OK"
            ),
        ]
    );
    let since = start + 60;
    logs.told([report(&busy, Vec::new())]);
    place.minute().await;
    let nothing = format!(
        "2 {account} {id} - - - - - - - {since} {} - NODATA",
        since + 60
    );
    assert_eq!(place.said(&busy, "all"), [nothing]);
    // What nobody has looked at, nobody says anything of.
    place.minute().await;
    assert_eq!(place.said(&busy, "all"), [""; 0]);
    let incomplete = FlowReport {
        is_complete: false,
        ..report(&busy, Vec::new())
    };
    logs.told([incomplete]);
    place.minute().await;
    let since = since + 120;
    let skipped = format!(
        "2 {account} {id} - - - - - - - {since} {} - SKIPDATA",
        since + 60
    );
    assert_eq!(place.said(&busy, "all"), [skipped]);
}

#[tokio::test]
async fn formats_and_kinds_of_traffic_are_as_asked_for() {
    let place = place().await;
    let task = "arn:aws:ecs:us-east-1:000000000000:task/web/0123";
    let of = place.interface(task).await;
    let all = "${interface-id} ${vpc-id} ${tcp-flags} ${type} ${pkt-dstaddr} ${region} ${az-id} \
               ${sublocation-id} ${flow-direction} ${traffic-path} ${ecs-cluster-name} \
               ${ecs-task-arn} ${reject-reason} ${version}";
    let input = ec2::CreateFlowLogsInput {
        resource_ids: vec![of.id.clone()],
        resource_type: "NetworkInterface".into(),
        traffic_type: some("ACCEPT"),
        log_format: some(all),
        ..place.of_vpc()
    };
    place.create(input).await.expect("made");
    place.settled().await;
    place.tick().await;
    let flow = flow(&of, place.lab.house.now().shift(1_000));
    let refused = Flow {
        is_accepted: false,
        ..flow.clone()
    };
    place.ec2.flow_logs.told([report(&of, vec![flow, refused])]);
    place.minute().await;
    let (id, vpc) = (&of.id, &of.vpc_id);
    let record =
        format!("{id} {vpc} 2 IPv4 203.0.113.9 us-east-1 use1-az1 - egress 8 web {task} - 8");
    assert_eq!(
        place.said(&of, "accept")[1..],
        [record],
        "after SKIPDATA of its first minute"
    );
}

#[tokio::test]
async fn a_delivery_that_fails_is_shown_and_a_log_goes_with_its_resource() {
    let place = place().await;
    let of = place.interface("").await;
    let input = ec2::CreateFlowLogsInput {
        resource_ids: vec![of.id.clone()],
        resource_type: "NetworkInterface".into(),
        ..place.of_vpc()
    };
    place.create(input).await.expect("made");
    place.settled().await;
    place.tick().await;
    *place.logs.denies.lock() = true;
    place.ec2.flow_logs.told([report(&of, Vec::new())]);
    place.minute().await;
    let shown = place.described().await.remove(0);
    assert_eq!(shown.deliver_logs_status.as_deref(), Some("FAILED"));
    assert_eq!(
        shown.deliver_logs_error_message.as_deref(),
        Some("Access error")
    );
    *place.logs.denies.lock() = false;
    place.ec2.flow_logs.told([report(&of, Vec::new())]);
    place.minute().await;
    let shown = place.described().await.remove(0);
    assert_eq!(shown.deliver_logs_status.as_deref(), Some("SUCCESS"));
    let ops = eni::release_interface(&place.lab.scope, &of);
    let gone = place.lab.house.db.tx().with(Vec::new(), ops).commit().await;
    assert!(matches!(gone, Ok(Committed::At(_))));
    place.minute().await;
    assert_eq!(place.described().await, []);
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_aws_words() {
    let place = place().await;
    let ask = |change: fn(&mut ec2::CreateFlowLogsInput)| {
        let mut input = place.of_vpc();
        change(&mut input);
        let made = place.create(input);
        async { made.await.expect_err("refused") }
    };
    let error = ask(|i| i.max_aggregation_interval = Some(10)).await;
    assert_eq!(error.message, "Invalid Flow Log Max Aggregation Interval");
    let error = ask(|i| i.log_group_name = None).await;
    assert_eq!(
        error.message,
        "LogDestination can't be empty if LogGroupName is not provided."
    );
    let error = ask(|i| i.deliver_logs_permission_arn = None).await;
    assert_eq!(
        error.message,
        "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs."
    );
    let error = ask(|i| i.log_destination_type = some("s3")).await;
    assert_eq!(
        error.message,
        "LogDestination type must be cloud-watch-logs if LogGroupName is provided."
    );
    for format in ["${version} ", "version", "${nothing}", ""] {
        let mut input = place.of_vpc();
        input.log_format = some(format);
        let error = place.create(input).await.expect_err("refused");
        let message = format!(
            "1 validation error detected: Value '{format}' at 'logFormat' has an invalid format"
        );
        assert_eq!(
            (error.code.as_str(), error.message),
            ("InvalidParameterValue", message)
        );
    }
    let error = ask(|i| i.log_format = some("${ecs-service-name}")).await;
    assert_eq!(error.code, "UnsupportedOperation");
    let error = ask(|i| i.resource_ids = vec!["vpc-0123456789abcdef0".into()]).await;
    assert_eq!(error.code, "InvalidVpcID.NotFound");
    let error = ask(|i| i.traffic_type = some("SOME")).await;
    assert_eq!(error.code, "InvalidParameterValue");
    let error = ask(|i| i.resource_type = "Subnet".into()).await;
    assert_eq!(error.code, "InvalidSubnetId.Malformed");

    let with_token = ec2::CreateFlowLogsInput {
        client_token: some("once"),
        ..place.of_vpc()
    };
    let first = place.create(with_token.clone()).await.expect("made");
    assert_eq!(place.create(with_token).await.expect("the same"), first);
    assert_eq!(
        place.create(place.of_vpc()).await.expect_err("there").code,
        "FlowLogAlreadyExists"
    );
    let delete = |ids: Vec<String>| {
        let input = ec2::DeleteFlowLogsInput {
            flow_log_ids: ids,
            ..Default::default()
        };
        neargate_testkit::call(&*place.table, place.lab.cx(), ops::DeleteFlowLogs, input)
    };
    let error = delete(vec!["fl-1a2b3c4d".into(), "fl-2b3c4d5e".into()]).await;
    assert_eq!(
        error.expect_err("refused").message,
        "These flow log ids in the input list are not found: [TotalCount: 2] fl-1a2b3c4d fl-2b3c4d5e"
    );
    delete(first).await.expect("deleted");
    assert_eq!(place.described().await, []);
}
