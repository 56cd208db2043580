//! The SMTP server that takes our mails (RFC 5321, 3207, 4954): it is the operator's, and is believed
//! nothing. What it says is bounded, and so is how long it may take.

mod connection;

use connection::Connection;
use neargate_base::Secret;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How TLS begins with a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// With the connection, as on port 465.
    AtOnce,
    /// By STARTTLS, which the relay must offer.
    Demanded,
    /// By STARTTLS where the relay offers it.
    Offered,
}

/// Where mails go, and as whom.
#[derive(Debug, Clone)]
pub struct Relay {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub user: Option<(String, Secret<String>)>,
    /// Whom we trust to be the relay.
    pub trust: Arc<ClientConfig>,
    pub times: Times,
}

/// How long the relay may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub connect: Duration,
    /// For each of its words, and to take each part of a mail.
    pub word: Duration,
    /// For all of a mail.
    pub mail: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            connect: Duration::from_secs(30),
            word: Duration::from_secs(120),
            mail: Duration::from_secs(15 * 60),
        }
    }
}

/// What became of a mail for one of its recipients, in the relay's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Taken(String),
    /// For good.
    Refused(String),
    Later(String),
}

/// Why nothing was delivered.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot connect to {0}: {1}")]
    Connect(String, std::io::Error),
    #[error("{0} did not answer in time")]
    Late(String),
    #[error("the relay's connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the relay does not speak SMTP: {0:?}")]
    Nonsense(String),
    #[error("the relay says more than it may")]
    Endless,
    #[error("the relay offers no STARTTLS")]
    NoTls,
    #[error("the relay spoke before TLS began")]
    Injected,
    #[error("{0:?} is no name of a host")]
    Name(String),
    #[error("the relay takes no user and password: {0}")]
    NoAuth(String),
    #[error("{0}")]
    Said(String),
}

impl Relay {
    /// `host:port`
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Hands a mail over. An outcome for each recipient, in their order.
    pub async fn deliver(&self, sender: &str, recipients: &[String], raw: &[u8]) -> Vec<Outcome> {
        let all = timeout(self.times.mail, self.converse(sender, recipients, raw));
        let all = all
            .await
            .unwrap_or_else(|_| Err(Failure::Late(self.place())));
        all.unwrap_or_else(|failure| {
            let later = Outcome::Later(failure.to_string());
            vec![later; recipients.len()]
        })
    }

    async fn converse(
        &self,
        sender: &str,
        recipients: &[String],
        raw: &[u8],
    ) -> Result<Vec<Outcome>, Failure> {
        let mut connection = self.open().await?;
        let is_ascii = |text: &str| text.is_ascii();
        let all_ascii = is_ascii(sender) && recipients.iter().all(|r| is_ascii(r));
        let mut extra = String::new();
        if connection.offers("SIZE") {
            extra = format!(" SIZE={}", raw.len());
        }
        if !all_ascii {
            if !connection.offers("SMTPUTF8") {
                let said = "553 5.6.7 The relay takes ASCII addresses only.".to_owned();
                return Ok(vec![Outcome::Refused(said); recipients.len()]);
            }
            extra += " SMTPUTF8";
        }
        if !raw.is_ascii() && connection.offers("8BITMIME") {
            extra += " BODY=8BITMIME";
        }
        let reply = connection
            .ask(&format!("MAIL FROM:<{sender}>{extra}"))
            .await?;
        if !reply.is_good() {
            return Ok(vec![reply.refusal(); recipients.len()]);
        }
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        for recipient in recipients {
            let reply = connection.ask(&format!("RCPT TO:<{recipient}>")).await?;
            outcomes.push((!reply.is_good()).then(|| reply.refusal()));
        }
        if outcomes.iter().all(Option::is_some) {
            connection.quit().await;
            return Ok(outcomes.into_iter().flatten().collect());
        }
        let reply = connection.ask("DATA").await?;
        let last = match reply.code {
            354 => match connection.data(raw).await? {
                reply if reply.is_good() => Outcome::Taken(reply.text),
                reply => reply.refusal(),
            },
            // A relay that took a recipient and no mail may not have taken anything.
            _ => reply.refusal(),
        };
        connection.quit().await;
        let outcomes = outcomes
            .into_iter()
            .map(|o| o.unwrap_or_else(|| last.clone()));
        Ok(outcomes.collect())
    }

    /// A connection on which a mail can be handed over.
    async fn open(&self) -> Result<Connection, Failure> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(self.times.connect, connecting).await;
        let stream = stream
            .map_err(|_| Failure::Late(self.place()))?
            .map_err(|e| Failure::Connect(self.place(), e))?;
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(self.host.clone());
        let name = name.map_err(|_| Failure::Name(self.host.clone()))?;
        let connector = TlsConnector::from(self.trust.clone());
        let word = self.times.word;
        let mut connection = match self.tls {
            Tls::AtOnce => {
                Connection::over_tls(connector.clone(), name.clone(), stream, word).await?
            }
            Tls::Demanded | Tls::Offered => Connection::plain(stream, word),
        };
        connection.greeting().await?;
        connection.hello().await?;
        if self.tls != Tls::AtOnce {
            match connection.offers("STARTTLS") {
                true => {
                    connection.ask("STARTTLS").await?.good()?;
                    connection = connection.start_tls(connector, name).await?;
                    connection.hello().await?;
                }
                false if self.tls == Tls::Demanded => return Err(Failure::NoTls),
                false => {}
            }
        }
        if let Some((user, password)) = &self.user {
            connection.authenticate(user, password).await?;
        }
        Ok(connection)
    }
}
