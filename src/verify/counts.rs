//! What a shard counts of its entries: those that end, and what each namespace has.

use super::{ShardCheck, rule};
use crate::entry::{Meta, word};
use crate::error::Result;
use crate::heap::blocks::Blocks;
use crate::heap::pages;
use crate::segment::layout::{NAMESPACES, PAGE, namespace, shard};
use crate::segment::region::Offset;
use std::collections::HashMap;

/// Namespaces that may have counts. (A model has words for as many as it uses.)
const USED: u16 = if cfg!(shm_loom) { 2 } else { NAMESPACES };

impl ShardCheck<'_> {
    /// Counts the entries of the table of values anew.
    pub(super) fn counts(&self, entries: &[Offset]) -> Result<()> {
        let mut expiring = 0;
        let mut namespaces: HashMap<u16, (u64, u64)> = HashMap::new();
        for entry in entries {
            expiring += u64::from(self.load(entry.add(word::EXPIRY))? != 0);
            let meta = Meta::from_word(self.load(entry.add(word::META))?)?;
            let mut bytes = Blocks::new(self.segment, self.number).bytes_of(*entry)?;
            if meta.in_run() {
                let page = self.load(entry.add(meta.value_offset()))?;
                bytes += pages::fact(self.segment, page)?.pages() * PAGE;
            }
            let counts = namespaces.entry(meta.namespace().number()).or_default();
            *counts = (counts.0 + 1, counts.1 + bytes);
        }
        rule(expiring == self.field(shard::EXPIRING)?, "the entries that end", self.number)?;
        for number in 1..USED {
            let (entries, bytes) = namespaces.remove(&number).unwrap_or_default();
            let Some(counts) = self.segment.layout().namespace(self.number, number) else {
                continue;
            };
            let counted = self.load(counts.add(namespace::ENTRIES))?;
            rule(counted == entries, "the entries of a namespace", counts.bytes())?;
            let counted = self.load(counts.add(namespace::BYTES_USED))?;
            rule(counted == bytes, "the bytes of a namespace", counts.bytes())?;
        }
        namespaces.remove(&0);
        rule(namespaces.is_empty(), "an entry of no namespace", self.number)
    }
}
