//! What JavaScript is to hear of, one thing at a time, once its wake thread has told it to look.

use super::Member;
use crate::error::Result;
use crate::locks::Ticket;
use crate::shard::Scratch;
use crate::wake;
use crate::watches;

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
                self.granted.extend(self.locks.granted(news)?);
                self.watches.note(news);
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

    /// Whatever has been told or not, the next look is at everything: who told may have died.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] never, for the slot was good when it was taken.
    pub fn look_everywhere(&self) -> Result<()> {
        wake::note_all(self.store.segment(), self.id())
    }
}
