//! A watch that misses nothing: it goes on where it fell behind.

use neargate_service::Db;
use neargate_store::{Batch, Revision, StoreError, Watch};

/// Every change under a prefix.
pub struct Follow {
    db: Db,
    prefix: String,
    watch: Box<dyn Watch>,
}

impl Follow {
    /// What comes after now.
    pub async fn start(db: &Db, prefix: &str) -> Follow {
        let watch = db.store().watch(prefix, None).await.expect("watched");
        Follow {
            db: db.clone(),
            prefix: prefix.to_owned(),
            watch,
        }
    }

    pub async fn next(&mut self) -> Batch {
        loop {
            match self.watch.next().await {
                Ok(batch) => return batch,
                Err(StoreError::Lagged { resume_from }) => self.again(resume_from).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn again(&mut self, from: Revision) {
        let watch = self.db.store().watch(&self.prefix, Some(from)).await;
        self.watch = watch.expect("its history is there");
    }
}
