//! Time storing and reading back one file as a blob, in pieces as they come from a socket.
//!
//! ```text
//! cargo run --release -p neargate-blob --example store_blob -- DIR FILE
//! ```

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use neargate_base::time::Stopwatch;
use neargate_blob::Blobs;
use std::io;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, file] = arguments.as_slice() else {
        return Err("usage: store_blob DIR FILE".into());
    };
    let bytes = Bytes::from(std::fs::read(file)?);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let blobs = Blobs::open(Path::new(dir))?;
        let length = bytes.len();
        let at = move |i: usize| bytes.slice(i * 65536..length.min((i + 1) * 65536));
        let pieces = (0..length.div_ceil(65536)).map(move |i| Ok::<_, io::Error>(at(i)));
        let mb = length as f64 / 1e6;
        let watch = Stopwatch::start();
        let mut upload = blobs.begin("timed").await?;
        upload.append(stream::iter(pieces)).await?;
        let appended = watch.elapsed().as_secs_f64();
        let stored = upload.finish(None).await?;
        let finished = watch.elapsed().as_secs_f64();
        println!(
            "stored {mb:.0} MB: {:.0} MB/s ({:.0} MB/s before syncing)",
            mb / finished,
            mb / appended
        );
        let watch = Stopwatch::start();
        let (_, mut body) = blobs.stream(&stored.digest, None).await?;
        while let Some(piece) = body.next().await {
            piece?;
        }
        println!("read: {:.0} MB/s", mb / watch.elapsed().as_secs_f64());
        Ok(())
    })
}
