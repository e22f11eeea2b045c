//! Commands for those who change barq.

fn main() {}
