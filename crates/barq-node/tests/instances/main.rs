//! Instances as real processes, probed for real: each file is one promise of the data plane to those processes.

mod adoption;
mod life;
mod logs;
mod sizes;
mod succession;
mod support;
