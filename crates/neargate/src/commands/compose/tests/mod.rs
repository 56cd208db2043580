//! Files of the kind that people have, read and made into templates.

mod files;
mod forms;

use super::interpolate::Variables;
use super::model::Project;
use super::read::{Surroundings, project};
use super::{dotenv, fields, template};
use crate::commands::yaml::parse_with_anchors;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Reads a file whose surroundings have these variables and these files of variables.
fn read_with(
    text: &str,
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
    profiles: &[&str],
) -> Result<Project, Vec<String>> {
    let variable = |name: &str| {
        let mut all = variables.iter();
        all.find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    };
    let env_file = |name: &str| {
        let mut all = files.iter();
        let text = all.find(|(n, _)| *n == name).map(|(_, text)| *text);
        text.map(|text| dotenv::read(text, &mut Variables::new(&variable)))
            .transpose()
    };
    let said = |all: Vec<_>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let root = parse_with_anchors(text).map_err(|e| vec![e.to_string()])?;
    let mut refused = Vec::new();
    let root = fields::interpolated(&root, &mut Variables::new(&variable), &mut refused);
    if !refused.is_empty() {
        return Err(said(refused));
    }
    let around = Surroundings {
        name: "shop".into(),
        chosen_name: None,
        profiles: profiles
            .iter()
            .map(|p| (*p).to_owned())
            .collect::<BTreeSet<_>>(),
        variable: &variable,
        env_file: &env_file,
    };
    project(&root, &around).map_err(said)
}

fn read(text: &str) -> Result<Project, Vec<String>> {
    read_with(text, &[], &[], &[])
}

/// The template of a file that must be mapped.
fn made(text: &str) -> Value {
    made_of(&read(text).unwrap_or_else(|why| panic!("{why:#?}")))
}

fn made_of(project: &Project) -> Value {
    let named = |(name, service): (&String, &super::model::Service)| {
        let image = service
            .image
            .clone()
            .unwrap_or_else(|| format!("built/{name}"));
        (name.clone(), image)
    };
    let images: BTreeMap<String, String> = project.services.iter().map(named).collect();
    template::template(project, &images).expect("a template")
}

/// The one thing that is wrong with a file.
fn refused(text: &str) -> String {
    let why = read(text).expect_err("refused");
    assert_eq!(why.len(), 1, "{why:#?}");
    why[0].clone()
}

fn resource<'a>(template: &'a Value, id: &str) -> &'a Value {
    let found = &template["Resources"][id]["Properties"];
    assert!(!found.is_null(), "{id} is not among {:?}", ids(template));
    found
}

fn ids(template: &Value) -> Vec<&String> {
    let all = template["Resources"].as_object().expect("resources");
    all.keys().collect()
}

fn container<'a>(template: &'a Value, task: &str, name: &str) -> &'a Value {
    let all = &resource(template, task)["ContainerDefinitions"];
    let mut all = all.as_array().expect("containers").iter();
    all.find(|c| c["Name"] == name).expect("the container")
}

fn waits(template: &Value, id: &str) -> Vec<String> {
    let all = template["Resources"][id]["DependsOn"]
        .as_array()
        .expect("waits");
    let all = all.iter().filter_map(Value::as_str);
    all.filter(|id| id.starts_with("Service"))
        .map(str::to_owned)
        .collect()
}
