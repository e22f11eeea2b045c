//! Real processes under real shims: ends, trees, adoption, output, and what a process may not do.

mod adoption;
mod confinement;
mod ends;
#[cfg(test)]
mod support;
