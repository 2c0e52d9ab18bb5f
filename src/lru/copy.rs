//! A value on its way out of the cache: in a block it is copied under the latch, in a run after it.

use crate::error::{Error, Result};
use crate::heap::hazard;
use crate::segment::Segment;
use crate::segment::members::MemberId;
use crate::shard::{Glance, Read, Run, Scratch, Shard};
use crate::table::Found;

/// A value of which only what a run holds is still to be copied.
#[derive(Debug)]
pub(super) struct Copying<'s> {
    read: Read,
    run: Option<Protected<'s>>,
}

/// A run that nobody reuses for as long as this lives.
#[derive(Debug)]
struct Protected<'s> {
    segment: &'s Segment,
    me: MemberId,
    run: Run,
}

impl<'s> Copying<'s> {
    /// Begins under the latch: nothing can happen to the entry between a look at it and this.
    #[inline]
    pub(super) fn begin(
        shard: Shard<'s>,
        me: MemberId,
        found: &Found,
        scratch: &mut Scratch,
    ) -> Result<Self> {
        let segment = shard.segment;
        let mut read = Read { tag: found.meta.tag(), ..Read::NOTHING };
        if found.meta.in_run() {
            let run = shard.run_of(segment.region(), found)?;
            hazard::protect(segment, me, run.page)?;
            return Ok(Self { read, run: Some(Protected { segment, me, run }) });
        }
        match shard.read_value(segment.region(), found, 0, scratch, &mut read, 0)? {
            Glance::Value => Ok(Self { read, run: None }),
            _ => {
                Err(Error::corrupted("an entry that changes under its latch", found.entry.bytes()))
            }
        }
    }

    /// Ends without it.
    #[inline]
    pub(super) fn finish(mut self, shard: Shard<'_>, scratch: &mut Scratch) -> Result<Read> {
        if let Some(protected) = &self.run {
            shard.copy_run(protected.run, scratch)?;
            self.read.length = usize::try_from(protected.run.length).unwrap_or(0);
        }
        Ok(self.read)
    }
}

impl Drop for Protected<'_> {
    fn drop(&mut self) {
        if !crate::fault::is_dead() {
            // The slot was there when the run was protected.
            let _ = hazard::unprotect(self.segment, self.me);
        }
    }
}
