//! The names of load balancers on this host itself: a block of our own in `/etc/hosts`, so that
//! programs here reach them by their names without anything being configured.
//!
//! Invariant: nothing but our block is ever changed. The block of another installation is left alone.

use neargate_domain::load_balancer::LoadBalancer;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;

/// Further names of load balancers, by their own in lower case.
pub type Aliases = BTreeMap<String, Vec<String>>;

/// The file, and whose block in it is ours.
#[derive(Debug, Clone)]
pub struct HostsFile {
    path: PathBuf,
    installation: String,
}

impl HostsFile {
    pub fn new(path: PathBuf, installation: &str) -> HostsFile {
        let installation = installation.to_owned();
        HostsFile { path, installation }
    }

    /// These load balancers, and no others, have names from now on.
    pub fn name<'a>(&self, all: impl Iterator<Item = &'a LoadBalancer>, aliases: &Aliases) {
        let lines = all.map(|lb| line(lb, aliases)).collect::<String>();
        if let Err(error) = self.rewrite(&lines) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "load balancers have no names on this host");
        }
    }

    /// The block goes.
    pub fn clear(&self) {
        self.name(std::iter::empty(), &Aliases::new());
    }

    /// In place and under a lock: the file may be a mount, and other installations write it, too.
    fn rewrite(&self, lines: &str) -> io::Result<()> {
        let mut file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && lines.is_empty() => {
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&self.path)?,
            opened => opened?,
        };
        file.lock()?;
        let mut before = String::new();
        file.read_to_string(&mut before)?;
        let after = with_block(&before, &self.installation, lines);
        if after == before {
            return Ok(());
        }
        file.rewind()?;
        file.write_all(after.as_bytes())?;
        file.set_len(after.len() as u64)?;
        file.sync_data()
    }
}

fn create(path: &PathBuf) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// A node's address and the load balancer's names, for each node.
fn line(lb: &LoadBalancer, aliases: &Aliases) -> String {
    let name = lb.dns_name.to_ascii_lowercase();
    let others = aliases.get(&name).into_iter().flatten();
    let others: String = others.map(|other| format!(" {other}")).collect();
    let addresses = lb.nodes.iter().filter_map(|node| match lb.internet_facing {
        true => node.public_ipv4,
        false => Some(node.private_ipv4),
    });
    addresses.fold(String::new(), |mut lines, address| {
        let _ = writeln!(lines, "{address} {}{others}", lb.dns_name);
        lines
    })
}

/// The file with these lines as the installation's block; without a block when there are none.
fn with_block(file: &str, installation: &str, lines: &str) -> String {
    let begin = format!("# Load balancers of Neargate {installation}: this block is rewritten");
    let end = format!("# End of Neargate {installation}");
    let mut kept = String::new();
    let mut inside = false;
    // An end that is missing was cut off by somebody: then nothing after the beginning is ours.
    let whole = file.lines().any(|line| line == end);
    for line in file.split_inclusive('\n') {
        let text = line.trim_end_matches('\n');
        match text {
            _ if text == begin => inside = whole,
            _ if text == end => inside = false,
            _ if inside => {}
            _ => kept.push_str(line),
        }
    }
    if lines.is_empty() {
        return kept;
    }
    if !kept.is_empty() && !kept.ends_with('\n') {
        kept.push('\n');
    }
    format!("{kept}{begin}\n{lines}{end}\n")
}

#[cfg(test)]
mod tests {
    use super::with_block;

    const OTHERS: &str = "127.0.0.1 localhost\n\n# mine\n10.0.0.1 printer";

    #[test]
    fn a_block_is_added_replaced_and_removed_and_nothing_else_changes() {
        let one = with_block(OTHERS, "a1", "198.19.0.5 web.elb\n");
        assert!(one.starts_with(OTHERS));
        assert!(one.contains("\n198.19.0.5 web.elb\n"));
        assert_eq!(with_block(&one, "a1", "198.19.0.5 web.elb\n"), one);
        let other = with_block(&one, "a1", "198.19.0.6 web.elb\n");
        assert!(!other.contains("198.19.0.5") && other.contains("198.19.0.6"));
        assert_eq!(with_block(&other, "a1", "").trim_end(), OTHERS);
    }

    #[test]
    fn another_installations_block_is_left_alone() {
        let both = with_block(
            &with_block(OTHERS, "a1", "1.1.1.1 x\n"),
            "b2",
            "2.2.2.2 y\n",
        );
        let one = with_block(&both, "a1", "");
        assert!(!one.contains("1.1.1.1") && one.contains("2.2.2.2 y"));
    }

    #[test]
    fn a_block_without_an_end_takes_nothing_along() {
        let cut = "127.0.0.1 localhost\n# Load balancers of Neargate a1: this block is rewritten\n10.0.0.1 printer\n";
        assert!(with_block(cut, "a1", "").contains("10.0.0.1 printer"));
    }
}
