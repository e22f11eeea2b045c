//! Memory for what is on its way, lent by the thread to connections that have something on their way: a connection that is
//! idle holds none. Most messages fit a small block; one that fills it gets a large one. It must not know what the bytes are.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// Bytes that are read into first.
const SMALL_BYTES: usize = 8 * 1024;
/// Bytes that are read into once that was full: a whole head fits, and a body goes through in few calls.
const LARGE_BYTES: usize = 128 * 1024;
/// Small blocks and vectors kept for the next borrower; more are given back to the system.
const SMALL_KEPT_MAX: usize = 1024;
/// Large ones.
const LARGE_KEPT_MAX: usize = 64;
/// A vector that has grown beyond this is not lent again.
const VECTOR_BYTES_MAX: usize = 32 * 1024;

/// A thread's spare memory.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    small: RefCell<Vec<Box<[u8]>>>,
    large: RefCell<Vec<Box<[u8]>>>,
    vectors: RefCell<Vec<Vec<u8>>>,
}

/// What was read and not yet consumed.
#[derive(Debug)]
pub(super) struct Input {
    buffers: Rc<Buffers>,
    block: Box<[u8]>,
    start: usize,
    end: usize,
    was_filled: bool,
}

/// A vector that is given back.
#[derive(Debug)]
pub(super) struct Lent {
    buffers: Rc<Buffers>,
    vector: Vec<u8>,
}

impl Buffers {
    fn lend(&self, is_large: bool) -> Box<[u8]> {
        let (kept, bytes) = match is_large {
            true => (&self.large, LARGE_BYTES),
            false => (&self.small, SMALL_BYTES),
        };
        let kept = kept.borrow_mut().pop();
        kept.unwrap_or_else(|| vec![0; bytes].into_boxed_slice())
    }

    fn take_back(&self, block: Box<[u8]>) {
        let (kept, most) = match block.len() {
            0 => return,
            SMALL_BYTES => (&self.small, SMALL_KEPT_MAX),
            _ => (&self.large, LARGE_KEPT_MAX),
        };
        let mut kept = kept.borrow_mut();
        if kept.len() < most {
            kept.push(block);
        }
    }
}

impl Input {
    pub(super) fn new(buffers: &Rc<Buffers>) -> Self {
        Self {
            buffers: Rc::clone(buffers),
            block: Box::default(),
            start: 0,
            end: 0,
            was_filled: false,
        }
    }

    /// What is there.
    pub(super) fn data(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// Drops the first `count` bytes of it.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Whether all room was used the last time: then there is more, most likely.
    pub(super) fn was_filled(&self) -> bool {
        self.was_filled
    }

    /// Room behind what is there; empty when a whole large block is there.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let is_small = self.block.len() < LARGE_BYTES;
        if self.block.is_empty() {
            self.block = self.buffers.lend(false);
        } else if self.was_filled && is_small {
            let mut large = self.buffers.lend(true);
            let left = self.end - self.start;
            large[..left].copy_from_slice(self.data());
            (self.start, self.end) = (0, left);
            self.buffers
                .take_back(std::mem::replace(&mut self.block, large));
        } else if self.end == self.block.len() && self.start > 0 {
            self.block.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.block[self.end..]
    }

    /// So many bytes were written into the room.
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
        self.was_filled = self.end == self.block.len();
    }

    /// Gives the block back if nothing is there.
    pub(super) fn rest(&mut self) {
        if self.start == self.end {
            self.buffers.take_back(std::mem::take(&mut self.block));
            (self.start, self.end) = (0, 0);
            self.was_filled = false;
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.buffers.take_back(std::mem::take(&mut self.block));
    }
}

impl Lent {
    /// An empty vector, without memory until it is written to.
    pub(super) fn new(buffers: &Rc<Buffers>) -> Self {
        Self {
            buffers: Rc::clone(buffers),
            vector: Vec::new(),
        }
    }

    /// Gives the memory back.
    pub(super) fn rest(&mut self) {
        let mut vector = std::mem::take(&mut self.vector);
        let mut kept = self.buffers.vectors.borrow_mut();
        if (1..=VECTOR_BYTES_MAX).contains(&vector.capacity()) && kept.len() < SMALL_KEPT_MAX {
            vector.clear();
            kept.push(vector);
        }
    }
}

impl Deref for Lent {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.vector
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        if self.vector.capacity() == 0
            && let Some(vector) = self.buffers.vectors.borrow_mut().pop()
        {
            self.vector = vector;
        }
        &mut self.vector
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.rest();
    }
}
