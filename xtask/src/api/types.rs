//! The Rust structures and the operations' unit structs.

use super::graph::{Graph, is_recursive};
use super::names;
use anyhow::{Result, ensure};
use neargate_wire::schema::{Kind, Member, Service, Shape, Target};
use std::collections::BTreeSet;
use std::fmt::Write;

/// `types.rs`.
pub fn types(graph: &Graph) -> Result<String> {
    let mut out = String::from(
        "//! The structures of the operations we take.\n\n\
         use bytes::Bytes;\n\
         use neargate_base::Timestamp;\n\
         use neargate_wire::structures;\n\
         use neargate_wire::value::Document;\n\
         use std::collections::BTreeMap;\n\n\
         structures! {\n",
    );
    let mut names = BTreeSet::new();
    for shape in graph.structures.values() {
        ensure!(
            names.insert(graph.type_name(shape)),
            "two types are called {}",
            graph.type_name(shape)
        );
        structure(shape, graph, &mut out)?;
    }
    out.push_str("}\n");
    Ok(out)
}

/// How a member is kept, in the words of `neargate_wire::structures`.
fn kept(of: &'static Shape, member: &Member, graph: &Graph) -> &'static str {
    if is_recursive(of, member.shape.get()) {
        "boxed"
    } else if member.required && graph.is_input(of) {
        "req"
    } else {
        "opt"
    }
}

fn structure(shape: &'static Shape, graph: &Graph, out: &mut String) -> Result<()> {
    let name = graph.type_name(shape);
    let mut lines = String::new();
    let mut seen = BTreeSet::new();
    for (at, member) in shape.members().iter().enumerate() {
        let field = names::field(member.name);
        ensure!(seen.insert(field.clone()), "{name} has two fields {field}");
        let of = rust_type(member.shape, graph);
        let kept = kept(shape, member, graph);
        writeln!(lines, "        {at} {kept} {field}: {of},")?;
    }
    let table = names::table(shape.name);
    match lines.is_empty() {
        true => writeln!(out, "    {name}: {table} {{}}")?,
        false => writeln!(out, "    {name}: {table} {{\n{lines}    }}")?,
    }
    Ok(())
}

fn rust_type(target: Target, graph: &Graph) -> String {
    match target.kind {
        Kind::Structure(_) => graph.type_name(target.get()),
        Kind::List(of) => format!("Vec<{}>", rust_type(of.shape, graph)),
        Kind::Map { value, .. } => format!("BTreeMap<String, {}>", rust_type(value.shape, graph)),
        Kind::String => "String".into(),
        Kind::Blob => "Bytes".into(),
        Kind::Boolean => "bool".into(),
        Kind::Integer => "i32".into(),
        Kind::Long => "i64".into(),
        Kind::Float => "f32".into(),
        Kind::Double => "f64".into(),
        Kind::Timestamp(_) => "Timestamp".into(),
        Kind::Document => "Document".into(),
    }
}

/// `ops.rs`.
pub fn operations(service: &'static Service, graph: &Graph) -> Result<String> {
    let mut out = String::from(
        "//! One unit struct per operation we take.\n\n\
         use super::types;\n\
         use neargate_wire::operation_structs;\n\
         use neargate_wire::structure::Unit;\n\n\
         operation_structs! {\n",
    );
    for op in service.operations.iter().filter(|op| op.taken) {
        let end = |target: Option<Target>| match target {
            Some(target) => format!("types::{}", graph.type_name(target.get())),
            None => "Unit".into(),
        };
        let (name, input, output) = (op.name, end(op.input), end(op.output));
        writeln!(out, "    {name}({input}) -> {output};")?;
    }
    out.push_str("}\n");
    let names: Vec<&str> = service
        .operations
        .iter()
        .filter(|op| op.taken)
        .map(|op| op.name)
        .collect();
    let names: Vec<String> = names.iter().map(|n| format!("$crate::ops::{n}")).collect();
    writeln!(
        out,
        "\n/// Calls the macro `$with` with all operations we take.\n#[macro_export]\n\
         macro_rules! operations {{\n($with:ident) => {{\n$with! {{ {} }}\n}};\n}}",
        names.join(", ")
    )?;
    // Operations whose shape has a name of its own, or none, have the usual names as well.
    for op in service.operations.iter().filter(|op| op.taken) {
        for (target, suffix) in [(op.input, "Input"), (op.output, "Output")] {
            let name = format!("{}{suffix}", op.name);
            match target {
                Some(t) if graph.type_name(t.get()) == name => {}
                Some(t) => {
                    writeln!(
                        out,
                        "\npub type {name} = types::{};",
                        graph.type_name(t.get())
                    )?;
                }
                None => writeln!(out, "\npub type {name} = Unit;")?,
            }
        }
    }
    Ok(out)
}
