//! The file that holds all state: opened, made at the very first start, and never by mistake made
//! anew beside what an earlier start left, since every task that it does not know is stopped.

use neargate_base::Clock;
use neargate_store::embedded::Options;
use neargate_store::{EmbeddedStore, StoreError};
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NAME: &str = "state.redb";
/// Made right after the state's file: where it is, there was state.
const LATER: &str = "blobs";
/// Held on the disk for state alone, so that tasks can be stopped on a full one.
const AHEAD_BYTES: u64 = 16 << 20;

/// Why there is no state to go on with.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "{path} is {how}, but images and logs of an earlier start lie beside it: put a copy of it \
         back; or go on without it by `neargate up --new-state`: that stops the tasks it knew, \
         and forgets everything else"
    )]
    Lost { path: PathBuf, how: &'static str },
    #[error(
        "cannot read the state: put a copy of it back; or go on without it by `neargate up \
         --new-state`: that sets it aside, stops the tasks it knew, and forgets everything else"
    )]
    Damaged(#[source] StoreError),
    #[error("cannot open the store under {path}")]
    Store { path: PathBuf, source: StoreError },
    #[error(
        "{path} has format {found}, and this Neargate reads {known}: a newer one has written it. \
         Install that version again, or restore a backup that this one made"
    )]
    Newer {
        path: PathBuf,
        found: u64,
        known: u64,
    },
    #[error("cannot set {path} aside")]
    Aside { path: PathBuf, source: io::Error },
}

/// Open the state under `data`. `anew`: when it is lost or damaged, begin with none.
pub fn open(
    data: &Path,
    clock: Arc<dyn Clock>,
    anew: bool,
) -> Result<Arc<EmbeddedStore>, StateError> {
    let path = data.join(NAME);
    let how = match fs::metadata(&path) {
        Ok(file) if file.len() > 0 => None,
        Ok(_) => Some("empty"),
        Err(_) => Some("missing"),
    };
    // Whatever a file says that an interrupted first start left, there never was state.
    let anew = anew || !data.join(LATER).exists();
    if let Some(how) = how.filter(|_| !anew) {
        return Err(StateError::Lost { path, how });
    }
    let options = || Options::default().hold_ahead(AHEAD_BYTES);
    let open = || EmbeddedStore::open_with(&path, clock.clone(), options());
    let opened = match open() {
        Err(StoreError::Corrupt(why)) if anew => {
            let aside = free_name(&path);
            tracing::warn!(why, aside = %aside.display(), "the state is set aside");
            fs::rename(&path, &aside).map_err(|source| StateError::Aside {
                path: path.clone(),
                source,
            })?;
            open()
        }
        Err(StoreError::OtherFormat { found, known }) => {
            return Err(StateError::Newer { path, found, known });
        }
        Err(damaged @ StoreError::Corrupt(_)) => return Err(StateError::Damaged(damaged)),
        opened => opened,
    };
    opened.map_err(|source| StateError::Store { path, source })
}

/// Where nothing lies yet that was set aside.
fn free_name(path: &Path) -> PathBuf {
    let aside = path.with_extension("redb.damaged");
    let numbered = (2..).map(|n| path.with_extension(format!("redb.damaged-{n}")));
    let mut names = iter::once(aside).chain(numbered);
    let free = names.find(|name| fs::symlink_metadata(name).is_err());
    free.expect("there is always another number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_base::time::SystemClock;
    use neargate_store::{Op, Store, Txn};

    fn open(data: &Path, anew: bool) -> Result<Arc<EmbeddedStore>, StateError> {
        super::open(data, Arc::new(SystemClock), anew)
    }

    async fn write(store: &dyn Store) {
        let put = Op::Put {
            key: "k".into(),
            value: "v".into(),
            lease: None,
        };
        let txn = Txn {
            ops: vec![put],
            ..Default::default()
        };
        store.txn(txn).await.unwrap();
    }

    #[tokio::test]
    async fn a_first_start_needs_nothing() {
        let data = tempfile::tempdir().unwrap();
        write(&*open(data.path(), false).unwrap()).await;
        std::fs::create_dir(data.path().join(LATER)).unwrap();
        // The option harms no whole state.
        for anew in [false, true] {
            let store = open(data.path(), anew).unwrap();
            assert!(store.get("k").await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn lost_or_damaged_state_is_never_replaced_unasked() {
        let ways: [fn(&Path); 4] = [
            |path| std::fs::remove_file(path).unwrap(),
            |path| std::fs::write(path, "").unwrap(),
            |path| std::fs::write(path, "x".repeat(10_000)).unwrap(),
            |path| {
                let whole = std::fs::read(path).unwrap();
                std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
            },
        ];
        for spoil in ways {
            let data = tempfile::tempdir().unwrap();
            write(&*open(data.path(), false).unwrap()).await;
            std::fs::create_dir(data.path().join(LATER)).unwrap();
            spoil(&data.path().join(NAME));
            let before = std::fs::read(data.path().join(NAME)).ok();
            let refused = open(data.path(), false).unwrap_err();
            assert!(refused.to_string().contains("--new-state"), "{refused}");
            assert_eq!(
                std::fs::read(data.path().join(NAME)).ok(),
                before,
                "untouched"
            );
            let store = open(data.path(), true).unwrap();
            assert!(store.get("k").await.unwrap().is_none());
        }
    }

    /// A start that ended before it had written anything is no loss. The file is sized first, and
    /// its first bytes are written last.
    #[tokio::test]
    async fn an_interrupted_first_start_is_begun_again() {
        for left in [vec![], vec![0; 1 << 20], b"half".repeat(1000)] {
            let data = tempfile::tempdir().unwrap();
            std::fs::write(data.path().join(NAME), left).unwrap();
            write(&*open(data.path(), false).unwrap()).await;
            std::fs::create_dir(data.path().join(LATER)).unwrap();
            let store = open(data.path(), false).unwrap();
            assert!(store.get("k").await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn what_was_set_aside_stays() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join(LATER)).unwrap();
        let names = ["damaged", "damaged-2", "damaged-3"];
        for name in names {
            std::fs::write(data.path().join(NAME), name.repeat(1000)).unwrap();
            open(data.path(), true).unwrap();
        }
        for name in names {
            let aside = data.path().join(format!("{NAME}.{name}"));
            assert_eq!(std::fs::read(aside).unwrap(), name.repeat(1000).as_bytes());
        }
    }
}
