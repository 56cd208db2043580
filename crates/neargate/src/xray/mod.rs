//! `neargate xray`: what stands in for AWS's X-Ray daemon, and an image of it.

mod credentials;
mod daemon;
mod image;
mod packet;
mod proxy;

use anyhow::Result;

/// Run what AWS's X-Ray daemon is, or make an image of it.
#[derive(Debug, clap::Args)]
pub struct XRay {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Daemon(daemon::Daemon),
    Image(image::Image),
}

impl XRay {
    pub fn run(self) -> Result<()> {
        match self.what {
            What::Daemon(daemon) => daemon.run(),
            What::Image(image) => image.run(),
        }
    }
}
