//! Log files of load balancers that are whole go to their buckets, as AWS's log delivery brings them
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
//!
//! The edge writes each below the directory, named as in the bucket. A file leaves the directory once its
//! bucket has it; one that the bucket refuses is tried again for a day.

use neargate_api_s3::{PutObjectInput, ops};
use neargate_base::{Timestamp, task};
use neargate_control::ControlPlane;
use neargate_service::deliver::Sender;
use neargate_service::{Caller, House, Scope};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Between two looks for files; each holds five minutes.
const LOOK: Duration = Duration::from_secs(5);
/// Between two attempts at files whose bucket refused one.
const AGAIN: Duration = Duration::from_secs(60);
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Brings files to their buckets until the future is dropped.
pub(super) async fn deliver(control_plane: Arc<ControlPlane>, dir: PathBuf) {
    let house = &control_plane.house;
    loop {
        let below = dir.clone();
        let files = task::spawn_blocking(move || finished(&below)).await;
        let mut refused = false;
        for file in files.unwrap_or_default() {
            if let Err(error) = put(house, &dir, &file).await {
                refused = true;
                tracing::info!(file = %file.display(), %error, "a load balancer's log waits for its bucket");
                forget_old(&file, house.now());
            }
        }
        tokio::time::sleep(if refused { AGAIN } else { LOOK }).await;
    }
}

/// All files below the directory that are whole: those that grow are in a directory whose name is hidden.
fn finished(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_hidden => dirs.push(entry.path()),
                Ok(kind) if kind.is_file() && !is_hidden => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

async fn put(house: &Arc<House>, dir: &Path, file: &Path) -> anyhow::Result<()> {
    let Some(to) = Address::of(dir, file) else {
        anyhow::bail!("this is no name of a log");
    };
    let input = PutObjectInput {
        bucket: to.bucket,
        key: to.key,
        content_type: Some("application/x-gzip".into()),
        body: Some(tokio::fs::read(file).await?.into()),
        ..Default::default()
    };
    let sender = Sender {
        service: "logdelivery.elasticloadbalancing.amazonaws.com",
        source_arn: to.load_balancer_arn,
        source_account: to.scope.account.to_string(),
    };
    Caller::deliver::<ops::PutObject>(house, &to.scope, &sender, &input).await?;
    tokio::fs::remove_file(file).await?;
    remove_empty(dir, file);
    Ok(())
}

/// Directories of days that are over go.
fn remove_empty(dir: &Path, file: &Path) {
    let mut empty = file.parent();
    while let Some(parent) = empty.filter(|parent| *parent != dir) {
        if fs::remove_dir(parent).is_err() {
            return;
        }
        empty = parent.parent();
    }
}

fn forget_old(file: &Path, now: Timestamp) {
    let written = fs::metadata(file).and_then(|about| about.modified());
    let since = written
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let millis = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    if let Some(millis) = millis
        && now.since(Timestamp::from_millis(millis)) > KEPT
        && fs::remove_file(file).is_ok()
    {
        tracing::warn!(file = %file.display(), "a load balancer's log is dropped: its bucket refused it for a day");
    }
}

/// What the place of a file says.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    scope: Scope,
    bucket: String,
    key: String,
    load_balancer_arn: String,
}

impl Address {
    /// `BUCKET/PREFIX/AWSLogs/ACCOUNT/elasticloadbalancing/REGION/…/[KIND]ACCOUNT_elasticloadbalancing_REGION_app.NAME.ID_…`
    fn of(dir: &Path, file: &Path) -> Option<Address> {
        let (bucket, key) = file.strip_prefix(dir).ok()?.to_str()?.split_once('/')?;
        let (_, name) = key.rsplit_once('/')?;
        let (before, after) = name.split_once("_elasticloadbalancing_")?;
        let account = before.rsplit('.').next()?;
        let mut parts = after.split('_');
        let (region, id) = (parts.next()?, parts.next()?.replacen('.', "/", 2));
        let scope = Scope {
            account: account.parse().ok()?,
            region: region.parse().ok()?,
        };
        Some(Address {
            load_balancer_arn: scope.arn("elasticloadbalancing", format!("loadbalancer/{id}")),
            scope,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_where_it_goes() {
        let dir = Path::new("/data/load-balancer-logs");
        for kind in ["", "conn_log."] {
            let key = format!(
                "a/b/AWSLogs/123456789012/elasticloadbalancing/us-east-1/2014/02/14/{kind}\
                 123456789012_elasticloadbalancing_us-east-1_app.web.50dc6c495c0c9188_20140214T2340Z_\
                 172.160.1.192_20sg8hgm.log.gz"
            );
            let to = Address::of(dir, &dir.join("logs").join(&key)).expect("an address");
            assert_eq!((to.bucket.as_str(), &to.key), ("logs", &key));
            assert_eq!(
                to.load_balancer_arn,
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
            );
        }
        assert_eq!(Address::of(dir, &dir.join("logs/else")), None);
    }
}
