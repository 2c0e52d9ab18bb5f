//! Giving memory back to the system that the segment has not used for a while.
//!
//! A stretch is some neighbouring pieces that are free and still have memory. It is given back, in
//! parts, once it was seen in the same place several times in a row: at [`QUIET`] looks, a second
//! apart, if nobody took pages meanwhile, at [`BUSY`] if somebody did, for a program that sets
//! large values again and again needs the memory again at once. Only so much goes at a tick, and none
//! while free pages are scarce: a part that is being given back is nobody's for a moment.

use crate::error::Result;
use crate::heap::pages;
use crate::heap::stretches::{self, Stretch};
use crate::segment::Segment;
use crate::segment::layout::{PAGE, domain, header};
use crate::segment::members::MemberId;
use crate::sync::Ordering;
use std::collections::HashMap;

/// Shorter stretches stay: the next values will want them.
const SHORTEST: u64 = 64;
/// Pages given back in one go, and at one tick.
const PART: u64 = (4 << 20) / PAGE;
const PER_TICK: u64 = (64 << 20) / PAGE;
/// Looks that a stretch must have been seen at.
const QUIET: u32 = 2;
const BUSY: u32 = 8;

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Trim {
    seen: HashMap<Stretch, u32>,
    sequence: u64,
}

impl Trim {
    /// Looks, and gives back what has been free for long enough, for as long as `may_go_on`. Gives
    /// the bytes that it gave back.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`], [`crate::error::Error::Busy`],
    /// [`crate::error::Error::System`].
    pub(super) fn tick(
        &mut self,
        segment: &Segment,
        me: MemberId,
        may_go_on: impl Fn() -> bool,
    ) -> Result<u64> {
        // After an error it begins anew, and does not try the same at once.
        let seen_before = std::mem::take(&mut self.seen);
        let sequence = takings(segment)?;
        let needed = if sequence == self.sequence { QUIET } else { BUSY };
        let found = stretches::find(segment, SHORTEST)?;
        let is_scarce = found.free < segment.layout().pages / 4;
        let mut seen = HashMap::with_capacity(found.stretches.len());
        let most = if is_scarce { 0 } else { PER_TICK };
        let mut left = most;
        for stretch in found.stretches {
            let looks = seen_before.get(&stretch).map_or(1, |looks| looks + 1);
            let given = if looks < needed || left < SHORTEST || !may_go_on() {
                0
            } else {
                give_back(segment, me, stretch, left)?
            };
            left -= given.min(left);
            if given < stretch.pages {
                // The rest was free for just as long.
                let rest = Stretch { page: stretch.page + given, pages: stretch.pages - given };
                seen.insert(rest, looks);
            }
        }
        self.seen = seen;
        self.sequence = takings(segment)?;
        Ok((most - left) * PAGE)
    }
}

/// Gives back at most `most` pages from the beginning of a stretch.
fn give_back(segment: &Segment, me: MemberId, stretch: Stretch, most: u64) -> Result<u64> {
    let part = PART.min(segment.layout().pages / 16);
    let mut given = 0;
    while given < stretch.pages.min(most) {
        let pages = (stretch.pages - given).min(part);
        if !pages::give_back_memory(segment, me, stretch.page + given, pages)? {
            break;
        }
        given += pages;
    }
    Ok(given)
}

/// A number that changes when somebody takes pages.
fn takings(segment: &Segment) -> Result<u64> {
    let sequence = header::PAGES_DOMAIN.add(domain::SEQUENCE);
    // Relaxed: it only tells busy times from quiet ones.
    segment.region().load(sequence, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Tag, Value};
    use crate::os::process::ProcessId;
    use crate::segment::members;
    use crate::store::{self, Store};
    use crate::verify::verify;
    use std::sync::Arc;

    const MIB: usize = 1 << 20;

    fn new_store(maximum: u64) -> Store {
        let segment = store::create(maximum).unwrap();
        let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0);
        Store::new(Arc::new(segment), me.unwrap())
    }

    fn set(store: &Store, key: &str, length: usize) {
        let bytes = vec![1; length];
        let key = store.key(key.as_bytes(), false).unwrap();
        store.set(&key, &Value::bytes(Tag::Buffer, &bytes)).unwrap();
    }

    fn remove(store: &Store, key: &str) {
        let key = store.key(key.as_bytes(), false).unwrap();
        assert!(store.remove(&key).unwrap());
    }

    fn tick(trim: &mut Trim, store: &Store) -> u64 {
        trim.tick(store.segment(), store.member(), || true).unwrap()
    }

    #[test]
    fn memory_goes_back_at_the_second_quiet_look() {
        let store = new_store(256 << 20);
        let mut trim = Trim::default();
        set(&store, "large", 10 * MIB);
        assert_eq!(tick(&mut trim, &store), 0);
        remove(&store, "large");
        let free = pages::free_pages(store.segment()).unwrap();
        assert_eq!(tick(&mut trim, &store), 0, "the first look");
        assert_eq!(tick(&mut trim, &store), 10 << 20);
        assert_eq!(tick(&mut trim, &store), 0, "there is no more");
        assert_eq!(pages::free_pages(store.segment()).unwrap(), free);
        verify(store.segment()).unwrap();
        set(&store, "large", 10 * MIB);
        verify(store.segment()).unwrap();
    }

    #[test]
    fn many_small_pieces_are_one_stretch() {
        let store = new_store(256 << 20);
        for number in 0..2000 {
            set(&store, &number.to_string(), 9000);
        }
        let mut trim = Trim::default();
        for number in 0..2000 {
            remove(&store, &number.to_string());
        }
        let given: u64 = (0..200).map(|_| tick(&mut trim, &store)).sum();
        assert!(given >= 2000 * 12288 * 9 / 10, "{given}");
        verify(store.segment()).unwrap();
    }

    #[test]
    fn it_waits_longer_while_pages_are_taken() {
        let store = new_store(256 << 20);
        let mut trim = Trim::default();
        set(&store, "large", 10 * MIB);
        set(&store, "other", MIB);
        remove(&store, "large");
        let mut looks = 1;
        while tick(&mut trim, &store) == 0 {
            set(&store, "other", MIB);
            looks += 1;
        }
        assert!(looks >= BUSY, "{looks}");
        verify(store.segment()).unwrap();
    }

    #[test]
    fn nothing_goes_back_while_pages_are_scarce_or_others_wait() {
        let store = new_store(64 << 20);
        for number in 0..7 {
            set(&store, &number.to_string(), 7 * MIB);
        }
        set(&store, "more", 4 * MIB);
        let mut trim = Trim::default();
        remove(&store, "3");
        for _ in 0..4 {
            assert_eq!(tick(&mut trim, &store), 0, "scarce");
        }
        for number in 0..3 {
            remove(&store, &number.to_string());
        }
        for _ in 0..4 {
            let given = trim.tick(store.segment(), store.member(), || false);
            assert_eq!(given.unwrap(), 0, "others wait");
        }
        assert!(tick(&mut trim, &store) >= 21 << 20);
        verify(store.segment()).unwrap();
    }
}
