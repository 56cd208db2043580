//! The network for real, each test in a network and mount namespace of its own: the host is
//! not touched, and whatever is left goes with the test's thread. They need root and nft.

mod isolation;
mod lifecycle;
mod place;
mod pure;
mod reach;
