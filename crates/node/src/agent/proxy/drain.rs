//! A proxy that is to end: it says so to whoever watches its health, takes no new connections, and ends what
//! it has under way, as App Mesh's image has it.

use super::{bootstrap, is_own_check, is_proxy};
use crate::net;
use neargate_base::Clock;
use neargate_domain::{Assignment, ContainerSpec};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// App Mesh's `LISTENER_DRAIN_WAIT_TIME_S`, when it is not given.
const WAIT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_secs(1);
const LONGEST_ANSWER_BYTES: u64 = 256 << 10;

/// After a task is asked to stop, whoever reaches it by Service Connect is told, and looks elsewhere.
const TOLD: Duration = Duration::from_millis(500);
/// What else of its time a container has for its own end.
const OWN_SECS: u64 = 5;

/// What a container's end has to do with a proxy.
#[derive(Debug)]
pub struct Ending {
    proxy: ContainerSpec,
    /// It is the proxy's own.
    is_own: bool,
    limit: Duration,
}

impl Ending {
    /// `None`: nothing.
    pub fn of(task: &Assignment, i: usize) -> Option<Ending> {
        let spec = &task.containers[i];
        let is_own = is_proxy(spec);
        let proxy = match is_own {
            true => spec,
            // Those that wait for a proxy of Service Connect to be there.
            false => task.containers.iter().find(|other| {
                let mut on = spec.depends_on.iter();
                let own_check = other.health_check.as_ref().is_some_and(is_own_check);
                own_check && on.any(|(name, _)| *name == other.name)
            })?,
        };
        let limit = u64::from(spec.stop_timeout_secs).saturating_sub(OWN_SECS);
        Some(Ending {
            proxy: proxy.clone(),
            is_own,
            limit: WAIT.min(Duration::from_secs(limit)),
        })
    }

    /// Returns when nothing is under way any more, or when it has been waited for long enough. A proxy takes
    /// no new connections meanwhile.
    pub async fn wait(self, clock: &dyn Clock, netns: &Path) {
        let Ok(port) = bootstrap::admin_port(&self.proxy) else {
            return;
        };
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let until = clock.now() + self.limit;
        if self.is_own {
            for path in ["/healthcheck/fail", "/drain_listeners?graceful"] {
                // One that does not answer has nothing to drain.
                if ask(netns, at, "POST", path).await.is_err() {
                    return;
                }
            }
        } else {
            tokio::time::sleep(TOLD.min(self.limit)).await;
        }
        while clock.now() < until {
            let stats = "/stats?filter=downstream_rq_active$";
            match ask(netns, at, "GET", stats).await {
                Ok(text) if under_way(&text) > 0 => tokio::time::sleep(LOOK).await,
                _ => return,
            }
        }
    }
}

/// Has it all that it needs to work?
pub async fn is_ready(netns: &Path, spec: &ContainerSpec) -> bool {
    let Ok(port) = bootstrap::admin_port(spec) else {
        return false;
    };
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answer = ask(netns, at, "GET", "/ready").await;
    answer.is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
}

/// Requests, but for this one.
fn under_way(stats: &str) -> u64 {
    let counted = stats.lines().filter_map(|line| line.split_once(": "));
    let of_others = counted.filter(|(name, _)| {
        name.ends_with("downstream_rq_active") && !name.starts_with("http.admin.")
    });
    of_others
        .filter_map(|(_, n)| n.trim().parse::<u64>().ok())
        .sum()
}

async fn ask(netns: &Path, at: SocketAddr, method: &str, path: &str) -> io::Result<String> {
    let asked = async {
        let mut stream = net::dial_tcp(Some(netns), at).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut text = Vec::new();
        stream
            .take(LONGEST_ANSWER_BYTES)
            .read_to_end(&mut text)
            .await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let answered = tokio::time::timeout(ANSWER, asked).await;
    answered.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests {
    use super::under_way;

    #[test]
    fn its_own_administration_is_not_under_way() {
        let stats = "http.admin.downstream_rq_active: 1\r\nhttp.egress.downstream_rq_active: 2\r\n\
                     http.egress.downstream_rq_total: 7\r\nhttp.ingress.downstream_rq_active: 1";
        assert_eq!(under_way(stats), 3);
    }
}
