//! The edge's process alone, as `benches/balancers.py` measures it.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments = std::env::args_os().skip(1);
    std::process::exit(neargate_edge::process::main(arguments));
}
