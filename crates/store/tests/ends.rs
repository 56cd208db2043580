//! How a process with a broken disk ends, and how one with a full disk goes on: for real, in
//! processes of their own (this test, run again).

use bytes::Bytes;
use neargate_base::time::SystemClock;
use neargate_store::embedded::Options;
use neargate_store::{EmbeddedStore, Op, Store, StoreError, Txn, TxnOutcome};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ROLE: &str = "NEARGATE_STORE_ENDS";
const SIGABRT: i32 = 6;

fn put(key: &str, bytes: usize) -> Txn {
    let value = Bytes::from(vec![7; bytes]);
    Txn {
        ops: vec![Op::Put {
            key: key.to_owned(),
            value,
            lease: None,
        }],
        ..Default::default()
    }
}

#[derive(Debug, Default)]
struct Breaking {
    disk: InMemoryBackend,
    broken: AtomicBool,
}

impl StorageBackend for Breaking {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            Err(io::Error::other("broken"))
        } else {
            Ok(())
        }
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }
}

fn again(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test is a program"));
    command
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role);
    command
}

#[tokio::test]
async fn a_dead_writer_ends_the_process() {
    if std::env::var_os(ROLE).is_none() {
        let output = again("a_dead_writer_ends_the_process", "die")
            .output()
            .expect("it runs");
        assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
        return;
    }
    let disk = Arc::new(Breaking::default());
    let clock = Arc::new(SystemClock);
    let store = EmbeddedStore::open_with_backend(disk.clone(), clock, Options::default());
    let store = store.expect("it opens");
    store.txn(put("a", 1)).await.expect("the disk still works");
    disk.broken.store(true, Ordering::SeqCst);
    let _ = store.txn(put("a", 2)).await;
    std::future::pending::<()>().await;
}

/// A real file system of 4 MiB, in a mount namespace that goes with its process.
#[tokio::test]
async fn a_full_disk_is_survived() {
    if let Some(dir) = std::env::var_os(ROLE) {
        return fill_and_free(&PathBuf::from(dir)).await;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mount = "mount -t tmpfs -o size=4m neargate-test \"$1\" && shift && exec \"$@\"";
    let dir_text = dir.path().to_str().expect("a plain path");
    let child = again("a_full_disk_is_survived", dir_text);
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--mount", "sh", "-c", mount, "sh"])
        .arg(dir.path());
    unshare
        .arg(child.get_program())
        .args(child.get_args())
        .env(ROLE, dir_text);
    let may_mount = Command::new("unshare").args(["--mount", "true"]).output();
    if !may_mount.is_ok_and(|o| o.status.success()) {
        println!("skipped: a mount namespace needs root");
        return;
    }
    let output = unshare.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
}

async fn fill_and_free(dir: &Path) {
    let (path, ballast) = (dir.join("state"), dir.join("ballast"));
    std::fs::write(&ballast, vec![1; 2 << 20]).expect("there is room for the ballast");
    let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).expect("it opens");
    let mut acknowledged = 0;
    let error = loop {
        match store
            .txn(put(&format!("k/{acknowledged:04}"), 20_000))
            .await
        {
            Ok(TxnOutcome::Committed(_)) => acknowledged += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "4 MiB cannot hold 20 MB");
    };
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(store.get("k/0000").await.expect("reads go on").is_some());

    std::fs::remove_file(ballast).expect("space is freed");
    loop {
        match store.txn(put("after", 20_000)).await {
            Ok(_) => break,
            Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    }
    drop(store);
    let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).expect("it opens again");
    for k in 0..acknowledged {
        let entry = store.get(&format!("k/{k:04}")).await.expect("get works");
        assert!(
            entry.is_some_and(|e| e.value.len() == 20_000),
            "k/{k:04} is lost"
        );
    }
    assert!(acknowledged > 10 && store.get("after").await.expect("get works").is_some());
}
