//! `docs/task-definition.md`: what becomes of every field of the inputs that say what a task is, as
//! `crates/services/ecs/fields.toml` has it. The fields are the model's: one that is in no list, or in
//! two, and a test that is not there, are errors.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const LISTS: &str = "crates/services/ecs/fields.toml";
const MODEL: &str = "models/ecs.json";
const PAGE: &str = "docs/task-definition.md";
const OPERATIONS: [&str; 3] = ["RegisterTaskDefinition", "RunTask", "CreateService"];

/// A list's name in the file, the member that explains it, and what the page says of its fields.
const KINDS: [(&str, &str, &str); 4] = [
    ("acted", "test", "acted on"),
    ("stored", "why", "stored and returned"),
    ("refused", "error", "**refused**"),
    ("idle", "why", "changes nothing"),
];

/// (operation, field) to (what the page says, why).
type Said = BTreeMap<(String, String), (&'static str, String)>;

/// Write the page, or with `check` fail when it is not what the lists say.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let mut said = read(root)?;
    let model = std::fs::read_to_string(root.join(MODEL)).context(MODEL)?;
    let model: Value = serde_json::from_str(&model).context(MODEL)?;
    let mut page = String::from(HEAD);
    let mut missing = Vec::new();
    for operation in OPERATIONS {
        let input = &model["operations"][operation]["input"]["shape"];
        let input = input
            .as_str()
            .with_context(|| format!("{operation}: no input"))?;
        let mut fields = Vec::new();
        walk(&model["shapes"], input, "", &mut Vec::new(), &mut fields)?;
        writeln!(page, "\n## {operation}\n\n| field | | |\n|---|---|---|")?;
        for field in fields {
            match said.remove(&(operation.to_owned(), field.clone())) {
                Some((what, why)) => writeln!(page, "| `{field}` | {what} | {why} |")?,
                None => missing.push(format!("{operation}: {field}")),
            }
        }
    }
    ensure!(
        missing.is_empty(),
        "fields of the model that are in no list of {LISTS}:\n{}",
        missing.join("\n")
    );
    if let Some((operation, field)) = said.keys().next() {
        bail!("{LISTS}: {operation} has no field {field}");
    }
    let path = root.join(PAGE);
    if check {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        ensure!(
            found == page,
            "{PAGE} is out of date: run `cargo xtask fields`"
        );
        return Ok(());
    }
    std::fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))
}

const HEAD: &str = "\
# Fields of task definitions, tasks and services

What becomes of every field of three of ECS's inputs. Made by `cargo xtask fields` from the model of the API
and `crates/services/ecs/fields.toml`; checked in CI, so that no field is ignored unsaid. What is *acted on*
names a test that shows it, what is *refused* its error. What is refused when a task is run can be
registered, so that definitions written for AWS can be kept here.
";

fn read(root: &Path) -> Result<Said> {
    let text = std::fs::read_to_string(root.join(LISTS)).context(LISTS)?;
    let table: toml::Table = text.parse().context(LISTS)?;
    let mut said = Said::new();
    for (kind, explains, shown) in KINDS {
        let lists = table.get(kind).and_then(toml::Value::as_array);
        for list in lists.into_iter().flatten() {
            let text = |name: &str| {
                let value = list.get(name).and_then(toml::Value::as_str);
                value.with_context(|| format!("{LISTS}: a list of {kind} has no {name}"))
            };
            let (of, why) = (text("of")?, text(explains)?);
            if kind == "acted" {
                check_test(root, why)?;
            }
            let why = match kind {
                "acted" | "refused" => format!("`{why}`"),
                _ => why.to_owned(),
            };
            let fields = list.get("fields").and_then(toml::Value::as_array);
            let fields = fields.into_iter().flatten().filter_map(toml::Value::as_str);
            for field in fields {
                let before = said.insert((of.into(), field.into()), (shown, why.clone()));
                ensure!(before.is_none(), "{LISTS}: {of} has {field} twice");
            }
        }
    }
    Ok(said)
}

/// `path::name` is a test that there is.
fn check_test(root: &Path, test: &str) -> Result<()> {
    let (path, name) = test.rsplit_once("::").context("a test is path::name")?;
    let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("no {path}"))?;
    let is_there = [format!("fn {name}("), format!("def {name}(")]
        .iter()
        .any(|head| text.contains(head.as_str()));
    ensure!(is_there, "{LISTS}: there is no test {test}");
    Ok(())
}

/// The leaves of a shape, in the model's order.
fn walk(
    shapes: &Value,
    name: &str,
    path: &str,
    above: &mut Vec<String>,
    fields: &mut Vec<String>,
) -> Result<()> {
    let shape = &shapes[name];
    let of = |member: &Value| {
        let target = member["shape"].as_str().map(str::to_owned);
        target.with_context(|| format!("{name:?} of {path}: no shape"))
    };
    match shape["type"].as_str() {
        Some("structure") => {
            if above.iter().any(|shape| shape == name) {
                return Ok(());
            }
            above.push(name.to_owned());
            let members = shape["members"].as_object();
            // Whatever it holds, it is one field to the API.
            if members.is_none_or(|members| members.is_empty()) {
                fields.push(path.to_owned());
            }
            for (member, target) in members.into_iter().flatten() {
                let dot = if path.is_empty() { "" } else { "." };
                walk(
                    shapes,
                    &of(target)?,
                    &format!("{path}{dot}{member}"),
                    above,
                    fields,
                )?;
            }
            above.pop();
        }
        Some("list") => {
            walk(
                shapes,
                &of(&shape["member"])?,
                &format!("{path}[]"),
                above,
                fields,
            )?;
        }
        _ => fields.push(path.to_owned()),
    }
    Ok(())
}
