//! A runtime in a temporary directory that leaves nothing behind, also when a test fails.

use neargate_node::cgroup::{Cgroup, Hierarchy};
use neargate_node::runtime::{
    Container, ContainerConfig, Exit, Records, Runtime, RuntimeConfig, RuntimeError, ShimRuntime,
    TaskLimits,
};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub const TASK: &str = "0123456789abcdef";

#[derive(Debug)]
pub struct Lab {
    pub runtime: ShimRuntime,
    pub config: RuntimeConfig,
    pub layer: PathBuf,
    dir: tempfile::TempDir,
    mounted: bool,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Applets the tests use.
const APPLETS: [&str; 44] = [
    "sh",
    "true",
    "false",
    "cat",
    "echo",
    "grep",
    "sleep",
    "ls",
    "id",
    "env",
    "pwd",
    "hostname",
    "mount",
    "umount",
    "unshare",
    "ps",
    "kill",
    "seq",
    "touch",
    "mknod",
    "dd",
    "head",
    "stat",
    "awk",
    "chmod",
    "tr",
    "wc",
    "test",
    "sort",
    "ip",
    "df",
    "chroot",
    "readlink",
    "tty",
    "mkdir",
    "rm",
    "tail",
    "find",
    "yes",
    "expr",
    "stty",
    "fallocate",
    "xargs",
    "sed",
];

impl Lab {
    pub fn new() -> Lab {
        Lab::inside(tempfile::tempdir().unwrap(), false)
    }

    /// On a file system of its own with so much room.
    pub fn with_disk(mib: u32) -> Lab {
        use rustix::mount::{MountFlags, mount};
        let dir = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={mib}m")).unwrap();
        mount(
            "tmpfs",
            dir.path(),
            "tmpfs",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .unwrap();
        Lab::inside(dir, true)
    }

    fn inside(dir: tempfile::TempDir, mounted: bool) -> Lab {
        let layer = dir.path().join("layer");
        for name in ["bin", "etc", "tmp", "root", "srv/web"] {
            fs::create_dir_all(layer.join(name)).unwrap();
        }
        fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", layer.join("bin").join(applet)).unwrap();
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/srv/web:/bin/sh\n";
        fs::write(layer.join("etc/passwd"), passwd).unwrap();
        fs::write(
            layer.join("etc/group"),
            "root:x:0:\nweb:x:1001:\nlogs:x:50:web\n",
        )
        .unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let config = RuntimeConfig {
            exe: env!("CARGO_BIN_EXE_neargate-shim").into(),
            run_dir: dir.path().join("run"),
            cgroup_name: format!("test-{}-{number}", std::process::id()),
        };
        let runtime = ShimRuntime::open(config.clone()).unwrap();
        Lab {
            runtime,
            config,
            layer,
            dir,
            mounted,
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What a new agent would make of the same directories.
    pub fn another_runtime(&self) -> ShimRuntime {
        ShimRuntime::open(self.config.clone()).unwrap()
    }

    pub fn container(&self, args: &[&str]) -> ContainerConfig {
        ContainerConfig {
            task_id: TASK.into(),
            name: "main".into(),
            layers: vec![self.layer.clone()],
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            hostname: "box".into(),
            log: true,
            ..ContainerConfig::default()
        }
    }

    pub fn shell(&self, script: &str) -> ContainerConfig {
        self.container(&["sh", "-c", script])
    }

    pub async fn start(
        &self,
        config: &ContainerConfig,
    ) -> Result<Arc<dyn Container>, RuntimeError> {
        self.runtime
            .prepare_task(TASK, &TaskLimits::default())
            .await
            .unwrap();
        self.runtime.start(config).await
    }

    /// Runs it to its end: how it ended, and everything it wrote.
    pub async fn run(&self, config: &ContainerConfig) -> (Exit, String) {
        let container = self.start(config).await.unwrap();
        let exit = container.wait().await;
        (exit, self.output(&config.name))
    }

    /// Every line so far, each with its newline.
    pub fn output(&self, name: &str) -> String {
        let bytes = fs::read(self.runtime.state_dir(TASK, name).join("log")).unwrap();
        let mut text = Vec::new();
        for record in Records(&bytes) {
            text.extend_from_slice(record.message);
            text.push(b'\n');
        }
        String::from_utf8(text).unwrap()
    }

    /// Waits until the container has written `line`.
    pub async fn line(&self, name: &str, line: &str) {
        let path = self.runtime.state_dir(TASK, name).join("log");
        let line = format!("{line}\n");
        eventually(|| fs::read_to_string(&path).is_ok_and(|text| text.contains(&line))).await;
    }

    pub fn task_cgroup(&self) -> Cgroup {
        let hierarchy = Hierarchy::detect().unwrap();
        Cgroup::at(
            &hierarchy,
            &format!("neargate-{}/{TASK}", self.config.cgroup_name),
        )
    }

    /// Removes the task and asserts that nothing of it is left.
    pub async fn assert_clean(self) {
        self.runtime.remove_task(TASK).await.unwrap();
        assert!(!self.task_cgroup().exists());
        assert_eq!(fs::read_dir(&self.config.run_dir).unwrap().count(), 0);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let inside = format!("{}/", self.dir.path().display());
        assert!(!mounts.contains(&inside), "{mounts}");
        assert_eq!(shims_of(self.dir.path()), Vec::<i32>::new());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let hierarchy = Hierarchy::detect().unwrap();
        let root = Cgroup::at(&hierarchy, &format!("neargate-{}", self.config.cgroup_name));
        let _ = root.sweep(&HashSet::new());
        let _ = root.remove();
        let disk = self.config.run_dir.join(TASK).join(".disk");
        let _ = rustix::mount::unmount(&disk, rustix::mount::UnmountFlags::DETACH);
        if self.mounted {
            let _ = rustix::mount::unmount(self.dir.path(), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// Shim processes whose state directory is below `dir`.
pub fn shims_of(dir: &Path) -> Vec<i32> {
    let dir = dir.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.starts_with("neargate-shim\0") && line.contains(dir)
        })
        .collect()
}

/// Yields until it holds; the test runner's own limit ends a wait in vain.
pub async fn eventually(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Is it more than what is left for a parent that does not look?
pub fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.starts_with('Z') && !rest.is_empty())
}

pub fn process_exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
