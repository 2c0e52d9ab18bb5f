//! Long free stretches of the page area that have memory: what can be given back to the system.

use crate::error::Result;
use crate::heap::fact::Fact;
use crate::heap::pages::fact;
use crate::segment::Segment;

/// Neighbouring pieces that are free and have memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The first page.
    pub page: u64,
    /// The length of all pieces together.
    pub pages: u64,
}

/// What [`find`] has found.
#[derive(Debug, Clone, Default)]
pub struct Stretches {
    /// Those that are long enough.
    pub stretches: Vec<Stretch>,
    /// All free pages of the area, with memory or without.
    pub free: u64,
}

/// Looks for free pieces that have memory and are, with their neighbours, `shortest` pages long.
/// Looks without a latch, as [`crate::heap::pages::free_pages`] does.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if a fact is damaged.
pub fn find(segment: &Segment, shortest: u64) -> Result<Stretches> {
    let mut found = Stretches::default();
    let mut page = 0;
    let mut pages = 0;
    while page < segment.layout().pages {
        let fact = fact(segment, page)?;
        let has_memory = matches!(fact, Fact::Free { backed: true, .. } | Fact::Leaving { .. });
        if has_memory || matches!(fact, Fact::Free { .. }) {
            found.free += fact.pages();
        }
        let length = fact.pages().max(1);
        if has_memory {
            pages += length;
        } else {
            found.keep(page - pages, pages, shortest);
            pages = 0;
        }
        page += length;
    }
    found.keep(page - pages, pages, shortest);
    Ok(found)
}

impl Stretches {
    fn keep(&mut self, page: u64, pages: u64, shortest: u64) {
        if pages >= shortest {
            self.stretches.push(Stretch { page, pages });
        }
    }
}
