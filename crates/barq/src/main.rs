//! The barq binary.

fn main() {}
