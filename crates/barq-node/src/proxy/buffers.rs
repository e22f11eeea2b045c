//! Memory for what is on its way, lent by the thread to connections that have something on their way: a connection that is
//! idle holds none. It must not know what the bytes are.

use std::cell::RefCell;

/// Bytes of a block that is read into: a whole head fits, and a body goes through in few calls.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;
/// A vector that has grown beyond this is not lent again.
const VECTOR_BYTES_MAX: usize = 128 * 1024;
/// Blocks and vectors kept for the next borrower; more are given back to the system.
const KEPT_MAX: usize = 256;

/// A thread's spare memory.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    blocks: RefCell<Vec<Box<[u8]>>>,
    vectors: RefCell<Vec<Vec<u8>>>,
}

/// What was read and not yet consumed.
#[derive(Debug, Default)]
pub(super) struct Input {
    block: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffers {
    /// An empty vector.
    pub(super) fn vector(&self) -> Vec<u8> {
        self.vectors.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a vector back.
    pub(super) fn keep_vector(&self, mut vector: Vec<u8>) {
        let mut kept = self.vectors.borrow_mut();
        if (1..=VECTOR_BYTES_MAX).contains(&vector.capacity()) && kept.len() < KEPT_MAX {
            vector.clear();
            kept.push(vector);
        }
    }

    fn block(&self) -> Box<[u8]> {
        let kept = self.blocks.borrow_mut().pop();
        kept.unwrap_or_else(|| vec![0; BLOCK_BYTES].into_boxed_slice())
    }

    fn keep_block(&self, block: Box<[u8]>) {
        let mut kept = self.blocks.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(block);
        }
    }
}

impl Input {
    /// What is there.
    pub(super) fn data(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// Drops the first `count` bytes of it.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room behind what is there; empty when a whole block is there.
    pub(super) fn room(&mut self, buffers: &Buffers) -> &mut [u8] {
        if self.block.is_empty() {
            self.block = buffers.block();
        }
        if self.end == self.block.len() && self.start > 0 {
            self.block.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.block[self.end..]
    }

    /// So many bytes were written into the room.
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Gives the block back if nothing is there.
    pub(super) fn rest(&mut self, buffers: &Buffers) {
        if self.start == self.end && !self.block.is_empty() {
            buffers.keep_block(std::mem::take(&mut self.block));
            (self.start, self.end) = (0, 0);
        }
    }
}
