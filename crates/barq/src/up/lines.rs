//! The lines to the children, by process: `up.sock` enters them, whoever keeps a child takes its own.
//!
//! It must not know what is said.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::line::{Order, Said};

/// Words that wait to be heard; a child says fewer in its life.
const WORDS_MAX: usize = 16;

/// `up`'s end of a line.
#[derive(Debug)]
pub(super) struct Line {
    orders: mpsc::Sender<Order>,
    said: mpsc::Receiver<Said>,
}

/// The other end of [`Line`]: what carries the words.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) said: mpsc::Sender<Said>,
}

/// All lines that nobody has taken yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Switchboard {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<HashMap<u32, Line>>,
    entered: Notify,
}

impl Switchboard {
    /// A process has connected. Its id can't be another's: it runs, and its end is an end of this line.
    pub(super) fn enter(&self, process: u32) -> Carrier {
        let (orders, ordered) = mpsc::channel(WORDS_MAX);
        let (say, said) = mpsc::channel(WORDS_MAX);
        // What a process of the same id left is replaced.
        self.lines().insert(process, Line { orders, said });
        self.shared.entered.notify_waiters();
        Carrier {
            orders: ordered,
            said: say,
        }
    }

    /// The connection has ended.
    pub(super) fn leave(&self, process: u32) {
        let mut lines = self.lines();
        if lines
            .get(&process)
            .is_some_and(|line| line.orders.is_closed())
        {
            lines.remove(&process);
        }
    }

    /// A process's line, once it has connected.
    pub(super) async fn of(&self, process: u32) -> Line {
        loop {
            let entered = self.shared.entered.notified();
            tokio::pin!(entered);
            // From here on no entry is missed.
            entered.as_mut().enable();
            if let Some(line) = self.lines().remove(&process) {
                return line;
            }
            entered.await;
        }
    }

    /// Whoever took a line has no use for it now.
    pub(super) fn give_back(&self, process: Option<u32>, line: Line) {
        if let Some(process) = process
            && !line.orders.is_closed()
        {
            self.lines().insert(process, line);
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<u32, Line>> {
        let lines = self.shared.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Tells the child. False: it is gone.
    pub(super) async fn tell(&self, order: Order) -> bool {
        self.orders.send(order).await.is_ok()
    }

    /// What the child says next; none: it is gone.
    pub(super) async fn hear(&mut self) -> Option<Said> {
        self.said.recv().await
    }
}
