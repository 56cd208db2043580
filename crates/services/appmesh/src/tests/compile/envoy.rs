//! A real Envoy is told a snapshot, when `NEARGATE_ENVOY` names one: it takes everything, or the test shows what
//! it says. `NEARGATE_ENVOY_KEYS` is a directory with `chain.pem`, `key.pem` and `ca.pem` for it.

use async_trait::async_trait;
use neargate_base::{AccountId, Region, task};
use neargate_xds::{Proxy, Refusal, Rejected, Snapshot, Source};
use serde_json::json;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// One Envoy at a time: they listen at the same ports.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[derive(Debug)]
struct Fixed {
    snapshot: Arc<Snapshot>,
    changes: watch::Sender<u64>,
    taken: mpsc::UnboundedSender<Option<Rejected>>,
}

#[async_trait]
impl Source for Fixed {
    fn knows(&self, _: &Proxy) -> bool {
        true
    }

    async fn changes(&self, _: &Proxy) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn snapshot(&self, _: &Proxy) -> Result<Arc<Snapshot>, Refusal> {
        Ok(self.snapshot.clone())
    }

    fn taken(&self, _: &Proxy, rejected: Option<&Rejected>) {
        let _ = self.taken.send(rejected.cloned());
    }
}

fn bootstrap(socket: &Path) -> serde_json::Value {
    let piped = |name: &str| {
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} } } },
            "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": { "pipe": { "path": socket } } } }] }] },
        })
    };
    let ads = json!({ "ads": {}, "resource_api_version": "V3" });
    json!({
        "node": { "id": "mesh/m/virtualNode/n", "cluster": "n" },
        "dynamic_resources": {
            "ads_config": { "api_type": "GRPC", "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "ads" } }] },
            "cds_config": ads, "lds_config": ads,
        },
        "static_resources": { "clusters": [piped("ads"), piped("static_cluster_sds_unix_socket")] },
    })
}

/// Panics with Envoy's words when it does not take the snapshot.
pub fn takes(name: &str, envoy: &str, snapshot: &Snapshot) {
    let _alone = ALONE.lock();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let dir = std::env::temp_dir().join(format!("mesh-envoy-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let socket = dir.join("ads.sock");
        let _ = std::fs::remove_file(&socket);
        let door = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let (taken, mut told) = mpsc::unbounded_channel();
        let source: Arc<dyn Source> = Arc::new(Fixed {
            snapshot: Arc::new(snapshot.clone()),
            changes: watch::Sender::new(0),
            taken,
        });
        let sources: Arc<[Arc<dyn Source>]> = vec![source].into();
        let serving = task::spawn("ads", async move {
            while let Ok((io, _)) = door.accept().await {
                let proxy = Proxy {
                    account: AccountId::default(),
                    region: Region::default(),
                    task_id: "t".into(),
                    task_arn: "t".into(),
                    task_key: "t".into(),
                    task_role_arn: None,
                    container: "envoy".into(),
                    resource: String::new(),
                };
                task::spawn("proxy", neargate_xds::serve(io, proxy, sources.clone()));
            }
        });
        let mut running = tokio::process::Command::new(envoy)
            .args(["--config-yaml", &bootstrap(&socket).to_string()])
            .args(["--disable-hot-restart", "--concurrency", "1", "-l", "error"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Envoy runs");
        let said = tokio::time::timeout(Duration::from_secs(20), told.recv()).await;
        let _ = running.kill().await;
        serving.abort();
        let _ = std::fs::remove_dir_all(&dir);
        match said {
            Ok(Some(None)) => {}
            Ok(Some(Some(rejected))) => panic!("{name}: {rejected:?}"),
            other => panic!("{name}: Envoy says nothing: {other:?}"),
        }
    });
}
