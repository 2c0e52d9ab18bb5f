//! Admission, deaths, the loss of the hub and the giving back of memory, with real processes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by a panic"
)]

mod admission;
mod beginning;
mod deaths;
mod family;
mod group;
mod group_family;
mod leaving;
mod leaving_family;
mod loss;
mod memory;
