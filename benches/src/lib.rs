//! How fast Throughline is: what the benches, the targets and the instruction counts share.
//!
//! Every figure stands beside a *floor*, the least that the work could cost, and beside *peers*,
//! what others would use for it, measured in the same run: machines and hours differ by more than
//! most designs do, ratios in one run do not. The README beside this crate's manifest has the
//! commands and the results.
#![deny(unsafe_code)]

pub mod allocations;
pub mod batches;
pub mod events;
pub mod floors;
pub mod heads;
pub mod load;
pub mod machine;
pub mod peers;
pub mod phases;
pub mod proxies;
pub mod rounds;
pub mod socket;
pub mod trails;
