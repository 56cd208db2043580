//! `neargate instance`: container instances that are slices of this host.

use super::tasks;
use crate::client::{Client, Target};
use crate::view::{Cell, Output, Paint, Table, age, last_part, print_json, say, span};
use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use http::Method;
use neargate_base::Clock;
use neargate_base::Timestamp;
use neargate_base::time::{Stopwatch, SystemClock};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;
use std::time::Duration;

const PAGE: &str = "/_neargate/instances";

/// Make, show and remove container instances that are slices of this host.
#[derive(Debug, clap::Args)]
pub struct Instance {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Add container instances to a cluster, each with its own CPU, memory, ports and address,
    /// and wait until they are ACTIVE in it.
    #[command(after_help = "Examples:
  neargate instance add                        one t3.small in the cluster default
  neargate instance add --cluster prod --type m5.large --az us-east-1b
  neargate instance add --count 3 --attribute stack=blue")]
    Add {
        /// The cluster it registers into
        #[arg(long, short, value_name = "NAME", default_value = "default")]
        cluster: String,
        /// The EC2 instance type whose CPU and memory it has
        #[arg(long = "type", value_name = "TYPE", default_value = "t3.small")]
        instance_type: String,
        /// Its Availability Zone [default: the one with the fewest of the cluster's]
        #[arg(long = "az", value_name = "ZONE")]
        availability_zone: Option<String>,
        /// A custom attribute, for placement; may be repeated
        #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
        attributes: Vec<(String, String)>,
        /// The capacity provider it belongs to
        #[arg(long, value_name = "NAME")]
        capacity_provider: Option<String>,
        /// How many
        #[arg(long, short = 'n', default_value_t = 1)]
        count: u32,
        /// Do not wait until they are ACTIVE in their cluster
        #[arg(long)]
        no_wait: bool,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        target: Target,
    },
    /// Show them.
    #[command(visible_alias = "ls")]
    List {
        /// Only this cluster's [default: all]
        #[arg(long, short, value_name = "NAME")]
        cluster: Option<String>,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        target: Target,
    },
    /// Take one away; its tasks must be gone, or are killed with --force.
    #[command(after_help = "Examples:
  aws ecs update-container-instances-state --status DRAINING --container-instances ID
  neargate instance rm i-0f3a9c1b2d4e5f607
  neargate instance rm i-0f3a9c1b2d4e5f607 --force")]
    Rm {
        /// Its EC2 instance id, or the start of it
        id: String,
        /// Kill its tasks
        #[arg(long, short)]
        force: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// One instance as the gateway shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    ec2_instance_id: String,
    cluster: String,
    instance_type: String,
    availability_zone: String,
    private_ip_address: String,
    state: String,
    state_reason: Option<String>,
    cpu: u32,
    memory: u32,
    attributes: BTreeMap<String, String>,
    capacity_provider_name: Option<String>,
    launch_time: f64,
}

impl Instance {
    pub async fn run(self) -> Result<ExitCode> {
        match self.what {
            What::Add {
                cluster,
                instance_type,
                availability_zone,
                attributes,
                capacity_provider,
                count,
                no_wait,
                output,
                target,
            } => {
                let asked = json!({
                    "cluster": cluster,
                    "instanceType": instance_type,
                    "availabilityZone": availability_zone,
                    "attributes": BTreeMap::from_iter(attributes),
                    "capacityProvider": capacity_provider,
                    "count": count,
                });
                let client = target.client()?;
                let mut page = client.page(Method::POST, PAGE, Some(&asked)).await?;
                let ids = read(&page)?.into_iter().map(|i| i.ec2_instance_id);
                let ids: Vec<String> = ids.collect();
                // What was made is named, whatever becomes of it.
                if output == Output::Table {
                    ids.iter().for_each(|id| say(id));
                }
                if !no_wait {
                    page = active(&client, &cluster, &ids).await?;
                }
                if output == Output::Json {
                    print_json(&page["instances"]);
                }
            }
            What::List {
                cluster,
                output,
                target,
            } => list(&target.client()?, cluster.as_deref(), output).await?,
            What::Rm { id, force, target } => {
                let client = target.client()?;
                let id = find(&client, &id).await?;
                let path = format!("{PAGE}/{id}");
                let asked = json!({ "force": force });
                client.page(Method::DELETE, &path, Some(&asked)).await?;
                say(&format!("{id} is being removed"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(page: &Value) -> Result<Vec<Shown>> {
    Ok(serde_json::from_value(page["instances"].clone())?)
}

/// Between two looks, and how long to look: an instance is there in well under a second.
const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until ECS describes the instances as `ACTIVE` with a connected agent. Answers the page
/// of these instances.
async fn active(client: &Client, cluster: &str, ids: &[String]) -> Result<Value> {
    let waiting = Stopwatch::start();
    loop {
        let mut page = client.page(Method::GET, PAGE, None).await?;
        if let Some(all) = page["instances"].as_array_mut() {
            all.retain(|i| ids.iter().any(|id| i["ec2InstanceId"] == **id));
        }
        let shown = read(&page)?;
        if let Some(failed) = shown.iter().find(|i| i.state == "FAILED") {
            bail!(
                "the instance {} cannot run: {}",
                failed.ec2_instance_id,
                failed
                    .state_reason
                    .as_deref()
                    .unwrap_or("its host does not say why")
            );
        }
        let there = tasks::all_instances(client, cluster).await?;
        let there = there
            .iter()
            .filter(|i| i.status.as_deref() == Some("ACTIVE") && i.agent_connected == Some(true));
        let there: BTreeSet<&str> = there.filter_map(|i| i.ec2_instance_id.as_deref()).collect();
        let missing = ids.iter().filter(|id| !there.contains(id.as_str()));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if missing.is_empty() {
            return Ok(page);
        }
        if waiting.elapsed() >= PATIENCE {
            bail!(
                "{} of {} instances are not ACTIVE after {}: {}; `neargate instance list` shows \
                 what they are",
                missing.len(),
                ids.len(),
                span(PATIENCE),
                missing.join(", ")
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn list(client: &Client, cluster: Option<&str>, output: Output) -> Result<()> {
    if let Some(cluster) = cluster {
        tasks::known_cluster(client, cluster).await?;
    }
    let mut page = client.page(Method::GET, PAGE, None).await?;
    let name = cluster.map(last_part);
    if let (Some(name), Some(all)) = (name, page["instances"].as_array_mut()) {
        all.retain(|i| i["cluster"] == name);
    }
    match output {
        Output::Json => print_json(&page["instances"]),
        Output::Table => {
            let table = table(&read(&page)?, SystemClock.now());
            if table.is_empty() {
                tell!("There are no instances. `neargate instance add` makes one.");
            } else {
                table.print(Paint::stdout());
            }
        }
    }
    Ok(())
}

fn table(all: &[Shown], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "INSTANCE",
        "CLUSTER",
        "TYPE",
        "ZONE?",
        "STATE",
        "ADDRESS",
        ">CPU?",
        ">MEMORY?",
        "ATTRIBUTES",
        "PROVIDER",
        "AGE",
        "WHY",
    ]);
    for i in all {
        let attributes: Vec<String> = i
            .attributes
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let launched = Timestamp::from_millis((i.launch_time * 1000.0) as i64);
        table.row(vec![
            Cell::strong(&i.ec2_instance_id),
            i.cluster.as_str().into(),
            i.instance_type.as_str().into(),
            i.availability_zone.as_str().into(),
            Cell::state(&i.state),
            i.private_ip_address.as_str().into(),
            i.cpu.to_string().into(),
            i.memory.to_string().into(),
            attributes.join(",").into(),
            i.capacity_provider_name.as_deref().unwrap_or("-").into(),
            age(Some(launched), now).into(),
            i.state_reason.as_deref().unwrap_or("-").into(),
        ]);
    }
    table
}

/// The whole id of the instance that `named` begins.
async fn find(client: &Client, named: &str) -> Result<String> {
    let all = read(&client.page(Method::GET, PAGE, None).await?)?;
    let mut ids = all.into_iter().map(|i| i.ec2_instance_id);
    let mut ids = ids.by_ref().filter(|id| id.starts_with(named));
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(anyhow!(
            "several instances' ids begin with {named:?}; give more of it"
        )),
        (None, _) => Err(anyhow!(
            "there is no instance {named:?} here; `neargate instance list` shows those there are"
        )),
    }
}

/// The addresses of the instances, by id; empty where Neargate has none to tell.
pub async fn addresses(client: &Client) -> Result<HashMap<String, String>> {
    let page = super::optional(client.page(Method::GET, PAGE, None).await)?;
    let all = page.as_ref().map(read).transpose()?.unwrap_or_default();
    let pair = |i: Shown| (i.ec2_instance_id, i.private_ip_address);
    Ok(all.into_iter().map(pair).collect())
}

/// `NAME=VALUE`.
fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_shows_what_is_there_and_what_is_wrong() {
        let page = json!({ "instances": [{
            "ec2InstanceId": "i-0123456789abcdef0", "cluster": "c", "instanceType": "t3.small",
            "availabilityZone": "us-east-1a", "privateIpAddress": "172.31.0.4",
            "networkInterfaceId": "eni-1", "state": "FAILED", "stateReason": "no room",
            "cpu": 2048, "memory": 1950, "attributes": {"stack": "blue"},
            "capacityProviderName": null, "launchTime": 1.5,
        }]});
        let table = table(&read(&page).expect("reads"), Timestamp::from_millis(3_500));
        let row = table.lines(Paint::NONE, None).pop().expect("a row");
        assert_eq!(
            row,
            "i-0123456789abcdef0  c        t3.small  us-east-1a  FAILED  172.31.0.4  \
             2048    1950  stack=blue  2s   no room"
        );
    }

    #[test]
    fn attributes_have_a_name_and_a_value() {
        assert_eq!(attribute("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(attribute("a").is_err());
    }
}
