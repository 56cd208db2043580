//! `docs/compatibility.md`: every operation of every service, as the binary itself answers it.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const PAGE: &str = "docs/compatibility.md";

/// Write the page, or with `check` fail when it is not what the binary says.
pub fn run(root: &Path, check: bool) -> Result<()> {
    // The whole workspace, as the tests build it: alone, the binary and most of what it needs would
    // be built a second time, with other features.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bins"])
        .current_dir(root)
        .status()
        .context("cannot build neargate")?;
    ensure!(built.success(), "neargate does not build");
    let binary = std::env::current_exe()?.with_file_name("neargate");
    let asked = Command::new(binary)
        .arg("operations")
        .output()
        .context("cannot run neargate")?;
    ensure!(
        asked.status.success(),
        "{}",
        String::from_utf8_lossy(&asked.stderr)
    );
    let page = render(&serde_json::from_slice(&asked.stdout)?)?;
    let path = root.join(PAGE);
    if check {
        if std::fs::read_to_string(&path).unwrap_or_default() != page {
            bail!("{PAGE} is out of date: run `cargo xtask compatibility`");
        }
        return Ok(());
    }
    std::fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))
}

fn render(operations: &Value) -> Result<String> {
    let mut services: BTreeMap<&str, Vec<(&str, &str, &str)>> = BTreeMap::new();
    for o in operations.as_array().context("a list of operations")? {
        let text = |name: &str| o[name].as_str().with_context(|| format!("no {name}"));
        let row = (text("operation")?, text("status")?, text("lacking")?);
        services.entry(text("service")?).or_default().push(row);
    }
    let mut page = String::from(
        "# Compatibility\n\n\
         Every operation of the AWS services Neargate takes on, as the binary itself answers it.\n\
         Made by `cargo xtask compatibility` from the operation tables; checked in CI. An operation\n\
         that is *not yet* built answers `NotImplemented` and names itself.\n\n\
         AWS's clients put a prefix before the host of a few operations, `stream-` for\n\
         StartLiveTail and `data-` for DiscoverInstances, and `stream-127.0.0.1` is no name.\n\
         `neargate env` tells the aws CLI and boto3 not to (`AWS_DISABLE_HOST_PREFIX_INJECTION`). Other\n\
         clients are told by `inject_host_prefix=False` (older boto3), `disableHostPrefix: true` (JavaScript),\n\
         or find `127.0.0.1 stream-127.0.0.1 data-127.0.0.1` in `/etc/hosts`.\n\n\
         | service | works | partly | not yet |\n|---|---:|---:|---:|\n",
    );
    for (service, rows) in &services {
        let count = |status: &str| rows.iter().filter(|r| r.1 == status).count();
        let (works, partly, not_yet) = (count("works"), count("partly"), count("not yet"));
        writeln!(
            page,
            "| [{service}](#{service}) | {works} | {partly} | {not_yet} |"
        )?;
    }
    for (service, rows) in &services {
        writeln!(page, "\n## {service}\n")?;
        if rows.iter().any(|r| r.1 != "not yet") {
            page.push_str("| operation | | what differs |\n|---|---|---|\n");
            for (operation, status, lacking) in rows.iter().filter(|r| r.1 != "not yet") {
                writeln!(page, "| {operation} | {status} | {lacking} |")?;
            }
            page.push('\n');
        }
        let missing: Vec<&str> = rows
            .iter()
            .filter(|r| r.1 == "not yet")
            .map(|r| r.0)
            .collect();
        if !missing.is_empty() {
            writeln!(page, "Not yet: {}.", missing.join(", "))?;
        }
    }
    Ok(page)
}
