//! JUnit's XML: suites, however deep, of test cases.

use super::{Case, ERROR, FAILED, SKIPPED, SUCCEEDED, message, nanos};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const MAX_CASES: usize = 100_000;

pub fn read(bytes: &[u8]) -> Result<Vec<Case>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the report is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text);
    let mut cases = Vec::new();
    let mut suites: Vec<String> = Vec::new();
    let mut open: Option<Case> = None;
    // The text of a failure without a message.
    let mut said: Option<String> = None;
    let mut any = false;
    loop {
        let event = reader
            .read_event()
            .map_err(|e| format!("the report is no XML: {e}"))?;
        match event {
            Event::Start(tag) => {
                any = true;
                begin(&tag, &mut suites, &mut open, &mut said);
            }
            Event::Empty(tag) => {
                any = true;
                begin(&tag, &mut suites, &mut open, &mut said);
                end(
                    tag.name().as_ref(),
                    &mut suites,
                    &mut open,
                    &mut said,
                    &mut cases,
                );
            }
            Event::End(tag) => {
                end(
                    tag.name().as_ref(),
                    &mut suites,
                    &mut open,
                    &mut said,
                    &mut cases,
                );
            }
            Event::Text(text) => {
                if let Some(said) = &mut said {
                    said.push_str(&text.xml10_content());
                }
            }
            Event::CData(text) => {
                if let Some(said) = &mut said {
                    said.push_str(&text.xml10_content());
                }
            }
            Event::Eof if any => return Ok(cases),
            Event::Eof => return Err("the report is empty".to_owned()),
            _ => {}
        }
        if cases.len() > MAX_CASES {
            return Err(format!("the report has more than {MAX_CASES} cases"));
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().flatten();
    let mut found = found.filter(|a| a.key.as_ref() == name);
    let value = found.next()?;
    let value = value
        .normalized_value(quick_xml::XmlVersion::Implicit1_0)
        .ok()?;
    Some(value.into_owned())
}

fn begin(
    tag: &BytesStart<'_>,
    suites: &mut Vec<String>,
    open: &mut Option<Case>,
    said: &mut Option<String>,
) {
    let text = |name: &str| attribute(tag, name).unwrap_or_default();
    match tag.name().as_ref() {
        "testsuite" => suites.push(text("name")),
        "testcase" => {
            *open = Some(Case {
                suite: suites.last().cloned().unwrap_or_default(),
                prefix: text("classname"),
                name: text("name"),
                status: SUCCEEDED,
                nanos: nanos(&text("time")),
                message: String::new(),
            });
        }
        kind @ ("failure" | "error" | "skipped") => {
            if let Some(case) = open {
                case.status = match kind {
                    "failure" => FAILED,
                    "error" => ERROR,
                    _ => SKIPPED,
                };
                case.message = message(&text("message"));
                *said = Some(String::new());
            }
        }
        _ => {}
    }
}

fn end(
    name: &str,
    suites: &mut Vec<String>,
    open: &mut Option<Case>,
    said: &mut Option<String>,
    cases: &mut Vec<Case>,
) {
    match name {
        "testsuite" => {
            suites.pop();
        }
        "testcase" => cases.extend(open.take()),
        "failure" | "error" | "skipped" => {
            let said = said.take().unwrap_or_default();
            if let Some(case) = open
                && case.message.is_empty()
            {
                case.message = message(&said);
            }
        }
        _ => {}
    }
}
