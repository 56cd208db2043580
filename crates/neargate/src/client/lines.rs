//! An answer that is read line by line while it comes.

use super::{Client, ClientError, OWN_PAGES};
use bytes::{Buf, Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// A line longer than this ends the reading: no event comes near it.
const MAX_LINE_BYTES: usize = 16 << 20;

/// The lines of one answer.
#[derive(Debug)]
pub struct Lines {
    endpoint: String,
    body: Incoming,
    read: BytesMut,
}

impl Client {
    /// One of Neargate's own pages that answers in lines.
    ///
    /// # Errors
    /// As [`Client::page`].
    pub async fn lines(&self, path: &str) -> Result<Lines, ClientError> {
        let request = Request::get(format!("{}{path}", self.endpoint));
        let answer = self.open(request, OWN_PAGES, String::new()).await?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer).await);
        }
        Ok(Lines {
            endpoint: self.endpoint.clone(),
            body: answer.into_body(),
            read: BytesMut::new(),
        })
    }

    async fn refusal(&self, answer: Response<Incoming>) -> ClientError {
        let status = answer.status();
        match answer.into_body().collect().await {
            Ok(body) => ClientError::read(&self.endpoint, status, &body.to_bytes()),
            Err(error) => self.unreachable(&error),
        }
    }
}

impl Lines {
    /// The next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(end) = self.read.iter().position(|b| *b == b'\n') {
                let line = self.read.split_to(end).freeze();
                self.read.advance(1);
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.read.len() > MAX_LINE_BYTES {
                return Err(self.broken("a line without end"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.read.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(self.broken(&super::innermost(&error))),
            }
        }
    }

    fn broken(&self, why: &str) -> ClientError {
        ClientError::Unreachable {
            endpoint: self.endpoint.clone(),
            why: why.to_owned(),
        }
    }
}
