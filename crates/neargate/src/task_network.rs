//! The range of the task network (the default VPC): AWS's own, unless this host uses that itself.
//! It is chosen at the first start and kept in the data directory, since tasks and instances keep
//! their addresses.

use anyhow::{Context, Result, bail};
use neargate_domain::vpc::VpcRange;
use neargate_ecs as ecs;
use neargate_node::net;
use neargate_service::{House, eni, vpc};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// In the order they are tried. Docker takes 172.17.0.0/16 and those after it, home networks
/// 192.168.0.0/16; the last one is for benchmarks of networks (RFC 2544) and seldom seen.
const RANGES: [VpcRange; 7] = [
    VpcRange::of(172, 31),
    VpcRange::of(172, 30),
    VpcRange::of(172, 29),
    VpcRange::of(172, 28),
    VpcRange::of(10, 231),
    VpcRange::of(10, 232),
    VpcRange::of(198, 18),
];

fn path(data: &Path) -> PathBuf {
    data.join("vpc-cidr")
}

/// The range to use, and the one that was kept before: `None` at the first start, which keeps its
/// own.
///
/// # Errors
/// The kept one cannot be read, the chosen one not be kept, or none is free.
pub async fn range(data: &Path, wanted: Option<VpcRange>) -> Result<(VpcRange, Option<VpcRange>)> {
    let kept = kept(data)?;
    if let Some(range) = wanted.or(kept) {
        if kept.is_none() {
            keep(data, range)?;
        }
        return Ok((range, kept));
    }
    let free = net::first_free(RANGES.to_vec()).await;
    let free = free.context("cannot choose a range for the task network")?;
    let Some(range) = free else {
        let tried = RANGES.map(|r| r.to_string()).join(", ");
        bail!(
            "this host uses each of {tried}: name a /16 for the task network that it does not use \
             with --vpc-cidr"
        );
    };
    if range != VpcRange::default() {
        tell!(
            "This host uses {} itself: tasks get addresses in {range}.",
            VpcRange::default()
        );
    }
    keep(data, range)?;
    Ok((range, None))
}

/// The range that is kept, or would be chosen now; an error: none is free. `None`: it cannot be told.
pub async fn would_be(data: &Path) -> Option<Result<String, String>> {
    if let Ok(Some(range)) = kept(data) {
        return Some(Ok(range.to_string()));
    }
    match net::first_free(RANGES.to_vec()).await.ok()? {
        Some(range) => Some(Ok(range.to_string())),
        None => Some(Err("this host uses every range that is tried".into())),
    }
}

/// What the directory has kept. One from before ranges could be chosen has AWS's.
fn kept(data: &Path) -> Result<Option<VpcRange>> {
    let path = path(data);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let range: Result<VpcRange, _> = text.trim().parse();
            Ok(Some(
                range.with_context(|| format!("in {}", path.display()))?,
            ))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let is_old = data.join("state.redb").exists();
            Ok(is_old.then(VpcRange::default))
        }
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Takes another range than the one that was kept.
///
/// # Errors
/// Somebody has an address of that one, or a host joined with it: none is told of another.
pub async fn change(data: &Path, kept: VpcRange, range: VpcRange, house: &House) -> Result<()> {
    if eni::any(house).await? {
        bail!(
            "tasks or instances have addresses in {kept}, the range of the task network until now: \
             start without --vpc-cidr, stop and remove them, and then choose {range}"
        );
    }
    if ecs::have_joined(house).await? {
        bail!(
            "other hosts have joined with {kept}, the range of the task network until now, and keep \
             it: start without --vpc-cidr, remove each with `neargate node rm`, choose {range}, and \
             join them anew"
        );
    }
    vpc::move_default_vpcs(house, range).await?;
    keep(data, range)
}

fn keep(data: &Path, range: VpcRange) -> Result<()> {
    let path = path(data);
    let written = tempfile::NamedTempFile::new_in(data).and_then(|mut file| {
        writeln!(file, "{range}")?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        std::fs::File::open(data)?.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}
