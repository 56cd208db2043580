//! The binary: command line, configuration and wiring; every role starts here.

mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod environment;
mod host_pages;
mod instance;
mod machine;
mod node;
mod operator;
mod preflight;
mod slices;
mod span;
mod up;
mod upstream;
mod view;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The shim forks: it must run before any thread exists.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|a| a == "shim") {
        let Some(dir) = args.next() else {
            eprintln!("usage: neargate shim DIR (started by the node, not by hand)");
            return ExitCode::from(2);
        };
        let code = neargate_node::shim::main(dir.as_ref());
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    cli::run()
}
