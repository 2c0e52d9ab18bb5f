//! What JavaScript is to hear of, one thing at a time, once its wake thread has told it to look.

use super::Member;
use crate::error::Result;
use crate::locks::Ticket;
use crate::repair;
use crate::segment::members::{self, MemberId};
use crate::shard::Scratch;
use crate::wake;
use crate::watches;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// So many looks for one look at the holders of locks.
const LOOKS_AT_HOLDERS: u32 = 10;

/// Something for JavaScript.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News {
    /// A request for a lock has been granted.
    Granted {
        /// The request.
        ticket: Ticket,
        /// Whether the last holder died and did not let go of the lock.
        abandoned: bool,
    },
    /// A watched key has changed.
    Watch(watches::News),
}

impl Member {
    /// The next thing to hear of; a value's bytes are in the scratch. `None`: there is no more, and
    /// the wake thread tells when there is.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`]; [`crate::error::Error::OutOfMemory`] if this process has
    /// no room for a value: that one is passed over.
    pub fn next_news(&mut self, scratch: &mut Scratch) -> Result<Option<News>> {
        let me = self.id();
        loop {
            if let Some((ticket, abandoned)) = self.granted.pop_front() {
                return Ok(Some(News::Granted { ticket, abandoned }));
            }
            if let Some(news) = self.watches.next(scratch)? {
                return Ok(Some(News::Watch(news)));
            }
            let segment = self.store.segment();
            let news = wake::take_news(segment, me)?;
            if news != 0 {
                self.watches.note(news);
                self.granted.extend(self.locks.granted(news)?);
                continue;
            }
            // After the look at the news: what comes from here on is told again.
            let reasons = wake::settle_member(segment, me)?;
            if reasons == 0 {
                return Ok(None);
            }
            if reasons & wake::REPAIRED != 0 {
                wake::note_all(segment, me)?;
            }
        }
    }

    /// Whether another member has to measure what is put into the cache. One that is dead measures
    /// nothing, and what it has left is mended.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`].
    pub fn is_cache_measured(&self) -> Result<bool> {
        let segment = self.store.segment();
        match self.lru.measurer()? {
            None => Ok(false),
            Some(measurer) => {
                let is_dead = members::is_dead(segment.region(), segment.layout(), measurer)?;
                if is_dead {
                    self.mend(measurer)?;
                }
                Ok(!is_dead)
            }
        }
    }

    /// Whatever has been told or not, the next look is at everything: who should have told may have
    /// died, or be stopped. Now and then, the holders of the locks that this member waits for are
    /// looked at as well: if one is dead, and there is no hub to see to it, this member does.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`]. That something cannot be mended now is none.
    pub fn look_everywhere(&mut self) -> Result<()> {
        let segment = Arc::clone(self.store.segment());
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_AT_HOLDERS) && self.locks.is_waiting() {
            let holders: HashSet<_> = self.locks.holders()?.into_iter().collect();
            for holder in holders {
                if members::is_dead(segment.region(), segment.layout(), holder)? {
                    self.mend(holder)?;
                }
            }
        }
        wake::note_all(&segment, self.id())
    }

    /// Mends what a dead member has left, if that needs no waiting: this is JavaScript's thread.
    fn mend(&self, dead: MemberId) -> Result<()> {
        let segment = self.store.segment();
        if repair::mend_within(segment, self.id(), dead, Duration::ZERO).is_ok() {
            wake::rouse_all(segment, wake::REPAIRED)?;
        }
        Ok(())
    }
}
