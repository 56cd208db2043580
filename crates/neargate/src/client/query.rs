//! The query protocol, as CloudFormation speaks it: a form goes there, an XML document comes back.

use super::{Client, ClientError};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::Reader;
use quick_xml::events::Event;

/// An element of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    name: String,
    pub text: String,
    children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The members of a list.
    pub fn members(&self, name: &str) -> impl Iterator<Item = &Element> {
        let list = self.child(name).into_iter();
        list.flat_map(|list| list.children.iter().filter(|child| child.name == "member"))
    }
}

impl Client {
    /// One operation of a service that speaks the query protocol: what is in its `…Result`.
    ///
    /// # Errors
    /// [`ClientError`]: the service's own error, or why there is no answer.
    pub async fn query(
        &self,
        service: (&str, &str),
        action: &str,
        input: &[(String, String)],
    ) -> Result<Element, ClientError> {
        let (signing_name, version) = service;
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in input {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            body.push_str(&format!("&{name}={value}"));
        }
        let request = Request::post(format!("{}/", self.endpoint))
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = self.open(request, signing_name, body).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|e| self.unreachable(&e))?.to_bytes();
        let root = String::from_utf8(body.to_vec()).ok();
        let root = root.and_then(|text| parse(&text));
        let Some(root) = root else {
            return Err(self.nonsense(&format!("status {status}")));
        };
        if status == StatusCode::OK {
            let result = root.child(&format!("{action}Result"));
            return Ok(result.cloned().unwrap_or_default());
        }
        let error = root.child("Error");
        let of = |name: &str| error.and_then(|e| e.text_of(name)).unwrap_or_default();
        Err(ClientError::Aws {
            code: of("Code").to_owned(),
            message: of("Message").to_owned(),
        })
    }
}

/// The root element of a document.
fn parse(text: &str) -> Option<Element> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => open.push(Element {
                name: tag.local_name().as_ref().to_owned(),
                ..Element::default()
            }),
            Event::Empty(tag) => {
                let element = Element {
                    name: tag.local_name().as_ref().to_owned(),
                    ..Element::default()
                };
                open.last_mut()?.children.push(element);
            }
            Event::End(_) => {
                let ended = open.pop()?;
                open.last_mut()?.children.push(ended);
            }
            Event::Text(text) => open.last_mut()?.text.push_str(&text),
            Event::CData(text) => open.last_mut()?.text.push_str(&text),
            Event::GeneralRef(name) => {
                let name: &str = &name;
                let resolved = match name.strip_prefix('#') {
                    Some(number) => char::from_u32(match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    })?
                    .to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(name)?.to_owned(),
                };
                open.last_mut()?.text.push_str(&resolved);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    open.pop()?.children.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_read() {
        let text = "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><S><A>1 &amp; &#60;2</A><L>\
                    <member><N>a</N></member><member><N>b</N></member></L><E/></S></R>";
        let root = parse(text).expect("well-formed");
        let s = root.child("S").expect("there");
        assert_eq!(s.text_of("A"), Some("1 & <2"));
        let names: Vec<_> = s.members("L").filter_map(|m| m.text_of("N")).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(s.text_of("E"), Some(""));
        assert_eq!(parse("<R><S></R>"), None);
    }
}
