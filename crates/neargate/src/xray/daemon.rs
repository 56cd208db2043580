//! `neargate xray daemon`: takes segments on UDP and brings them to the API in batches, and answers SDKs' questions
//! about sampling on TCP.
//!
//! What it holds is bounded: what comes beyond that is dropped and counted, and the API is told how much.

use super::credentials::{Api, now};
use super::packet::{self, Packet};
use super::proxy;
use anyhow::{Context, Result};
use bytes::Bytes;
use neargate_api_xray as api;
use neargate_base::backoff::Backoff;
use neargate_base::{Rng, task};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Take segments on UDP and sampling's questions on TCP, for the API that AWS_ENDPOINT_URL names.
///
/// It takes the place of AWS's X-Ray daemon beside an application in a task, with the keys of the task's role.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate xray daemon
  neargate xray daemon --bind 127.0.0.1:2000 --bind-tcp 127.0.0.1:2000")]
pub struct Daemon {
    /// Where segments come in
    #[arg(long, short, default_value = "0.0.0.0:2000", value_name = "ADDR:PORT")]
    bind: SocketAddr,
    /// Where SDKs ask about sampling
    #[arg(
        long,
        short = 't',
        default_value = "0.0.0.0:2000",
        value_name = "ADDR:PORT"
    )]
    bind_tcp: SocketAddr,
    /// The region of the API [default: AWS_REGION]
    #[arg(long, short = 'n', value_name = "REGION")]
    region: Option<String>,
    /// The most that it holds of what is not sent yet, in MiB
    #[arg(long, short = 'm', default_value_t = 16, value_name = "MIB")]
    buffer_memory: usize,
    /// Taken as AWS's daemon takes it; this one never asks for an instance's metadata
    #[arg(long, short = 'o')]
    local_mode: bool,
    /// Taken as AWS's daemon takes it; NEARGATE_LOG says what is logged
    #[arg(long, short, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// The longest datagram.
const MOST_DATAGRAM: usize = 64 << 10;
/// Segments of one call.
const BATCH: usize = 50;
/// How long a batch waits for more.
const LINGER: Duration = Duration::from_millis(250);
/// How often a batch is tried.
const TRIES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two reports of what was lost.
const TELEMETRY: Duration = Duration::from_secs(60);
/// Packets in the queue, besides the bytes that they have.
const WAITING: usize = 65_536;

/// What happened since the last report.
#[derive(Debug, Default)]
struct Counts {
    received: AtomicI32,
    sent: AtomicI32,
    spilled: AtomicI32,
    rejected: AtomicI32,
    unreachable: AtomicI32,
    refused: AtomicI32,
    failed: AtomicI32,
}

impl Counts {
    fn take(&self) -> api::TelemetryRecord {
        let take = |count: &AtomicI32| Some(count.swap(0, Ordering::Relaxed));
        api::TelemetryRecord {
            timestamp: now(),
            segments_received_count: take(&self.received),
            segments_sent_count: take(&self.sent),
            segments_spillover_count: take(&self.spilled),
            segments_rejected_count: take(&self.rejected),
            backend_connection_errors: Some(api::BackendConnectionErrors {
                http_code4_xx_count: take(&self.refused),
                http_code5_xx_count: take(&self.failed),
                other_count: take(&self.unreachable),
                ..Default::default()
            }),
        }
    }

    /// Puts back what could not be told.
    fn put_back(&self, record: &api::TelemetryRecord) {
        let errors = record.backend_connection_errors.clone().unwrap_or_default();
        for (count, value) in [
            (&self.received, record.segments_received_count),
            (&self.sent, record.segments_sent_count),
            (&self.spilled, record.segments_spillover_count),
            (&self.rejected, record.segments_rejected_count),
            (&self.refused, errors.http_code4_xx_count),
            (&self.failed, errors.http_code5_xx_count),
            (&self.unreachable, errors.other_count),
        ] {
            count.fetch_add(value.unwrap_or(0), Ordering::Relaxed);
        }
    }
}

/// What waits to be sent.
struct Queue {
    packets: mpsc::Sender<Packet>,
    /// The bytes of those that wait.
    held: Arc<AtomicUsize>,
    most: usize,
}

fn len(packet: &Packet) -> usize {
    match packet {
        Packet::Segment(text) => text.len(),
        Packet::Spans(bytes) => bytes.len(),
        Packet::Unsampled => 0,
    }
}

impl Queue {
    /// Whether there was room.
    fn push(&self, packet: Packet) -> bool {
        let bytes = len(&packet);
        if self.held.load(Ordering::Relaxed) + bytes > self.most {
            return false;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        let pushed = self.packets.try_send(packet).is_ok();
        if !pushed {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
        }
        pushed
    }
}

impl Daemon {
    /// Serves until it is ended.
    pub fn run(self) -> Result<()> {
        crate::log::start(None);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<()> {
        tracing::debug!(
            level = self.log_level.as_deref(),
            local = self.local_mode,
            "flags of AWS's daemon that change nothing here: NEARGATE_LOG says what is logged"
        );
        let api = Arc::new(Api::new(self.region)?);
        let socket = UdpSocket::bind(self.bind).await;
        let socket = socket.with_context(|| format!("cannot take segments on {}", self.bind))?;
        let listener = TcpListener::bind(self.bind_tcp).await;
        let listener = listener.with_context(|| format!("cannot be asked on {}", self.bind_tcp))?;
        tell!(
            "Segments are taken on {} (UDP), questions about sampling on {} (TCP).",
            socket.local_addr()?,
            listener.local_addr()?
        );
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let counts = Arc::new(Counts::default());
        let (packets, waiting) = mpsc::channel(WAITING);
        let held = Arc::new(AtomicUsize::new(0));
        let queue = Queue {
            packets,
            held: held.clone(),
            most: self.buffer_memory.max(1) << 20,
        };
        let sender = Sender {
            api: api.clone(),
            counts: counts.clone(),
            waiting,
            held,
            rng: Rng::from_entropy(),
        };
        let sender = task::spawn("segments-out", sender.run());
        let telemetry = task::spawn("telemetry", telemetry(api.clone(), counts.clone()));
        let questions = task::spawn("sampling", proxy::serve(listener, api.clone()));
        tokio::select! {
            () = take(&socket, &queue, &counts) => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        // What was taken is sent before it ends.
        drop(queue);
        questions.abort();
        telemetry.abort();
        let _ = tokio::time::timeout(PATIENCE, sender).await;
        report(&api, &counts).await;
        Ok(())
    }
}

async fn take(socket: &UdpSocket, queue: &Queue, counts: &Counts) {
    let mut buffer = vec![0; MOST_DATAGRAM];
    loop {
        let len = match socket.recv_from(&mut buffer).await {
            Ok((len, _)) => len,
            Err(error) => {
                tracing::warn!(%error, "a datagram could not be taken");
                continue;
            }
        };
        counts.received.fetch_add(1, Ordering::Relaxed);
        match packet::read(&buffer[..len]) {
            Some(Packet::Unsampled) => {}
            Some(packet) => {
                if !queue.push(packet) {
                    counts.spilled.fetch_add(1, Ordering::Relaxed);
                }
            }
            None => {
                counts.rejected.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Brings what waits to the API.
struct Sender {
    api: Arc<Api>,
    counts: Arc<Counts>,
    waiting: mpsc::Receiver<Packet>,
    held: Arc<AtomicUsize>,
    rng: Rng,
}

impl Sender {
    async fn run(mut self) {
        let mut packets = Vec::with_capacity(BATCH);
        loop {
            if self.waiting.recv_many(&mut packets, BATCH).await == 0 {
                return;
            }
            let more = async {
                while packets.len() < BATCH {
                    match self.waiting.recv().await {
                        Some(packet) => packets.push(packet),
                        None => break,
                    }
                }
            };
            let _ = tokio::time::timeout(LINGER, more).await;
            let bytes: usize = packets.iter().map(len).sum();
            let (mut segments, mut spans) = (Vec::new(), Vec::new());
            for packet in packets.drain(..) {
                match packet {
                    Packet::Segment(text) => segments.push(text),
                    Packet::Spans(bytes) => spans.push(bytes),
                    Packet::Unsampled => {}
                }
            }
            if !segments.is_empty() {
                self.send_segments(segments).await;
            }
            for spans in spans {
                self.send_spans(spans.into()).await;
            }
            self.held.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    async fn send_segments(&self, segments: Vec<String>) {
        let count = segments.len() as i32;
        let input = api::PutTraceSegmentsInput {
            trace_segment_documents: segments,
        };
        let input = &input;
        let put = || async move {
            let client = self.api.client().await?;
            Ok(client.rest(api::ops::PutTraceSegments, input).await?)
        };
        let Some(answer) = self.tried(put).await else {
            self.counts.rejected.fetch_add(count, Ordering::Relaxed);
            return;
        };
        let unprocessed = answer.unprocessed_trace_segments.unwrap_or_default();
        for one in &unprocessed {
            let (id, why) = (one.id.as_deref(), one.error_code.as_deref());
            tracing::warn!(id, why, "a segment was not taken");
        }
        let refused = unprocessed.len() as i32;
        self.counts.rejected.fetch_add(refused, Ordering::Relaxed);
        self.counts
            .sent
            .fetch_add(count - refused, Ordering::Relaxed);
    }

    async fn send_spans(&self, spans: Bytes) {
        let put = || {
            let spans = spans.clone();
            async move {
                let client = self.api.client().await?;
                let kind = "application/x-protobuf";
                let (status, _) = client.post("/v1/traces", kind, "xray", spans).await?;
                anyhow::ensure!(status.is_success(), "spans are answered {status}");
                Ok(())
            }
        };
        let count = match self.tried(put).await {
            Some(()) => &self.counts.sent,
            None => &self.counts.rejected,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Tries until it is done, or there is no use in it; `None`: it was given up.
    async fn tried<T, F>(&self, work: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        for _ in 0..TRIES {
            let done = tokio::time::timeout(PATIENCE, work()).await;
            let error = match done {
                Ok(Ok(done)) => return Some(done),
                Ok(Err(error)) => error,
                Err(_) => anyhow::anyhow!("the API does not answer"),
            };
            let count = match error.downcast_ref::<crate::client::ClientError>() {
                Some(crate::client::ClientError::Aws { .. }) => &self.counts.refused,
                Some(crate::client::ClientError::Nonsense { .. }) => &self.counts.failed,
                _ => &self.counts.unreachable,
            };
            count.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(error = format!("{error:#}"), "segments could not be sent");
            tokio::time::sleep(backoff.next_delay(&self.rng)).await;
        }
        None
    }
}

async fn telemetry(api: Arc<Api>, counts: Arc<Counts>) {
    loop {
        tokio::time::sleep(TELEMETRY).await;
        report(&api, &counts).await;
    }
}

async fn report(api: &Api, counts: &Counts) {
    let record = counts.take();
    let input = api::PutTelemetryRecordsInput {
        telemetry_records: vec![record.clone()],
        hostname: std::env::var("HOSTNAME").ok(),
        ..Default::default()
    };
    let told = async {
        let client = api.client().await?;
        client.rest(api::ops::PutTelemetryRecords, &input).await?;
        anyhow::Ok(())
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    if !matches!(told, Ok(Ok(()))) {
        counts.put_back(&record);
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Packet, Queue};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::mpsc;

    #[test]
    fn a_flood_is_bounded() {
        let (packets, mut waiting) = mpsc::channel(4);
        let held = Arc::new(AtomicUsize::new(0));
        let queue = Queue {
            packets,
            held: held.clone(),
            most: 100,
        };
        let of = |bytes: usize| Packet::Segment("x".repeat(bytes));
        assert!(queue.push(of(60)) && queue.push(of(40)));
        assert!(!queue.push(of(1)), "there is no room for its bytes");
        held.store(0, Ordering::Relaxed);
        assert!(queue.push(of(1)) && queue.push(of(1)));
        assert!(!queue.push(of(1)), "there is no place for it");
        assert_eq!(held.load(Ordering::Relaxed), 2);
        assert!(waiting.try_recv().is_ok());
    }

    #[test]
    fn what_could_not_be_told_is_told_later() {
        let counts = Counts::default();
        counts.spilled.store(7, Ordering::Relaxed);
        let record = counts.take();
        assert_eq!(record.segments_spillover_count, Some(7));
        counts.received.store(1, Ordering::Relaxed);
        counts.put_back(&record);
        let again = counts.take();
        assert_eq!(again.segments_spillover_count, Some(7));
        assert_eq!(again.segments_received_count, Some(1));
    }
}
