//! The operating system behind small contracts: one file per thing, one place per platform.

pub mod fd;
pub mod mapping;
pub mod process;
