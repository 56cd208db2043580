//! Where the tests happen: a directory, an image of busybox, a node process, and the tasks.

use crate::wire::{ControlPlane, Remote};
use neargate_base::time::SystemClock;
use neargate_base::{AccountId, Region, Rng};
use neargate_blob::{Blobs, Digest};
use neargate_domain::vpc_network::{
    GroupNetwork, GroupPeer, GroupRule, NetworkChange, SubnetNetwork, Traffic, VpcNetwork,
};
use neargate_domain::{
    Assignment, Cidr, ContainerSpec, DesiredState, ImageRef, InstanceNetwork, LaunchType,
    LogTarget, NetworkInterface, TaskNetwork,
};
use neargate_node::agent::{Agent, AgentConfig};
use neargate_node::capability::Allowed;
use neargate_node::image::{Images, RegistryConfig};
use neargate_node::net::{Network, NetworkConfig};
use neargate_node::runtime::{RuntimeConfig, ShimRuntime};
use neargate_node::slice::{Slice, SliceConfig, Slices};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;

/// The image every task here runs.
pub const BUSYBOX: &str = "busybox";
/// Names this test's cgroups and network.
pub const INSTALLATION: &str = "agenttest";
/// The slice, and the last number of its address.
pub const SLICE: &str = "i-0123456789abcdef0";
pub const SLICE_ADDRESS: u8 = 200;

/// Stores an image of the host's static busybox; `None` when there is none.
pub async fn store_image(blobs: &Arc<Blobs>) -> Option<Digest> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|p| Path::new(p).exists())?;
    let program = std::fs::read(busybox).ok()?;
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    let owner = |header: &mut tar::Header| {
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
    };
    owner(&mut header);
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    layer
        .append_data(&mut header, "bin/busybox", &program[..])
        .unwrap();
    for applet in [
        "sh", "echo", "cat", "sleep", "dd", "wget", "httpd", "nc", "seq", "env", "true", "mkdir",
        "usleep", "hostname", "ip",
    ] {
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        owner(&mut link);
        link.set_mode(0o777);
        link.set_size(0);
        layer
            .append_link(&mut link, format!("bin/{applet}"), "busybox")
            .unwrap();
    }
    let layer = layer.into_inner().unwrap();
    let (layer_digest, layer_size) = (Digest::of(&layer), layer.len());
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Env": ["PATH=/bin"], "Cmd": ["sh"] },
        "rootfs": { "type": "layers", "diff_ids": [layer_digest.to_string()] },
    });
    let config = serde_json::to_vec(&config).unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::of(&config).to_string(), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer_digest.to_string(), "size": layer_size,
        }],
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let digest = Digest::of(&manifest);
    for bytes in [layer, config, manifest] {
        blobs.put_bytes(bytes.into(), None).await.unwrap();
    }
    Some(digest)
}

/// The node process: everything real but the control plane. Runs until killed, or until its
/// standard input ends.
pub async fn node(dir: &Path) {
    let filter = tracing_subscriber::EnvFilter::from_env("NEARGATE_TEST_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let blobs = Blobs::open(&dir.join("blobs")).unwrap();
    let images = Images::open(&dir.join("images"), Some(blobs), RegistryConfig::default()).unwrap();
    let network = Network::start(NetworkConfig {
        installation: INSTALLATION.into(),
        run_dir: dir.join("net"),
        vpc_cidr: "172.31.0.0/16".parse().unwrap(),
        public_pool: Cidr::PUBLIC_POOL,
        overlay: None,
        reachable: None,
        api: Vec::new(),
    })
    .await
    .unwrap();
    network.apply([NetworkChange::Vpc(vpc())]).await.unwrap();
    let runtime = ShimRuntime::open(RuntimeConfig {
        exe: std::env::current_exe().unwrap(),
        run_dir: dir.join("tasks"),
        cgroup_name: INSTALLATION.into(),
    })
    .unwrap();
    let upstream = Remote::connect(&dir.join("control.sock")).await;
    let rng = Arc::new(Rng::from_entropy());
    let config = AgentConfig::new(dir.join("data"), Arc::new(SystemClock), rng);
    let (shared, vpc) = (Arc::clone(&images), Arc::clone(&network));
    let agent = Agent::start(config, upstream, shared, vpc, Arc::new(runtime))
        .await
        .unwrap();
    let slice = slice(dir, images, &network).await;
    let ended = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    neargate_base::task::spawn_blocking(ended)
        .await
        .unwrap()
        .unwrap();
    agent.shutdown().await;
    match slice {
        Some(slice) if dir.join("remove").exists() => slice.remove().await.unwrap(),
        Some(slice) => slice.shutdown().await,
        None => {}
    }
}

/// The slice of the node process, while the test has a control plane for it.
async fn slice(dir: &Path, images: Arc<Images>, network: &Arc<Network>) -> Option<Slice> {
    let slices = Slices {
        installation: INSTALLATION.into(),
        exe: std::env::current_exe().unwrap(),
        data_dirs: dir.join("slices"),
        run_dirs: dir.join("run"),
    };
    let socket = dir.join("slice.sock");
    let wanted = socket.exists().then(|| SLICE.to_owned());
    let known: HashSet<String> = wanted.into_iter().collect();
    slices.sweep(&known, network).await.unwrap();
    if known.is_empty() {
        return None;
    }
    let config = SliceConfig {
        id: SLICE.into(),
        interface: eni(SLICE_ADDRESS),
        cpu_units: 2048,
        memory_mib: 256,
        allowed: Allowed::default(),
        file_systems: Default::default(),
        disk_guard: None,
        task_endpoint: None,
        api_url: None,
        data_dir: slices.data_dirs.join(SLICE),
        run_dir: slices.run_dirs.join(SLICE),
        installation: slices.installation,
        exe: slices.exe,
        node_id: SLICE.into(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(Rng::from_entropy()),
    };
    let upstream = Remote::connect(&socket).await;
    let slice = Slice::start(config, upstream, images, Arc::clone(network)).await;
    Some(slice.unwrap())
}

/// The place of one test run. Dropping it ends what it started.
#[derive(Debug)]
pub struct Place {
    pub dir: tempfile::TempDir,
    pub plane: Arc<ControlPlane>,
    /// The slice's.
    pub slice: Arc<ControlPlane>,
    node: Option<Child>,
}

impl Place {
    /// `None` where the machine lacks what it takes.
    pub async fn new() -> Option<Place> {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        let digest = store_image(&blobs).await?;
        let images = HashMap::from([(BUSYBOX.to_owned(), digest)]);
        let plane = ControlPlane::start(&dir.path().join("control.sock"), images.clone());
        let slice = ControlPlane::start(&dir.path().join("slice.sock"), images);
        let mut place = Place {
            dir,
            plane,
            slice,
            node: None,
        };
        place.start_node();
        Some(place)
    }

    pub fn start_node(&mut self) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("node")
            .arg(self.dir.path())
            .stdin(std::process::Stdio::piped());
        self.node = Some(command.spawn().unwrap());
    }

    /// SIGKILL.
    pub fn kill_node(&mut self) {
        let mut node = self.node.take().unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
    }

    /// An orderly end.
    pub fn stop_node(&mut self) {
        let mut node = self.node.take().unwrap();
        drop(node.stdin.take());
        assert!(node.wait().unwrap().success());
    }

    /// Until the node has forgotten the task.
    pub async fn forgotten(&self, task_id: &str) {
        self.gone(self.path("data/ledger"), task_id).await;
    }

    /// Until the slice has.
    pub async fn slice_forgotten(&self, task_id: &str) {
        let ledger = self.path("slices").join(SLICE).join("node/ledger");
        self.gone(ledger, task_id).await;
    }

    async fn gone(&self, ledger: PathBuf, task_id: &str) {
        let entry = ledger.join(format!("{task_id}.json"));
        let gone = async {
            while entry.exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::PATIENCE, gone)
            .await
            .expect("forgotten");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Names of what is left of tasks: namespaces, directories, cgroups.
    pub fn left(&self) -> Vec<String> {
        let mut dirs = vec![
            self.path("net/netns"),
            self.path("tasks"),
            self.path("agent/etc"),
            self.path(&format!("run/{SLICE}/net/netns")),
            self.path(&format!("run/{SLICE}/agent/etc")),
            self.path(&format!("slices/{SLICE}/containers")),
        ];
        for cgroup in [
            format!("neargate-{INSTALLATION}"),
            format!("neargate-{INSTALLATION}-{SLICE}"),
        ] {
            dirs.extend(
                ["memory", "cpu", "pids", "unified", ""]
                    .map(|c| Path::new("/sys/fs/cgroup").join(c).join(&cgroup)),
            );
        }
        // The slice's own.
        let own = self.path("net/netns").join(format!("{SLICE}@{SLICE}"));
        let children = dirs
            .iter()
            .filter_map(|dir| std::fs::read_dir(dir).ok())
            .flatten()
            .flatten();
        let dirs = children.filter(|e| {
            let path = e.path();
            path != own && (path.is_dir() || path.starts_with(self.dir.path()))
        });
        dirs.map(|e| e.path().display().to_string()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut node) = self.node.take() {
            let _ = node.kill();
            let _ = node.wait();
        }
        // A node that knows no task ends and removes all that is left.
        let dir = self.dir.path().to_owned();
        let _ = std::fs::remove_dir_all(dir.join("data"));
        let mut command = Command::new(std::env::current_exe().expect("an executable"));
        let swept = command.arg("sweep").arg(&dir).status();
        eprintln!("swept: {swept:?}");
    }
}

/// Ends and removes every task of this installation and its slice.
pub async fn sweep(dir: &Path) {
    use neargate_node::runtime::Runtime as _;
    let of_slice = format!("{INSTALLATION}-{SLICE}");
    let roots = [
        (dir.join("tasks"), INSTALLATION.to_owned()),
        (dir.join("slices").join(SLICE).join("containers"), of_slice),
    ];
    for (run_dir, cgroup_name) in roots {
        let cgroup = format!("neargate-{cgroup_name}");
        let runtime = ShimRuntime::open(RuntimeConfig {
            exe: std::env::current_exe().unwrap(),
            run_dir,
            cgroup_name,
        });
        runtime.unwrap().sweep(&Default::default()).await.unwrap();
        for controller in std::fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            // Where there is none, there is nothing to remove.
            let _ = std::fs::remove_dir(controller.path().join(&cgroup));
        }
    }
    for netns in ["net/netns".to_owned(), format!("run/{SLICE}/net/netns")] {
        let netns = std::fs::read_dir(dir.join(netns));
        for namespace in netns.into_iter().flatten().flatten() {
            let _ = rustix::mount::unmount(namespace.path(), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// `sh -c script` with its output kept.
pub fn script(name: &str, script: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        image: ImageRef {
            name: BUSYBOX.into(),
        },
        essential: true,
        entry_point: None,
        command: Some(vec!["sh".into(), "-c".into(), script.into()]),
        environment: [("WHO".to_owned(), "task".to_owned())].into(),
        working_directory: None,
        user: None,
        hostname: None,
        cpu_units: None,
        memory_mib: None,
        memory_reservation_mib: None,
        read_only_root: false,
        privileged: false,
        cap_add: vec![],
        cap_drop: vec![],
        init_process: false,
        shm_size_mib: None,
        tmpfs: vec![],
        ulimits: vec![],
        sysctls: [].into(),
        extra_hosts: vec![],
        interactive: false,
        pseudo_terminal: false,
        stop_timeout_secs: 30,
        start_timeout_secs: 0,
        port_mappings: vec![],
        health_check: None,
        restart_policy: None,
        arn: None,
        labels: [].into(),
        secrets: Vec::new(),
        repository_credentials: None,
        network: Default::default(),
        depends_on: vec![],
        log: Some(LogTarget {
            account: AccountId::default(),
            region: Region::default(),
            group: "/ecs/test".into(),
            stream: name.into(),
            create_group: true,
            multiline: None,
        }),
        ..ContainerSpec::default()
    }
}

/// The `number`th task; its address ends in it.
pub fn task(number: u8, containers: Vec<ContainerSpec>) -> Assignment {
    Assignment {
        task_id: format!("{number:032x}"),
        task_arn: format!("arn:aws:ecs:us-east-1:000000000000:task/default/{number:032x}"),
        account: AccountId::default(),
        region: Region::default(),
        cluster: "default".into(),
        family: "test".into(),
        revision: 1,
        generation: 1,
        desired: DesiredState::Running,
        cpu_units: Some(256),
        memory_mib: Some(512),
        ephemeral_storage_gib: None,
        network: TaskNetwork::Awsvpc(eni(number)),
        launch_type: LaunchType::Fargate,
        container_instance_arn: None,
        task_role_arn: None,
        execution_role_arn: None,
        service_name: None,
        containers,
        volumes: Vec::new(),
        pid_mode: None,
        ipc_mode: None,
        proxy: None,
        fault_injection: false,
    }
}

/// The VPC of every interface: its one group allows everything.
fn vpc() -> VpcNetwork {
    let everybody = || GroupRule {
        traffic: Traffic::Any,
        peer: GroupPeer::Range(Cidr::ANY),
    };
    VpcNetwork {
        is_logged: false,
        dns: Default::default(),
        vpc_id: "vpc-1".into(),
        ranges: vec!["172.31.0.0/16".parse().unwrap()],
        is_default: true,
        default_group: "sg-1".into(),
        subnets: vec![SubnetNetwork {
            subnet_id: "subnet-1".into(),
            range: "172.31.0.0/20".parse().unwrap(),
            routes: vec![],
            acl: None,
        }],
        peers: Default::default(),
        groups: vec![GroupNetwork {
            group_id: "sg-1".into(),
            ingress: vec![everybody()],
            egress: vec![everybody()],
        }],
    }
}

fn eni(number: u8) -> NetworkInterface {
    NetworkInterface {
        id: format!("eni-{number:017x}"),
        mac: format!("02:00:00:00:00:{number:02x}"),
        private_ipv4: [172, 31, 0, number].into(),
        prefix_len: 20,
        gateway: [172, 31, 0, 1].into(),
        vpc_cidr: "172.31.0.0/16".into(),
        subnet_id: "subnet-1".into(),
        vpc_id: "vpc-1".into(),
        security_groups: vec!["sg-1".into()],
        private_dns_name: format!("ip-172-31-0-{number}.ec2.internal"),
        domain_name: None,
        availability_zone: "us-east-1a".into(),
        in_default_vpc: true,
        public_ipv4: None,
    }
}

/// As [`task`], for the slice, without limits of its own.
pub fn on_slice(number: u8, mode: InstanceNetwork, containers: Vec<ContainerSpec>) -> Assignment {
    Assignment {
        cpu_units: None,
        memory_mib: None,
        network: TaskNetwork::Instance(mode),
        launch_type: LaunchType::Ec2,
        ..task(number, containers)
    }
}
