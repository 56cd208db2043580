//! The binary: command line, configuration and wiring; every role starts here.

// Its macro is for all below.
#[macro_use]
mod view;

mod allocator;
mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod environment;
mod host_pages;
mod installation;
mod log;
mod machine;
mod node;
mod operator;
mod preflight;
mod publish;
mod running;
mod slices;
mod span;
mod task_network;
mod up;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    // It forks: it must run before any thread exists.
    if std::env::args_os().nth(1).is_some_and(|a| a == "zygote") {
        let code = neargate_node::shim::zygote();
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    cli::run()
}
