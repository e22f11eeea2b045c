//! Verifying the journal: what an auditor may rely on, and where exactly it ends.
//!
//! Walks the chain from the first event asked for up to the head and names the first event that is not what was appended there. A removed,
//! inserted or reordered event shows as a gap or as an event whose code does not fit its place. What the chain alone cannot show (a
//! database put back to an earlier state, or altered by somebody who has the key) shows against heads that were recorded outside.

use super::error::StorageError;
use super::event::{Head, Recorded, Sequence};
use super::read::{EventFilter, PAGE_ITEMS_MAX};
use super::{HeadRow, Journal, read_head};

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The first event that was checked.
    pub from: Sequence,
    /// The last one that holds: the journal's head where there is no fault.
    pub through: Head,
    /// How many of the heads recorded outside were found as recorded.
    pub outside_heads: usize,
    /// The first fault, where there is one.
    pub fault: Option<ChainFault>,
}

/// The first thing that is not as it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {sequence} {fault}")]
pub struct ChainFault {
    /// Where.
    pub sequence: Sequence,
    /// What.
    pub fault: Fault,
}

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There are later events, but not this one.
    #[error("is missing: it was removed")]
    Missing,
    /// Its code does not fit its content, its place and its predecessor.
    #[error("is not the one that was appended here: it was altered, inserted or moved")]
    Altered,
    /// The head says that it exists, and neither it nor any after it is there.
    #[error("is missing, and all after it: the end of the journal was cut off")]
    Truncated,
    /// It stands behind the head.
    #[error("stands behind the head of the journal: it was added, or the head was put back")]
    BehindHead,
    /// The head row does not verify, or holds another code than the newest event.
    #[error(
        "is not what the head of the journal says: the head was altered, or the key is another"
    )]
    HeadAltered,
    /// A head recorded outside has another code, or is of an event that is not there.
    #[error(
        "is not the one recorded outside: the journal was rewritten or put back to an earlier state"
    )]
    DiffersFromOutside,
}

impl Journal {
    /// Verifies the events from `from` (0 or 1: all) to the head, the head itself, and that the heads recorded `outside` are still part of
    /// the journal; an earlier outside head makes it begin there. Events that are appended meanwhile may be left out. The code of the
    /// event before the first is taken as it stands.
    ///
    /// # Errors
    /// Only where the database fails; what is wrong with the chain is in the report.
    pub async fn verify(
        &self,
        from: Sequence,
        outside: &[Head],
    ) -> Result<VerifyReport, StorageError> {
        let mut outside: Vec<Head> = outside
            .iter()
            .filter(|head| head.sequence > 0)
            .copied()
            .collect();
        outside.sort_by_key(|head| head.sequence);
        let from = outside
            .first()
            .map_or(from, |first| from.min(first.sequence))
            .max(1);
        let mut walk = Walk {
            journal: self,
            at: Head::EMPTY,
            outside,
            outside_met: 0,
        };
        let fault = match walk.anchor(from).await? {
            Some(fault) => Some(fault),
            None => walk.run().await?,
        };
        Ok(VerifyReport {
            from,
            through: walk.at,
            outside_heads: walk.outside_met,
            fault,
        })
    }
}

/// One walk along the chain. A step answers the first fault, or none.
struct Walk<'journal> {
    journal: &'journal Journal,
    /// The last event that holds.
    at: Head,
    /// Sorted; those before `outside_met` were met as recorded.
    outside: Vec<Head>,
    outside_met: usize,
}

type Step = Result<Option<ChainFault>, StorageError>;

impl Walk<'_> {
    /// Takes the code of the event before the first one.
    async fn anchor(&mut self, from: Sequence) -> Step {
        if from == 1 {
            return Ok(None);
        }
        let before = self
            .journal
            .read_each(&EventFilter::default(), from - 2, 1)
            .await?;
        match before.into_iter().next() {
            Some((sequence, Ok(recorded))) if sequence == from - 1 => {
                self.at = Head::from(&recorded);
            }
            Some((sequence, Err(_))) if sequence == from - 1 => {
                return fault(from - 1, Fault::Altered);
            }
            Some(_) => return fault(from - 1, Fault::Missing),
            // The journal ends before; what that means is said by its head and the outside heads.
            None => {
                let end = read_head(&self.journal.shared.database).await?.head;
                self.at = end;
                if end.sequence >= from - 1 {
                    return fault(from - 1, Fault::Truncated);
                }
            }
        }
        Ok(None)
    }

    async fn run(&mut self) -> Step {
        let start = read_head(&self.journal.shared.database).await?;
        if let Some(found) = self.up_to(start.head.sequence).await? {
            return Ok(Some(found));
        }
        // Only now are head and events compared, in one state of the database; what came meanwhile is walked too.
        let end = read_head(&self.journal.shared.database).await?;
        if let Some(found) = self.up_to(end.head.sequence).await? {
            return Ok(Some(found));
        }
        self.head(&end)
    }

    async fn up_to(&mut self, last: Sequence) -> Step {
        while self.at.sequence < last {
            let page = self.page().await?;
            if page.is_empty() {
                return fault(self.at.sequence + 1, Fault::Truncated);
            }
            for (sequence, recorded) in page {
                if self.at.sequence == last {
                    break;
                }
                if let Err(found) = self.event(sequence, recorded) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    async fn page(&self) -> Result<Vec<(Sequence, Result<Recorded, StorageError>)>, StorageError> {
        let filter = EventFilter::default();
        self.journal
            .read_each(&filter, self.at.sequence, PAGE_ITEMS_MAX)
            .await
    }

    /// Steps onto the event where it is the next one and holds.
    fn event(
        &mut self,
        sequence: Sequence,
        recorded: Result<Recorded, StorageError>,
    ) -> Result<(), ChainFault> {
        let next = self.at.sequence + 1;
        let at_next = |fault| ChainFault {
            sequence: next,
            fault,
        };
        if sequence != next {
            return Err(at_next(Fault::Missing));
        }
        // A row that cannot even be read was not written by the journal.
        let recorded = recorded.map_err(|_| at_next(Fault::Altered))?;
        if !self.journal.shared.key.holds(self.at.mac, &recorded) {
            return Err(at_next(Fault::Altered));
        }
        while let Some(outside) = self
            .outside
            .get(self.outside_met)
            .filter(|outside| outside.sequence == next)
        {
            if outside.mac != recorded.mac {
                return Err(at_next(Fault::DiffersFromOutside));
            }
            self.outside_met += 1;
        }
        self.at = Head::from(&recorded);
        Ok(())
    }

    /// All events up to the head hold; does the head, and is it the end?
    fn head(&self, row: &HeadRow) -> Step {
        let key = &self.journal.shared.key;
        if self.at != row.head || key.seal(row.head) != row.seal {
            return fault(row.head.sequence, Fault::HeadAltered);
        }
        if row
            .events_newest
            .is_some_and(|newest| newest > row.head.sequence)
        {
            return fault(row.head.sequence + 1, Fault::BehindHead);
        }
        match self.outside.get(self.outside_met) {
            Some(outside) => fault(outside.sequence, Fault::DiffersFromOutside),
            None => Ok(None),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the answer of a step")]
fn fault(sequence: Sequence, fault: Fault) -> Step {
    Ok(Some(ChainFault { sequence, fault }))
}
